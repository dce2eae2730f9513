"""What the demo shows: headings, progress, a streamed answer, and the bill."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO, TypeVar

from melious.impact import ImpactLedger, Totals

T = TypeVar("T")

WIDTH = 88
_BAR = 30
_UNREPORTED = "unreported"


class Screen:
    """Writes for people, on a terminal or into a file."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self._live = self.out.isatty()

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.line()
        self.line(text)
        self.line("─" * min(len(text), WIDTH))

    def line(self, text: str = "") -> None:
        """Write a line."""
        self.out.write(text + "\n")
        self.out.flush()

    def paragraph(self, text: str) -> None:
        """Write a text, wrapped."""
        for line in text.splitlines():
            self.line(textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="  "))

    def streamed(self, pieces: Iterable[str]) -> str:
        """Write a text as it comes, and give it whole."""
        whole: list[str] = []
        self.out.write("  ")
        for piece in pieces:
            whole.append(piece)
            self.out.write(piece.replace("\n", "\n  "))
            self.out.flush()
        self.line()
        return "".join(whole)

    def progress(self, label: str, items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
        """Give the items in portions and show how far it has come."""
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
        """Show what each step cost; what was not reported is said to be so."""
        rows = [[name, *_figures(ledger.total), _served_by(ledger)] for name, ledger in steps]
        total = Totals()
        for _, ledger in steps:
            total.merge(ledger.total)
        rows.append(["together", *_figures(total), ""])
        header = [
            "step",
            "requests",
            "tokens in",
            "tokens out",
            "EUR",
            "g CO2",
            "litres of water",
            "served by",
        ]
        self._table(header, rows)

    def _table(self, header: list[str], rows: list[list[str]]) -> None:
        widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

        def shown(row: list[str]) -> str:
            first, *middle, last = row
            cells = [cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True)]
            return "  ".join(["  " + first.ljust(widths[0]), *cells, last]).rstrip()

        self.line(shown(header))
        self.line("  " + "─" * (sum(widths) + 2 * (len(widths) - 1)))
        for row in rows:
            self.line(shown(row))


def _figures(totals: Totals) -> list[str]:
    missing_usage = totals.requests - totals.with_usage
    return [
        str(totals.requests),
        _figure(totals.input_tokens, missing_usage, ",d"),
        _figure(totals.output_tokens, missing_usage, ",d"),
        _figure(totals.eur, totals.without_cost, ".6f"),
        _figure(totals.carbon_g_co2, totals.without_impact, ".4f"),
        _figure(totals.water_liters, totals.without_impact, ".6f"),
    ]


def _figure(value: object, missing: int, form: str) -> str:
    if value is None:
        return _UNREPORTED
    return f"{value:{form}}" + (f" +{missing} {_UNREPORTED}" if missing else "")


def _served_by(ledger: ImpactLedger) -> str:
    providers = ledger.by("provider")
    countries = ledger.by("country")
    names = ", ".join(sorted(name for name in providers if name))
    places = ", ".join(sorted(place for place in countries if place))
    if not names:
        return _UNREPORTED
    return f"{names} ({places})" if places else names
