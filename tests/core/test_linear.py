"""What is merged of a stream costs as much for each piece, however many came before: steps are counted."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, SupportsIndex

import pytest

from melious.endpoints.rerank import RerankPlan
from melious.exchange.request import Response
from melious.settings.config import ClientConfig
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head
from melious.wire.history import consistent
from melious.wire.json_object import ObjectScanner
from melious.wire.sse import SSEDecoder
from melious.wire.thinking import ThinkSplitter

CALLS = 16_000


def steps(work: Callable[[], object]) -> int:
    """How many instructions of Python some work takes."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


SHAPES: dict[str, Callable[[int], dict[str, Any]]] = {
    "index and id": lambda n: {"index": n, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}},
    "id without index": lambda n: {"id": f"c{n}", "function": {"name": "f", "arguments": "{}"}},
    "index without id": lambda n: {"index": n, "function": {"name": "f", "arguments": "{}"}},
    "neither": lambda _: {"function": {"name": "f", "arguments": "{}"}},
    "one index": lambda n: {"index": 0, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}},
    "one index, no id": lambda n: {"index": 0, "function": {"name": f"f{n}", "arguments": "{}"}},
    "downwards": lambda n: {"index": CALLS - n, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}},
    "index as text": lambda n: {"index": str(n), "id": n, "function": {"name": "f", "arguments": {}}},
    "two in turn": lambda n: {"id": f"c{n % 2}", "function": {"arguments": "x"}},
    "never whole": lambda n: {"index": 0, "function": {"name": f"f{n}", "arguments": '{"a}'}},
}


