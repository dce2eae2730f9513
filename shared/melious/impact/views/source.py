"""What the views need of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from melious.impact.rows import Row
from melious.impact.totals import Cell, Dimension, Totals


class Noted(Protocol):
    """What has a total and notes on it."""

    estimates: bool

    @property
    def total(self) -> Totals:
        """The sums over all requests."""


class LedgerLike(Noted, Protocol):
    """A ledger, as the views read it."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that are kept, the oldest first."""

    def by(self, dimension: Dimension) -> dict[str | None, Totals]:
        """The sums by one dimension."""

    def by_tag(self, name: str) -> dict[str | None, Totals]:
        """The sums by the values of a tag."""

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The names of all tags."""

    def cells(self) -> Iterator[tuple[Cell, Totals]]:
        """The sums for each combination."""
