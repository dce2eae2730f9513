"""Sums over requests by combination of dimensions, tags and month. Bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from melious import forks
from melious.errors.checks import check_one_of, check_text
from melious.impact.times import month_name, month_of
from melious.impact.totals import DIMENSIONS, OTHER, Cell, Dimension, Entry, Tags, Totals

if TYPE_CHECKING:
    from melious.impact.rows import Row

MAX_LABELS = 256
MAX_CELLS = 4096
_MAX_LABEL = 200
_OTHER_TAGS: Tags = (("", OTHER),)  # no tag has an empty name
_PROVIDER, _COUNTRY = DIMENSIONS.index("provider"), DIMENSIONS.index("country")
K = TypeVar("K")


class Key(NamedTuple):
    """What the requests of one sum have in common.

    Attributes:
        cell: Their names, one per dimension.
        tags: Their tags.
        month: The month in which they ended, in UTC; see `times.month_of`.
    """

    cell: Cell
    tags: Tags
    month: int


class Sums:
    """Sums in total, by dimension, by tag and by month. Thread-safe; see `ImpactLedger` for its bounds.

    Attributes:
        estimates: Whether figures that were not reported are estimated.
    """

    def __init__(self, *, estimates: bool = False) -> None:
        self._lock = forks.new_lock()
        self._cells: dict[Key, Totals] = {}
        self._labels: tuple[set[str | None], ...] = tuple(set() for _ in DIMENSIONS)
        self._tags: dict[str, set[str | None]] = {}
        self.estimates = estimates

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that are kept, the oldest first; sums alone keep none."""
        return ()

    def add(self, entry: Entry, time: datetime) -> None:
        """Add one request, and when it ended."""
        with self._lock:
            self._sums_for(Key(entry.cell, entry.tags, month_of(time))).add(entry)

    @property
    def total(self) -> Totals:
        """The sums over all requests."""
        return self._merged(lambda _: None).get(None, Totals())

    def by(self, dimension: Dimension) -> dict[str | None, Totals]:
        """The sums by one dimension, with None for requests that did not report it.

        Args:
            dimension: `endpoint`, `model`, `provider`, `country` or `routing` (preset or flavor).

        Raises:
            InvalidArgumentError: There is no such dimension.
        """
        check_one_of("dimension", dimension, DIMENSIONS)
        place = DIMENSIONS.index(dimension)
        return self._merged(lambda key: key.cell[place])

    def by_place(self) -> dict[tuple[str | None, str | None], Totals]:
        """The sums by provider and country together."""
        return self._merged(lambda key: (key.cell[_PROVIDER], key.cell[_COUNTRY]))

    def by_month(self) -> dict[str, Totals]:
        """The sums by the month in which requests ended, in UTC, such as `2026-11`; the oldest first."""
        return {
            month_name(month): sums for month, sums in sorted(self._merged(lambda key: key.month).items())
        }

    def by_tag(self, name: str) -> dict[str | None, Totals]:
        """The sums by the values of one tag, with None for requests without it.

        Args:
            name: The name of the tag, such as `project`; see `track_impact` and `tag_names`.

        Raises:
            InvalidArgumentError: The name is not text.
        """
        check_text("name", name)
        return self._merged(lambda key: OTHER if key.tags == _OTHER_TAGS else dict(key.tags).get(name))

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The names of all tags that requests have, in alphabetical order."""
        with self._lock:
            return tuple(sorted({name for key in self._cells for name, _ in key.tags if name}))

    def cells(self) -> Iterator[tuple[Cell, Totals]]:
        """The sums for each combination of the dimensions, in their order."""
        return iter(self._merged(lambda key: key.cell).items())

    def keyed(self) -> list[tuple[Key, Totals]]:
        """The sums for each combination of dimensions, tags and month."""
        with self._lock:
            return [(key, totals.copy()) for key, totals in self._cells.items()]

    def add_sums(self, keyed: Iterable[tuple[Key, Totals]]) -> None:
        """Add sums by their combination."""
        with self._lock:
            for key, totals in keyed:
                self._sums_for(key).merge(totals)

    def _sums_for(self, key: Key) -> Totals:
        """The sums for a combination; beyond the bounds, those for the others."""
        known = Key(tuple(map(_known_label, self._labels, key.cell)), self._known_tags(key.tags), key.month)
        totals = self._cells.get(known)
        if totals is None:
            if len(self._cells) >= MAX_CELLS:
                rest = (known.cell[0], OTHER, OTHER, known.cell[_COUNTRY], OTHER)
                known = Key(rest, _OTHER_TAGS if known.tags else (), known.month)
            totals = self._cells.setdefault(known, Totals())
        return totals

    def _known_tags(self, tags: Tags) -> Tags:
        """The tags to count under; values beyond the bound are `other`, and names beyond it are left out."""
        known = []
        for name, value in tags:
            labels = self._tags.get(name)
            if labels is None:
                if len(self._tags) >= MAX_LABELS:
                    continue
                labels = self._tags[name] = set()
            known.append((name, _known_label(labels, value) or value))
        return tuple(known)

    def _merged(self, name_of: Callable[[Key], K]) -> dict[K, Totals]:
        merged: dict[K, Totals] = {}
        with self._lock:
            for key, totals in self._cells.items():
                merged.setdefault(name_of(key), Totals()).merge(totals)
        return merged


def _known_label(labels: set[str | None], label: str | None) -> str | None:
    """The label to count a name under; `other` beyond the bound."""
    if label in labels:
        return label
    if label is not None and len(label) > _MAX_LABEL:
        return _known_label(labels, f"{label[: _MAX_LABEL - 1]}…")
    if len(labels) >= MAX_LABELS:
        return OTHER
    labels.add(label)
    return label
