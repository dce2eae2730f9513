"""A ledger as text, for terminals and logs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from melious._figures import counted, figure, tokens
from melious._text_table import text_table
from melious.impact.totals import Totals
from melious.impact.units import Units
from melious.impact.views.sections import (
    Column,
    Section,
    charges,
    estimated_section,
    notes,
    sections,
)
from melious.impact.views.source import LedgerLike

_NAME = 14


def text(ledger: LedgerLike, width: int) -> str:
    """The total, notes, and tables by dimension; estimates in a separate table."""
    total = ledger.total
    lines = [counted(total.requests, "request")]
    if total.requests:
        lines += _totals(total, Units.of(total), width)
    said = notes(ledger)
    if said:
        lines.append("")
        lines += [line for note in said for line in textwrap.wrap(note, width - 2, subsequent_indent="  ")]
    estimates = estimated_section(ledger)
    for section in [*sections(ledger), *([estimates] if estimates else [])]:
        lines += ["", *_table(section, width)]
    return "\n".join(line.rstrip() for line in lines)


def _totals(total: Totals, units: Units, width: int) -> Iterator[str]:
    read = f"{tokens(total.input_tokens)} in"
    if total.cached_tokens is not None:
        read += f" ({tokens(total.cached_tokens)} cached)"
    written = f"{tokens(total.output_tokens)} out"
    if total.reasoning_tokens is not None:
        written += f" ({tokens(total.reasoning_tokens)} reasoning)"
    unreported = "not reported"
    charged = charges(total)
    rows = {
        "tokens": f"{read}, {written}" if total.with_usage else unreported,
        "energy": _with_unit(total.energy_kwh, units.energy),
        "carbon": _with_unit(total.carbon_g_co2, units.carbon),
        "water": _with_unit(total.water_liters, units.water),
        "cost": unreported if total.eur is None else f"{units.amount(total.eur)} {units.money[0]}",
    }
    if charged:
        rows["paid with"] = charged
    for name, shown in rows.items():
        yield from textwrap.wrap(
            shown, width, initial_indent=f"  {name:<11}", subsequent_indent=" " * 13, break_on_hyphens=False
        )


def _with_unit(value: float | None, unit: tuple[str, float]) -> str:
    return "not reported" if value is None else f"{figure(value, unit[1])} {unit[0]}"


def _table(section: Section, width: int) -> Iterator[str]:
    columns = _fitting(section, width)
    rows = [[name, *(column.show(totals) for column in columns)] for name, totals in section.rows]
    return text_table(
        [section.title, *(column.header for column in columns)],
        rows,
        right=range(1, len(columns) + 1),
        rule="─",
        first_width=_NAME,
        max_width=width,
    )


def _fitting(section: Section, width: int) -> list[Column]:
    """The columns that fit beside a name; the most dispensable are left out."""
    columns = list(section.columns)
    first = max(_NAME, len(section.title))

    def taken() -> int:
        shown = [
            max(len(each.header), *(len(each.show(sums)) for _, sums in section.rows)) for each in columns
        ]
        return first + sum(shown) + 2 * len(shown)

    while taken() > width and any(column.spare for column in columns):
        columns.remove(max(columns, key=lambda column: column.spare))
    return columns
