"""What plots can show: one measure for each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

from melious._figures import figure, tokens
from melious.impact.totals import Totals
from melious.impact.units import Units

Kind: TypeAlias = Literal["carbon", "cost", "energy", "water", "tokens", "requests"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Measure:
    """How one kind is read from sums and shown.

    Attributes:
        title: Its name and unit.
        colour: Its colour.
        reported: The reported sum; None if nothing was reported.
        estimated: The estimated sum.
        unreported: How many requests did not report it.
        label: How a value is written.
    """

    title: str
    colour: str
    reported: Callable[[Totals], float | None]
    estimated: Callable[[Totals], float | None]
    unreported: Callable[[Totals], int]
    label: Callable[[float], str] = figure


def measure(kind: Kind, units: Units) -> Measure:
    """The measure of a kind, in the units of the ledger."""
    if kind == "tokens":
        return Measure("Tokens, in and out", "#7a6aa8", _tokens, _none, _without_usage, _count)
    if kind == "requests":
        return Measure("Requests", "#6b7780", lambda sums: float(sums.requests), _none, lambda _: 0, _count)
    name, title, colour, unit = {
        "carbon": ("carbon_g_co2", "Carbon", "#2f8f63", units.carbon),
        "energy": ("energy_kwh", "Energy", "#c08a1e", units.energy),
        "water": ("water_liters", "Water", "#2b8fa8", units.water),
        "cost": ("eur", "Cost", "#3b6fb6", units.money),
    }[kind]
    return Measure(
        f"{title}, {unit[0]}",
        colour,
        lambda sums: _scaled(getattr(sums, name), unit[1]),
        lambda sums: _scaled(getattr(sums, f"estimated_{name}"), unit[1]),
        lambda sums: sums.without(name),
    )


def _scaled(value: float | Decimal | None, factor: float) -> float | None:
    return None if value is None else float(value) * factor


def _tokens(sums: Totals) -> float | None:
    known = [count for count in (sums.input_tokens, sums.output_tokens) if count is not None]
    return float(sum(known)) if known else None


def _none(_: Totals) -> None:
    return None


def _without_usage(sums: Totals) -> int:
    return sums.requests - sums.with_usage


def _count(value: float) -> str:
    return tokens(round(value))
