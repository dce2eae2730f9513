"""What odd servers send, brought to one form: the same in whole answers and in streams."""

from __future__ import annotations

import json
from typing import Any

import pytest

from melious.endpoints import chat
from melious.exchange.request import Response
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head

PARTS = [
    {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "Six times "}, {"type": "text", "text": "seven."}],
    },
    {"type": "text", "text": "42"},
]


def whole(message: dict[str, Any], **answer: Any) -> Any:
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **answer}
    return chat.parse(Response(200, {"content-type": "application/json"}, json.dumps(body).encode()))


def streamed(*choices: dict[str, Any]) -> ChatStreamParser:
    parser = ChatStreamParser(Head(200, {"content-type": "text/event-stream"}))
    for choice in choices:
        parser.feed(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
    parser.feed(b"data: [DONE]\n\n")
    assert parser.error is None
    return parser


def test_content_in_parts_is_text_and_reasoning() -> None:
    answer = whole({"role": "assistant", "content": PARTS})
    assert (answer.text, answer.reasoning) == ("42", "Six times seven.")
    assert answer.raw["choices"][0]["message"]["content"] == "42"
    partial = streamed({"index": 0, "delta": {"content": PARTS}, "finish_reason": "stop"}).partial
    assert (partial.text, partial.reasoning) == ("42", "Six times seven.")


def test_reasoning_of_its_own_is_not_replaced_by_parts() -> None:
    answer = whole({"content": PARTS, "reasoning_content": "I know this one."})
    assert (answer.text, answer.reasoning) == ("42", "I know this one.")


def test_arguments_that_are_an_object_are_text() -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "get", "arguments": {"city": "Köln"}}}
    answer = whole({"content": None, "tool_calls": [call]})
    assert json.loads(answer.tool_calls[0]["function"]["arguments"]) == {"city": "Köln"}
    assert isinstance(answer.tool_calls[0]["function"]["arguments"], str)


@pytest.mark.parametrize(
    "message", [{"content": None}, {"content": "x", "tool_calls": None}, {"content": ""}]
)
def test_what_is_regular_stays(message: dict[str, Any]) -> None:
    assert whole(dict(message)).raw["choices"][0]["message"] == message


def test_usage_inside_the_last_choice_is_read() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    parser = streamed(
        {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage},
    )
    assert parser.partial.usage == usage


def call_piece(name: str | None, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return {"index": 0, "delta": {"tool_calls": [{"index": 0, "function": function}]}, "finish_reason": None}


def test_calls_without_ids_under_one_index_are_told_apart_by_their_names() -> None:
    parser = streamed(call_piece("get", '{"a"'), call_piece(None, ":1}"), call_piece("put", "{}"))
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in parser.partial.tool_calls]
    assert calls == [("get", '{"a":1}'), ("put", "{}")]


def test_a_name_that_is_repeated_begins_no_call() -> None:
    parser = streamed(call_piece("get", "{}"), call_piece("get", ""))
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in parser.partial.tool_calls]
    assert calls == [("get", "{}")]
