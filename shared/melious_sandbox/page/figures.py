"""Numbers as people read them."""

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import partial

from melious.impact.units import euro
from melious_sandbox.service.impact import Work

NOTHING = "–"  # noqa: RUF001 - a dash stands where there is no figure
_DIGITS = 3
_MOST_DECIMALS = 10
_TWO_DIGITS = 10


def significant(value: float | Decimal) -> str:
    """Write a number with three digits that count, never with an exponent."""
    if not value:
        return "0"
    leading = math.floor(math.log10(abs(float(value))))
    return f"{value:,.{min(_MOST_DECIMALS, max(0, _DIGITS - 1 - leading))}f}"


def bill(served: Mapping[str, str] | None) -> str:
    """Write a ``billing_cost``."""
    if served is None:
        return NOTHING
    if served["paid_with"] == "energy":
        return f"{significant(Decimal(served['energy']))} energy"
    return euro(Decimal(served["credits"]))


def milligrams(grams: float) -> str:
    """Write a request's carbon; one unit for all, so that rows compare."""
    return f"{significant(grams * 1000)} mg"


def seconds(value: float) -> str:
    """Write a duration."""
    number, unit = (value * 1000, "ms") if value < 1 else (value, "s")
    return f"{number:.{1 if number < _TWO_DIGITS else 0}f} {unit}"


def work(done: Work) -> str:
    """Write what a provider did."""
    if done.images:
        return f"{done.images} image{'s' if done.images > 1 else ''}"
    if done.audio_seconds:
        return f"{done.audio_seconds:.1f} s of sound"
    if done.output_tokens:
        return f"{done.input_tokens:,} → {done.output_tokens:,}"
    return f"{done.input_tokens:,}"


def in_units(value: float, units: tuple[tuple[str, float], ...]) -> str:
    """Write a sum in the largest unit of which there is one, else in the smallest."""
    unit, size = next(((unit, size) for unit, size in units if value >= size), units[-1])
    return f"{significant(value / size)} {unit}"


carbon = partial(in_units, units=(("kg", 1e3), ("g", 1.0), ("mg", 1e-3)))
energy = partial(in_units, units=(("kWh", 1.0), ("Wh", 1e-3), ("mWh", 1e-6)))
water = partial(in_units, units=(("l", 1.0), ("ml", 1e-3), ("µl", 1e-6)))
