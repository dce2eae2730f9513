"""Reasoning, text and tool calls that come in turns: one block of each kind, on every way of reading."""

import json

import pytest
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from melious.sandbox import Fault

DELTAS = [
    {"reasoning_content": "I "},
    {"content": "It "},
    {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "search", "arguments": '{"n":'}}]},
    {"reasoning_content": "think"},
    {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "search", "arguments": '{"n":2}'}}]},
    {"reasoning_content": "."},
    {"content": "rains."},
]
BLOCKS = [
    {"type": "reasoning", "reasoning": "I think."},
    {"type": "text", "text": "It rains."},
    {"type": "tool_call", "id": "a", "name": "search", "args": {"n": 1}},
    {"type": "tool_call", "id": "b", "name": "search", "args": {"n": 2}},
]


def events(deltas):
    parts = [{"index": 0, "delta": delta} for delta in deltas]
    parts.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    return Fault(raw=["".join(f"data: {json.dumps({'choices': [part]})}\n\n" for part in parts)])


def blocks_of(message):
    """The blocks, without the numbers that LangChain merges chunks by."""
    return [{name: block[name] for name in block if name != "index"} for block in message.content_blocks]


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_each_kind_is_one_block(way, chat, sandbox, whole, version):
    sandbox.faults.add(events(DELTAS), events(DELTAS))
    streamed = whole(way.stream(chat(output_version=version), "Hello"))
    invoked = way.invoke(chat(output_version=version, streaming=True), "Hello")
    assert blocks_of(streamed) == blocks_of(invoked) == BLOCKS
    assert streamed.tool_calls == invoked.tool_calls
    assert streamed.text == "It rains."


def test_a_whole_answer_has_the_same_blocks(way, chat, sandbox):
    calls = [
        {"id": block["id"], "function": {"name": "search", "arguments": json.dumps(block["args"])}}
        for block in BLOCKS[2:]
    ]
    message = {"content": "It rains.", "reasoning_content": "I think.", "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    sandbox.faults.add(Fault(status=200, body={"choices": [choice]}, times=2))
    for version in ("v0", "v1"):
        assert blocks_of(way.invoke(chat(output_version=version), "Hello")) == BLOCKS


def test_the_events_of_the_protocol(chat, sandbox):
    sandbox.faults.add(events(DELTAS))
    stream = chat().stream_events("Hello", version="v3")
    seen = list(stream)
    assert_valid_event_stream(seen)
    starts = [event["content"]["type"] for event in seen if event["event"] == "content-block-start"]
    assert starts == ["reasoning", "text", "tool_call_chunk", "tool_call_chunk"]
    assert blocks_of(stream.output) == BLOCKS


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("<think>Hm. </th", [{"type": "reasoning", "reasoning": "Hm. </th"}]),
        ("<thi", [{"type": "text", "text": "<thi"}]),
        (
            "<think>Hm.</think>Yes <thi",
            [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "Yes <thi"}],
        ),
    ],
)
def test_what_was_held_back_until_the_end_joins_its_block(way, chat, sandbox, whole, version, text, blocks):
    sandbox.faults.add(events([{"content": sign} for sign in text]))
    message = whole(way.stream(chat(output_version=version), "Hello"))
    assert blocks_of(message) == blocks
