"""The ledger: sums over requests, in total and by dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeVar

from melious import forks
from melious.errors.checks import check_one_of, check_whole
from melious.impact.totals import DIMENSIONS, OTHER, Cell, Dimension, Entry, Totals

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from melious.impact.estimates import Estimator
    from melious.impact.rows import Journal, Row
    from melious.impact.views.measures import Kind

MAX_LABELS = 256
MAX_CELLS = 4096
_MAX_LABEL = 200
_TITLE = "Impact of AI requests"
_PROVIDER, _COUNTRY = DIMENSIONS.index("provider"), DIMENSIONS.index("country")
K = TypeVar("K")


class ImpactLedger:
    """Adds up what requests cost, in total and by endpoint, model, provider, country and routing.

    Thread-safe. Memory grows with the number of combinations, not of requests, and
    is bounded: 256 names per dimension and 4096 combinations are kept apart, further
    ones are counted as `other`. The total is always complete.

    Attributes:
        estimates: Whether figures that were not reported are estimated.

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
        self._lock = forks.new_lock()
        self._cells: dict[Cell, Totals] = {}
        self._labels: tuple[set[str | None], ...] = tuple(set() for _ in DIMENSIONS)
        self._estimator: Estimator | None = None
        self._journal: Journal | None = None
        self.estimates = estimate
        if estimate:
            from melious.impact.estimates import Estimator  # noqa: PLC0415 - rarely needed

            self._estimator = Estimator()
        check_whole("keep_rows", keep_rows)
        if keep_rows or rows_file is not None:
            from melious.impact.rows import Journal  # noqa: PLC0415 - rarely needed

            self._journal = Journal(keep_rows, rows_file)

    def record(self, entry: Entry) -> None:
        """Add one request."""
        key = entry.cell
        with self._lock:
            totals = self._cells.get(key) or self._cell(key)
            estimator = self._estimator
            if estimator is None:
                totals.add(entry)
            else:
                totals.add(entry, estimator.estimate(entry))
                estimator.learn(entry)
            if self._journal is not None:
                self._journal.add(entry)

    def merge(self, other: ImpactLedger) -> None:
        """Add another ledger, including its estimates, and its rows if this one keeps rows."""
        cells, rows = list(other.cells()), other.rows
        with self._lock:
            self.estimates = self.estimates or other.estimates
            for key, totals in cells:
                self._cell(key).merge(totals)
            if self._journal is not None:
                self._journal.extend(rows)

    @classmethod
    def from_rows(cls, rows: Iterable[Row] | str | PathLike[str], *, estimate: bool = False) -> ImpactLedger:
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
            ledger.record(row.entry)
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

    def _cell(self, key: Cell) -> Totals:
        """The sums for a combination; beyond the bounds, those for the others."""
        known = tuple(map(_known_label, self._labels, key))
        totals = self._cells.get(known)
        if totals is None:
            if len(self._cells) >= MAX_CELLS:
                known = (known[0], OTHER, OTHER, known[_COUNTRY], OTHER)
            totals = self._cells.setdefault(known, Totals())
        return totals

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
        return self._merged(lambda key: key[place])

    def by_place(self) -> dict[tuple[str | None, str | None], Totals]:
        """The sums by provider and country together."""
        return self._merged(lambda key: (key[_PROVIDER], key[_COUNTRY]))

    def cells(self) -> Iterator[tuple[Cell, Totals]]:
        """The sums for each combination of the dimensions, in their order."""
        with self._lock:
            copied = [(key, totals.copy()) for key, totals in self._cells.items()]
        return iter(copied)

    def _merged(self, name_of: Callable[[Cell], K]) -> dict[K, Totals]:
        merged: dict[K, Totals] = {}
        with self._lock:
            for key, totals in self._cells.items():
                merged.setdefault(name_of(key), Totals()).merge(totals)
        return merged

    def summary(self, *, width: int = 100) -> str:
        """A text for terminals: the total, and a table for each dimension.

        It says what was not reported; estimates are in a separate table.

        Args:
            width: The most columns that a line may take, at least 50; narrow tables show fewer figures.

        Examples:
            >>> from melious import EnvironmentImpact, ImpactLedger
            >>> from melious.impact import Entry
            >>> ledger = ImpactLedger()
            >>> ledger.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(carbon_g_co2=0.5)))
            >>> print(ledger.summary().splitlines()[0])
            1 request
        """
        from melious.impact.views.table import text  # noqa: PLC0415 - rarely needed

        return text(self, width)

    def _repr_html_(self) -> str:
        """The HTML that notebooks show."""
        from melious.impact.views.html import html  # noqa: PLC0415 - rarely needed

        return html(self)

    def to_html(self, to: str | PathLike[str] | None = None, *, title: str = _TITLE) -> str | None:
        """A page with the total and the tables, which needs nothing else; for light and dark themes.

        Args:
            to: A path; None returns the page.
            title: The heading.

        Returns:
            The page, if `to` is None.
        """
        from melious.impact.views.html import page  # noqa: PLC0415 - rarely needed

        return _written(page(self, title), to)

    def to_markdown(self, to: str | PathLike[str] | None = None) -> str | None:
        """The total and the tables as Markdown.

        Args:
            to: A path; None returns the text.

        Returns:
            The text, if `to` is None.

        Examples:
            >>> from melious import ImpactLedger
            >>> ImpactLedger().to_markdown().strip()
            '**0 requests**'
        """
        from melious.impact.views.markdown import markdown  # noqa: PLC0415 - rarely needed

        return _written(markdown(self), to)

    def to_dict(self, *, json: bool = False) -> dict[str, Any]:
        """Total, breakdowns and the rows that are kept, as plain values.

        Args:
            json: Give values that `json.dumps` takes: money as decimal text, times as ISO 8601. By
                default money is `Decimal`.
        """
        from melious.impact.views.export import plain  # noqa: PLC0415 - rarely needed

        return plain(self, json=json)

    def save(self, path: str | PathLike[str], *, title: str = _TITLE) -> None:
        """Write the ledger to a file, in the format of its suffix.

        Args:
            path: `.html`, `.md`, `.txt`, `.json`, `.csv`, `.jsonl` (the rows that are kept), or `.png`,
                `.svg`, `.pdf` (the plot).
            title: The heading of a page.

        Raises:
            InvalidArgumentError: The suffix is another one.
        """
        from melious.impact.views.files import save  # noqa: PLC0415 - rarely needed

        save(self, path, title)

    def to_pandas(self, *, rows: bool = False, exact: bool = False) -> pd.DataFrame:
        """A frame with a row for each combination of endpoint, model, provider, country and routing.

        Args:
            rows: Give a row for each request that is kept (`keep_rows`) instead, with its `time`.
            exact: Keep amounts of money as `Decimal`; by default they are floats.

        Returns:
            The dimensions and the columns of `Totals`, with a column for each balance charged
            (`charged_credits`, `charged_energy`). What was not reported is missing, not 0.

        Raises:
            ImportError: pandas is not installed (extra `pandas`).

        Examples:
            >>> from melious import ImpactLedger
            >>> from melious.impact import Entry
            >>> ledger = ImpactLedger()
            >>> ledger.record(Entry("chat", "glm-4.7"))
            >>> ledger.to_pandas().groupby("model")["requests"].sum()["glm-4.7"]  # doctest: +SKIP
            1
        """
        from melious.impact.views.export import frame  # noqa: PLC0415 - imports pandas

        return frame(self, rows=rows, exact=exact)

    def to_csv(self, to: str | PathLike[str] | TextIO | None = None, *, rows: bool = False) -> str | None:
        """The rows of `to_pandas` as CSV; what was not reported is empty.

        Args:
            to: A path or an open text file; None returns the text.
            rows: Give a row for each request that is kept, with its `time`.

        Returns:
            The text, if `to` is None.

        Examples:
            >>> from melious import ImpactLedger
            >>> ImpactLedger().to_csv().split(",")[:3]
            ['endpoint', 'model', 'provider']
        """
        from melious.impact.views.export import csv_of  # noqa: PLC0415 - rarely needed

        return csv_of(self, to, rows=rows)

    def plot(
        self,
        *,
        by: Dimension | Sequence[Dimension] = ("model", "country"),
        kind: Kind | Sequence[Kind] = ("carbon", "cost"),
        over: Literal["time"] | None = None,
    ) -> Figure:
        """Draw what requests cost; estimates are hatched.

        Args:
            by: One dimension or several: a row of panels each.
            kind: `carbon`, `cost`, `energy`, `water`, `tokens` or `requests`, or several: a column each.
            over: `time` draws the sums as they grew, from the rows that are kept (`keep_rows`).

        Returns:
            A matplotlib figure outside pyplot, which notebooks show.

        Raises:
            ImportError: matplotlib is not installed (extra `plot`).
            InvalidArgumentError: An argument is not one of these, or no rows are kept.

        Examples:
            >>> from melious import ImpactLedger
            >>> ImpactLedger().plot(kind="energy").savefig("impact.png")  # doctest: +SKIP
        """
        from melious.impact.views.plots import figure  # noqa: PLC0415 - imports matplotlib

        return figure(self, by, kind, over)

    def __repr__(self) -> str:
        total = self.total
        carbon = None if total.carbon_g_co2 is None else f"{total.carbon_g_co2:.6g}"
        return f"ImpactLedger(requests={total.requests}, carbon_g_co2={carbon}, eur={total.eur})"


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


def _written(text: str, to: str | PathLike[str] | None) -> str | None:
    if to is None:
        return text
    Path(to).write_text(text, encoding="utf-8")
    return None
