"""What the probe has spent, and whether the next request may still be sent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from melious.probe.asking import Ask, Seen

_SERVER_ERROR = 500


@dataclass(slots=True)
class Spending:
    """Counts money, in EUR.

    Attributes:
        limit: The most that may be spent.
        reported: What the service said it billed.
        estimated: What answers without a bill cost at most, by the prices of the catalogue. Refusals
            (4xx) count as free.
        unreported: How many requests were estimated.
    """

    limit: Decimal
    reported: Decimal = Decimal(0)
    estimated: Decimal = Decimal(0)
    unreported: int = 0

    @property
    def total(self) -> Decimal:
        """Both together."""
        return self.reported + self.estimated

    def allows(self, ask: Ask) -> bool:
        """Whether a request stays within the limit, whatever it costs."""
        return not ask.most_cost or self.total + ask.most_cost <= self.limit

    def add(self, seen: Seen) -> None:
        """Count what a request cost."""
        if seen.eur is not None:
            self.reported += seen.eur
        elif seen.ask.most_cost and _may_be_billed(seen):
            self.estimated += seen.ask.most_cost
            self.unreported += 1


def _may_be_billed(seen: Seen) -> bool:
    return seen.status is None or seen.is_success or seen.status >= _SERVER_ERROR
