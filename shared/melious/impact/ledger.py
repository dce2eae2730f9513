"""The ledger: what requests cost, in total and by dimension, tag and month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from melious import forks
from melious.errors.checks import check_whole
from melious.impact.shown import ShownLedger
from melious.impact.sums import Key
from melious.impact.times import in_utc, month_of
from melious.impact.totals import Entry

if TYPE_CHECKING:
    from melious.impact.estimates import Estimator
    from melious.impact.rows import Journal, Row


class ImpactLedger(ShownLedger):
    """Adds up what requests cost, in total and by endpoint, model, provider, country, routing, tag and month.

    Thread-safe. Memory grows with the number of combinations, not of requests, and
    is bounded: 256 names per dimension and 4096 combinations are kept apart, further
    ones are counted as `other`. The total is always complete. A pickled or copied
    ledger has the sums and the rows that are kept, and writes to no file.

    Attributes:
        estimates: Whether figures that were not reported are estimated.
        first: When the first request ended, in UTC; None if unknown.
        last: When the last request ended, in UTC; None if unknown.

    Examples:
        >>> from melious import EnvironmentImpact, ImpactLedger
        >>> from melious.impact import Entry
        >>> ledger = ImpactLedger()
        >>> ledger.total.requests, ledger.total.carbon_g_co2
        (0, None)
        >>> ledger.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(carbon_g_co2=0.5, location="FI")))
        >>> ledger.by("country")["FI"].carbon_g_co2
        0.5
    """

    def __init__(
        self,
        *,
        estimate: bool = False,
        keep_rows: int = 0,
        rows_file: str | PathLike[str] | None = None,
    ) -> None:
        """Create an empty ledger.

        Args:
            estimate: Estimate what is not reported from earlier reports of the same model and
                provider, in separate columns (`estimated_carbon_g_co2`, ...).
            keep_rows: Keep a row with its time for each of the last so many requests.
            rows_file: Add a row for every request to this file, as a line of JSON.

        Raises:
            InvalidArgumentError: `keep_rows` is not a whole number of at least 0, or `rows_file` not a path.
            OSError: `rows_file` cannot be written.
        """
        super().__init__(estimates=estimate)
        self._estimator: Estimator | None = None
        self._journal: Journal | None = None
        self.first = None
        self.last = None
        if estimate:
            from melious.impact.estimates import Estimator  # noqa: PLC0415 - rarely needed

            self._estimator = Estimator()
        check_whole("keep_rows", keep_rows)
        if keep_rows or rows_file is not None:
            from melious.impact.rows import Journal  # noqa: PLC0415 - rarely needed

            self._journal = Journal(keep_rows, rows_file)

    def record(self, entry: Entry) -> None:
        """Add one request, which has just ended."""
        self.add(entry, datetime.now(UTC))

    def add(self, entry: Entry, time: datetime) -> None:
        """Add one request, and when it ended."""
        time = in_utc(time)
        key = Key(entry.cell, entry.tags, month_of(time))
        with self._lock:
            totals = self._cells.get(key) or self._sums_for(key)
            estimator = self._estimator
            if estimator is None:
                totals.add(entry)
            else:
                totals.add(entry, estimator.estimate(entry))
                estimator.learn(entry)
            self._span(time, time)
            if self._journal is not None:
                self._journal.add(entry, time)

    def _span(self, first: datetime | None, last: datetime | None) -> None:
        if first is not None and (self.first is None or first < self.first):
            self.first = first
        if last is not None and (self.last is None or last > self.last):
            self.last = last

    def merge(self, other: ImpactLedger) -> None:
        """Add another ledger, including its estimates, and its rows if this one keeps rows."""
        keyed, rows, first, last = other.keyed(), other.rows, other.first, other.last
        self.add_sums(keyed)
        with self._lock:
            self.estimates = self.estimates or other.estimates
            self._span(first, last)
            if self._journal is not None:
                self._journal.extend(rows)

    @classmethod
    def from_rows(cls, rows: Iterable[Row] | str | PathLike[str], *, estimate: bool = False) -> Self:
        """A ledger of the rows of another, or of a `rows_file`; it keeps these rows and all that follow.

        A last line that was cut off while it was written is skipped, and a warning is logged.

        Args:
            rows: Rows, or the path of a file of them.
            estimate: Estimate what was not reported.

        Raises:
            ValueError: A line of the file is not a row.

        Examples:
            >>> from melious import ImpactLedger
            >>> ImpactLedger.from_rows([]).total.requests
            0
        """
        from melious.impact.rows import read_rows  # noqa: PLC0415 - rarely needed

        found = sorted(
            read_rows(rows) if isinstance(rows, str | PathLike) else rows, key=lambda row: row.time
        )
        ledger = cls(estimate=estimate)
        for row in found:
            ledger.add(row.entry, row.time)
        ledger._keep(found)
        return ledger

    def _keep(self, rows: Sequence[Row]) -> None:
        from melious.impact.rows import Journal  # noqa: PLC0415 - rarely needed

        self._journal = Journal(None, None)
        self._journal.extend(rows)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that are kept, the oldest first; none without `keep_rows`."""
        with self._lock:
            return () if self._journal is None else tuple(self._journal.kept)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = self.__dict__ | {
                "_cells": {key: totals.copy() for key, totals in self._cells.items()},
                "_labels": tuple(map(set, self._labels)),
                "_tags": {name: set(values) for name, values in self._tags.items()},
                "_estimator": None if self._estimator is None else self._estimator.copy(),
                "_journal": None if self._journal is None else self._journal.without_file(),
            }
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = forks.new_lock()

    def __repr__(self) -> str:
        total = self.total
        carbon = None if total.carbon_g_co2 is None else f"{total.carbon_g_co2:.6g}"
        return f"ImpactLedger(requests={total.requests}, carbon_g_co2={carbon}, eur={total.eur})"
