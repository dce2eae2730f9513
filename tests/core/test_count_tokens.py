"""Counting tokens: conversations in OpenAI's form, sent in Anthropic's."""

from typing import Any

import pytest

from melious import (
    BadRequestError,
    ImpactBudget,
    InvalidArgumentError,
    PermissionDeniedError,
    ResponseDecodeError,
    track_impact,
)
from melious.sandbox import Fault, Reply, Sandbox

from .clients import QUESTION, TOOL, Clients
from .pictures import png_url

PICTURE = {"type": "image_url", "image_url": {"url": png_url()}}


def test_a_count(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    short = clients.call(client, "messages.count_tokens", messages=QUESTION)
    longer = clients.call(
        client, "messages.count_tokens", messages=QUESTION, system="Be brief.", tools=[TOOL]
    )
    assert 0 < short.input_tokens < longer.input_tokens
    first, second = sandbox.requests
    assert first.headers["anthropic-version"] == "2023-06-01"
    assert first.path == "/v1/messages/count_tokens"
    assert first.body == {"messages": QUESTION}
    assert second.body["system"] == [{"type": "text", "text": "Be brief."}]
    assert second.body["tools"] == [
        {
            "name": "get_weather",
            "description": "Get the weather of a city",
            "input_schema": TOOL["function"]["parameters"],  # type: ignore[index]
        }
    ]


def test_a_whole_conversation(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
    }
    broken = {"id": "c2", "type": "function", "function": {"name": "get_weather", "arguments": "{"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, PICTURE]},
        {"role": "assistant", "content": "", "tool_calls": [call, broken]},
        {"role": "tool", "tool_call_id": "c1", "content": "12 degrees"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "unknown"}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}}]},
    ]
    assert clients.call(client, "messages.count_tokens", messages=messages).input_tokens > 1_000
    body = sandbox.requests[0].body
    assert body["system"] == [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    looked, called, results, heard = body["messages"]
    assert looked["content"][1]["source"]["media_type"] == "image/png"
    assert called["content"] == [
        {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Oslo"}},
        {"type": "tool_use", "id": "c2", "name": "get_weather", "input": {"arguments": "{"}},
    ]
    assert [block["tool_use_id"] for block in results["content"]] == ["c1", "c2"]
    assert "audio" in heard["content"][0]["text"]


def test_pictures_by_url_and_blocks_of_anthropic(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    own = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    linked = {"type": "image_url", "image_url": "https://example.com/a.png"}
    messages = [{"role": "user", "content": [own, linked]}]
    own_tool = {"name": "now", "input_schema": {"type": "object"}}
    clients.call(client, "messages.count_tokens", messages=messages, tools=[own_tool], model="glm-4.7")
    body = sandbox.requests[0].body
    assert body["messages"][0]["content"] == [own, own]
    assert (body["tools"], body["model"]) == ([own_tool], "glm-4.7")


def test_it_is_free(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, budget=ImpactBudget(max_requests=1))
    with track_impact() as ledger:
        for _ in range(3):
            clients.call(client, "messages.count_tokens", messages=QUESTION)
    assert ledger.total.requests == 0
    assert clients.call(client, "chat.create", model="glm-4.7", messages=QUESTION).text


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": "Hi"},
        {"messages": ["Hi"]},
        {"messages": QUESTION, "tools": []},
        {"messages": QUESTION, "tools": ["now"]},
        {"messages": QUESTION, "system": ""},
        {"messages": QUESTION, "model": 3},
        {"messages": QUESTION, "temperature": 1},
    ],
    ids=repr,
)
def test_what_cannot_be_counted(
    clients: Clients, client: Any, sandbox: Sandbox, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentError):
        clients.call(client, "messages.count_tokens", **wrong)
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize(
    "answer", [{}, {"input_tokens": "many"}, {"input_tokens": -1}, {"input_tokens": None}]
)
def test_an_answer_without_a_count(
    clients: Clients, client: Any, sandbox: Sandbox, answer: dict[str, Any]
) -> None:
    sandbox.replies.add(Reply(json=answer), endpoint="messages")
    with pytest.raises(ResponseDecodeError):
        clients.call(client, "messages.count_tokens", messages=QUESTION)


def test_headers_scopes_and_retries(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    newer = {"Anthropic-Version": "2024-01-01"}
    clients.call(client, "messages.count_tokens", messages=QUESTION, extra_headers=newer)
    assert sandbox.requests[0].headers["anthropic-version"] == "2024-01-01"
    sandbox.faults.add(Fault(endpoint="messages", status=503))
    assert clients.call(client, "messages.count_tokens", messages=QUESTION).attempts == 2
    with Sandbox(keys={"sk-mel-kit": ["kit.*"]}) as other:
        limited = clients.client(other, api_key="sk-mel-kit")
        with pytest.raises(PermissionDeniedError, match=r"inference\.chat"):
            clients.call(limited, "messages.count_tokens", messages=QUESTION)


def test_the_sandbox_wants_the_version(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    with pytest.raises(BadRequestError, match="anthropic-version"):
        clients.call(
            client, "messages.count_tokens", messages=QUESTION, extra_headers={"anthropic-version": ""}
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "user", "content": 5},
        {"role": "user", "content": [5]},
        {"role": "user", "content": [{"type": "image_url"}]},
        {"role": "assistant", "tool_calls": [None]},
        {"role": "assistant", "tool_calls": [{"function": "search"}]},
    ],
    ids=repr,
)
def test_a_message_in_another_form_is_named(
    clients: Clients, client: Any, sandbox: Sandbox, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"messages\[1\]: is not a message"):
        clients.call(client, "messages.count_tokens", messages=[*QUESTION, wrong])
    assert len(sandbox.requests) == 0
