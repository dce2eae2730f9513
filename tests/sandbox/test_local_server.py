"""A local model server behind the sandbox, as Ollama, vLLM or llama.cpp: here a second sandbox plays it."""

import json
import socket

import httpx
import pytest

from melious import MeliousClient
from melious.sandbox import Fault

CHAT = {"model": "llama3.2:1b", "messages": [{"role": "user", "content": "What is a harbour?"}]}
TIDE = {
    "type": "function",
    "function": {
        "name": "tide",
        "description": "Height of the tide in a port.",
        "parameters": {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]},
    },
}
ASKING = {
    "messages": [{"role": "user", "content": "What is the tide in the port of Husum?"}],
    "tools": [TIDE],
}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "llama3.2:1b",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "A port."}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}


def event(delta, finish_reason=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'm', 'choices': [choice]})}\r\n\r\n"


@pytest.fixture
def behind(start_sandbox):
    return start_sandbox(api_key="sk-local")


@pytest.fixture
def front(start_sandbox, behind):
    return start_sandbox("g2", upstream=behind.base_url, upstream_key="sk-local")


@pytest.fixture
def client(front):
    with MeliousClient(api_key=front.api_key, base_url=front.base_url, max_retries=0) as running:
        yield running


def test_a_model_that_only_it_knows_gets_impact_and_bill(front, behind, client):
    behind.faults.add(Fault(body=ANSWER))
    answer = client.chat.create(**CHAT, preset="environment")
    assert behind.requests[0].body == CHAT
    assert behind.requests[0].headers["authorization"] == "Bearer ***"
    assert (answer.text, answer.usage.total_tokens) == ("A port.", 15)
    assert answer.environment_impact.provider_id == "berget"
    assert answer.environment_impact.carbon_g_co2 > 0
    assert answer.billing_cost.energy > 0
    assert front.requests[0].served.work.output_tokens == 3


def test_figures_grow_with_its_counts(behind, client):
    energy = []
    for tokens in (3, 300):
        usage = {"prompt_tokens": 12, "completion_tokens": tokens, "total_tokens": 12 + tokens}
        behind.faults.add(Fault(body=ANSWER | {"usage": usage}))
        energy.append(client.chat.create(**CHAT).environment_impact.energy_kwh)
    assert energy[1] > 50 * energy[0]


def test_a_stream_of_a_model_that_only_it_knows(behind, client):
    raw = [event({"role": "assistant", "content": ""}), event({"content": "A "}), event({"content": "port."}),
           event({}, "stop"), "data: [DONE]\r\n\r\n"]  # fmt: skip
    behind.faults.add(Fault(raw=raw))
    with client.chat.stream(**CHAT) as stream:
        text = "".join(
            choice["delta"].get("content") or "" for chunk in stream for choice in chunk.get("choices") or ()
        )
    assert text == "A port."
    assert stream.completion().environment_impact.energy_kwh > 0
    assert stream.completion().billing_cost.paid_with == "energy"


@pytest.mark.parametrize("stream", [False, True])
def test_tools_pass_through_both_ways(behind, front, client, stream):
    body = {"model": "glm-4.7"} | ASKING
    if stream:
        with client.chat.stream(**body) as running:
            list(running)
        answer = running.completion()
    else:
        answer = client.chat.create(**body)
    assert behind.requests[0].body["tools"] == [TIDE]
    (call,) = answer.choices[0].message.tool_calls
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == (
        "tide",
        {"port": "Husum"},
    )
    assert front.requests[0].served.work.output_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_get_the_name_that_the_service_gives_them(behind, front, client_of, stream):
    message = {"role": "assistant", "content": "A port.", "reasoning": "A harbour, so ships."}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    raw = [
        event({"reasoning": "A harbour, so ships."}),
        event({"content": "A port."}, "stop"),
        "data: [DONE]\n\n",
    ]
    behind.faults.add(Fault(raw=raw) if stream else Fault(body=ANSWER | {"choices": choices}))
    text = client_of(front).post("/chat/completions", json=CHAT | {"stream": stream}).text
    assert '"reasoning_content":"A harbour, so ships."' in text
    assert '"reasoning":' not in text


def test_embeddings_of_a_model_that_only_it_knows(behind, front, client):
    vectors = {"object": "list", "model": "nomic-embed-text", "data": [
        {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}]}  # fmt: skip
    behind.faults.add(Fault(body=vectors))
    result = client.embeddings.create(model="nomic-embed-text", input=["harbour"])
    assert [list(vector) for vector in result.embeddings] == [[0.5, -0.25]]
    assert result.environment_impact.energy_kwh > 0
    assert front.requests[0].served.work.input_tokens > 0


def test_what_it_cannot_do_the_sandbox_does(behind, client):
    ranked = client.rerank.create(model="bge-reranker-v2-m3", query="sea", documents=["sand", "the sea"])
    assert ranked.results[0].index == 1
    assert len(client.models.list().data) > 50
    assert len(behind.requests) == 0


def test_the_page_names_it(behind, front, client):
    client.chat.create(model="glm-4.7", messages=CHAT["messages"])
    page = httpx.get(front.page_url, trust_env=False).text
    assert f"answers from {behind.base_url}" in page
    assert "Nothing in it is a language model" not in page


def test_no_proxy_stands_between(behind, front, client_of, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert client_of(front).post("/chat/completions", json=CHAT | {"model": "glm-4.7"}).status_code == 200
    assert len(behind.requests) == 1
