"""What summaries show, as text and as HTML alike: which rows, which columns, in which units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from melious._figures import UNREPORTED, counted, figure, tokens
from melious.impact.totals import DIMENSIONS, Dimension, Sums, Totals

MAX_ROWS = 15
TITLES: dict[Dimension, str] = {
    "endpoint": "endpoint",
    "model": "model",
    "provider": "provider",
    "country": "country",
    "routing": "routing",
}
_NAMELESS: dict[Dimension, str] = {"routing": "none", "model": "none"}
_ENERGY = (("MWh", 1e-3), ("kWh", 1.0), ("Wh", 1e3), ("mWh", 1e6))
_CARBON = (("t CO2", 1e-6), ("kg CO2", 1e-3), ("g CO2", 1.0), ("mg CO2", 1e3))
_WATER = (("m³ H2O", 1e-3), ("l H2O", 1.0), ("ml H2O", 1e3), ("µl H2O", 1e6))
_DECIMALS = ((Decimal("0.001"), 8), (1, 6), (100, 4), (Decimal("Infinity"), 2))
_Number: TypeAlias = float | Decimal | None
Row: TypeAlias = tuple[str, Totals]
"""A row: its name, and its sums."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header, and what it shows of sums."""

    header: str
    show: Callable[[Totals], str]


@dataclass(frozen=True, slots=True)
class Section:
    """A table: what its first column names, its columns and its rows."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Units:
    """The units in which sums are readable, and how figures are shown in them."""

    energy: tuple[str, float]
    carbon: tuple[str, float]
    water: tuple[str, float]
    decimals: int

    @classmethod
    def of(cls, total: Totals) -> Units:
        """Choose units by the largest sum there is."""
        eur = max(total.eur or 0, total.estimated_eur or 0)
        return cls(
            _unit(_ENERGY, "kWh", total.energy_kwh, total.estimated_energy_kwh),
            _unit(_CARBON, "g CO2", total.carbon_g_co2, total.estimated_carbon_g_co2),
            _unit(_WATER, "l H2O", total.water_liters, total.estimated_water_liters),
            next(decimals for bound, decimals in _DECIMALS if eur < bound),
        )

    def eur(self, value: Decimal | None) -> str:
        """An amount in euro."""
        if value is None:
            return UNREPORTED
        if 0 < value < Decimal(1).scaleb(-self.decimals):
            return f"<{Decimal(1).scaleb(-self.decimals):f}"
        return f"{value:,.{self.decimals}f}"


def sections(ledger: Sums) -> list[Section]:
    """The breakdowns that have more than one row, largest first."""
    columns = reported_columns(ledger.total, Units.of(ledger.total))
    shown = [Section(TITLES[each], columns, _rows(ledger, each)) for each in DIMENSIONS]
    return [section for section in shown if len(section.rows) > 1]


def estimated_section(ledger: Sums) -> Section | None:
    """What was estimated, by model; None where nothing was."""
    total = ledger.total
    if not total.estimated:
        return None
    columns = estimated_columns(Units.of(total))
    rows = tuple((name, totals) for name, totals in _rows(ledger, "model") if totals.estimated)
    return Section("estimated, by model", columns, rows)


def reported_columns(total: Totals, units: Units) -> tuple[Column, ...]:
    """The columns that say something about sums like these."""
    columns = [Column("requests", lambda sums: f"{sums.requests:,}")]
    if total.failed:
        columns.append(Column("failed", lambda sums: f"{sums.failed:,}"))
    columns += [
        Column("tok in", lambda sums: tokens(sums.input_tokens)),
        Column("tok out", lambda sums: tokens(sums.output_tokens)),
        Column(units.energy[0], lambda sums: figure(sums.energy_kwh, units.energy[1])),
        Column(units.carbon[0], lambda sums: figure(sums.carbon_g_co2, units.carbon[1])),
        Column(units.water[0], lambda sums: figure(sums.water_liters, units.water[1])),
        Column("EUR", lambda sums: units.eur(sums.eur)),
    ]
    if total.without_impact:
        columns.append(Column("no impact", lambda sums: _count(sums.without_impact)))
    if total.without_cost:
        columns.append(Column("no cost", lambda sums: _count(sums.without_cost)))
    return tuple(columns)


def estimated_columns(units: Units) -> tuple[Column, ...]:
    """The columns of estimates."""
    return (
        Column("requests", lambda sums: f"{sums.estimated:,}"),
        Column(f"~{units.energy[0]}", lambda sums: figure(sums.estimated_energy_kwh, units.energy[1])),
        Column(f"~{units.carbon[0]}", lambda sums: figure(sums.estimated_carbon_g_co2, units.carbon[1])),
        Column(f"~{units.water[0]}", lambda sums: figure(sums.estimated_water_liters, units.water[1])),
        Column("~EUR", lambda sums: units.eur(sums.estimated_eur)),
    )


def notes(ledger: Sums) -> list[str]:
    """What else is to be said of the total, in sentences."""
    total = ledger.total
    said = []
    if total.without_impact:
        said.append(
            f"{_of(total.without_impact, total)} reported no impact: missing from the sums, not zero."
        )
    if total.without_cost:
        said.append(f"{_of(total.without_cost, total)} reported no cost: missing from the sums, not zero.")
    if total.failed:
        said.append(f"{total.failed:,} failed, and may have been billed all the same.")
    if total.relaxed:
        said.append(f"{total.relaxed:,} found a provider only after wishes for routing were given up.")
    if total.outside or total.unverified or total.verified:
        said.append(
            f"Location: {total.verified:,} within the countries asked for, "
            f"{total.outside:,} outside, {total.unverified:,} did not say."
        )
    if total.estimated:
        said.append(
            f"Figures for {total.estimated:,} of the requests were estimated from what the same models "
            "reported before; no sum of what was reported holds them."
        )
    elif ledger.estimates and (total.without_impact or total.without_cost):
        said.append("Nothing could be estimated: the same models had reported nothing before.")
    return said


def charges(total: Totals) -> str:
    """What was taken from which balance."""
    return ", ".join(f"{amount.normalize():f} {balance}" for balance, amount in sorted(total.charged.items()))


def _rows(ledger: Sums, dimension: Dimension) -> tuple[Row, ...]:
    nameless = _NAMELESS.get(dimension, "not reported")
    ranked = sorted(
        ledger.by(dimension).items(),
        key=lambda row: (
            not row[0] and dimension != "routing",
            -row[1].requests,
            -row[1].failed,
            row[0] or "",
        ),
    )
    return tuple(folded([(name or nameless, totals) for name, totals in ranked], MAX_ROWS))


def folded(rows: list[Row], most: int) -> list[Row]:
    """At most so many rows: the last of them sums up those there is no room for."""
    if len(rows) <= most:
        return rows
    rest = Totals()
    for _, totals in rows[most - 1 :]:
        rest.merge(totals)
    return [*rows[: most - 1], (f"{len(rows) - most + 1} more", rest)]


def _of(count: int, total: Totals) -> str:
    if count == total.requests:
        return "The request" if count == 1 else f"All {counted(count, 'request')}"
    return f"{count:,} of {counted(total.requests, 'request')}"


def _count(count: int) -> str:
    return f"{count:,}" if count else ""


def _unit(units: tuple[tuple[str, float], ...], default: str, *values: _Number) -> tuple[str, float]:
    known = [float(value) for value in values if value]
    if not known:
        return next(unit for unit in units if unit[0] == default)
    return next((unit for unit in units if max(known) * unit[1] >= 1), units[-1])
