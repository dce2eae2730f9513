"""Numbers from the wire: what cannot be one is unknown, and unknown is None."""

from __future__ import annotations

import math
from typing import Any


def known_figure(value: Any) -> Any:
    """A figure from the wire; what cannot be one (negative, no number, true or false) is unknown."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def whole_count(value: Any) -> int | None:
    """A count from the wire; what cannot be one is unknown."""
    if type(value) is int:
        return value if value >= 0 else None
    number = known_figure(value)
    return int(number) if number is not None and number.is_integer() else None
