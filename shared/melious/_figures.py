"""Numbers, read from outside and shown to people; an unknown one is None, shown as a dash."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from numbers import Real
from typing import Any

UNREPORTED = "—"


def known_figure(value: Any) -> float | None:
    """A finite number of at least zero, also from text; None for anything else, and for bools."""
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


def figure(value: float | None, factor: float = 1.0) -> str:
    """A figure with three significant digits; a dash if it was not reported."""
    if value is None:
        return UNREPORTED
    value *= factor
    if value == 0:
        return "0"
    if value < 0.001:  # noqa: PLR2004
        return "<0.001"
    for bound, decimals in ((1, 3), (10, 2), (100, 1)):
        if round(value, decimals) < bound:
            return f"{value:.{decimals}f}"
    return f"{value:,.0f}"


def tokens(count: int | None) -> str:
    """A number of tokens, in full up to 100,000; a dash if none was reported."""
    if count is None:
        return UNREPORTED
    for bound, factor, letter in ((100_000, 1, ""), (10_000_000, 1e3, "k"), (10_000_000_000, 1e6, "M")):
        if count < bound:
            return f"{count / factor:,.0f}{letter}"
    return f"{count / 1e9:,.0f}G"


def counted(count: int, word: str) -> str:
    """A number of things.

    Examples:
        >>> counted(1, "request"), counted(1200, "request")
        ('1 request', '1,200 requests')
    """
    return f"{count:,} {word}" + ("" if count == 1 else "s")
