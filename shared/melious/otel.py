"""OpenTelemetry: a span and metrics for every request, by the semantic conventions for generative AI.

Nothing is recorded until `instrument()` is called, and never the content of requests and answers: only
names, counts and costs. Needs the API package (extra `otel`); the application's SDK decides where the spans
go.

Examples:
    >>> from melious import otel
    >>> otel.instrument()
    >>> # client.chat.create(...), chain.invoke(...), query_engine.query(...)
    >>> otel.uninstrument()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from melious import forks
from melious._version import __version__
from melious.clients import record
from melious.clients.record import CallOutcome, Observer
from melious.errors import MeliousError
from melious.exchange.request import Request
from melious.impact import BillingCost, EnvironmentImpact, token_counts

try:
    from opentelemetry import metrics, trace
except ImportError as error:
    raise ImportError("melious.otel needs OpenTelemetry's API: pip install 'melious[otel]'") from error

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

OPERATIONS = {
    "chat": ("chat", "text"),
    "embeddings": ("embeddings", None),
    "rerank": ("rerank", None),
    "images": ("generate_content", "image"),
    "audio": ("transcription", "text"),
}
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_Attributes: TypeAlias = dict[str, Any]

_lock = forks.new_lock()
_observe: Callable[[Request], Observer] | None = None


def instrument(
    tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> None:
    """Record every request of this process from now on, through the core or either framework.

    Each request has a client span named by operation and model (`chat glm-4.7`); texts in several
    batches have several, and that of a stream ends with it. Besides the attributes of the conventions
    they have `melious.energy_kwh`, `melious.carbon_g_co2`, `melious.water_liters`,
    `melious.cost_eur`, `melious.provider`, `melious.country`, `melious.routing`,
    `melious.request_id` and `melious.attempts`; unreported ones are absent. Metrics: the histograms
    `gen_ai.client.operation.duration`, `gen_ai.client.token.usage` and
    `gen_ai.client.operation.time_to_first_chunk`, and the counters `melious.energy`,
    `melious.carbon`, `melious.water` and `melious.cost`. A second call replaces the providers.

    Args:
        tracer_provider: Where spans go; the global one by default.
        meter_provider: Where metrics go; the global one by default.
    """
    global _observe  # noqa: PLW0603 - the one switch of the process
    recorder = _Recorder(tracer_provider, meter_provider)
    with _lock:
        _remove(_observe)
        _observe = recorder.observe
        record.observers = (*record.observers, _observe)


def uninstrument() -> None:
    """Stop recording; requests under way are still recorded."""
    global _observe  # noqa: PLW0603 - the one switch of the process
    with _lock:
        _remove(_observe)
        _observe = None


def _remove(observe: Callable[[Request], Observer] | None) -> None:
    record.observers = tuple(each for each in record.observers if each is not observe)


class _Recorder:
    """The tracer and the instruments."""

    def __init__(self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None) -> None:
        self.tracer = trace.get_tracer("melious", __version__, tracer_provider)
        meter = metrics.get_meter("melious", __version__, meter_provider)
        self.duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self.first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.energy = meter.create_counter("melious.energy", "kW.h", "Energy, as reported.")
        self.carbon = meter.create_counter("melious.carbon", "g", "Carbon dioxide, as reported.")
        self.water = meter.create_counter("melious.water", "L", "Cooling water, as reported.")
        self.cost = meter.create_counter("melious.cost", "EUR", "Cost, as reported.")

    def observe(self, request: Request) -> Observer:
        """Start the span of a request."""
        return _CallSpan(self, request) if request.endpoint in OPERATIONS else _Unobserved()


class _Unobserved:
    """Requests that do not use a model, such as the list of models."""

    def opened(self) -> None:
        """Do nothing."""

    def ended(self, outcome: CallOutcome) -> None:
        """Do nothing."""


class _CallSpan:
    """The span of one request."""

    def __init__(self, recorder: _Recorder, request: Request) -> None:
        operation, output = OPERATIONS[request.endpoint]
        origin = urlsplit(request.base_url)
        self._recorder = recorder
        self._common: _Attributes = _known(
            {
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": "melious",
                "gen_ai.request.model": request.routing.model or None,
                "server.address": origin.hostname,
                "server.port": origin.port or (80 if origin.scheme == "http" else 443),
            }
        )
        attributes = _known(
            {
                **self._common,
                "gen_ai.output.type": output,
                "gen_ai.request.stream": request.stream or None,
                "melious.routing": request.routing.preference,
            }
        )
        self._began = time.perf_counter()
        self._span: Span = recorder.tracer.start_span(
            f"{operation} {request.routing.model}".strip(), kind=trace.SpanKind.CLIENT, attributes=attributes
        )

    def opened(self) -> None:
        """Record the time to the first chunk."""
        waited = time.perf_counter() - self._began
        self._span.set_attribute("gen_ai.response.time_to_first_chunk", waited)
        self._recorder.first_chunk.record(waited, self._common, _context(self._span))

    def ended(self, outcome: CallOutcome) -> None:
        """End the span and record the metrics."""
        span, entry, error = self._span, outcome.entry, outcome.error
        attributes = {
            **_answer(outcome),
            **_impact(entry.impact),
            **_cost(entry.cost),
            "melious.request_id": outcome.request_id,
            "melious.attempts": outcome.attempts or None,
            "melious.relaxed": list(entry.relaxed) or None,
            "melious.residency": entry.residency,
        }
        measured = _known({**self._common, "gen_ai.response.model": attributes["gen_ai.response.model"]})
        if error is not None:
            # The text of an error may repeat what was sent: it is not recorded.
            measured["error.type"] = attributes["error.type"] = type(error).__name__
            attributes["http.response.status_code"] = getattr(error, "status_code", None)
            if isinstance(error, MeliousError):
                attributes["melious.error.code"] = error.code
            span.set_status(trace.StatusCode.ERROR)
        span.set_attributes(_known(attributes))
        self._measure(outcome, measured)
        span.end()

    def _measure(self, outcome: CallOutcome, attributes: _Attributes) -> None:
        recorder, context, entry = self._recorder, _context(self._span), outcome.entry
        recorder.duration.record(time.perf_counter() - self._began, attributes, context)
        counts = token_counts(entry.usage) if entry.usage else {}
        for kind in ("input", "output"):
            count = counts.get(f"{kind}_tokens")
            if count is not None:
                recorder.tokens.record(count, {**attributes, "gen_ai.token.type": kind}, context)
        impact, cost = entry.impact, entry.cost
        place = _known(
            {
                **attributes,
                "melious.provider": impact.provider_id if impact else None,
                "melious.country": impact.location if impact else None,
            }
        )
        for counter, amount in (
            (recorder.energy, impact.energy_kwh if impact else None),
            (recorder.carbon, impact.carbon_g_co2 if impact else None),
            (recorder.water, impact.water_liters if impact else None),
            (recorder.cost, cost.eur if cost else None),
        ):
            if amount is not None:
                counter.add(float(amount), place, context)


def _context(span: Span) -> Any:
    """The context that links a measurement to its span."""
    return trace.set_span_in_context(span)


def _answer(outcome: CallOutcome) -> _Attributes:
    answer = outcome.answer
    counts = token_counts(outcome.entry.usage) if outcome.entry.usage else {}
    return {
        "gen_ai.response.model": _text(answer.get("model")),
        "gen_ai.response.id": _text(answer.get("id")),
        "gen_ai.response.finish_reasons": _finish_reasons(answer.get("choices")),
        "gen_ai.usage.input_tokens": counts.get("input_tokens"),
        "gen_ai.usage.output_tokens": counts.get("output_tokens"),
        "gen_ai.usage.cache_read.input_tokens": counts.get("cached_tokens"),
        "gen_ai.usage.reasoning.output_tokens": counts.get("reasoning_tokens"),
    }


def _impact(impact: EnvironmentImpact | None) -> _Attributes:
    if impact is None:
        return {}
    return {
        "melious.energy_kwh": impact.energy_kwh,
        "melious.carbon_g_co2": impact.carbon_g_co2,
        "melious.water_liters": impact.water_liters,
        "melious.provider": impact.provider_id,
        "melious.country": impact.location,
    }


def _cost(cost: BillingCost | None) -> _Attributes:
    if cost is None:
        return {}
    return {
        "melious.cost_eur": None if cost.eur is None else float(cost.eur),
        "melious.charged": None if cost.charged is None else float(cost.charged),
        "melious.paid_with": cost.paid_with,
    }


def _finish_reasons(choices: Any) -> list[str] | None:
    found: Iterable[Any] = choices if isinstance(choices, list) else ()
    reasons = [_text(choice.get("finish_reason")) for choice in found if isinstance(choice, dict)]
    return [reason for reason in reasons if reason] or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _known(attributes: _Attributes) -> _Attributes:
    """The attributes without unknown ones."""
    return {name: value for name, value in attributes.items() if value is not None}
