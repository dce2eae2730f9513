"""Chunks of the bare client are dicts with their text, however the answer came."""

import json
import pickle
from typing import Any

import pytest

from melious import ChatChunk
from melious.sandbox import Fault, Reply, Sandbox

from .clients import CHAT, QUESTION, Clients

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize("impact", ["native", "buffer"])
def test_the_texts_of_chunks_make_up_the_answer(every_client: Clients, sandbox: Sandbox, impact: str) -> None:
    sandbox.replies.add(Reply(text="A lighthouse warns ships."))
    client = every_client.client(sandbox, stream_impact=impact)
    streamed = every_client.stream(client, model=CHAT, messages=QUESTION)
    assert all(type(chunk.text) is str for chunk in streamed.chunks)
    assert "".join(chunk.text for chunk in streamed.chunks) == "A lighthouse warns ships."
    assert streamed.chunks[0].text == "", "the role comes first"
    assert streamed.chunks[-1]["choices"] == []
    assert streamed.chunks[-1].text == "", "usage has no text"


def test_chunks_are_dicts_in_every_other_way(clients: Clients, sandbox: Sandbox) -> None:
    chunk = clients.stream(clients.client(sandbox), model=CHAT, messages=QUESTION).chunks[1]
    assert isinstance(chunk, dict)
    assert json.loads(json.dumps(chunk)) == chunk
    again = pickle.loads(pickle.dumps(chunk))
    assert (again, type(again)) == (chunk, ChatChunk)


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (delta(content="Hello"), "Hello"),
        (delta(content=None), ""),
        (delta(role="assistant"), ""),
        (delta(reasoning_content="Well."), ""),
        (delta(tool_calls=[CALL | {"index": 0}]), ""),
        (delta(content=[{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}]), "in parts"),
        ({"choices": []}, ""),
        ({"choices": None, "usage": {"prompt_tokens": 1}}, ""),
        ({"choices": [{"index": 1, "delta": {"content": "second"}}]}, ""),
        (
            {
                "choices": [
                    {"index": 1, "delta": {"content": "second"}},
                    {"index": 0, "delta": {"content": "first"}},
                ]
            },
            "first",
        ),
    ],
)
def test_the_text_of_a_chunk(clients: Clients, sandbox: Sandbox, chunk: Any, text: str) -> None:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    events = "".join(f"data: {json.dumps(event)}\n\n" for event in (chunk, end)) + "data: [DONE]\n\n"
    sandbox.faults.add(Fault(raw=(events,)))
    streamed = clients.stream(clients.client(sandbox), model=CHAT, messages=QUESTION)
    assert streamed.chunks[0].text == text


def test_a_whole_answer_in_place_of_a_stream_has_its_text(clients: Clients, sandbox: Sandbox) -> None:
    body = {"choices": [{"message": {"role": "assistant", "content": "At once."}, "finish_reason": "stop"}]}
    sandbox.faults.add(Fault(body=body))
    streamed = clients.stream(clients.client(sandbox), model=CHAT, messages=QUESTION)
    assert [chunk.text for chunk in streamed.chunks] == ["At once."]
