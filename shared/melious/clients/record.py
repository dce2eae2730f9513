"""Reports what a call cost to ledgers, budgets and other observers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from melious.answers.results import Result
from melious.clients import outcomes
from melious.clients.outcomes import CallOutcome, Observer
from melious.errors import MeliousError
from melious.exchange.request import Request
from melious.impact.facts import BillingCost, EnvironmentImpact
from melious.impact.totals import Entry, verification
from melious.routing.terms import RoutingTerms

if TYPE_CHECKING:
    from melious.exchange.opened import OpenAnswer, OpenStream

_SANDBOX = "melious-sandbox"
"""What the sandbox calls itself in the header `server`."""

logger = logging.getLogger("melious")


class UsageRecorder:
    """Reports one call to the sinks of its request, and to observers.

    It is a context manager around the call: an error that leaves it is reported as the call's failure.
    Only the first report counts.
    """

    __slots__ = ("_ended", "_observers", "_request")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._observers: tuple[Observer, ...] = ()
        self._ended = False

    def begin(self) -> Self:
        """The call begins."""
        if outcomes.observers:
            self._observers = tuple(observe(self._request) for observe in outcomes.observers)
        if logger.isEnabledFor(logging.INFO):
            from melious.clients.call_log import CallLog  # noqa: PLC0415 - only where it is logged

            self._observers = (*self._observers, CallLog(self._request.stream))
        return self

    __enter__ = begin

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.failed(error)

    def opened(self) -> None:
        """The first chunk of a stream came."""
        for observer in self._observers:
            observer.opened()

    def answered(self, result: Result) -> None:
        """Report a whole answer."""
        if self._must_report():
            answer = result.raw if isinstance(result.raw, dict) else {}
            usage, impact, cost = answer.get("usage"), result.environment_impact, result.billing_cost
            call = result.meta.call
            entry = self._entry(
                usage,
                impact,
                cost,
                call.routing,
                result.headers,
                seconds=call.elapsed or None,
                pages=result.page_count,
            )
            self._report(CallOutcome(entry, answer, result.request_id, result.attempts))

    def stream_ended(self, opened: OpenStream, complete: bool) -> None:  # noqa: FBT001 - a callback
        """Report a stream as far as it was received; verify its location if it is complete.

        Raises:
            ResidencyError: It was not made in an allowed country, and the request said `raise`.
        """
        if self._must_report():
            partial, error = opened.parser.partial, opened.parser.error
            impact, cost = partial.environment_impact, partial.billing_cost
            routing = opened.call.routing
            entry = self._entry(
                partial.usage,
                EnvironmentImpact.model_validate(impact) if isinstance(impact, dict) and impact else None,
                BillingCost.model_validate(cost) if isinstance(cost, dict) and cost else None,
                routing if error is None else routing._replace(residency=None),
                opened.head.headers,
                failed=error is not None,
            )
            answer = partial.to_wire() if self._observers else {}
            head = opened.head
            self._report(CallOutcome(entry, answer, head.request_id, opened.call.attempts, error))
        if complete and opened.call.routing.residency is not None:
            from melious.answers.location import verify_stream  # noqa: PLC0415 - only to verify

            verify_stream(opened)

    def file_ended(self, opened: OpenAnswer[bytes], complete: bool) -> None:  # noqa: FBT001, ARG002 - a callback
        """Report a file as far as it was received."""
        if self._must_report():
            error, head = opened.parser.error, opened.head
            entry = self._entry(None, None, None, opened.call.routing, head.headers, failed=error is not None)
            self._report(CallOutcome(entry, {}, head.request_id, opened.call.attempts, error))

    def failed(self, error: BaseException) -> None:
        """Report a call that failed; to the sinks only if it was sent."""
        if self._must_report():
            ours = error if isinstance(error, MeliousError) else None
            sent = ours is None or ours.attempts > 0
            entry = self._entry(None, None, None, self._request.routing, {}, answered=False, failed=sent)
            self._report(
                CallOutcome(entry, {}, ours.request_id if ours else None, ours.attempts if ours else 0, error)
            )

    def _must_report(self) -> bool:
        ended, self._ended = self._ended, True
        return not ended and bool(self._request.sinks or self._observers)

    def _entry(
        self,
        usage: Any,
        impact: EnvironmentImpact | None,
        cost: BillingCost | None,
        routing: RoutingTerms,
        headers: Mapping[str, str],
        *,
        answered: bool = True,
        failed: bool = False,
        seconds: float | None = None,
        pages: int | None = None,
    ) -> Entry:
        asked = self._request.routing
        residency = routing.residency if answered else None
        location = None if impact is None else impact.location
        return Entry(
            self._request.endpoint,
            asked.model,
            asked.preference,
            usage if isinstance(usage, dict) else None,
            impact,
            cost,
            answered=answered,
            failed=failed,
            relaxed=routing.relaxed if answered else (),
            residency=None if residency is None else verification(residency.allows(location)),
            tags=self._request.tags,
            seconds=seconds,
            from_sandbox=headers.get("server") == _SANDBOX,
            pages=pages,
        )

    def _report(self, outcome: CallOutcome) -> None:
        entry = outcome.entry
        if entry.answered or entry.failed:
            for sink in self._request.sinks:
                sink.record(entry)
        for observer in self._observers:
            observer.ended(outcome)


def verify_location(result: Result) -> None:
    """Verify the location of a reported answer, if its request named countries.

    Raises:
        ResidencyError: It is from elsewhere or does not report its location, and the request said `raise`.
    """
    if result.meta.residency is not None:
        from melious.answers.location import verify  # noqa: PLC0415 - only to verify

        verify(result)
