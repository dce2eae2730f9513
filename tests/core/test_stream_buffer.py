"""Whole answers that are handed out as streams: the same chunks as a true stream has, with what they cost."""

import asyncio
import json
import re
from typing import Any

import pytest

from melious import (
    APITimeoutError,
    AsyncMeliousClient,
    BadRequestError,
    InvalidArgumentError,
    MeliousClient,
    ProviderError,
    ResponseDecodeError,
    track_impact,
)
from melious.endpoints.whole_as_chunks import chunks_of
from melious.sandbox import Fault, Sandbox
from melious.timeouts import Timeout

from .clients import CHAT, QUESTION, TOOL, Clients
from .held_server import until

pytestmark = pytest.mark.http_library

THINKER = "glm-4.7"
ASK: dict[str, Any] = {"model": CHAT, "messages": QUESTION}
WEATHER: dict[str, Any] = {
    "model": CHAT,
    "messages": [{"role": "user", "content": "What is the weather in Turku?"}],
    "tools": [TOOL],
}
KINDS: dict[str, dict[str, Any]] = {
    "text": ASK,
    "thoughts": {"model": THINKER, "messages": QUESTION},
    "tool call": WEATHER,
    "tool call required": {**WEATHER, "tool_choice": "required", "model": THINKER},
    "choices": {**ASK, "n": 3},
    "logprobs": {**ASK, "logprobs": True, "top_logprobs": 2},
    "cut off": {**ASK, "max_tokens": 5},
    "no usage": {**ASK, "stream_options": {"include_usage": False}},
    "empty options": {**ASK, "stream_options": {}},
}


@pytest.fixture
def buffered(clients: Clients, sandbox: Sandbox) -> Any:
    return clients.client(sandbox, stream_impact="buffer")


def _shape(chunk: dict[str, Any]) -> set[str]:
    names = {name for choice in chunk["choices"] for name in (*choice, *choice["delta"])}
    return {name for name in (*chunk, *names) if name not in ("environment_impact", "billing_cost")}


def _merged(got: Any) -> dict[str, Any]:
    whole = got.stream.completion().raw
    for choice in whole["choices"]:
        choice["logprobs"] = [
            token
            for chunk in got.chunks
            for part in chunk["choices"]
            if part["index"] == choice["index"]
            for token in (part.get("logprobs") or {}).get("content", ())
        ]
    return {name: value for name, value in whole.items() if name not in ("id", "created")}


@pytest.mark.parametrize("params", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_it_is_the_stream_that_it_would_have_been_with_the_figures_at_its_end(
    clients: Clients, start_sandbox: Any, params: dict[str, Any], profile: str
) -> None:
    sandbox = start_sandbox(profile, stream_impact=True)
    client = clients.client(sandbox)
    native = clients.stream(client, **params)
    sandbox.reset()
    got = clients.stream(client, **params, stream_impact="buffer")
    assert (native.error, got.error) == (None, None)
    assert not {"stream", "stream_options", "stream_impact"} & sandbox.requests[0].body.keys()
    mine, theirs = _merged(got), _merged(native)
    if "stream_options" in params:
        assert mine.pop("usage"), "nobody asked for it, but it is known"
    assert mine == theirs
    assert set.union(*map(_shape, got.chunks)) == set.union(*map(_shape, native.chunks))
    assert _shape(got.chunks[0]) == _shape(native.chunks[0])
    assert _shape(got.chunks[-1]) == _shape(native.chunks[-1])
    with_figures = [place for place, chunk in enumerate(got.chunks) if "environment_impact" in chunk]
    assert with_figures == [len(got.chunks) - 1], "in the last one, and only there"
    assert ("billing_cost" in got.chunks[-1]) == (profile != "g1")
    assert [bool(chunk.get("usage")) for chunk in got.chunks] == [False for _ in got.chunks[1:]] + [
        "stream_options" not in params
    ]


def test_words_come_one_by_one(clients: Clients, buffered: Any) -> None:
    whole = clients.call(buffered, "chat.create", **ASK)
    got = clients.stream(buffered, **ASK)
    pieces = [chunk["choices"][0]["delta"].get("content") for chunk in got.chunks if chunk["choices"]]
    said = [piece for piece in pieces if piece]
    assert "".join(said) == whole.text
    assert len(said) >= len(whole.text.split())
    assert all(len(piece.split()) <= 1 for piece in said)
    assert got.stream.completion().environment_impact == whole.environment_impact


@pytest.mark.parametrize(
    "text", ["", " ", "one", "  two\n\nthree ", "東京は日本の首都です。" * 9, "x" * 99, "a\ud800b"]
)
def test_nothing_of_a_text_is_lost(text: str) -> None:
    choice = {"message": {"content": text, "reasoning": text}, "finish_reason": "stop"}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks_of({"choices": [choice]}, usage=True)]
    for name in ("content", "reasoning_content"):
        pieces = [delta.get(name) or "" for delta in deltas]
        assert "".join(pieces) == text
        assert max(map(len, pieces)) < 30


