"""Every field of every request arrives as it was given, and every endpoint takes the options of a call."""

from typing import Any

import pytest

from melious.sandbox import Fault, Sandbox
from melious.settings.config import Timeout

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, TOOL, Clients

SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "place",
        "strict": True,
        "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

CHAT_FIELDS: dict[str, Any] = {
    "max_tokens": 7,
    "max_completion_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.05,
    "frequency_penalty": -0.5,
    "presence_penalty": 1.5,
    "stop": ["\n", "END"],
    "seed": 42,
    "n": 2,
    "logprobs": True,
    "logit_bias": {"50256": -100},
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    "parallel_tool_calls": False,
    "response_format": SCHEMA,
    "reasoning_effort": "low",
    "user": "user-1",
    "mode": "price",
    "custom_weights": {"price": 0.5, "speed": 0.5},
    "preset": "environment",
    "filters": {"countries": ["DE", "FR"], "max_carbon_intensity": 400},
    "extra_body": {"chat_template_kwargs": {"enable_thinking": False}},
}
EMBEDDING_FIELDS: dict[str, Any] = {
    "dimensions": 1024,
    "encoding_format": "float",
    "user": "user-1",
    "mode": "speed",
    "preset": "quality",
    "filters": {"min_speed_tps": 100},
    "extra_body": {"input_type": "query"},
}
RERANK_FIELDS: dict[str, Any] = {
    "top_n": 1,
    "return_documents": False,
    "max_chunks_per_doc": 3,
    "user": "user-1",
    "custom_weights": {"price": 1},
    "preset": "quality",
    "filters": {"countries": ["SE"]},
    "extra_body": {"truncate": "end"},
}
IMAGE_FIELDS: dict[str, Any] = {
    "n": 2,
    "size": "64x64",
    "width": 80,
    "height": 48,
    "quality": "hd",
    "style": "vivid",
    "response_format": "url",
    "output_format": "png",
    "output_quality": 90,
    "seed": 7,
    "user": "user-1",
    "preset": "price",
    "filters": {"countries": ["FI"]},
    "extra_body": {"negative_prompt": "fog"},
}
AUDIO_FIELDS: dict[str, Any] = {
    "language": "de",
    "response_format": "verbose_json",
    "temperature": 0.2,
    "prompt": "Melious, Leuchtturm",
    "preset": "speed",
    "extra_body": {"timestamp_granularities": ["word"]},
}


def _sent(params: dict[str, Any]) -> dict[str, Any]:
    """What the body must hold for these parameters."""
    body = {name: value for name, value in params.items() if name != "extra_body"}
    return body | params.get("extra_body", {})


EVERY_FIELD = {
    "chat": ("chat.create", {"model": CHAT, "messages": QUESTION}, CHAT_FIELDS),
    "embeddings": ("embeddings.create", {"model": EMBEDDINGS, "input": ["a"]}, EMBEDDING_FIELDS),
    "rerank": (
        "rerank.create",
        {"model": RERANK, "query": "q", "documents": ["a", {"text": "b", "page": 3}]},
        RERANK_FIELDS,
    ),
    "images": ("images.generate", {"model": IMAGES, "prompt": "a lighthouse"}, IMAGE_FIELDS),
}
FIELDS = [
    (name, required, field, value)
    for name, required, fields in EVERY_FIELD.values()
    for field, value in fields.items()
]


