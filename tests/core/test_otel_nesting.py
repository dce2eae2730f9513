"""Spans of calls beside spans of other tracers for the same call: nobody counts twice, and the cost is found."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import StatusCode
from telemetry import Telemetry, recorded

from melious import InvalidArgumentError, MeliousError, otel, track_impact
from melious.catalogue import methods
from melious.sandbox import Fault, Reply, Sandbox

from .clients import AUDIO, CHAT, EMBEDDINGS, QUESTION, RERANK, TOOL, Clients

MARKS = [
    {"gen_ai.operation.name": "chat"},
    {"openinference.span.kind": "LLM"},
    {"langfuse.observation.type": "generation"},
]
NO_MARKS = [
    {},
    {"gen_ai.operation.name": "invoke_agent"},
    {"openinference.span.kind": "CHAIN"},
    {"langfuse.observation.type": "span"},
]


@pytest.fixture
def told() -> Iterator[Telemetry]:
    with recorded() as telemetry:
        yield telemetry
    methods.forget_methods()


def call(clients: Clients, client: Any, told: Telemetry, marks: dict[str, str], stream: bool = False) -> Any:
    """Chat inside another tracer's span; gives the answer."""
    with told.tracer_provider.get_tracer("other").start_as_current_span("theirs", attributes=marks):
        if stream:
            return clients.stream(client, model=CHAT, messages=QUESTION).stream.completion()
        return clients.call(client, "chat.create", model=CHAT, messages=QUESTION)


def pair(told: Telemetry) -> tuple[ReadableSpan, ReadableSpan]:
    """Our span and theirs; ours is the child."""
    ours, theirs = told.spans
    assert (ours.instrumentation_scope.name, theirs.name) == ("melious", "theirs")
    assert ours.parent.span_id == theirs.context.span_id
    return ours, theirs


@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: next(iter(marks)))
def test_a_span_for_the_same_call_counts_the_tokens_and_has_the_cost(
    clients: Clients, client: Any, told: Telemetry, marks: dict[str, str]
) -> None:
    answer = call(clients, client, told, marks)
    ours, theirs = pair(told)
    assert [name for name in ours.attributes if name.startswith(("gen_ai.", "llm."))] == []
    assert ours.name == f"chat {CHAT}"
    assert ours.attributes["melious.request.model"] == CHAT
    assert ours.attributes["melious.usage.input_tokens"] == answer.usage.prompt_tokens
    assert ours.attributes["melious.carbon_g_co2"] == answer.environment_impact.carbon_g_co2
    added = {name: value for name, value in theirs.attributes.items() if name not in marks}
    eur = float(answer.billing_cost.eur)
    assert added == {
        "gen_ai.usage.cost": eur,
        "llm.cost.total": eur,
        "melious.cost_currency": "EUR",
        "melious.simulated": True,
    }


@pytest.mark.parametrize("marks", NO_MARKS, ids=lambda marks: next(iter(marks), "none"))
def test_below_any_other_span_ours_counts(
    clients: Clients, client: Any, told: Telemetry, marks: dict[str, str]
) -> None:
    answer = call(clients, client, told, marks)
    ours, theirs = pair(told)
    assert ours.attributes["gen_ai.usage.input_tokens"] == answer.usage.prompt_tokens
    assert ours.attributes["gen_ai.usage.cost"] == float(answer.billing_cost.eur)
    assert dict(theirs.attributes) == marks


@pytest.mark.parametrize("marks", MARKS[:1])
def test_a_stream_is_the_child_of_the_span_that_it_began_in(
    clients: Clients, client: Any, told: Telemetry, marks: dict[str, str]
) -> None:
    call(clients, client, told, marks, stream=True)
    ours, theirs = pair(told)
    assert ours.attributes["melious.request.stream"] is True
    assert ours.attributes["melious.response.time_to_first_chunk"] > 0
    assert not [name for name in ours.attributes if name.startswith("gen_ai.")]
    assert "gen_ai.usage.cost" not in theirs.attributes, "the service reports none in streams"


def test_a_span_that_has_ended_before_the_call_does_not_have_the_cost(
    clients: Clients, client: Any, told: Telemetry
) -> None:
    theirs = told.tracer_provider.get_tracer("other").start_span("theirs", attributes=MARKS[0])
    theirs.end()
    with trace.use_span(theirs):
        answer = clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    (ours,) = told.ours
    assert ours.attributes["gen_ai.usage.cost"] == float(answer.billing_cost.eur)
    assert "gen_ai.usage.cost" not in theirs.attributes


@pytest.mark.parametrize("when_nested", ["child", "skip"])
def test_a_call_that_took_two_requests_has_the_cost_of_both(
    clients: Clients, client: Any, told: Telemetry, sandbox: Sandbox, when_nested: Any
) -> None:
    told.instrument(when_nested=when_nested)
    sandbox.replies.add(Reply(text="<|DSML|function_calls>true"), Reply(tool_calls=[("get_weather", {})]))
    params = {"model": CHAT, "messages": QUESTION, "tools": [TOOL], "tool_choice": "required"}
    with (
        told.tracer_provider.get_tracer("other").start_as_current_span("theirs", attributes=MARKS[0]),
        track_impact() as ledger,
    ):
        clients.call(client, "chat.create", **params)
    assert ledger.total.requests == 2
    theirs = told.spans[-1]
    assert theirs.attributes["gen_ai.usage.cost"] == pytest.approx(float(ledger.total.eur))
    assert told.total("melious.cost_eur") == pytest.approx(float(ledger.total.eur))


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("embeddings.create", {"model": EMBEDDINGS, "input": "a"}),
        ("rerank.create", {"model": RERANK, "query": "q", "documents": ["a"]}),
    ],
)
def test_other_endpoints_are_counted_by_ours(
    clients: Clients, client: Any, told: Telemetry, method: str, arguments: dict[str, Any]
) -> None:
    with told.tracer_provider.get_tracer("other").start_as_current_span("theirs", attributes=MARKS[1]):
        answer = clients.call(client, method, **arguments)
    ours, theirs = pair(told)
    assert ours.attributes["gen_ai.usage.cost"] == float(answer.billing_cost.eur)
    assert dict(theirs.attributes) == MARKS[1]


