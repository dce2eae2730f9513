"""A sandbox in front of another server, which here is a second sandbox."""

import json
import socket

import pytest

from melious.sandbox import Fault

CHAT = {"model": "llama-3.1-8b-instruct", "messages": [{"role": "user", "content": "What is a harbour?"}]}


@pytest.fixture
def pair(start_sandbox, client_of):
    behind = start_sandbox(api_key="sk-local")
    front = start_sandbox("live", upstream=behind.base_url, upstream_key="sk-local", keepalive=0.05)
    return front, behind, client_of(front)


def test_chat_is_forwarded_and_dressed(pair):
    _, behind, http = pair
    body = http.post(
        "/chat/completions",
        json=CHAT
        | {"model": "llama-3.1-8b-instruct:eco", "preset": "speed", "filters": {}, "temperature": 0.5},
    ).json()
    forwarded = behind.requests[-1].body
    assert forwarded == CHAT | {"temperature": 0.5}
    assert body["environment_impact"]["provider_id"] == "berget"
    assert body["model"] == CHAT["model"]
    assert "sandbox" in body["choices"][0]["message"]["content"]


def test_models_that_only_the_server_behind_knows(start_sandbox, client_of):
    behind = start_sandbox(api_key="sk-local")
    http = client_of(start_sandbox(upstream=behind.base_url, upstream_key="sk-local"))
    refused = http.post("/chat/completions", json=CHAT | {"model": "home-made:7b"})
    assert behind.requests[-1].body["model"] == "home-made:7b"
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")


def test_validation_keys_and_filters_stay_in_front(pair, client_of):
    front, behind, http = pair
    assert http.post("/chat/completions", json=CHAT | {"temperature": 9}).status_code == 400
    assert http.post("/chat/completions", json=CHAT | {"filters": {"countries": ["AQ"]}}).status_code == 503
    assert client_of(front, "sk-local").post("/chat/completions", json=CHAT).status_code == 401
    assert len(behind.requests) == 0


def test_stream_is_passed_on(pair, start_sandbox, client_of):
    _, behind, http = pair
    body = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
    through = http.post("/chat/completions", json=body).text
    direct = client_of(behind, "sk-local").post("/chat/completions", json=body).text
    assert texts(through) == texts(direct)
    assert through.endswith("data: [DONE]\n\n")
    assert "environment_impact" not in through
    dressed = client_of(start_sandbox("g2", upstream=behind.base_url, upstream_key="sk-local"))
    last = chunks(dressed.post("/chat/completions", json=body).text)[-1]
    assert last["usage"]["completion_tokens"] > 0
    assert last["billing_cost"]["paid_with"] == "energy"


def chunks(stream):
    blocks = [block for block in stream.split("\n\n") if block.startswith("data: {")]
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def texts(stream):
    return [choice["delta"].get("content") for chunk in chunks(stream) for choice in chunk["choices"]]


