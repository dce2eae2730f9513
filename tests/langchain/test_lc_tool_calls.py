"""Tool calls as servers really send them: no half call runs, every call has an id, strings are opened."""

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from melious.sandbox import Fault, Reply

HALF = '{"path": "/etc/pas'


@tool
def delete(path: str, force: bool = True) -> str:
    """Delete a file."""
    raise AssertionError(f"deleted {path}")


@tool
def place(size: dict[str, int], tags: list[str], depth: float, note: str) -> str:
    """Place a thing."""
    return json.dumps([size, tags, depth, note])


def events(*deltas: dict[str, Any], finish: str | None) -> list[str]:
    chunks = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    chunks.append({"index": 0, "delta": {}, "finish_reason": finish})
    return [f"data: {json.dumps({'id': 'x', 'choices': [chunk]})}\n\n" for chunk in chunks] + [
        "data: [DONE]\n\n"
    ]


def calls(*pieces: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": list(pieces)}


def call(
    index: int, arguments: Any, name: str | None = "delete", call_id: str | None = "c1"
) -> dict[str, Any]:
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


def v3(llm: Any, question: str) -> AIMessage:
    stream = llm.stream_events(question, version="v3")
    return stream.output


ENDS = [
    ("half", HALF, "length"),
    ("half", HALF, None),
    ("half", HALF, "tool_calls"),
    ("inside an escape", '{"path": "a\\', "length"),
    ("a whole value", '{"path": "/etc"', "length"),
    ("inside a list", '{"path": "a", "more": [1, 2', "length"),
    ("before the arguments", "", "length"),
    ("a brace", "{", "length"),
]


@pytest.mark.parametrize("version", ["stream", "invoke", "v3"])
@pytest.mark.parametrize(("text", "finish"), [end[1:] for end in ENDS], ids=[f"{e[0]} {e[2]}" for e in ENDS])
def test_a_call_that_was_cut_off_is_invalid(chat, whole, sandbox, text, finish, version):
    sandbox.faults.add(
        Fault(raw=events(calls(call(0, text[:9])), calls(call(0, text[9:], None, None)), finish=finish))
    )
    llm = chat(streaming=True if version == "invoke" else None).bind_tools([delete])
    if version == "stream":
        message = whole(list(llm.stream("Go")))
    else:
        message = llm.invoke("Go") if version == "invoke" else v3(llm, "Go")
    assert message.tool_calls == []
    (invalid,) = message.invalid_tool_calls
    assert (invalid["name"], invalid["id"]) == ("delete", "c1")
    assert (invalid["args"] or "").startswith(text)
    assert [block["type"] for block in message.content_blocks] == ["invalid_tool_call"]


def test_a_whole_call_before_the_one_that_was_cut_off_is_valid(chat, whole, sandbox):
    pieces = calls(call(0, '{"path": "a"}')), calls(call(1, HALF, "delete", "c2"))
    sandbox.faults.add(Fault(raw=events(*pieces, finish="length")))
    message = whole(list(chat().bind_tools([delete]).stream("Go")))
    assert [call["id"] for call in message.tool_calls] == ["c1"]
    assert [call["id"] for call in message.invalid_tool_calls] == ["c2"]


def test_no_arguments_are_no_cut_when_the_model_was_done(chat, whole, sandbox):
    sandbox.faults.add(Fault(raw=events(calls(call(0, "")), finish="tool_calls")))
    message = whole(list(chat().bind_tools([delete]).stream("Go")))
    assert message.tool_calls == [{"name": "delete", "args": {}, "id": "c1", "type": "tool_call"}]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("text", [HALF, ""], ids=["half", "empty"])
def test_an_agent_runs_no_half_call(way, chat, sandbox, streaming, text):
    reply = Reply(tool_calls=[("delete", text)], finish_reason="length")
    sandbox.replies.add(reply)
    agent = create_agent(chat(streaming=streaming), [delete])
    messages = way.invoke(agent, {"messages": "Clean up"})["messages"]
    assert messages[-1].invalid_tool_calls


@pytest.mark.parametrize("version", ["whole", "stream", "v3"])
def test_a_call_without_a_name_is_invalid(chat, whole, sandbox, version):
    if version == "whole":
        body = {"choices": [{"message": {"tool_calls": [{"id": "c1", "function": {"arguments": "{}"}}]}}]}
        sandbox.replies.add(Reply(json=body))
        message = chat().invoke("Go")
    else:
        sandbox.faults.add(Fault(raw=events(calls(call(0, "{}", None)), finish="tool_calls")))
        message = v3(chat(), "Go") if version == "v3" else whole(list(chat().stream("Go")))
    assert message.tool_calls == []
    assert [call["id"] for call in message.invalid_tool_calls] == ["c1"]


IDS: dict[str, list[str | None]] = {
    "none": [None, None],
    "empty": ["", ""],
    "the first alone": ["a", ""],
    "the same": ["a", "a"],
}


@pytest.mark.parametrize("version", ["whole", "stream", "v3", "agent", "streaming agent"])
@pytest.mark.parametrize("ids", IDS.values(), ids=list(IDS))
def test_every_call_has_an_id_of_its_own_and_its_result_has_the_same(way, chat, whole, sandbox, ids, version):
    made = [call(n, json.dumps({"note": f"n{n}"}), "echo", given) for n, given in enumerate(ids)]

    @tool
    def echo(note: str) -> str:
        """Echo a note."""
        return f"heard {note}"

    if version in ("whole", "agent"):
        body = {
            "choices": [{"message": {"role": "assistant", "tool_calls": made}, "finish_reason": "tool_calls"}]
        }
        sandbox.faults.add(Fault(status=200, body=body))
    else:
        sandbox.faults.add(Fault(raw=events(*[calls(one) for one in made], finish="tool_calls")))
    if "agent" in version:
        sandbox.replies.add(Reply(text="Done."))
        agent = create_agent(chat(streaming=version != "agent"), [echo])
        messages = way.invoke(agent, {"messages": "Go"})["messages"]
        message = messages[1]
        sent = sandbox.requests[-1].body["messages"]
        assert [m["content"] for m in sent if m["role"] == "tool"] == ["heard n0", "heard n1"]
        results = [m["tool_call_id"] for m in sent if m["role"] == "tool"]
        assert [call["id"] for m in sent for call in m.get("tool_calls", ())] == results
        assert [m.tool_call_id for m in messages if isinstance(m, ToolMessage)] == results
    elif version == "v3":
        message = v3(chat().bind_tools([echo]), "Go")
    else:
        llm = chat().bind_tools([echo])
        message = way.invoke(llm, "Go") if version == "whole" else whole(way.stream(llm, "Go"))
    assert [call["args"] for call in message.tool_calls] == [{"note": "n0"}, {"note": "n1"}]
    found = [call["id"] for call in message.tool_calls]
    assert all(found)
    assert len(set(found)) == len(found)


NESTED = {"size": '{"width": "3", "height": 4}', "tags": '["a", "b"]', "depth": "2.5", "note": "[1]"}
OPENED = {"size": {"width": 3, "height": 4}, "tags": ["a", "b"], "depth": 2.5, "note": "[1]"}


@pytest.mark.parametrize("version", ["whole", "stream", "v3"])
@pytest.mark.parametrize("twice", [False, True], ids=["inside", "the whole too"])
def test_json_inside_strings_is_opened_where_the_schema_wants_it(way, chat, whole, sandbox, version, twice):
    text = json.dumps(NESTED)
    sandbox.replies.add(Reply(tool_calls=[("place", json.dumps(text) if twice else text)]))
    llm = chat().bind_tools([place])
    if version == "v3":
        message = v3(llm, "Go")
    else:
        message = way.invoke(llm, "Go") if version == "whole" else whole(way.stream(llm, "Go"))
    assert [call["args"] for call in message.tool_calls] == [OPENED]


@pytest.mark.parametrize("streaming", [False, True])
def test_an_agent_gets_opened_arguments(way, chat, sandbox, streaming):
    sandbox.replies.add(Reply(tool_calls=[("place", NESTED)]), Reply(text="Placed."))
    agent = create_agent(chat(streaming=streaming), [place])
    messages = way.invoke(agent, {"messages": "Place it"})["messages"]
    assert json.loads(messages[2].content) == [OPENED["size"], ["a", "b"], 2.5, "[1]"]


class Size(BaseModel):
    width: int
    height: int


class Box(BaseModel):
    """A box."""

    size: Size
    inner: list["Box"] = []
    label: str


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_structured_output_opens_strings_at_any_depth(way, chat, sandbox, method, streamed):
    inner = json.dumps([{"size": json.dumps({"width": 1, "height": 2}), "label": "{}"}])
    found = {"size": {"width": 3, "height": 4}, "inner": inner, "label": "a"}
    reply = (
        Reply(tool_calls=[("Box", found)]) if method == "function_calling" else Reply(text=json.dumps(found))
    )
    sandbox.replies.add(reply)
    runnable = chat().with_structured_output(Box, method=method)
    box = way.stream(runnable, "A box in json")[-1] if streamed else way.invoke(runnable, "A box in json")
    assert box.inner == [Box(size=Size(width=1, height=2), label="{}")]
