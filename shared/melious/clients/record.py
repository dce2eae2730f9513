"""Tells the ledgers, and whoever else observes calls, what a request cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from melious.answers.results import Result
from melious.errors import MeliousError
from melious.exchange.opened import OpenStream
from melious.exchange.request import Request
from melious.impact import BillingCost, Entry, EnvironmentImpact, active_ledgers
from melious.impact.totals import UsageSink, verification

if TYPE_CHECKING:
    from melious.routing.residency import Residency


class Outcome(NamedTuple):
    """How a call ended.

    Attributes:
        entry: What the ledgers are told of it.
        answer: The answer as the service sent it, a stream's as far as it came; empty where there is none.
        request_id: The service's id of the request.
        attempts: How many requests it took.
        error: Why it failed, if it did.
    """

    entry: Entry
    answer: Mapping[str, Any]
    request_id: str | None = None
    attempts: int = 0
    error: BaseException | None = None


class Observer(Protocol):
    """Follows one call."""

    def opened(self) -> None:
        """The first chunk of a stream came."""

    def ended(self, outcome: Outcome) -> None:
        """The call ended; called once."""


observers: tuple[Callable[[Request], Observer], ...] = ()
"""Asked for an observer of every call that begins."""


class Report:
    """One call's report to the ledgers that were active when it was asked for, its budgets and observers.

    It ends with one of `whole`, `stream` and `failed`.
    """

    __slots__ = ("_ledgers", "_observers", "_request")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._ledgers: tuple[UsageSink, ...] = active_ledgers()
        if request.budgets:
            self._ledgers += request.budgets
        self._observers: tuple[Observer, ...] = ()

    def begin(self) -> Self:
        """The call begins."""
        if observers:
            self._observers = tuple(observe(self._request) for observe in observers)
        return self

    def opened(self) -> None:
        """The first chunk of a stream came."""
        for observer in self._observers:
            observer.opened()

    def whole(self, result: Result) -> None:
        """Report a whole answer."""
        if self._ledgers or self._observers:
            answer = result.raw if isinstance(result.raw, dict) else {}
            entry = self._entry(
                answer.get("usage"),
                result.environment_impact,
                result.billing_cost,
                relaxed=result.relaxed,
                residency=result.meta.residency,
            )
            self._tell(Outcome(entry, answer, result.request_id, result.attempts))

    def stream(self, opened: OpenStream) -> None:
        """Report a stream, as far as it came: what it did not say counts as unreported."""
        if self._ledgers or self._observers:
            partial, error = opened.parser.partial, opened.parser.error
            impact, cost = partial.environment_impact, partial.billing_cost
            entry = self._entry(
                partial.usage,
                EnvironmentImpact.model_validate(impact) if isinstance(impact, dict) and impact else None,
                BillingCost.model_validate(cost) if isinstance(cost, dict) and cost else None,
                failed=error is not None,
                relaxed=opened.relaxed,
                residency=opened.residency if error is None else None,
            )
            answer = partial.to_wire() if self._observers else {}
            self._tell(Outcome(entry, answer, opened.head.request_id, opened.attempts, error))

    def failed(self, error: BaseException) -> None:
        """Report a call without an answer; to the ledgers only if it was sent."""
        if self._ledgers or self._observers:
            ours = error if isinstance(error, MeliousError) else None
            entry = self._entry(None, None, None, answered=False, failed=ours is None or ours.attempts > 0)
            self._tell(
                Outcome(entry, {}, ours.request_id if ours else None, ours.attempts if ours else 0, error)
            )

    def _entry(
        self,
        usage: Any,
        impact: EnvironmentImpact | None,
        cost: BillingCost | None,
        *,
        answered: bool = True,
        failed: bool = False,
        relaxed: tuple[str, ...] = (),
        residency: Residency | None = None,
    ) -> Entry:
        request = self._request
        location = None if impact is None else impact.location
        return Entry(
            request.endpoint,
            request.model,
            request.routing,
            usage if isinstance(usage, dict) else None,
            impact,
            cost,
            answered=answered,
            failed=failed,
            relaxed=relaxed,
            residency=None if residency is None else verification(residency.allows(location)),
        )

    def _tell(self, outcome: Outcome) -> None:
        entry = outcome.entry
        if entry.answered or entry.failed:
            for ledger in self._ledgers:
                ledger.record(entry)
        for observer in self._observers:
            observer.ended(outcome)


def verify_location(answer: Result | OpenStream) -> None:
    """Hold an answer, once it is reported, against the countries that its request asked for, if any.

    Raises:
        ResidencyError: It is from elsewhere or from nobody knows where, and that is to be raised.
    """
    if isinstance(answer, OpenStream):
        if answer.residency is not None:
            from melious.answers.location import verify_stream  # noqa: PLC0415

            verify_stream(answer)
    elif answer.meta.residency is not None:
        from melious.answers.location import verify  # noqa: PLC0415

        verify(answer)