def test_odd_answers(clients: Clients, buffered: Any, sandbox: Sandbox) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": [1]}}}
    answer = {
        "id": "x",
        "citations": ["https://melious.ai"],
        "choices": [
            {"index": 0, "message": {"content": None, "refusal": "I will not."}, "finish_reason": "stop"},
            {
                "index": 1,
                "message": {"content": [{"type": "text", "text": "Hi"}], "annotations": [1]},
                "seen": 7,
            },
            {"index": 2, "message": {"content": "", "tool_calls": [call]}, "finish_reason": "tool_calls"},
            {"index": 3, "message": {"content": "Hi"}, "logprobs": {"content": [{"token": "?"}]}},
        ],
    }
    sandbox.faults.add(Fault(body=answer))
    got = clients.stream(buffered, **ASK)
    assert got.error is None
    parts = {index: [] for index in range(4)}  # type: ignore[var-annotated]
    for chunk in got.chunks:
        for choice in chunk["choices"]:
            parts[choice["index"]].append(choice)
    assert "".join(part["delta"].get("refusal", "") for part in parts[0]) == "I will not."
    assert (parts[1][0]["delta"]["annotations"], parts[1][-1]["seen"]) == ([1], 7)
    assert [part["logprobs"] for part in parts[3] if "logprobs" in part] == [{"content": [{"token": "?"}]}]
    (called,) = got.stream.partial.choices[2].calls
    assert "".join(called.arguments) == '{"a":[1]}'
    assert got.chunks[-1]["citations"] == ["https://melious.ai"]
    assert [part["finish_reason"] for part in parts[2] if part["finish_reason"]] == ["tool_calls"]


def test_partial_grows_and_headers_are_there_from_the_beginning(sandbox: Sandbox) -> None:
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url, stream_impact="buffer") as client:
        stream = client.chat.stream(**ASK)
        assert len(sandbox.requests) == 1
        assert stream.request_id == stream.headers["x-request-id"]
        assert (stream.attempts, stream.partial.text) == (1, "")
        seen = [stream.partial.text for _ in stream]
        assert seen == sorted(seen, key=len)
        assert len(set(seen)) > 5
        assert next(stream, None) is None


def test_broken_off_it_has_cost_what_it_cost_and_its_connection_was_free(start_sandbox: Any) -> None:
    sandbox = start_sandbox()
    with (
        MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url, stream_impact="buffer") as client,
        track_impact() as ledger,
    ):
        with client.chat.stream(**ASK) as stream:
            next(stream)
            other = client.chat.create(**ASK)
            assert sandbox.open_connections == 1
        assert list(stream) == []
    assert ledger.total.requests == ledger.total.with_impact == ledger.total.with_usage == 2
    assert other.environment_impact is not None
    assert ledger.total.carbon_g_co2 == pytest.approx(2 * (other.environment_impact.carbon_g_co2 or 0))


