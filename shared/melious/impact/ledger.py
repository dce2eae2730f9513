"""The ledger: sums over requests, in total and by dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from melious import forks
from melious.impact.totals import DIMENSIONS, OTHER, Cell, Dimension, Entry, Totals

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from melious.impact.estimates import Estimator

MAX_LABELS = 256
MAX_CELLS = 4096
_MAX_LABEL = 200
_PROVIDER, _COUNTRY = DIMENSIONS.index("provider"), DIMENSIONS.index("country")
K = TypeVar("K")


class ImpactLedger:
    """Adds up what requests cost, in total and by endpoint, model, provider, country and routing.

    Thread-safe. Memory grows with the number of combinations, not of requests, and
    is bounded: 256 names per dimension and 4096 combinations are kept apart, further
    ones are counted as `other`. The total is always complete.

    Attributes:
        estimates: Whether figures that were not reported are estimated.

    Example:
        >>> from melious import EnvironmentImpact, ImpactLedger
        >>> from melious.impact import Entry
        >>> ledger = ImpactLedger()
        >>> ledger.total.requests, ledger.total.carbon_g_co2
        (0, None)
        >>> ledger.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(carbon_g_co2=0.5, location="FI")))
        >>> ledger.by("country")["FI"].carbon_g_co2
        0.5
    """

    def __init__(self, *, estimate: bool = False) -> None:
        """Create an empty ledger.

        Args:
            estimate: Estimate what is not reported from earlier reports of the same model and
                provider, in separate columns (`estimated_carbon_g_co2`, ...).
        """
        self._lock = forks.new_lock()
        self._cells: dict[Cell, Totals] = {}
        self._labels: tuple[set[str | None], ...] = tuple(set() for _ in DIMENSIONS)
        self._estimator: Estimator | None = None
        self.estimates = estimate
        if estimate:
            from melious.impact.estimates import Estimator  # noqa: PLC0415 - rarely needed

            self._estimator = Estimator()

    def record(self, entry: Entry) -> None:
        """Add one request."""
        impact = entry.impact
        key = (
            entry.endpoint,
            entry.model,
            impact.provider_id if impact else None,
            impact.location if impact else None,
            entry.routing,
        )
        with self._lock:
            totals = self._cells.get(key) or self._cell(key)
            estimator = self._estimator
            if estimator is None:
                totals.add(entry)
            else:
                totals.add(entry, estimator.estimate(entry))
                estimator.learn(entry)

    def merge(self, other: ImpactLedger) -> None:
        """Add another ledger, including its estimates."""
        cells = list(other.cells())
        with self._lock:
            self.estimates = self.estimates or other.estimates
            for key, totals in cells:
                self._cell(key).merge(totals)

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
        """
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

    def summary(self) -> str:
        """A text for terminals, at most 100 columns wide: the total, and a table for each dimension.

        It says what was not reported; estimates are in a separate table.

        Example:
            >>> from melious import EnvironmentImpact, ImpactLedger
            >>> from melious.impact import Entry
            >>> ledger = ImpactLedger()
            >>> ledger.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(carbon_g_co2=0.5)))
            >>> print(ledger.summary().splitlines()[0])
            1 request
        """
        from melious.impact.views.table import text  # noqa: PLC0415 - rarely needed

        return text(self)

    def _repr_html_(self) -> str:
        """The HTML that notebooks show."""
        from melious.impact.views.html import html  # noqa: PLC0415 - rarely needed

        return html(self)

    def to_dict(self) -> dict[str, Any]:
        """Total and breakdowns as plain values; decimals stay decimals."""
        return {
            "total": self.total.to_dict(),
            **{
                f"by_{dimension}": {name: totals.to_dict() for name, totals in self.by(dimension).items()}
                for dimension in DIMENSIONS
            },
        }

    def to_pandas(self, *, exact: bool = False) -> pd.DataFrame:
        """A frame with a row for each combination of endpoint, model, provider, country and routing.

        Args:
            exact: Keep amounts of money as `Decimal`; by default they are floats.

        Returns:
            The dimensions and the columns of `Totals`, with a column for each balance charged
            (`charged_credits`, `charged_energy`). What was not reported is missing, not 0.

        Raises:
            ImportError: pandas is not installed (extra `pandas`).

        Example:
            >>> from melious import ImpactLedger
            >>> from melious.impact import Entry
            >>> ledger = ImpactLedger()
            >>> ledger.record(Entry("chat", "glm-4.7"))
            >>> ledger.to_pandas().groupby("model")["requests"].sum()["glm-4.7"]  # doctest: +SKIP
            1
        """
        from melious.impact.views.export import frame  # noqa: PLC0415 - imports pandas

        return frame(self, exact=exact)

    def to_csv(self, to: str | PathLike[str] | TextIO | None = None) -> str | None:
        """The rows of `to_pandas` as CSV; what was not reported is empty.

        Args:
            to: A path or an open text file; None returns the text.

        Returns:
            The text, if `to` is None.

        Example:
            >>> from melious import ImpactLedger
            >>> ImpactLedger().to_csv().split(",")[:3]
            ['endpoint', 'model', 'provider']
        """
        from melious.impact.views.export import csv_of  # noqa: PLC0415 - rarely needed

        return csv_of(self, to)

    def plot(self) -> Figure:
        """Draw carbon and cost by model and by country; estimates are hatched.

        Returns:
            A matplotlib figure outside pyplot, which notebooks show.

        Raises:
            ImportError: matplotlib is not installed (extra `plot`).

        Example:
            >>> from melious import ImpactLedger
            >>> ImpactLedger().plot().savefig("impact.png")  # doctest: +SKIP
        """
        from melious.impact.views.plots import figure  # noqa: PLC0415 - imports matplotlib

        return figure(self)

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