def test_a_span_of_another_provider_is_left_alone(clients: Clients, client: Any, told: Telemetry) -> None:
    tracer = TracerProvider().get_tracer("other")
    with tracer.start_as_current_span("theirs", attributes=MARKS[0]) as theirs:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert told.span.attributes["gen_ai.usage.input_tokens"] > 0
    assert dict(theirs.attributes) == MARKS[0]


@pytest.mark.parametrize("stream", [False, True])
def test_ours_can_be_left_out(clients: Clients, client: Any, told: Telemetry, stream: bool) -> None:
    told.instrument(when_nested="skip")
    answer = call(clients, client, told, MARKS[0], stream)
    assert told.span.name == "theirs"
    found = told.span.attributes
    assert found["melious.usage.output_tokens"] == answer.usage.completion_tokens
    assert found["melious.request.model"] == CHAT
    assert not [name for name in found if name.startswith("gen_ai.usage") and name != "gen_ai.usage.cost"]
    if not stream:
        assert found["gen_ai.usage.cost"] == found["melious.cost_eur"] == float(answer.billing_cost.eur)
        assert found["melious.carbon_g_co2"] == answer.environment_impact.carbon_g_co2
    assert told.points("gen_ai.client.token.usage"), "metrics are recorded all the same"


def test_where_it_is_not_nested_it_is_never_left_out(clients: Clients, client: Any, told: Telemetry) -> None:
    told.instrument(when_nested="skip")
    clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert told.span.attributes["gen_ai.usage.input_tokens"] > 0


@pytest.mark.parametrize("when_nested", ["child", "skip"])
def test_a_nested_call_that_fails(
    clients: Clients, client: Any, told: Telemetry, sandbox: Sandbox, when_nested: Any
) -> None:
    told.instrument(when_nested=when_nested)
    sandbox.faults.add(Fault(status=400, body={"error": {"message": "secret words", "code": "bad"}}))
    with pytest.raises(MeliousError, match="secret words"):
        call(clients, client, told, MARKS[0])
    span = told.spans[0]
    assert span.attributes["error.type"] == "BadRequestError"
    assert span.attributes["melious.error.code"] == "bad"
    assert span.status.status_code is StatusCode.ERROR
    assert (len(told.spans), "gen_ai.usage.cost" in span.attributes) == (1 + (when_nested == "child"), False)


@pytest.mark.parametrize(
    "key", [_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation"], ids=["key", "name"]
)
def test_where_tracing_is_suppressed_nothing_is_recorded(
    clients: Clients, client: Any, told: Telemetry, key: str
) -> None:
    token = context.attach(context.set_value(key, True))
    try:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    finally:
        context.detach(token)
    assert told.spans == []
    assert not told.points("gen_ai.client.token.usage")


# --- money ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1.25, 2])
def test_a_rate_gives_dollars(clients: Clients, client: Any, told: Telemetry, rate: float) -> None:
    told.instrument(usd_per_eur=rate)
    answer = clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    found, eur = told.span.attributes, float(answer.billing_cost.eur)
    assert found["gen_ai.usage.cost"] == found["llm.cost.total"] == pytest.approx(eur * rate)
    assert (found["melious.cost_currency"], found["melious.cost_eur"]) == ("USD", eur)
    (point,) = told.points("melious.cost")
    assert point.value == pytest.approx(eur), "the counter's unit is EUR"


def test_a_cost_that_is_not_reported_is_absent(
    clients: Clients, client: Any, told: Telemetry, wav: bytes, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(cost="missing"))
    clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    clients.stream(client, model=CHAT, messages=QUESTION)
    for span in told.spans:
        assert not [name for name in span.attributes if "cost" in name]


@pytest.mark.parametrize(
    "options",
    [
        *({"usd_per_eur": wrong} for wrong in (0, -1, float("nan"), float("inf"), True, "1.1")),
        {"when_nested": "never"},
    ],
    ids=str,
)
def test_wrong_options_are_refused(told: Telemetry, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{next(iter(options))}: must be"):
        otel.instrument(told.tracer_provider, **options)


# --- what is simulated ------------------------------------------------------------------------------------


def test_figures_of_the_sandbox_are_marked(
    clients: Clients, client: Any, told: Telemetry, wav: bytes
) -> None:
    clients.call(client, "embeddings.create", model=EMBEDDINGS, input="a")
    clients.call(client, "audio.transcribe", model=AUDIO, file=("a.wav", wav))
    clients.stream(client, model=CHAT, messages=QUESTION)
    assert [span.attributes["melious.simulated"] for span in told.spans] == [True, True, True]
    assert {point.attributes["melious.simulated"] for point in told.points("melious.cost")} == {True}