async def test_with_asyncio_it_can_be_broken_off_and_cancelled(start_sandbox: Any) -> None:
    sandbox = start_sandbox()
    async with AsyncMeliousClient(
        api_key=sandbox.api_key, base_url=sandbox.base_url, stream_impact="buffer"
    ) as client:
        with track_impact() as ledger:
            async with client.chat.stream(**ASK) as stream:
                await anext(stream)
                await client.chat.create(**ASK)
                assert sandbox.open_connections == 1
            assert [chunk async for chunk in stream] == []
        assert ledger.total.with_impact == 2
        asked = len(sandbox.requests)
        sandbox.faults.add(Fault(delay=3600.0))
        call = asyncio.ensure_future(client.chat.stream(**ASK))
        await asyncio.to_thread(until, lambda: len(sandbox.requests) > asked)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert [chunk async for chunk in client.chat.stream(**ASK)][-1]["environment_impact"]


def test_errors_and_retries_are_those_of_a_whole_answer(
    clients: Clients, sandbox: Sandbox, buffered: Any
) -> None:
    sandbox.faults.add(Fault(status=503, headers={"retry-after": "0"}))
    assert clients.stream(buffered, **ASK).stream.attempts == 2
    sandbox.faults.add(Fault(status=400))
    with pytest.raises(BadRequestError):
        clients.stream(buffered, **ASK)
    reported = {"error": {"code": "provider_error", "message": "boom"}}
    sandbox.faults.add(Fault(body=reported, headers={"retry-after": "0"}, times=3))
    with pytest.raises(ProviderError, match="boom") as caught:
        clients.stream(buffered, **ASK)
    assert (caught.value.attempts, caught.value.request_id is not None) == (3, True)
    for wrong in ({"choices": []}, {"choices": [{"index": 0}]}, "no json"):
        sandbox.faults.add(Fault(body=wrong))
        with pytest.raises(ResponseDecodeError):
            clients.stream(buffered, **ASK)
    sandbox.faults.add(Fault(delay=3600.0))
    with track_impact() as ledger, pytest.raises(APITimeoutError) as late:
        clients.stream(buffered, **ASK, timeout=Timeout(answer=0.1))
    assert late.value.attempts == 1, "it may have been billed"
    assert ledger.total.failed == 1


def test_an_answer_that_says_it_failed_raises_after_what_there_is(
    clients: Clients, sandbox: Sandbox, buffered: Any
) -> None:
    choice = {"index": 0, "message": {"content": "Half an"}, "finish_reason": "error"}
    sandbox.faults.add(Fault(body={"choices": [choice]}))
    got = clients.stream(buffered, **ASK)
    assert got.error is not None
    assert got.text == got.error.partial.text == "Half an"


def test_the_call_decides_over_the_client(clients: Clients, sandbox: Sandbox, buffered: Any) -> None:
    clients.stream(buffered, **ASK, stream_impact="native")
    assert sandbox.requests[-1].body["stream"] is True
    clients.stream(buffered, **ASK, extra_body={"stream": True, "stream_options": {"include_usage": False}})
    assert not {"stream", "stream_options"} & sandbox.requests[-1].body.keys()
    assert clients.call(buffered, "chat.create", **ASK, stream_impact="buffer").text
    assert "stream_impact" not in sandbox.requests[-1].body
    for wrong in ("whole", True):
        said = re.escape(f"stream_impact: must be 'native' or 'buffer', not {wrong!r}")
        with pytest.raises(InvalidArgumentError, match=said):
            clients.client(sandbox, stream_impact=wrong)
        with pytest.raises(InvalidArgumentError, match=said):
            clients.stream(buffered, **ASK, stream_impact=wrong)


def test_it_lets_the_location_of_live_streams_be_verified(clients: Clients, buffered: Any) -> None:
    with track_impact() as ledger:
        got = clients.stream(buffered, **ASK, filters={"countries": ["SE"]}, verify_location="raise")
    assert got.error is None
    assert json.loads(json.dumps(got.chunks[-1]))["environment_impact"]["location"] == "SE"
    assert ledger.total.verified == 1
