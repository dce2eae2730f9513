"""What the summaries show as text, HTML and Markdown: rows, columns and notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from melious._figures import counted, figure, tokens
from melious.impact.totals import DIMENSIONS, Dimension, Totals
from melious.impact.units import Units, euro
from melious.impact.views.source import LedgerLike, Noted

MAX_ROWS = 15
NAMELESS: dict[Dimension, str] = {"routing": "default", "model": "none"}
Row: TypeAlias = tuple[str, Totals]
"""A name, and its sums."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        header: Its header.
        show: How it shows sums.
        spare: Where there is no room, the column with the highest number is left out first; 0 stays.
    """

    header: str
    show: Callable[[Totals], str]
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """A table: the title of its first column, the other columns, and the rows."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def sections(ledger: LedgerLike) -> list[Section]:
    """The tables by dimension that have more than one row, largest first.

    Dimensions that divide the requests in the same way, such as a provider in each country, share a table.
    """
    columns = reported_columns(ledger.total, Units.of(ledger.total))
    return [Section(f"by {', '.join(group)}", columns, _rows(ledger, group)) for group in _groups(ledger)]


def _groups(ledger: LedgerLike) -> list[list[Dimension]]:
    keys = [key for key, _ in ledger.cells()]
    groups: list[list[Dimension]] = []
    for place, dimension in enumerate(DIMENSIONS):
        count = len({key[place] for key in keys})
        if count < 2:  # noqa: PLR2004 - a table of one row repeats the total
            continue
        for group in groups:
            first = DIMENSIONS.index(group[0])
            if len({key[first] for key in keys}) == len({(key[first], key[place]) for key in keys}) == count:
                group.append(dimension)
                break
        else:
            groups.append([dimension])
    return groups


def estimated_section(ledger: LedgerLike) -> Section | None:
    """The estimates by model; None if there are none."""
    total = ledger.total
    if not total.estimated:
        return None
    columns = estimated_columns(Units.of(total))
    rows = tuple((name, totals) for name, totals in _rows(ledger, ["model"]) if totals.estimated)
    return Section("estimated, by model", columns, rows)


def reported_columns(total: Totals, units: Units) -> tuple[Column, ...]:
    """The columns for reported sums."""
    columns = [Column("requests", lambda sums: f"{sums.requests:,}")]
    if total.failed:
        columns.append(Column("failed", lambda sums: f"{sums.failed:,}", 7))
    columns += [
        Column("tok in", lambda sums: tokens(sums.input_tokens), 4),
        Column("tok out", lambda sums: tokens(sums.output_tokens), 3),
        Column(units.energy[0], lambda sums: figure(sums.energy_kwh, units.energy[1]), 1),
        Column(units.carbon[0], lambda sums: figure(sums.carbon_g_co2, units.carbon[1])),
        Column(units.water[0], lambda sums: figure(sums.water_liters, units.water[1]), 2),
        Column(units.money[0], lambda sums: units.amount(sums.eur)),
    ]
    if total.without_impact:
        columns.append(Column("no impact", lambda sums: _count(sums.without_impact), 5))
    if total.without_cost:
        columns.append(Column("no cost", lambda sums: _count(sums.without_cost), 6))
    return tuple(columns)


def estimated_columns(units: Units) -> tuple[Column, ...]:
    """The columns for estimates."""
    return (
        Column("requests", lambda sums: f"{sums.estimated:,}"),
        Column(f"~{units.energy[0]}", lambda sums: figure(sums.estimated_energy_kwh, units.energy[1]), 1),
        Column(f"~{units.carbon[0]}", lambda sums: figure(sums.estimated_carbon_g_co2, units.carbon[1])),
        Column(f"~{units.water[0]}", lambda sums: figure(sums.estimated_water_liters, units.water[1]), 2),
        Column(f"~{units.money[0]}", lambda sums: units.amount(sums.estimated_eur)),
    )


def notes(ledger: Noted) -> list[str]:
    """Notes on the total, in sentences."""
    total = ledger.total
    said = []
    if total.simulated:
        said.append(
            f"Simulated: the figures of {counted(total.simulated, 'request')} were made up by the sandbox."
        )
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
    """The amounts debited, by balance; credits are euro."""
    return ", ".join(
        f"{euro(amount)} in credits" if balance == "credits" else f"{figure(float(amount))} {balance}"
        for balance, amount in sorted(total.charged.items())
    )


def _rows(ledger: LedgerLike, group: list[Dimension]) -> tuple[Row, ...]:
    dimension = group[0]
    ranked = sorted(
        ledger.by(dimension).items(),
        key=lambda row: (
            not row[0] and dimension != "routing",
            -row[1].requests,
            -row[1].failed,
            row[0] or "",
        ),
    )
    names = _names(ledger, group)
    return tuple(folded([(names[name], totals) for name, totals in ranked], MAX_ROWS))


def _names(ledger: LedgerLike, group: list[Dimension]) -> dict[str | None, str]:
    """The label of each name of the first dimension; the others of the group follow it."""
    places = [DIMENSIONS.index(each) for each in group]
    return {
        key[places[0]]: " · ".join(
            dict.fromkeys(label(each, key[place]) for each, place in zip(group, places, strict=True))
        )
        for key, _ in ledger.cells()
    }


def label(dimension: Dimension, name: str | None) -> str:
    """A name as tables show it: countries in words, and what stands for no name."""
    if not name:
        return NAMELESS.get(dimension, "not reported")
    if dimension == "country":
        from melious.routing.countries import name_of  # noqa: PLC0415 - a long table

        country = name_of(name)
        return f"{country} ({name})" if country else name
    return name


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