@pytest.mark.parametrize(("name", "required", "fields"), EVERY_FIELD.values(), ids=list(EVERY_FIELD))
def test_every_field_arrives_as_given(
    clients: Clients,
    client: Any,
    sandbox: Sandbox,
    name: str,
    required: dict[str, Any],
    fields: dict[str, Any],
) -> None:
    answer = {"choices": [{"message": {}}], "data": [{"embedding": [1.0]}], "results": []}
    sandbox.faults.add(Fault(body=answer if name != "images.generate" else {"data": [{}]}))
    given = {**required, **fields}
    if name == "embeddings.create":
        given["mode"] = None
        given["custom_weights"] = {"price": 1}
    clients.call(client, name, **given)
    request = sandbox.requests[-1]
    expected = {key: value for key, value in _sent(given).items() if value is not None}
    assert request.body == expected
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("name", "required", "field", "value"), FIELDS, ids=[f"{name} {field}" for name, _, field, _ in FIELDS]
)
def test_a_field_alone_arrives_and_none_is_not_sent(
    clients: Clients,
    client: Any,
    sandbox: Sandbox,
    name: str,
    required: dict[str, Any],
    field: str,
    value: Any,
) -> None:
    answer = {"choices": [{"message": {}}], "data": [{"embedding": [1.0]}], "results": []}
    body = answer if name != "images.generate" else {"data": [{}]}
    sandbox.faults.add(Fault(body=body, times=3))
    for given in ({field: value}, {field: None}, {}):
        clients.call(client, name, **required, **given)
    with_it, with_none, without = (request.body for request in sandbox.requests)
    assert with_it == {**without, **_sent({field: value})}
    assert with_none == without, "None is not sent"


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
def test_audio_fields_arrive_as_a_form(clients: Clients, client: Any, sandbox: Sandbox, wav: bytes) -> None:
    clients.call(client, "audio.transcribe", model=f"{AUDIO}:eco", file=("a.wav", wav), **AUDIO_FIELDS)
    request = sandbox.requests[-1]
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert request.body == {
        "model": f"{AUDIO}:eco",
        "language": "de",
        "response_format": "verbose_json",
        "temperature": "0.2",
        "prompt": "Melious, Leuchtturm",
        "preset": "speed",
        "timestamp_granularities": '["word"]',
        "file": {"filename": "a.wav", "content_type": request.body["file"]["content_type"], "size": len(wav)},
    }
    assert request.body["file"]["content_type"] in ("audio/x-wav", "audio/wav", "audio/vnd.wave")


def test_streams_ask_for_usage_unless_told_otherwise(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    got = clients.stream(
        client, model=CHAT, messages=QUESTION, **CHAT_FIELDS | {"tool_choice": "none", "custom_weights": None}
    )
    body = sandbox.requests[-1].body
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert sandbox.requests[-1].headers["accept"] == "text/event-stream"
    assert got.stream.partial.usage is not None
    got = clients.stream(client, model=CHAT, messages=QUESTION, stream_options={"include_usage": False})
    assert sandbox.requests[-1].body["stream_options"] == {"include_usage": False}
    assert got.stream.partial.usage is None


def test_extra_body_goes_over_everything(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, extra_body={"seed": 1, "user": "client"})
    clients.call(
        client, "chat.create", model=CHAT, messages=QUESTION, seed=2, extra_body={"user": "call", "top_k": 3}
    )
    body = sandbox.requests[-1].body
    assert (body["seed"], body["user"], body["top_k"]) == (1, "call", 3)


def test_texts_of_any_kind_arrive(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    text = 'ä€😀\u2028\x00"\\ \ud83d'
    clients.call(client, "chat.create", model=CHAT, messages=[{"role": "user", "content": text}])
    assert sandbox.requests[-1].body["messages"][0]["content"] == text


# --- options of a call ---------------------------------------------------------------------------------------

READS = {
    "chat": ("chat.create", {"model": CHAT, "messages": QUESTION}),
    "embeddings": ("embeddings.create", {"model": EMBEDDINGS, "input": "a"}),
    "rerank": ("rerank.create", {"model": RERANK, "query": "q", "documents": ["a"]}),
    "images": ("images.generate", {"model": IMAGES, "prompt": "p", "size": "64x64"}),
    "models": ("models.list", {}),
}
each = pytest.mark.parametrize(("name", "params"), READS.values(), ids=list(READS))


@each
def test_every_endpoint_takes_the_options_of_a_call(
    clients: Clients, client: Any, sandbox: Sandbox, name: str, params: dict[str, Any]
) -> None:
    sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}, times=4))
    result = clients.call(
        client,
        name,
        **params,
        max_retries=4,
        extra_headers={"x-trace": "t1"},
        timeout=Timeout(),
        deadline=None,
    )
    assert result.attempts == 5
    assert result.elapsed > 0
    assert result.request_id == sandbox.requests[-1].request_id
    assert {request.headers["x-trace"] for request in sandbox.requests} == {"t1"}
    assert result.rate_limit.limit > 0


@each
def test_a_timeout_per_call(
    clients: Clients, client: Any, sandbox: Sandbox, name: str, params: dict[str, Any]
) -> None:
    sandbox.faults.add(Fault(delay=3600.0, times=None))
    with pytest.raises(TimeoutError):
        clients.call(client, name, **params, timeout=Timeout(answer=0.1), max_retries=0)