def test_silence_behind_is_filled_with_comments(pair):
    _, behind, http = pair
    behind.faults.add(Fault(stall_after_events=2, stall_seconds=600))
    with http.stream("POST", "/chat/completions", json=CHAT | {"stream": True}) as answer:
        lines = answer.iter_lines()
        seen = ""
        while not seen.endswith("::"):
            seen += next(lines)[:1]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_after_events=3),
        Fault(no_done=True),
        Fault(garbage="data: {oops\n\n"),
        Fault(error_after_events=2, code="internal"),
    ],
)
def test_a_stream_that_breaks_behind_ends_in_one_error(start_sandbox, client_of, fault):
    behind = start_sandbox()
    http = client_of(start_sandbox("g2", upstream=behind.base_url, upstream_key=behind.api_key))
    behind.faults.add(fault)
    text = http.post("/chat/completions", json=CHAT | {"stream": True}).text
    *whole, error = chunks(text)
    assert error["error"]["code"] == "INFERENCE_3103"
    assert whole
    assert all("choices" in chunk and "environment_impact" not in chunk for chunk in whole)
    assert "[DONE]" not in text


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(status=500), 503, "provider_error"),
        (Fault(status=401), 503, "provider_error"),
        (Fault(status=307, body="", headers={"location": "/elsewhere"}), 503, "provider_error"),
        (Fault(code="rate_limit"), 429, "rate_limit_exceeded"),
        (Fault(code="context_length"), 400, "context_length_exceeded"),
        (Fault(code="invalid_value"), 400, "invalid_request_error"),
        (Fault(code="payload_too_large"), 413, "payload_too_large"),
        (Fault(code="upstream_timeout"), 504, "upstream_timeout"),
        (Fault(cut_after_bytes=0), 503, "provider_error"),
    ],
    ids=lambda value: getattr(value, "code", None),
)
@pytest.mark.parametrize("stream", [False, True])
def test_failures_behind_in_the_words_of_the_service(pair, fault, status, code, stream):
    _, behind, http = pair
    behind.faults.add(fault)
    response = http.post("/chat/completions", json=CHAT | {"stream": stream})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_something_else_than_json_behind(pair):
    _, behind, http = pair
    behind.faults.add(Fault(body="<html>", times=2))
    whole = http.post("/chat/completions", json=CHAT)
    assert (whole.status_code, whole.json()["error"]["code"]) == (503, "provider_error")
    stream = http.post("/chat/completions", json=CHAT | {"stream": True})
    assert "provider_error" in stream.text


def test_nothing_behind(start_sandbox, client_of):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    http = client_of(start_sandbox("g1", upstream=f"http://127.0.0.1:{port}/v1"))
    response = http.post("/chat/completions", json=CHAT)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "INFERENCE_PROVIDER_ERROR")


def test_embeddings_are_forwarded(pair, client_of):
    _, behind, http = pair
    body = {"model": "bge-m3", "input": ["a", "b"], "encoding_format": "base64", "preset": "quality"}
    answer = http.post("/embeddings", json=body).json()
    direct = client_of(behind, "sk-local").post("/embeddings", json=body).json()
    assert answer["data"] == direct["data"]
    assert answer["environment_impact"]["provider_id"] == "scaleway"
    assert "preset" not in behind.requests[0].body


def test_missing_usage_behind_stays_missing(pair):
    _, behind, http = pair
    behind.faults.add(Fault(usage="missing"))
    body = http.post("/chat/completions", json=CHAT).json()
    assert "usage" not in body
    assert body["environment_impact"]["energy_kwh"] > 0


def test_a_server_behind_that_tells_impact_and_bill_too(pair, start_sandbox, client_of):
    _, behind, _ = pair
    older = start_sandbox("g1", upstream=behind.base_url, upstream_key="sk-local", stream_impact=False)
    http = client_of(older)
    assert "billing_cost" not in http.post("/chat/completions", json=CHAT).json()
    header = {"x-sandbox-fault": Fault(impact="missing", usage="missing").to_header()}
    bare = http.post("/chat/completions", json=CHAT, headers=header).json()
    assert not bare.keys() & {"environment_impact", "billing_cost", "usage"}
    streamed = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
    assert '"usage"' not in http.post("/chat/completions", json=streamed, headers=header).text
    talkative = start_sandbox("g2", api_key="sk-local")
    quiet = client_of(start_sandbox(upstream=talkative.base_url, upstream_key="sk-local"))
    text = quiet.post("/chat/completions", json=CHAT | {"stream": True}).text
    assert "environment_impact" not in text


def test_faults_of_embeddings_reach_those_of_the_server_behind(pair):
    _, _, http = pair
    body = {"model": "bge-m3", "input": ["a", "b", "c"], "encoding_format": "base64"}

    def answer(**fault):
        header = {"x-sandbox-fault": Fault(**fault).to_header()}
        return http.post("/embeddings", json=body, headers=header).json()

    assert [item["index"] for item in answer(shuffle_indices=True)["data"]] == [1, 0, 2]
    assert len(answer(drop_item=True)["data"]) == 2
    assert len(answer(truncate_base64=True)["data"][0]["embedding"]) < len(answer()["data"][0]["embedding"])
    assert isinstance(answer(ignore_encoding=True)["data"][0]["embedding"], list)
    assert "usage" not in answer(usage="missing")
