"""A ledger as text, for terminals and logs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from unicodedata import combining, east_asian_width

from melious.impact.totals import Sums, Totals
from melious.impact.views.sections import (
    Column,
    Section,
    Units,
    charges,
    estimated_section,
    figure,
    notes,
    requests,
    sections,
    tokens,
)

WIDTH = 100
_NAME = 14
_SPARE = ("failed", "no cost", "no impact", "tok in", "tok out")


def text(ledger: Sums) -> str:
    """The total, each breakdown of several rows, estimates, and what is to be said of them."""
    total = ledger.total
    lines = [requests(total)]
    if total.requests:
        lines += _totals(total, Units.of(total))
    said = notes(ledger)
    if said:
        lines.append("")
        lines += [line for note in said for line in textwrap.wrap(note, WIDTH - 2, subsequent_indent="  ")]
    estimates = estimated_section(ledger)
    for section in [*sections(ledger), *([estimates] if estimates else [])]:
        lines += ["", *_table(section)]
    return "\n".join(line.rstrip() for line in lines)


def _totals(total: Totals, units: Units) -> Iterator[str]:
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
        "cost": unreported if total.eur is None else f"{units.eur(total.eur)} EUR",
    }
    if charged:
        rows["paid with"] = charged
    for name, shown in rows.items():
        yield from textwrap.wrap(
            shown, WIDTH, initial_indent=f"  {name:<11}", subsequent_indent=" " * 13, break_on_hyphens=False
        )


def _with_unit(value: float | None, unit: tuple[str, float]) -> str:
    return "not reported" if value is None else f"{figure(value, unit[1])} {unit[0]}"


def _table(section: Section) -> Iterator[str]:
    """Lines of a table; a name that is too long for its column has a line of its own."""
    columns, widths = _fitting(section)
    figures = sum(widths) + 2 * len(widths)
    cells = [[column.show(totals) for column in columns] for _, totals in section.rows]
    names = [_clean(name) for name, _ in section.rows]
    title = f"by {section.title}" if not section.title.startswith("estimated") else section.title
    longest = max(len(title), *(_columns_of(name) for name in names))
    name_width = max(_NAME, len(title), min(longest, WIDTH - figures))
    header = [column.header for column in columns]
    yield _line(title, header, name_width, widths)
    yield "─" * (name_width + figures)
    for name, row in zip(names, cells, strict=True):
        if _columns_of(name) > name_width:
            yield _cut(name, WIDTH)
            yield _line("", row, name_width, widths)
        else:
            yield _line(name, row, name_width, widths)


def _fitting(section: Section) -> tuple[list[Column], list[int]]:
    """The columns that leave room for a name, and their widths; what the notes say too goes first."""
    columns = list(section.columns)
    widths = [max(len(each.header), *(len(each.show(sums)) for _, sums in section.rows)) for each in columns]
    for spare in _SPARE:
        if _NAME + sum(widths) + 2 * len(widths) <= WIDTH:
            break
        for place in [place for place, column in enumerate(columns) if column.header == spare]:
            del columns[place], widths[place]
    return columns, widths


def _line(name: str, cells: list[str], name_width: int, widths: list[int]) -> str:
    padded = name + " " * (name_width - _columns_of(name))
    return "  ".join([padded, *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))])


def _clean(name: str) -> str:
    """A name from the wire, without what could move the cursor or paint the terminal."""
    return "".join(char if char.isprintable() else "�" for char in name)


def _columns_of(name: str) -> int:
    """How many columns of a terminal a name takes."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in name)


def _cut(name: str, width: int) -> str:
    while _columns_of(name) > width:
        name = f"{name[:-2]}…"
    return name
