"""Characters that a server cut in two: whole again in chunks and in the answer, wherever the cut is."""

import json
from typing import Any

import pytest

from melious.sandbox import Fault, Sandbox

from .clients import CHAT, QUESTION, Clients


def events(*deltas: dict[str, Any], finish: bool = True) -> list[str]:
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if finish:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]


@pytest.mark.parametrize("name", ["content", "reasoning_content"])
@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["a\ud83d", "\ude00b"], ["a", "😀b"]),
        (["\ud83d", "", "\ude00"], ["", "", "😀"]),
        (["ä", "😀", "z"], ["ä", "😀", "z"]),
        (["a\ud83d", "b"], ["a", "\ud83db"]),
        (["\ude00"], ["\ude00"]),
        (["a\ud83d"], ["a", "\ud83d"]),
    ],
    ids=ascii,
)
def test_halves(
    clients: Clients, client: Any, sandbox: Sandbox, name: str, pieces: list[str], shown: list[str]
) -> None:
    sandbox.faults.add(Fault(raw=events(*({name: piece} for piece in pieces))))
    got = clients.stream(client, model=CHAT, messages=QUESTION)
    deltas = [chunk["choices"][0]["delta"].get(name) for chunk in got.chunks]
    assert [delta for delta in deltas if delta is not None] == shown
    partial = got.stream.partial
    assert (partial.text if name == "content" else partial.reasoning) == "".join(shown)


def test_halves_of_arguments(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    begun = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a": "\ud83d'}}
    rest = {"index": 0, "function": {"arguments": '\ude00"}'}}
    sandbox.faults.add(Fault(raw=events({"tool_calls": [begun]}, {"tool_calls": [rest]})))
    got = clients.stream(client, model=CHAT, messages=QUESTION)
    assert got.stream.partial.tool_calls[0]["function"]["arguments"] == '{"a": "😀"}'
