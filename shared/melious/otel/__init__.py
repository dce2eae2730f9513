"""OpenTelemetry: a span and metrics for every request, by the semantic conventions for generative AI.

Nothing is recorded until `instrument()` is called, and never the content of requests and answers: only
names, counts and costs. Needs the API package (extra `otel`); the application's SDK decides where the spans
go.

Examples:
    >>> from melious import otel
    >>> otel.instrument()
    >>> # client.chat.create(...), chain.invoke(...), query_engine.query(...)
    >>> otel.uninstrument()

**Beside other tracers.** OpenInference, OpenLLMetry and Langfuse trace LangChain and LlamaIndex themselves,
and count the tokens of chat calls. Where one of them has a span for the same call, ours is its child, or is
left out (`when_nested="skip"`); so is any span that says by its attributes that it stands for a chat call.
Then

* ours has no `gen_ai.*` attribute: they are under `melious.*` (`melious.usage.input_tokens`), so that a
  backend that sums tokens or counts calls of models does not count twice;
* the cost is written onto the span that counts the tokens, if it is still open;
* with `when_nested="skip"`, so are all `melious.*` attributes;
* beside OpenLLMetry for LangChain, which records `gen_ai.client.token.usage` and
  `gen_ai.client.operation.duration` itself, we do not.

Embeddings and reranking are counted by ours alone, below the span of the run, chain or tool around them.
Give all of them one tracer provider: ours does not attach itself to the spans of another one. Inside
OpenTelemetry's `suppress_instrumentation()` nothing is recorded.

**Cost.** As `gen_ai.usage.cost`, which Langfuse reads, and `llm.cost.total`, OpenInference's name, on the
span that counts the tokens; `langfuse.observation.cost_details` on spans of Langfuse. The service bills in
euro, and those names mean US dollars by convention. Give `usd_per_eur` to convert. Without it the amounts are
euro, which dashboards will show with a dollar sign; `melious.cost_currency` says which it is, and
`melious.cost_eur` is always euro. A cost that was not reported, as in native streams, is absent, not zero.
Costs, impact and metrics that a sandbox made up are marked `melious.simulated`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from melious import forks
from melious.clients import outcomes
from melious.clients.outcomes import Observer
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_one_of
from melious.exchange.request import Request

try:
    from melious.otel.spans import Recorder, Settings, WhenNested
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ImportError("melious.otel needs OpenTelemetry's API: pip install 'melious[otel]'") from error

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_lock = forks.new_lock()
_observe: Callable[[Request], Observer] | None = None


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    when_nested: WhenNested = "child",
    usd_per_eur: float | Decimal | None = None,
) -> None:
    """Record every request of this process from now on, through the core or either framework.

    Each request has a client span named by operation and model (`chat glm-4.7`); texts in several
    batches have several, and that of a stream ends with it. Besides the attributes of the conventions
    they have `melious.energy_kwh`, `melious.carbon_g_co2`, `melious.water_liters`,
    `melious.cost_eur`, `melious.provider`, `melious.country`, `melious.routing`,
    `melious.request_id` and `melious.attempts`; unreported ones are absent. Metrics: the histograms
    `gen_ai.client.operation.duration`, `gen_ai.client.token.usage` and
    `gen_ai.client.operation.time_to_first_chunk`, and the counters `melious.energy`,
    `melious.carbon`, `melious.water` and `melious.cost`. A second call replaces the first.

    Args:
        tracer_provider: Where spans go; the global one by default.
        meter_provider: Where metrics go; the global one by default.
        when_nested: Where another tracer has a span for the same call: `child`, the default, makes ours its
            child; `skip` makes none and writes what is known onto the other one.
        usd_per_eur: US dollars for one euro, to give `gen_ai.usage.cost` and `llm.cost.total` in dollars, as
            their conventions say. By default they are in euro; see the module.

    Raises:
        InvalidArgumentError: `when_nested` is neither, or the rate is not a positive number.
    """
    global _observe  # noqa: PLW0603 - the one switch of the process
    check_one_of("when_nested", when_nested, ("child", "skip"))
    recorder = Recorder(tracer_provider, meter_provider, Settings(when_nested, _checked_rate(usd_per_eur)))
    with _lock:
        _remove(_observe)
        _observe = recorder.observe
        outcomes.observers = (*outcomes.observers, _observe)


def uninstrument() -> None:
    """Stop recording; requests under way are still recorded."""
    global _observe  # noqa: PLW0603 - the one switch of the process
    with _lock:
        _remove(_observe)
        _observe = None


def _checked_rate(rate: object) -> Decimal | None:
    if rate is None:
        return None
    if isinstance(rate, int | float | Decimal) and not isinstance(rate, bool) and 0 < rate < math.inf:
        return Decimal(str(rate))
    raise InvalidArgumentError(
        f"usd_per_eur: must be a positive number or None, not {rate!r:.80}", param="usd_per_eur"
    )


def _remove(observe: Callable[[Request], Observer] | None) -> None:
    outcomes.observers = tuple(each for each in outcomes.observers if each is not observe)
