"""The ledger: sums over requests, in total and broken down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

from melious.impact.totals import Entry, Totals
from melious.transport import forks

Dimension: TypeAlias = Literal["endpoint", "model", "provider", "country", "routing"]
_DIMENSIONS: tuple[Dimension, ...] = ("endpoint", "model", "provider", "country", "routing")
_PROVIDER, _COUNTRY = _DIMENSIONS.index("provider"), _DIMENSIONS.index("country")
_Cell: TypeAlias = tuple[str, str, str | None, str | None, str | None]
K = TypeVar("K")


class ImpactLedger:
    """Adds up what requests cost, in total and by endpoint, model, provider, country and routing.

    Safe to use from several threads. Its memory grows with the number of
    different combinations, not with the number of requests.

    Example:
        >>> from melious import ImpactLedger
        >>> ledger = ImpactLedger()
        >>> ledger.total.requests, ledger.total.carbon_g_co2
        (0, None)
    """

    def __init__(self) -> None:
        self._lock = forks.new_lock()
        self._cells: dict[_Cell, Totals] = {}

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
            self._cells.setdefault(key, Totals()).add(entry)

    def merge(self, other: ImpactLedger) -> None:
        """Add what another ledger has recorded."""
        with other._lock:
            cells = [(key, totals.copy()) for key, totals in other._cells.items()]
        with self._lock:
            for key, totals in cells:
                self._cells.setdefault(key, Totals()).merge(totals)

    @property
    def total(self) -> Totals:
        """The sums over all requests."""
        return self._merged(lambda _: None).get(None, Totals())

    def by(self, dimension: Dimension) -> dict[str | None, Totals]:
        """The sums by one dimension; None stands for requests that did not report it.

        Args:
            dimension: `endpoint`, `model`, `provider`, `country` or `routing`.
        """
        place = _DIMENSIONS.index(dimension)
        return self._merged(lambda key: key[place])

    def by_place(self) -> dict[tuple[str | None, str | None], Totals]:
        """The sums by provider and country together."""
        return self._merged(lambda key: (key[_PROVIDER], key[_COUNTRY]))

    def _merged(self, name_of: Callable[[_Cell], K]) -> dict[K, Totals]:
        merged: dict[K, Totals] = {}
        with self._lock:
            for key, totals in self._cells.items():
                merged.setdefault(name_of(key), Totals()).merge(totals)
        return merged

    def to_dict(self) -> dict[str, Any]:
        """Total and breakdowns as plain values."""
        return {
            "total": self.total.to_dict(),
            **{
                f"by_{dimension}": {name: totals.to_dict() for name, totals in self.by(dimension).items()}
                for dimension in _DIMENSIONS
            },
        }

    def __repr__(self) -> str:
        total = self.total
        return f"ImpactLedger(requests={total.requests}, carbon_g_co2={total.carbon_g_co2}, eur={total.eur})"
