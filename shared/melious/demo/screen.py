"""Prints headings, progress, a streamed answer, and the cost."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO, TypeVar

from melious._figures import UNREPORTED, figure, tokens
from melious._text_table import text_table
from melious.impact import ImpactLedger, Totals
from melious.impact.units import Units

T = TypeVar("T")

WIDTH = 88
_BAR = 30


class Screen:
    """Writes to a terminal or a file."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self._live = self.out.isatty()

    def heading(self, text: str) -> None:
        """Write a heading."""
        self.line()
        self.line(text)
        self.line("─" * min(len(text), WIDTH))

    def line(self, text: str = "") -> None:
        """Write a line."""
        self.out.write(text + "\n")
        self.out.flush()

    def paragraph(self, text: str) -> None:
        """Write a wrapped text."""
        for line in text.splitlines():
            self.line(textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="  "))

    def streamed(self, pieces: Iterable[str]) -> str:
        """Write a text as it arrives, wrapped; returns the whole text."""
        whole: list[str] = []
        column = 0
        self.out.write("  ")
        for piece in pieces:
            whole.append(piece)
            for part in re.split(r"(\s+)", piece):
                if part.isspace() and (column >= WIDTH - 12 or "\n" in part):
                    self.out.write("\n  ")
                    column = 0
                else:
                    self.out.write(part)
                    column += len(part)
            self.out.flush()
        self.line()
        return "".join(whole)

    def progress(self, label: str, items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
        """Yield the items in portions and show a progress bar."""
        for start in range(0, len(items), size):
            yield items[start : start + size]
            self._bar(label, min(start + size, len(items)), len(items))
        if self._live:
            self.line()

    def _bar(self, label: str, done: int, total: int) -> None:
        filled = _BAR * done // total
        bar = f"  {label} [{'█' * filled}{'·' * (_BAR - filled)}] {done}/{total}"
        if self._live:
            self.out.write("\r" + bar)
            self.out.flush()
        elif done == total:
            self.line(bar)

    def bill(self, steps: Sequence[tuple[str, ImpactLedger]]) -> None:
        """Show the cost of each step and of each provider, and which requests did not report it."""
        whole = ImpactLedger()
        for _, ledger in steps:
            whole.merge(ledger)
        units = Units.of(whole.total)
        columns = ["requests", "tokens in", "tokens out", units.money[0], units.carbon[0], units.water[0]]
        rows = [[name, *_cells(ledger.total, units)] for name, ledger in steps]
        self._table(["step", *columns], [*rows, ["total", *_cells(whole.total, units)]])
        self.line()
        places = sorted(whole.by_place().items(), key=lambda item: str(item[0]))
        rows = [[_place(*key), *_cells(totals, units)] for key, totals in places]
        self._table(["served by", *columns], rows)
        total = whole.total
        if total.without_impact or total.without_cost:
            self.line()
            self.paragraph(
                f"{total.without_impact} of {total.requests} requests reported no impact and "
                f"{total.without_cost} no cost: the service reports neither in streams. "
                "They are missing from the sums (+?), not counted as zero."
            )

    def _table(self, header: list[str], rows: list[list[str]]) -> None:
        for line in text_table(header, rows, right=range(1, len(header))):
            self.line("  " + line)


def _cells(totals: Totals, units: Units) -> list[str]:
    return [
        f"{totals.requests:,}",
        _marked(tokens(totals.input_tokens), totals.with_usage, totals),
        _marked(tokens(totals.output_tokens), totals.with_usage, totals),
        _marked(units.amount(totals.eur), totals.with_cost, totals),
        _marked(figure(totals.carbon_g_co2, units.carbon[1]), totals.with_impact, totals),
        _marked(figure(totals.water_liters, units.water[1]), totals.with_impact, totals),
    ]


def _marked(shown: str, reported: int, totals: Totals) -> str:
    """A sum, marked if some of the requests did not report it."""
    return shown if shown == UNREPORTED or reported == totals.requests else f"{shown} +?"


def _place(provider: str | None, country: str | None) -> str:
    if provider is None:
        return "unreported"
    return f"{provider} ({country})" if country else provider
