"""Streams, event by event."""

import json

import pytest

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def events(ask):
    def read(text="What is a lighthouse?", **fields):
        response = ask(text, stream=True, **fields)
        assert response.headers["content-type"].startswith("text/event-stream")
        *blocks, last = response.text.split("\n\n")
        assert last == ""
        assert all(block.startswith("data: ") for block in blocks)
        assert blocks[-1] == "data: [DONE]"
        return [json.loads(block.removeprefix("data: ")) for block in blocks[:-1]]

    return read


def test_order_of_chunks(events, ask):
    chunks = events(model="glm-4.7", stream_options={"include_usage": True})
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[-1] == {}
    kinds = [next(iter(delta)) for delta in deltas[1:-1]]
    assert kinds == sorted(kinds, reverse=True)  # all thinking before all content
    assert set(kinds) == {"reasoning_content", "content"}
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    whole = ask(model="glm-4.7").json()
    assert chunks[-1]["usage"] == whole["usage"]
    message = whole["choices"][0]["message"]
    assert "".join(delta.get("content", "") for delta in deltas) == message["content"]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == message["reasoning_content"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_no_usage_unless_asked(events):
    chunks = events()
    assert not any("usage" in chunk for chunk in chunks)
    assert all(chunk["choices"] for chunk in chunks)


def test_tool_calls_come_in_fragments_with_nulls(events):
    chunks = events("What is the weather in Reykjavik?", tools=[WEATHER])
    parts = [
        c["choices"][0]["delta"]["tool_calls"][0] for c in chunks if "tool_calls" in c["choices"][0]["delta"]
    ]
    first, *rest = parts
    assert first["function"] == {"name": "get_weather", "arguments": ""}
    assert first["id"].startswith("call_")
    assert len(rest) > 1
    assert all((part["id"], part["function"]["name"]) == (None, None) for part in rest)
    assert json.loads("".join(part["function"]["arguments"] for part in rest)) == {"city": "Reykjavik"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_several_choices(events):
    chunks = events(n=2)
    texts = {0: "", 1: ""}
    for chunk in chunks:
        choice = chunk["choices"][0]
        texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts[0] == texts[1] != ""


def test_logprobs_ride_on_the_content(events):
    chunks = events(logprobs=True, top_logprobs=1, max_tokens=4)
    entries = [c["choices"][0]["logprobs"]["content"] for c in chunks if "logprobs" in c["choices"][0]]
    assert len(entries) == 4
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_refusals_come_before_the_stream(ask):
    response = ask(stream=True, model="gpt-9")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"


def test_silence_is_filled_with_comments(start_sandbox, client_of):
    http = client_of(start_sandbox(stream_delay=0.06, keepalive=0.025))
    body = {
        "model": "llama-3.1-8b-instruct",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "max_tokens": 2,
    }
    blocks = http.post("/chat/completions", json=body).text.split("\n\n")
    kinds = [block[:1] for block in blocks if block]
    assert kinds == ["d", ":", ":"] * 4 + ["d"]
