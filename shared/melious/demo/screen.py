"""Prints headings, progress, a streamed answer, and the cost."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO, TypeVar

from melious._figures import UNREPORTED, figure, tokens
from melious._terminal import Paint, terminal_width
from melious._text_table import fitting, text_table
from melious.impact import ImpactLedger, Totals
from melious.impact.units import Units
from melious.impact.views.sections import notes

T = TypeVar("T")

_WIDTH = 88
_BAR = 30
_AT_LEAST = "≥ "


class Screen:
    """Writes to a terminal or a file."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.paint = Paint(self.out)
        self.width = terminal_width(_WIDTH)
        self._live = self.out.isatty()

    def heading(self, text: str) -> None:
        """Write a heading."""
        self.line()
        lines = textwrap.wrap(text, self.width)
        for line in lines:
            self.line(self.paint(line, "bold", "cyan"))
        self.line(self.paint("─" * max(map(len, lines)), "dim"))

    def fact(self, text: str) -> None:
        """Write a line that is less important."""
        for line in textwrap.wrap(text, self.width, initial_indent="  ", subsequent_indent="    "):
            self.line(self.paint(line, "dim"))

    def line(self, text: str = "") -> None:
        """Write a line."""
        self.out.write(text + "\n")
        self.out.flush()

    def paragraph(self, text: str) -> None:
        """Write a wrapped text."""
        for line in text.splitlines():
            self.line(textwrap.fill(line, self.width, initial_indent="  ", subsequent_indent="  "))

    def suggestion(self, command: str, purpose: str, column: int) -> None:
        """Write a command and what it is for, from a column on or on a line of its own."""
        start = f"  {command:<{column}}  "
        shown = self.paint(start, "green")
        if len(start) + len(purpose) <= self.width:
            self.line(shown + purpose)
            return
        self.line(shown.rstrip())
        self.line(textwrap.fill(purpose, self.width, initial_indent="    ", subsequent_indent="    "))

    def streamed(self, pieces: Iterable[str]) -> str:
        """Write a text as it arrives, wrapped; returns the whole text."""
        whole: list[str] = []
        column = 0
        self.out.write("  ")
        for piece in pieces:
            whole.append(piece)
            for part in re.split(r"(\s+)", piece):
                if part.isspace() and (column >= self.width - 12 or "\n" in part):
                    self.out.write("\n  ")
                    column = 0
                else:
                    self.out.write(part)
                    column += len(part)
            self.out.flush()
        self.line()
        return "".join(whole)

    def progress(self, label: str, items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
        """Yield the items in portions and show a progress bar: that of tqdm where it is installed."""
        if not self._live:
            yield from _portions(items, size)
            self.line(f"  {label} {len(items)} passages")
            return
        try:
            from tqdm import tqdm  # noqa: PLC0415 - it need not be installed
        except ImportError:
            yield from self._own_bar(label, items, size)
            return
        with tqdm(
            total=len(items), desc=f"  {label}", unit="passage", file=self.out, ncols=self.width
        ) as bar:
            for portion in _portions(items, size):
                yield portion
                bar.update(len(portion))

    def _own_bar(self, label: str, items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
        done = 0
        for portion in _portions(items, size):
            yield portion
            done += len(portion)
            filled = _BAR * done // len(items)
            self.out.write(f"\r  {label} [{'█' * filled}{'·' * (_BAR - filled)}] {done}/{len(items)}")
            self.out.flush()
        self.line()

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
        self.line()
        for note in notes(whole):
            self.paragraph(note)
        total = whole.total
        if total.without_impact or total.without_cost:
            self.paragraph(
                f"{_AT_LEAST}marks sums that lack them: the service reports neither of the two in streams."
            )

    def _table(self, header: list[str], rows: list[list[str]]) -> None:
        spare = ["requests", header[-1], "tokens out", "tokens in"]
        places = fitting(header, rows, self.width - 2, spare)
        shown = [[row[place] for place in places] for row in (header, *rows)]
        head, rule, *lines = text_table(shown[0], shown[1:], right=range(1, len(places)))
        self.line("  " + self.paint(head, "bold"))
        self.line("  " + self.paint(rule, "dim"))
        for line in lines:
            self.line("  " + line)


def _portions(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


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
    return shown if shown == UNREPORTED or reported == totals.requests else _AT_LEAST + shown


def _place(provider: str | None, country: str | None) -> str:
    if provider is None:
        return "unreported"
    return f"{provider} ({country})" if country else provider
