"""What single models of the live service do otherwise, as callers have measured it."""

import threading

import pytest

from melious.sandbox import Fault, Reply
from melious_sandbox.brain import tokens

WHITE = {
    "type": "image_url",
    "image_url": {
        "url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAGOBK"
        "sAAAAABJRU5ErkJggg=="
    },
}
SEEN = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, WHITE]}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "city", "schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
DEEPSEEK = "deepseek-v4.1-flash"


def message(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]


def assert_malformed(answer):
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request_error"
    assert "rejected as malformed" in answer.json()["error"]["message"]


@pytest.mark.parametrize("model", ["qwen3.8-max", "qwen3.8-27b", "qwen3.8-27b:eco"])
def test_qwen_wants_an_effort_and_not_the_highest(ask, model):
    assert_malformed(ask(model=model))
    assert_malformed(ask(model=model, reasoning_effort="high"))
    for effort in ("minimal", "low", "medium"):
        assert message(ask(model=model, reasoning_effort=effort))["reasoning_content"]


def test_only_the_larger_qwen_refuses_no_thinking(ask):
    assert_malformed(ask(model="qwen3.8-max", reasoning_effort="none"))
    assert message(ask(model="qwen3.8-27b", reasoning_effort="none"))


@pytest.mark.parametrize("model", ["gpt-oss-120b", "kimi-k3"])
def test_models_that_think_though_told_not_to(ask, model):
    assert message(ask(model=model, reasoning_effort="none"))["reasoning_content"]


def test_a_model_that_hides_its_thinking(ask):
    hidden = ask(model="qwen3.6-27b")
    assert "reasoning_content" not in message(hidden)
    assert message(hidden)["content"].startswith("\n")
    usage = hidden.json()["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0
    assert usage["completion_tokens"] > tokens.count(message(hidden)["content"])


@pytest.mark.parametrize("choice", ["required", NAMED], ids=["required", "named"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_deepseek_writes_a_forced_call_as_text(ask, choice, stream):
    answer = ask("The weather in Oslo?", DEEPSEEK, tools=[WEATHER], tool_choice=choice, stream=stream)
    assert answer.status_code == 200
    assert "DSML" in answer.text
    assert '"tool_calls"' not in answer.text
    if not stream:
        assert 'invoke name="get_weather">true<' in message(answer)["content"]
        assert answer.json()["choices"][0]["finish_reason"] == "stop"


def test_deepseek_calls_a_tool_that_it_may_choose(ask):
    (call,) = message(ask("get the weather in Oslo", DEEPSEEK, tools=[WEATHER]))["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}


def test_a_scripted_call_is_no_text(sandbox, ask):
    sandbox.replies.add(Reply(tool_calls=[("get_weather", {})]))
    assert message(ask(model=DEEPSEEK, tools=[WEATHER], tool_choice="required"))["tool_calls"]


def test_deepseek_refuses_a_schema_and_takes_json(ask):
    assert_malformed(ask(model=DEEPSEEK, response_format=SCHEMA))
    assert message(ask(model=DEEPSEEK, response_format={"type": "json_object"}))["content"].startswith("{")


def test_gemma_refuses_images_unless_a_flavor_sends_it_elsewhere(ask):
    assert_malformed(ask(messages=SEEN, model="gemma-4-31b"))
    assert message(ask(messages=SEEN, model="gemma-4-31b:speed"))
    assert message(ask(model="gemma-4-31b"))


def test_mistral_refuses_images_from_tools(ask):
    model = "mistral-small-3.2-24b-instruct"
    function = {"name": "look", "arguments": "{}"}
    shown = [
        {"role": "user", "content": "What do you see?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": [WHITE]},
    ]
    assert_malformed(ask(messages=shown, model=model))
    assert message(ask(messages=SEEN, model=model))
    assert message(ask(messages=shown, model="gemma-3-27b-it"))


@pytest.mark.parametrize("profile", ["g1", "g2"])
def test_the_documented_generations_have_no_quirks(start_sandbox, client_of, profile):
    client = client_of(start_sandbox(profile))
    asked = {"messages": [{"role": "user", "content": "The weather in Oslo?"}]}
    for fields in (
        {"model": "qwen3.8-max", "reasoning_effort": "high"},
        {"model": DEEPSEEK, "response_format": SCHEMA},
        {"model": "gemma-4-31b", "messages": SEEN},
    ):
        assert client.post("/chat/completions", json={**asked, **fields}).status_code == 200
    forced = {"model": DEEPSEEK, "tools": [WEATHER], "tool_choice": "required"}
    assert message(client.post("/chat/completions", json={**asked, **forced}))["tool_calls"]


BODY = {"model": "llama-3.1-8b-instruct", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("on", [True, False])
def test_a_request_that_overlaps_with_another_is_refused_once(start_sandbox, client_of, on):
    sandbox = start_sandbox(spurious_malformed=on)
    client = client_of(sandbox)
    under_way = threading.Event()

    def first(request):
        under_way.set()
        return "x-first" in request.headers

    sandbox.replies.add(Reply(text="first"), when=first)
    sandbox.faults.add(Fault(endpoint="chat", stall_after_events=1, stall_seconds=60))
    with client.stream("POST", "/chat/completions", json=BODY | {"stream": True}, headers={"x-first": "1"}):
        assert under_way.wait(60)
        statuses = [client.post("/chat/completions", json=BODY).status_code for _ in range(4)]
        embedded = client.post("/embeddings", json={"model": "bge-m3", "input": "x"}).status_code
    assert statuses == ([400, 200, 400, 200] if on else [200] * 4)
    assert embedded == 200


def test_requests_one_after_another_are_not_refused(start_sandbox, client_of):
    client = client_of(start_sandbox(spurious_malformed=True))
    assert [client.post("/chat/completions", json=BODY).status_code for _ in range(3)] == [200] * 3
