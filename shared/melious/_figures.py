"""Numbers from outside: what cannot be a figure is unknown, and unknown is None."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from numbers import Real
from typing import Any


def known_figure(value: Any) -> float | None:
    """A finite number of at least zero, also from text; None for anything else, True and False included."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def known_amount(value: Any) -> Decimal | None:
    """An exact amount of at least zero, from text or a number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | Real):
        return None
    try:
        amount = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    return None if known_figure(amount) is None else amount


def whole_count(value: Any) -> int | None:
    """A whole number of at least zero; None for anything else."""
    if type(value) is int:
        return value if value >= 0 else None
    number = known_figure(value)
    return int(number) if number is not None and number.is_integer() else None
