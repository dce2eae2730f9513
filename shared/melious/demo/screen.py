"""Prints headings, progress, a streamed answer, and the cost."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO, TypeVar

from melious._text_table import text_table
from melious.impact import ImpactLedger, Totals

T = TypeVar("T")

WIDTH = 88
_BAR = 30
_UNREPORTED = "unreported"
_COLUMNS = ("requests", "tokens in", "tokens out", "EUR", "g CO2", "l water")


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
        rows = [[name, *_figures(ledger.total)] for name, ledger in steps]
        self._table(["step", *_COLUMNS], [*rows, ["total", *_figures(whole.total)]])
        self.line()
        places = sorted(whole.by_place().items(), key=lambda item: str(item[0]))
        self._table(["served by", *_COLUMNS], [[_place(*key), *_figures(totals)] for key, totals in places])
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


def _figures(totals: Totals) -> list[str]:
    return [
        str(totals.requests),
        _figure(totals.input_tokens, ",d", reported=totals.with_usage, of=totals.requests),
        _figure(totals.output_tokens, ",d", reported=totals.with_usage, of=totals.requests),
        _figure(totals.eur, ".6f", reported=totals.with_cost, of=totals.requests),
        _figure(totals.carbon_g_co2, ".4f", reported=totals.with_impact, of=totals.requests),
        _figure(totals.water_liters, ".6f", reported=totals.with_impact, of=totals.requests),
    ]


def _figure(value: object, form: str, *, reported: int, of: int) -> str:
    """A sum, marked if some requests did not report it; a dash if there is nothing to report."""
    if value is None:
        return "-" if reported else _UNREPORTED
    return f"{value:{form}}" + ("" if reported == of else " +?")


def _place(provider: str | None, country: str | None) -> str:
    if provider is None:
        return _UNREPORTED
    return f"{provider} ({country})" if country else provider
