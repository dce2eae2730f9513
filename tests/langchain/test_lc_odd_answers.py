"""Answers that stray from the wire in their details: read as far as they make sense, never with a bare error."""

import json

import pytest

from melious.sandbox import Fault

CALL = {"id": 7, "type": "function", "function": {"name": "search", "arguments": "{}"}}
DETAILS = [
    {"type": "reasoning.text", "text": "Hm."},
    {"type": "reasoning.summary", "summary": " Yes."},
    {"type": "reasoning.encrypted", "data": "AAAA"},
]


def answer(message, **more):
    return {
        "model": "glm-4.7",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        **more,
    }


def events(*deltas):
    chunks = [{"model": "glm-4.7", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]


@pytest.mark.parametrize("details", ["none", [], 5])
def test_counts_with_odd_details_are_still_counts(way, chat, sandbox, details):
    usage = {"prompt_tokens": 2, "completion_tokens": 3, "prompt_tokens_details": details}
    sandbox.faults.add(Fault(status=200, body=answer({"content": "Yes."}, usage=usage)))
    assert way.invoke(chat(), "Hello").usage_metadata == {
        "input_tokens": 2,
        "output_tokens": 3,
        "total_tokens": 5,
    }


def test_ids_of_calls_that_are_numbers_are_text(way, chat, sandbox, whole):
    sandbox.faults.add(Fault(status=200, body=answer({"content": None, "tool_calls": [CALL]})))
    sandbox.faults.add(
        Fault(raw=events({"tool_calls": [CALL]}), headers={"content-type": "text/event-stream"})
    )
    for message in (way.invoke(chat(), "Hello"), whole(way.stream(chat(), "Hello"))):
        (call,) = message.tool_calls
        assert (call["name"], call["id"], call["args"]) == ("search", "7", {})


def test_a_call_without_a_function_does_not_hide_the_answer(way, chat, sandbox):
    odd = {"content": "Yes.", "tool_calls": [{"id": "a", "function": "search"}]}
    sandbox.faults.add(Fault(status=200, body=answer(odd)))
    assert way.invoke(chat(), "Hello").text == "Yes."


def test_thoughts_in_details_are_read_whole_and_streamed(way, chat, sandbox, whole):
    sandbox.faults.add(Fault(status=200, body=answer({"content": "42", "reasoning_details": DETAILS})))
    deltas = [{"reasoning_details": [part]} for part in DETAILS]
    sandbox.faults.add(
        Fault(raw=events(*deltas, {"content": "42"}), headers={"content-type": "text/event-stream"})
    )
    for message in (way.invoke(chat(), "Hello"), whole(way.stream(chat(), "Hello"))):
        assert message.text == "42"
        assert message.content_blocks[0] == {"type": "reasoning", "reasoning": "Hm. Yes."}