def chunk(calls: list[dict[str, Any]]) -> bytes:
    choice = {"index": 0, "delta": {"tool_calls": calls}, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def events(shape: str, count: int, *, together: bool) -> list[bytes]:
    calls = [SHAPES[shape](n) for n in range(count)]
    return [chunk(calls)] if together else [chunk([call]) for call in calls]


def read(reads: list[bytes]) -> ChatStreamParser:
    parser = ChatStreamParser(Head(200, {"content-type": "text/event-stream"}))
    for data in reads:
        parser.feed(data)
    assert parser.error is None
    return parser


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("together", [True, False])
def test_calls_cost_the_same_however_many_there_are(shape: str, together: bool) -> None:
    few, many = (events(shape, count, together=together) for count in (100, 200))
    assert steps(lambda: read(many)) < 2.2 * steps(lambda: read(few))


@pytest.mark.parametrize("together", [True, False])
def test_sixteen_thousand_calls_are_all_there(together: bool) -> None:
    calls = read(events("index and id", CALLS, together=together)).partial.tool_calls
    assert [call["id"] for call in calls] == [f"c{n}" for n in range(CALLS)]
    assert [call["index"] for call in calls] == [*range(CALLS)]


@pytest.mark.parametrize(
    "choice",
    [
        lambda n: {"index": n, "delta": {"content": "x"}},
        lambda n: {"index": 0, "delta": {"content": "x", "reasoning_content": "y"}},
        lambda n: {"index": 0, "delta": {"content": ("\ude00", "\ud83d")[n % 2]}},
        lambda n: {"index": n % 3, "delta": {}, "finish_reason": "stop"},
        lambda n: {"index": 0, "delta": {"content": "x"}, "logprobs": {"content": [{"token": "x"}]}},
    ],
    ids=["many choices", "text and thoughts", "halves of characters", "ends", "probabilities"],
)
def test_chunks_cost_the_same_however_many_came(choice: Callable[[int], dict[str, Any]]) -> None:
    few, many = (
        [b"data: " + json.dumps({"choices": [choice(n)]}).encode() + b"\n\n" for n in range(count)]
        for count in (100, 200)
    )
    assert steps(lambda: read(many)) < 2.2 * steps(lambda: read(few))


def test_events_cost_the_same_however_they_are_cut() -> None:
    def decode(count: int) -> None:
        decoder = SSEDecoder()
        for _ in range(count):
            for part in (b"da", b"ta: x\r", b"\ndata: y\n"):
                decoder.feed(part)
        assert decoder.feed(b"\n")[0].data.count("x") == count

    assert steps(lambda: decode(200)) < 2.2 * steps(lambda: decode(100))


def test_the_progress_of_batches_costs_the_same_however_many_are_done() -> None:
    config = ClientConfig.resolve(api_key="sk-mel-test")
    answer = b'{"results": [{"index": 0, "relevance_score": 0.5}]}'

    def report(count: int) -> int:
        done: list[tuple[int, int]] = []
        plan = RerankPlan(
            config,
            "bge-reranker-v2-m3",
            "ships",
            ["a lamp"] * count,
            {"batch_size": 1, "on_progress": lambda *progress: done.append(progress)},
        )
        batches = plan.batches()

        def answered() -> None:
            for batch in batches:
                plan.accept(batch, Response(200, {}, answer))
                plan.progress()

        taken = steps(answered)
        assert done == [(number, count) for number in range(1, count + 1)]
        return taken

    report(1)  # what only the first call does
    assert report(200) < 2.2 * report(100)


@pytest.mark.parametrize("given", ["c{}", "", "c"], ids=["own ids", "no ids", "one id"])
@pytest.mark.parametrize("answered_by", ["id", "name", "neither", "nobody"])
def test_calls_of_a_history_cost_the_same_however_many_a_message_has(given: str, answered_by: str) -> None:
    def history(count: int) -> list[dict[str, Any]]:
        calls = [{"id": given.format(n), "function": {"name": f"f{n}"}} for n in range(count)]
        about = {"id": "tool_call_id", "name": "name"}.get(answered_by)
        results = [
            {"role": "tool", "content": str(n)}
            | ({} if about is None else {about: calls[n]["id"] if about == "tool_call_id" else f"f{n}"})
            for n in reversed(range(count))
        ]
        asked = {"role": "assistant", "tool_calls": calls}
        return [asked] if answered_by == "nobody" else [asked, *results]

    few, many = history(100), history(200)
    assert len(consistent(many)) == 201
    assert steps(lambda: consistent(many)) < 2.2 * steps(lambda: consistent(few))


class Counted(list[str]):
    """A list that counts the characters that are looked at."""

    looked = 0

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        self.looked += len(found) if isinstance(at, SupportsIndex) else sum(map(len, found))
        return found


@pytest.mark.parametrize("piece", ['{"a": "b"}', '{"a', "{", "}", '\\"', " "])
def test_arguments_are_read_once(piece: str) -> None:
    pieces = Counted()
    whole = ObjectScanner()
    for _ in range(1000):
        pieces.append(piece)
        whole.is_complete(pieces)
    assert pieces.looked <= 2 * 1000 * len(piece)


def grown(text: str) -> Iterator[list[str]]:
    yield [text]
    yield list(text)
    yield [text[: len(text) // 2], "", text[len(text) // 2 :]]


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        ("{}", True),
        (' {"a": {"b": "}"}} ', True),
        ('{"a": "\\\\"}', True),
        ('{"a": "\\"}', False),
        ('{"a": "{"}', True),
        ("{a}", False),
        ("{} {}", False),
        ("[{}]", False),
        ("}", False),
        ("", False),
        ('"{}"', False),
        ('{"a": 1', False),
        ('{"ü": "\\u00fc\\n"}', True),
    ],
)
def test_an_object_is_whole_however_it_is_cut(text: str, is_whole: bool) -> None:
    for pieces in grown(text):
        seen = ObjectScanner()
        answers = [seen.is_complete(pieces[:end]) for end in range(len(pieces) + 1)]
        assert answers[-1] == is_whole


def test_space_before_a_thought_is_not_gone_through_again() -> None:
    splitter = ThinkSplitter()
    for _ in range(1000):
        assert splitter.split(" ") == ("", "")
        assert len(splitter._held) == 0
    assert splitter.split("<thi") == ("", "")
    assert splitter.split("s") == ("", " " * 1000 + "<this")
    assert splitter.flush() == ("", "")
    unfinished = ThinkSplitter()
    assert [unfinished.split(piece) for piece in (" ", "\n", "<t")] == [("", "")] * 3
    assert unfinished.flush() == ("", " \n<t")
