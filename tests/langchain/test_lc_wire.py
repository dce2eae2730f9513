"""The whole body of a request, for messages, blocks, tools and parameters of every kind.

Each is really sent, on every way that LangChain has of asking a model, and all bodies are the same one. After a
change that is meant: `pytest tests/langchain/test_lc_wire.py --snapshot-update`, and read the difference.
"""

import asyncio
from typing import Any

import pytest
from lc_wire_cases import CASES, Case

STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
PARAMETERS = {
    *("temperature", "max_tokens", "top_p", "stop", "seed", "user", "preset", "filters", "cache_salt"),
    *("tools", "tool_choice", "parallel_tool_calls", "response_format"),
}
MESSAGE_FIELDS = {
    "system": {"name"},
    "user": {"name"},
    "function": {"name"},
    "assistant": {"name", "tool_calls", "reasoning_content"},
    "tool": {"tool_call_id"},
}
PARTS = {"text": {"text"}, "image_url": {"image_url"}, "input_audio": {"input_audio"}}
INNER = {"image_url": {"url", "detail"}, "input_audio": {"data", "format"}}


def sent(case: Case, chat: Any, sandbox: Any) -> list[dict[str, Any]]:
    """The bodies of invoke, ainvoke, stream and astream, in this order."""
    runnable = case.build(chat(case.model, **case.arguments))

    async def asynchronously() -> None:
        await runnable.ainvoke(list(case.messages), **case.call)
        async for _ in runnable.astream(list(case.messages), **case.call):
            pass

    runnable.invoke(list(case.messages), **case.call)
    for _ in runnable.stream(list(case.messages), **case.call):
        pass
    asyncio.run(asynchronously())
    assert [request.status for request in sandbox.requests] == [200] * 4
    invoked, streamed, ainvoked, astreamed = (request.body for request in sandbox.requests)
    return [invoked, ainvoked, streamed, astreamed]


@pytest.mark.parametrize("name", CASES)
def test_a_body_on_every_way(name, chat, sandbox, snapshot):
    invoked, ainvoked, streamed, astreamed = sent(CASES[name], chat, sandbox)
    assert ainvoked == invoked
    assert streamed == astreamed == invoked | STREAMED
    assert not set(invoked) & set(STREAMED)
    assert_nothing_else(invoked)
    assert invoked == snapshot


def assert_nothing_else(body: dict[str, Any]) -> None:
    """Every key of the body is one that the wire knows, in its place."""
    assert set(body) - PARAMETERS == {"model", "messages"}
    for message in body["messages"]:
        assert set(message) - MESSAGE_FIELDS[message["role"]] == {"role", "content"}
        for part in message["content"] if isinstance(message["content"], list) else ():
            assert set(part) - PARTS[part["type"]] == {"type"}
            inner = part[part["type"]]
            assert isinstance(inner, str) or set(inner) <= INNER[part["type"]]
        for call in message.get("tool_calls", ()):
            assert set(call) == {"id", "type", "function"}
            assert set(call["function"]) == {"name", "arguments"}
    for tool in body.get("tools", ()):
        assert set(tool) == {"type", "function"}
        assert set(tool["function"]) <= {"name", "description", "parameters", "strict"}
    described = body.get("response_format", {})
    assert set(described) <= {"type", "json_schema"}
    assert set(described.get("json_schema", ())) <= {"name", "description", "schema", "strict"}


def test_the_check_sees_what_does_not_belong():
    body = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}
    assert_nothing_else(body)
    for strange in (
        body | {"ls_structured_output_format": {}},
        body | {"messages": [{"role": "user", "content": "x", "id": "1"}]},
        body | {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "index": 0}]}]},
        body | {"tools": [{"type": "function", "function": {"name": "f"}, "cache_control": {}}]},
    ):
        with pytest.raises(AssertionError):
            assert_nothing_else(strange)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("message", "block", "history"))])
def test_messages_are_not_changed_by_being_sent(name, chat):
    case = CASES[name]
    before = [message.model_copy(deep=True) for message in case.messages]
    chat(case.model).invoke(list(case.messages))
    assert list(case.messages) == before
