"""The units in which sums are easy to read."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from melious._figures import UNREPORTED, figure
from melious.impact.totals import Totals

_ENERGY = (("MWh", 1e-3), ("kWh", 1.0), ("Wh", 1e3), ("mWh", 1e6), ("µWh", 1e9))
_CARBON = (("t CO₂", 1e-6), ("kg CO₂", 1e-3), ("g CO₂", 1.0), ("mg CO₂", 1e3), ("µg CO₂", 1e6))
_WATER = (("m³ H₂O", 1e-3), ("l H₂O", 1.0), ("ml H₂O", 1e3), ("µl H₂O", 1e6))
_MONEY = (("€", 1.0), ("m€", 1e3), ("µ€", 1e6))
_Number: TypeAlias = float | Decimal | None
Unit: TypeAlias = tuple[str, float]
"""A unit, and how many of it are one of the unit of `Totals`."""


@dataclass(frozen=True, slots=True)
class Units:
    """One unit for each kind of sum, so that the rows of a table compare.

    Examples:
        >>> units = Units.of(Totals(requests=1, eur=Decimal("0.000012"), carbon_g_co2=0.5))
        >>> units.money[0], units.carbon[0]
        ('µ€', 'mg CO₂')
    """

    energy: Unit
    carbon: Unit
    water: Unit
    money: Unit

    @classmethod
    def of(cls, *totals: Totals) -> Units:
        """Choose the units by the largest of some sums and their estimates."""

        def unit(units: tuple[Unit, ...], default: str, name: str) -> Unit:
            known = [getattr(sums, prefix + name) for sums in totals for prefix in ("", "estimated_")]
            return best(units, default, *known)

        return cls(
            unit(_ENERGY, "kWh", "energy_kwh"),
            unit(_CARBON, "g CO₂", "carbon_g_co2"),
            unit(_WATER, "l H₂O", "water_liters"),
            unit(_MONEY, "€", "eur"),
        )

    def amount(self, value: _Number) -> str:
        """An amount of money in its unit, without the unit."""
        if value is not None and self.money[1] == 1 and value >= 1:
            return f"{value:,.2f}"
        return figure(None if value is None else float(value), self.money[1])


def best(units: tuple[Unit, ...], default: str, *values: _Number) -> Unit:
    """The largest unit in which the largest value is at least one."""
    known = [float(value) for value in values if value]
    if not known:
        return next(unit for unit in units if unit[0] == default)
    return next((unit for unit in units if max(known) * unit[1] >= 1), units[-1])


def euro(value: _Number) -> str:
    """An amount of money with its unit.

    Examples:
        >>> euro(Decimal("0.000123")), euro(12), euro(None)
        ('123 µ€', '12.00 €', '—')
    """
    if value is None:
        return UNREPORTED
    units = Units.of(Totals(eur=Decimal(value)))
    return f"{units.amount(value)} {units.money[0]}"


def carbon(grams: float) -> str:
    """An amount of carbon with its unit.

    Example:
        >>> carbon(0.00034), carbon(1500.0)
        ('340 µg CO₂', '1.50 kg CO₂')
    """
    unit, factor = best(_CARBON, "g CO₂", grams)
    return f"{figure(grams, factor)} {unit}"
