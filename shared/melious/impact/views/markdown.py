"""A ledger as Markdown, for reports, issues and pull requests."""

from __future__ import annotations

from collections.abc import Iterator

from melious._figures import UNREPORTED, counted, figure, tokens
from melious.impact.totals import Totals
from melious.impact.units import Units
from melious.impact.views.sections import Section, estimated_section, notes, sections
from melious.impact.views.source import LedgerLike


def markdown(ledger: LedgerLike) -> str:
    """The total in one line, notes, and tables by dimension."""
    total = ledger.total
    parts = [" · ".join(_totals(total, Units.of(total)))]
    parts += [f"*{escaped(note)}*" for note in notes(ledger)]
    estimates = estimated_section(ledger)
    parts += ["\n".join(table(each)) for each in [*sections(ledger), *([estimates] if estimates else [])]]
    return "\n\n".join(parts) + "\n"


def _totals(total: Totals, units: Units) -> Iterator[str]:
    yield f"**{counted(total.requests, 'request')}**"
    if not total.requests:
        return
    if total.with_usage:
        yield f"{tokens(total.input_tokens)} tokens in, {tokens(total.output_tokens)} out"
    for value, (unit, factor) in (
        (total.energy_kwh, units.energy),
        (total.carbon_g_co2, units.carbon),
        (total.water_liters, units.water),
    ):
        yield f"{figure(value, factor)} {unit}"
    yield f"{units.amount(total.eur)} {units.money[0]}"


def table(section: Section) -> Iterator[str]:
    """The lines of a table."""
    yield _line(section.title, *(column.header for column in section.columns))
    yield "| --- |" + " ---: |" * len(section.columns)
    for name, sums in section.rows:
        yield _line(name, *(column.show(sums) or UNREPORTED for column in section.columns))


def _line(*cells: str) -> str:
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def escaped(text: str) -> str:
    """Names cannot write Markdown or HTML, or end a cell."""
    plain = " ".join(text.split())
    for character in "\\`*_[]<>|~":
        plain = plain.replace(character, f"\\{character}")
    return plain.replace("&", "&amp;")
