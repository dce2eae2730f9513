"""The span and the measurements of one call."""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from opentelemetry import trace

from melious import forks
from melious._version import __version__
from melious.clients.outcomes import CallOutcome, Observer
from melious.exchange.request import Request
from melious.impact import token_counts
from melious.otel.attributes import (
    OPERATIONS,
    Attributes,
    common_attributes,
    cost_attributes,
    known,
    outcome_attributes,
    request_attributes,
    uncounted,
)
from melious.otel.instruments import Instruments
from melious.otel.nesting import Place, is_suppressed, measures_tokens, place_of

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

WhenNested: TypeAlias = Literal["child", "skip"]
"""What to do where a framework's own span stands for the same call: a span below it, or none."""


class Settings(NamedTuple):
    """What `instrument` was called with.

    Attributes:
        when_nested: What to do where a framework's own span stands for the same call.
        usd_per_eur: The rate to convert costs at; None leaves them euro.
    """

    when_nested: WhenNested = "child"
    usd_per_eur: Decimal | None = None


class Recorder:
    """The tracer and the instruments."""

    def __init__(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None, settings: Settings
    ) -> None:
        """Make them.

        Args:
            tracer_provider: Where spans go; the global one by default.
            meter_provider: Where metrics go; the global one by default.
            settings: How to record.
        """
        self.tracer = trace.get_tracer("melious", __version__, tracer_provider)
        self.instruments = Instruments(meter_provider)
        self.settings = settings
        self.costs = _Costs()

    def observe(self, request: Request) -> Observer:
        """Start the span of a request."""
        if request.endpoint not in OPERATIONS or is_suppressed():
            return _Unobserved()
        return _Call(self, request, place_of(request.endpoint, getattr(self.tracer, "resource", None)))


class _Costs:
    """What was written onto spans of others: a call of theirs may take two requests of ours."""

    def __init__(self) -> None:
        self._lock = forks.new_lock()
        self._euros: WeakKeyDictionary[Span, Decimal] = WeakKeyDictionary()

    def add(self, span: Span, eur: Decimal) -> Decimal:
        """Add to the cost of a span; gives the sum."""
        with self._lock:
            total = self._euros[span] = self._euros.get(span, Decimal(0)) + eur
            return total


class _Unobserved:
    """Requests that do not use a model, such as the list of models, and those of code not to be traced."""

    def opened(self) -> None:
        """Do nothing."""

    def ended(self, outcome: CallOutcome) -> None:
        """Do nothing."""


class _Call:
    """One call: its own span, if it has one, and those that a framework opened for it."""

    def __init__(self, recorder: Recorder, request: Request, place: Place) -> None:
        self._instruments = recorder.instruments
        self._settings = recorder.settings
        self._costs = recorder.costs
        self._theirs = place.spans
        self._common = common_attributes(request)
        self._measured_by_others = measures_tokens(place.spans)
        self._began = time.perf_counter()
        attributes = request_attributes(request)
        self._own: Span | None = None
        if not place.spans or recorder.settings.when_nested == "child":
            self._own = recorder.tracer.start_span(
                f"{attributes['gen_ai.operation.name']} {request.routing.model}".strip(),
                context=place.parent,
                kind=trace.SpanKind.CLIENT,
                attributes=self._named(attributes),
            )
        else:
            self._tell_theirs(uncounted(attributes))
        self._context = trace.set_span_in_context(self._own or place.spans[0])

    def _named(self, attributes: Attributes) -> Attributes:
        """Attributes by the names that our span has them under."""
        return uncounted(attributes) if self._theirs else attributes

    def _tell_theirs(self, attributes: Attributes) -> None:
        for span in self._theirs:
            if span.is_recording():
                span.set_attributes(attributes)

    def opened(self) -> None:
        """Record the time to the first chunk."""
        waited = time.perf_counter() - self._began
        attributes: Attributes = {"gen_ai.response.time_to_first_chunk": waited}
        if self._own is None:
            self._tell_theirs(uncounted(attributes))
        else:
            self._own.set_attributes(self._named(attributes))
        self._instruments.first_chunk.record(waited, self._common, self._context)

    def ended(self, outcome: CallOutcome) -> None:
        """End the span and record the metrics."""
        attributes = outcome_attributes(outcome)
        self._measure(outcome, attributes)
        if self._own is None:
            self._tell_theirs(uncounted(attributes))
            self._tell_cost(outcome)
            return
        self._own.set_attributes(self._named(attributes))
        if not self._tell_cost(outcome):
            self._own.set_attributes(cost_attributes(_eur(outcome), self._settings.usd_per_eur))
        if outcome.error is not None:
            self._own.set_status(trace.StatusCode.ERROR)
        self._own.end()

    def _tell_cost(self, outcome: CallOutcome) -> bool:
        """Write the cost onto the spans that count the tokens; False if none is open any more."""
        recording = [span for span in self._theirs if span.is_recording()]
        eur = _eur(outcome)
        if eur is None:
            return bool(recording)
        for span in recording:
            total = self._costs.add(span, eur)
            scope = getattr(getattr(span, "instrumentation_scope", None), "name", None) or ""
            span.set_attributes(cost_attributes(total, self._settings.usd_per_eur, scope))
            if self._own is None:
                span.set_attribute("melious.cost_eur", float(total))
            if outcome.entry.simulated:
                span.set_attribute("melious.simulated", True)
        return bool(recording)

    def _measure(self, outcome: CallOutcome, attributes: Attributes) -> None:
        instruments, entry, where = self._instruments, outcome.entry, self._context
        measured = known(
            {
                **self._common,
                "gen_ai.response.model": attributes.get("gen_ai.response.model"),
                "error.type": attributes.get("error.type"),
            }
        )
        if not self._measured_by_others:
            instruments.duration.record(time.perf_counter() - self._began, measured, where)
            for kind, count in _token_kinds(entry.usage):
                instruments.tokens.record(count, {**measured, "gen_ai.token.type": kind}, where)
        impact = entry.impact
        place = known(
            {
                **measured,
                "melious.provider": impact.provider_id if impact else None,
                "melious.country": impact.location if impact else None,
                "melious.simulated": outcome.entry.simulated or None,
            }
        )
        for counter, amount in (
            (instruments.energy, impact.energy_kwh if impact else None),
            (instruments.carbon, impact.carbon_g_co2 if impact else None),
            (instruments.water, impact.water_liters if impact else None),
            (instruments.cost, _eur(outcome)),
        ):
            if amount is not None:
                counter.add(float(amount), place, where)


def _eur(outcome: CallOutcome) -> Decimal | None:
    cost = outcome.entry.cost
    return None if cost is None else cost.eur


def _token_kinds(usage: dict[str, Any] | None) -> Iterable[tuple[str, int]]:
    """The numbers of tokens, by the conventions' names of their kinds."""
    counts = token_counts(usage) if usage else {}
    for kind in ("input", "output"):
        count = counts.get(f"{kind}_tokens")
        if count is not None:
            yield kind, count
