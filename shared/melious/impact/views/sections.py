"""What text and HTML summaries show: rows, columns and units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from melious._figures import UNREPORTED, counted, figure, tokens
from melious.impact.totals import DIMENSIONS, Dimension, LedgerLike, Totals

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
"""A name, and its sums."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its header, and how it shows sums."""

    header: str
    show: Callable[[Totals], str]


@dataclass(frozen=True, slots=True)
class Section:
    """A table: the title of its first column, the other columns, and the rows."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Units:
    """The units in which sums are easy to read."""

    energy: tuple[str, float]
    carbon: tuple[str, float]
    water: tuple[str, float]
    decimals: int

    @classmethod
    def of(cls, total: Totals) -> Units:
        """Choose units by the totals."""
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


def sections(ledger: LedgerLike) -> list[Section]:
    """The tables by dimension that have more than one row, largest first."""
    columns = reported_columns(ledger.total, Units.of(ledger.total))
    shown = [Section(TITLES[each], columns, _rows(ledger, each)) for each in DIMENSIONS]
    return [section for section in shown if len(section.rows) > 1]


def estimated_section(ledger: LedgerLike) -> Section | None:
    """The estimates by model; None if there are none."""
    total = ledger.total
    if not total.estimated:
        return None
    columns = estimated_columns(Units.of(total))
    rows = tuple((name, totals) for name, totals in _rows(ledger, "model") if totals.estimated)
    return Section("estimated, by model", columns, rows)


def reported_columns(total: Totals, units: Units) -> tuple[Column, ...]:
    """The columns for reported sums."""
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
    """The columns for estimates."""
    return (
        Column("requests", lambda sums: f"{sums.estimated:,}"),
        Column(f"~{units.energy[0]}", lambda sums: figure(sums.estimated_energy_kwh, units.energy[1])),
        Column(f"~{units.carbon[0]}", lambda sums: figure(sums.estimated_carbon_g_co2, units.carbon[1])),
        Column(f"~{units.water[0]}", lambda sums: figure(sums.estimated_water_liters, units.water[1])),
        Column("~EUR", lambda sums: units.eur(sums.estimated_eur)),
    )


def notes(ledger: LedgerLike) -> list[str]:
    """Notes on the total, in sentences."""
    total = ledger.total
    said = []
    if total.without_impact:
        said.append(
            f"{_of(total.without_impact, total)} reported no impact: missing from the sums, not zero."
        )
    if total.without_cost:
        said.append(f"{_of(total.without_cost, total)} reported no cost: missing from the sums, not zero.")
    if total.failed:
        said.append(f"{total.failed:,} failed, but may have been billed.")
    if total.relaxed:
        said.append(f"{total.relaxed:,} found a provider only after filters were relaxed.")
    if total.outside or total.unverified or total.verified:
        said.append(
            f"Location: {total.verified:,} in the requested countries, "
            f"{total.outside:,} outside, {total.unverified:,} unknown."
        )
    if total.estimated:
        said.append(
            f"Figures for {total.estimated:,} of the requests were estimated from earlier reports of the "
            "same models; the reported sums do not include them."
        )
    elif ledger.estimates and (total.without_impact or total.without_cost):
        said.append("Nothing could be estimated: there are no earlier reports of the same models.")
    return said


def charges(total: Totals) -> str:
    """The amounts debited, by balance."""
    return ", ".join(f"{amount.normalize():f} {balance}" for balance, amount in sorted(total.charged.items()))


def _rows(ledger: LedgerLike, dimension: Dimension) -> tuple[Row, ...]:
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
    """At most `most` rows; the last one sums up the rest."""
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
