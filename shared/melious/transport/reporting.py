"""Tells the ledgers what a request cost."""

from __future__ import annotations

from typing import Any

from melious.impact import BillingCost, Entry, EnvironmentImpact, active_ledgers
from melious.results import Result
from melious.transport.completion import PartialCompletion
from melious.transport.request import Request


class Report:
    """One call's report to the ledgers that were active when it began."""

    __slots__ = ("_ledgers", "_request")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._ledgers = active_ledgers()

    def whole(self, result: Result) -> None:
        """Report a whole answer."""
        if self._ledgers:
            usage = result.raw.get("usage") if isinstance(result.raw, dict) else None
            self._record(usage, result.environment_impact, result.billing_cost)

    def stream(self, partial: PartialCompletion) -> None:
        """Report a stream, as far as it came: what it did not say counts as unreported."""
        if self._ledgers:
            impact, cost = partial.environment_impact, partial.billing_cost
            self._record(
                partial.usage,
                EnvironmentImpact.model_validate(impact) if isinstance(impact, dict) and impact else None,
                BillingCost.model_validate(cost) if isinstance(cost, dict) and cost else None,
            )

    def _record(self, usage: Any, impact: EnvironmentImpact | None, cost: BillingCost | None) -> None:
        request = self._request
        entry = Entry(
            request.endpoint,
            request.model,
            request.routing,
            usage if isinstance(usage, dict) else None,
            impact,
            cost,
        )
        for ledger in self._ledgers:
            ledger.record(entry)
