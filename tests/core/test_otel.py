"""OpenTelemetry: a span and measurements for every request, in the words of the conventions."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import document_files
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from telemetry import Telemetry, recorded

from melious import MeliousError, otel
from melious.sandbox import Fault, Sandbox

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, Clients


@pytest.fixture
def told() -> Iterator[Telemetry]:
    with recorded() as telemetry:
        yield telemetry


def test_a_chat_answer_is_a_span_of_the_conventions(
    clients: Clients, client: Any, told: Telemetry, sandbox: Sandbox
) -> None:
    with pytest.warns(UserWarning, match="preset: 'speed' has no effect"):
        answer = clients.call(client, "chat.create", model=f"{CHAT}:eco", messages=QUESTION, preset="speed")
    span = told.span
    assert (span.name, span.kind, span.status.status_code) == (
        f"chat {CHAT}",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    host, port = sandbox.base_url.split("/")[2].split(":")
    impact, cost = answer.environment_impact, answer.billing_cost
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "melious",
        "gen_ai.request.model": CHAT,
        "gen_ai.output.type": "text",
        "server.address": host,
        "server.port": int(port),
        "gen_ai.response.model": answer.model,
        "gen_ai.response.id": answer.id,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
        "melious.routing": "eco",
        "melious.energy_kwh": impact.energy_kwh,
        "melious.carbon_g_co2": impact.carbon_g_co2,
        "melious.water_liters": impact.water_liters,
        "melious.provider": impact.provider_id,
        "melious.country": impact.location,
        "melious.cost_eur": float(cost.eur),
        "gen_ai.usage.cost": float(cost.eur),
        "llm.cost.total": float(cost.eur),
        "melious.cost_currency": "EUR",
        "melious.simulated": True,
        "melious.paid_with": cost.paid_with,
        "melious.request_id": answer.request_id,
        "melious.attempts": 1,
    }
    assert {name: span.attributes.get(name) for name in expected} == expected
    assert QUESTION[0]["content"] not in str(span.to_json())
    assert answer.text not in str(span.to_json())
    assert sandbox.api_key not in str(span.to_json())


def test_what_was_used_is_measured(clients: Clients, client: Any, told: Telemetry) -> None:
    answers = [clients.call(client, "chat.create", model=CHAT, messages=QUESTION) for _ in range(2)]
    (duration,) = told.points("gen_ai.client.operation.duration")
    assert duration.count == 2
    assert 0 < duration.sum < 60
    assert duration.attributes["gen_ai.request.model"] == CHAT
    used = {
        point.attributes["gen_ai.token.type"]: point.sum for point in told.points("gen_ai.client.token.usage")
    }
    assert used == {
        "input": sum(answer.usage.prompt_tokens for answer in answers),
        "output": sum(answer.usage.completion_tokens for answer in answers),
    }
    carbon = sum(point.value for point in told.points("melious.carbon"))
    assert carbon == pytest.approx(sum(answer.environment_impact.carbon_g_co2 for answer in answers))
    assert {point.attributes["melious.country"] for point in told.points("melious.carbon")} == {
        answer.environment_impact.location for answer in answers
    }
    eur = sum(point.value for point in told.points("melious.cost"))
    assert eur == pytest.approx(float(sum(answer.billing_cost.eur for answer in answers)))


def test_the_span_of_a_stream_ends_with_it(clients: Clients, client: Any, told: Telemetry) -> None:
    got = clients.stream(client, model=CHAT, messages=QUESTION)
    span = told.span
    assert span.attributes["gen_ai.request.stream"] is True
    assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert span.attributes["gen_ai.usage.output_tokens"] == got.stream.completion().usage.completion_tokens
    assert span.attributes["melious.request_id"] == got.stream.request_id
    assert "melious.carbon_g_co2" not in span.attributes, "the service reports none in streams"
    first = span.attributes["gen_ai.response.time_to_first_chunk"]
    assert 0 < first <= (span.end_time - span.start_time) / 1e9
    (measured,) = told.points("gen_ai.client.operation.time_to_first_chunk")
    assert measured.sum == pytest.approx(first)
    assert not told.points("melious.carbon")


def test_a_stream_that_breaks_is_a_span_that_failed(
    clients: Clients, client: Any, told: Telemetry, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(error_after_events=3))
    got = clients.stream(client, model=CHAT, messages=QUESTION)
    assert told.span.status.status_code is StatusCode.ERROR
    assert told.span.attributes["error.type"] == type(got.error).__name__


OTHERS = [
    ("embeddings", EMBEDDINGS, "embeddings.create", {"input": ["a", "b"]}),
    ("rerank", RERANK, "rerank.create", {"query": "q", "documents": ["a"]}),
    ("generate_content", IMAGES, "images.generate", {"prompt": "p", "size": "64x64"}),
]


@pytest.mark.parametrize(("operation", "model", "method", "params"), OTHERS)
def test_every_endpoint_has_its_operation(
    clients: Clients, client: Any, told: Telemetry, operation: str, model: str, method: str, params: Any
) -> None:
    result = clients.call(client, method, model=model, **params)
    assert told.span.name == f"{operation} {model}"
    assert told.span.attributes["gen_ai.operation.name"] == operation
    assert told.span.attributes["melious.carbon_g_co2"] == result.environment_impact.carbon_g_co2


def test_a_transcription_is_a_span_and_a_list_of_models_is_none(
    clients: Clients, client: Any, told: Telemetry, wav: bytes
) -> None:
    clients.call(client, "models.list")
    clients.call(client, "audio.transcribe", model=AUDIO, file=("a.wav", wav))
    assert told.span.name == f"transcription {AUDIO}"


def test_a_conversion_is_a_span_with_its_pages(clients: Clients, client: Any, told: Telemetry) -> None:
    file = ("offer.pdf", document_files.pdf("One", "Two"))
    clients.call(client, "documents.convert", [file])
    span = told.span
    assert (span.name, span.attributes["melious.pages"]) == ("document_conversion", 2)
    assert "gen_ai.request.model" not in span.attributes
    assert "offer.pdf" not in str(span.to_json())


def test_batches_are_spans_under_the_span_around_them(clients: Clients, client: Any, told: Telemetry) -> None:
    with told.tracer_provider.get_tracer("app").start_as_current_span("index") as around:
        clients.call(client, "embeddings.create", model=EMBEDDINGS, input=list("abcdef"), batch_size=2)
    spans = [span for span in told.spans if span.name != "index"]
    assert len(spans) == 3
    assert {span.parent.span_id for span in spans if span.parent} == {around.get_span_context().span_id}


def test_a_call_that_fails_is_a_span_that_failed(
    clients: Clients, client: Any, told: Telemetry, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(status=400, body={"error": {"message": "secret words", "code": "bad"}}))
    with pytest.raises(MeliousError):
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    span = told.span
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "BadRequestError"
    assert span.attributes["http.response.status_code"] == 400
    assert span.attributes["melious.error.code"] == "bad"
    assert "secret words" not in span.to_json()
    (duration,) = told.points("gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == "BadRequestError"


def test_attempts_are_one_span(clients: Clients, client: Any, told: Telemetry, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(status=503, headers={"retry-after": "0"}))
    clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert told.span.attributes["melious.attempts"] == 2


def test_twice_switched_on_records_once_and_switched_off_nothing(
    clients: Clients, client: Any, told: Telemetry
) -> None:
    otel.instrument(told.tracer_provider, told.meter_provider)
    clients.call(client, "rerank.create", model=RERANK, query="q", documents=["a"])
    assert len(told.spans) == 1
    otel.uninstrument()
    clients.call(client, "rerank.create", model=RERANK, query="q", documents=["a"])
    assert len(told.spans) == 1


def test_nothing_is_loaded_unless_it_is_asked_for() -> None:
    code = """
import sys
from melious import MeliousClient
from melious.sandbox import Sandbox
with Sandbox() as sandbox, MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
    client.embeddings.create(model="bge-m3", input="a")
loaded = [n for n in sys.modules if n.split(".")[0] in ("opentelemetry", "matplotlib", "pandas")]
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_without_the_package_the_error_names_the_extra() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
import melious.otel
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'melious[otel]'" in done.stderr
