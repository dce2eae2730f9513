"""Reads of a streamed answer to chunks, by values: odd servers, silence, and what has arrived."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import APIConnectionError, APITimeoutError, ChatCompletion, MeliousError, StreamTruncatedError
from melious.wire.chunks import ChatStreamParser
from melious.wire.completion import PartialCompletion
from melious.wire.head import Head

from .exchanges import Clock

DONE = b"data: [DONE]\n\n"


def _parser(**options: Any) -> ChatStreamParser:
    return ChatStreamParser(
        Head(200, {"content-type": "text/event-stream", "x-request-id": "req_1"}), **options
    )


def _event(**chunk: Any) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _delta(finish_reason: str | None = None, index: int = 0, **delta: Any) -> bytes:
    return _event(choices=[{"index": index, "delta": delta, "finish_reason": finish_reason}])


# --- silence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sign",
    [
        b": keep-alive\n\n",
        b":\n\n",
        b"event: ping\ndata: {}\n\n",
        b"event: Heartbeat\ndata: still here\n\n",
        b"data: \n\n",
        b"id: 7\n\n",
    ],
)
def test_signs_of_life_do_not_keep_a_dead_model_alive(sign: bytes) -> None:
    clock = Clock()
    parser = _parser(event_timeout=300.0, clock=clock)
    parser.feed(_delta(content="Hi"))
    for _ in range(30):
        clock.now += 10.0
        assert parser.feed(sign) == []
        assert not parser.ended
    clock.now += 10.0
    assert parser.feed(sign) == []
    assert isinstance(parser.error, APITimeoutError)
    assert "300 s" in str(parser.error)
    assert parser.error.partial.text == "Hi"
    assert parser.error.request_id == "req_1"


def test_every_chunk_sets_the_clock_back() -> None:
    clock = Clock()
    parser = _parser(event_timeout=300.0, clock=clock)
    for _ in range(10):
        clock.now += 299.0
        assert len(parser.feed(_delta(content="x"))) == 1
    assert parser.error is None


def test_without_a_limit_silence_may_last() -> None:
    clock = Clock()
    parser = _parser(event_timeout=None, clock=clock)
    clock.now += 1e6
    parser.feed(b": keep-alive\n\n")
    assert parser.error is None


# --- ends --------------------------------------------------------------------------------------------


def test_a_lost_connection_after_the_finish_is_no_loss() -> None:
    parser = _parser()
    parser.feed(_delta("stop", content="Hi"))
    assert parser.lost(APIConnectionError("cut")) == []
    assert parser.error is None


def test_a_lost_connection_before_the_finish_is_the_error_that_was_met() -> None:
    parser = _parser()
    parser.feed(_delta(content="Hi"))
    cut = APIConnectionError("cut")
    assert parser.lost(cut) == []
    assert parser.error is cut
    assert cut.partial.text == "Hi"


def test_a_last_event_without_its_blank_line_counts_if_it_is_whole() -> None:
    parser = _parser()
    parser.feed(_delta(content="Hi"))
    parser.feed(_delta("stop", content="!").rstrip(b"\n"))
    assert [chunk["choices"][0]["delta"]["content"] for chunk in parser.close()] == ["!"]
    assert parser.error is None


def test_with_several_choices_one_that_finished_is_enough_of_an_end() -> None:
    parser = _parser()
    parser.feed(_delta("stop", index=1, content="B") + _delta(index=0, content="A"))
    parser.close()
    assert parser.error is None


def test_nothing_is_read_after_the_end() -> None:
    parser = _parser()
    parser.feed(_delta("stop", content="Hi") + DONE + _delta(content="more"))
    assert (parser.ended, parser.done, parser.partial.text) == (True, True, "Hi")
    assert parser.close() == []


@pytest.mark.parametrize(
    "head", [{}, {"content-type": ""}, {"content-type": "TEXT/EVENT-STREAM; charset=utf-8"}]
)
@pytest.mark.parametrize(
    "start", [b"", b"\xef\xbb\xbf", b": hello\n\n", b"\n", b"event: message\n", b"id: 1\n", b"retry: 5\n"]
)
def test_events_are_known_by_their_look_or_their_type(head: dict[str, str], start: bytes) -> None:
    stream = start + _delta(content="Hi") + DONE
    for size in (len(stream), 1, 2, 3):
        parser = ChatStreamParser(Head(200, head))
        reads = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert sum(len(parser.feed(read)) for read in reads if not parser.ended) == 1
        assert parser.error is None


def test_an_answer_larger_than_any_answer_is_an_error() -> None:
    parser = ChatStreamParser(Head(200, {"content-type": "application/json"}))
    parser.feed(b"{")
    block = b" " * (1024 * 1024)
    for _ in range(66):
        parser.feed(block)
    assert isinstance(parser.error, MeliousError)


def test_an_event_larger_than_any_event_is_an_error_with_what_came_before() -> None:
    parser = _parser()
    parser.feed(_delta(content="Hi"))
    parser.feed(b"data: ")
    block = b"x" * (1024 * 1024)
    for _ in range(66):
        parser.feed(block)
    assert isinstance(parser.error, MeliousError)
    assert parser.error.partial.text == "Hi"


# --- what has arrived ----------------------------------------------------------------------------------


def test_what_has_arrived_has_the_shape_of_a_whole_answer() -> None:
    parser = _parser()
    head = {"id": "c1", "model": "m", "created": 5, "system_fingerprint": "f"}
    for reads in (
        _event(**head, choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}]),
        _delta(reasoning_content="think"),
        _delta(content="Hi"),
        _delta("stop", content="!"),
        _event(choices=[], usage={"prompt_tokens": 3}, environment_impact={"carbon_g_co2": 0.5}),
        _event(choices=[], billing_cost={"credits": "0.1"}),
        DONE,
    ):
        parser.feed(reads)
    whole = parser.partial.to_wire()
    assert whole == {
        **head,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi!", "reasoning_content": "think"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3},
        "environment_impact": {"carbon_g_co2": 0.5},
        "billing_cost": {"credits": "0.1"},
    }
    answer = ChatCompletion.model_validate(whole)
    assert (answer.text, answer.reasoning, answer.finish_reason) == ("Hi!", "think", "stop")


def test_what_never_came_is_not_there() -> None:
    parser = _parser()
    parser.feed(_delta("stop", content="Hi") + DONE)
    assert parser.partial.to_wire().keys() == {"object", "choices"}
    assert (parser.partial.usage, parser.partial.environment_impact, parser.partial.billing_cost) == (
        None,
    ) * 3
    empty = PartialCompletion()
    assert (empty.text, empty.reasoning, empty.tool_calls, empty.finish_reason) == ("", "", [], None)


def test_usage_is_the_last_and_not_a_sum() -> None:
    parser = _parser()
    for count in (1, 2, 3):
        parser.feed(_event(choices=[], usage={"completion_tokens": count}))
    parser.feed(_event(choices=[], usage=None))
    assert parser.partial.usage == {"completion_tokens": 3}


NAMES = st.sampled_from(
    [
        "choices",
        "delta",
        "index",
        "content",
        "role",
        "tool_calls",
        "function",
        "arguments",
        "id",
        "name",
        "finish_reason",
        "error",
        "usage",
        "message",
        "object",
        "reasoning",
        "reasoning_content",
        "text",
        "code",
        "model",
        "created",
        "environment_impact",
        "billing_cost",
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats()
    | st.sampled_from(["", "a", "0", "stop", "error"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON,
        "reasoning": JSON,
        "tool_calls": JSON
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": JSON,
                    "id": JSON,
                    "function": JSON | st.fixed_dictionaries({}, optional={"name": JSON, "arguments": JSON}),
                },
            ),
            max_size=3,
        ),
    },
)
CHOICES = st.fixed_dictionaries(
    {}, optional={"index": JSON, "delta": JSON | DELTAS, "finish_reason": JSON, "error": JSON}
)
CHUNKS = st.fixed_dictionaries(
    {},
    optional={
        "choices": JSON | st.lists(CHOICES, max_size=3),
        "usage": JSON,
        "error": JSON,
        "object": JSON,
        "id": JSON,
        "environment_impact": JSON,
        "billing_cost": JSON,
    },
)


@given(st.lists(CHUNKS | JSON, max_size=4))
def test_no_server_can_make_it_crash(chunks: list[Any]) -> None:
    parser = _parser()
    for chunk in chunks:
        parser.feed(f"data: {json.dumps(chunk)}\n\n".encode())
        if parser.ended:
            break
    parser.close()
    assert parser.error is None or isinstance(parser.error, MeliousError)
    partial = parser.partial
    for value in (partial.text, partial.reasoning):
        assert isinstance(value, str)
    assert isinstance(partial.tool_calls, list)
    assert partial.to_wire()["object"] == "chat.completion"
    assert str(parser.error)


@pytest.mark.parametrize(("index", "read"), [("1", 1), (None, 0), (True, 0), (1.5, 0), ("a", 0), (2, 2)])
def test_the_index_of_a_choice_is_a_whole_number(index: Any, read: int) -> None:
    parser = _parser()
    choices = [{"index": index, "delta": {"content": "A"}}, {"index": 3, "delta": {"content": "B"}}]
    chunk = parser.feed(_event(choices=choices))[0]
    assert [choice["index"] for choice in chunk["choices"]] == [read, 3]
    assert [choice["index"] for choice in parser.partial.to_wire()["choices"]] == [read, 3]


def test_an_empty_stream_is_truncated() -> None:
    parser = _parser()
    assert parser.close() == []
    assert isinstance(parser.error, StreamTruncatedError)
