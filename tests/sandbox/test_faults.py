"""Faults on demand, through the object and through the header, seen from a plain HTTP client."""

import base64
import json
import time

import httpx
import pytest

from melious import InvalidArgumentError
from melious.sandbox import Fault

EMBED = {"model": "bge-m3", "input": ["one", "two", "three", "four"], "encoding_format": "base64"}
CHAT = {"model": "llama-3.1-8b-instruct", "messages": [{"role": "user", "content": "Hi"}]}
STREAM = CHAT | {"stream": True}
RERANK = {"model": "bge-reranker-v2-m3", "query": "cat", "documents": ["cats", "dogs", "a cat"]}


def test_once_then_well_again(sandbox, http):
    sandbox.faults.add(Fault(status=503))
    assert [http.post("/embeddings", json=EMBED).status_code for _ in range(2)] == [503, 200]
    assert len(sandbox.faults) == 0


def test_times_after_and_endpoint(sandbox, http):
    sandbox.faults.add(Fault(endpoint="chat", status=500, times=2, after=1))
    assert http.post("/embeddings", json=EMBED).status_code == 200
    assert [http.post("/chat/completions", json=CHAT).status_code for _ in range(4)] == [200, 500, 500, 200]


def test_a_queue_of_faults_and_always(sandbox, http):
    sandbox.faults.add(Fault(status=502), Fault(code="rate_limit"), Fault(status=418, times=None))
    statuses = [http.get("/models").status_code for _ in range(5)]
    assert statuses == [502, 429, 418, 418, 418]
    sandbox.faults.clear()
    assert http.get("/models").status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", CHAT),
        ("/embeddings", EMBED),
        ("/rerank", RERANK),
        ("/images/generations", {"prompt": "x"}),
        ("/audio/transcriptions", {}),
    ],
)
def test_header_for_any_endpoint(http, path, body):
    header = {"x-sandbox-fault": Fault(code="provider_error").to_header()}
    assert http.post(path, json=body, headers=header).status_code == 503


def test_header_round_trip():
    fault = Fault(
        endpoint="chat",
        times=3,
        status=200,
        body=b"\xff\x00",
        headers={"retry-after": "1"},
        raw=["data: x\n\n"],
        cut_after_events=2,
        impact="partial",
    )
    assert Fault.from_header(fault.to_header()) == fault
    assert json.loads(Fault().to_header()) == {}


@pytest.mark.parametrize(
    "header",
    [
        "{",
        "[]",
        '{"statos":503}',
        '{"code":"bad luck"}',
        '{"times":0}',
        '{"status":"abc"}',
        '{"status":99}',
        '{"delay":"x"}',
        '{"delay":1e400}',
        '{"delay":-1}',
        '{"cost":"dear"}',
        '{"endpoint":"chats"}',
        '{"headers":["a"]}',
        '{"headers":{"a":1}}',
        '{"headers":{"a":"b\\r\\nc"}}',
        '{"headers":{"a":"\\u20ac"}}',
        '{"content_type":"\\u20ac"}',
        '{"raw":"abc"}',
        '{"raw":["\\u20ac"]}',
        '{"garbage":"\\u20ac"}',
        '{"body":5}',
        '{"body_latin1":5}',
        '{"no_done":"x"}',
    ],
)
def test_a_wrong_header_is_refused(http, header):
    response = http.get("/models", headers={"x-sandbox-fault": header})
    assert response.status_code == 400
    assert "x-sandbox-fault" in response.json()["error"]["message"]


def test_any_body_any_type_any_header(sandbox, http):
    sandbox.faults.add(
        Fault(
            status=502, body="<html>Bad gateway</html>", content_type="text/html", headers={"Server": "cloud"}
        ),
        Fault(body={"error": "just text"}),
        Fault(status=200, body=b"\xff\xfe"),
        Fault(code="insufficient_quota", status=418),
    )
    html, text, raw, overridden = (http.get("/models") for _ in range(4))
    assert (html.status_code, html.text) == (502, "<html>Bad gateway</html>")
    assert (html.headers["content-type"], html.headers["server"]) == ("text/html", "cloud")
    assert (text.status_code, text.json()) == (200, {"error": "just text"})
    assert raw.content == b"\xff\xfe"
    assert (overridden.status_code, overridden.json()["error"]["code"]) == (418, "insufficient_quota")
    assert all("x-request-id" in answer.headers for answer in (html, text, raw, overridden))


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_leaves_the_connection_fit(sandbox, http, status):
    sandbox.faults.add(Fault(status=status))
    answers = [http.get("/models") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status, 200]
    assert answers[0].content == b""
    assert len({request.connection for request in sandbox.requests}) == 1


def test_slow_first_byte(sandbox, http):
    sandbox.faults.add(Fault(delay=0.2))
    started = time.monotonic()
    with http.stream("POST", "/chat/completions", json=STREAM) as response:
        assert time.monotonic() - started >= 0.2
        assert response.read().endswith(b"[DONE]\n\n")


def drain(response, got=None):
    for part in response.iter_raw():
        if got is not None:
            got.append(part)


def test_cut_before_the_status_line(sandbox, http):
    sandbox.faults.add(Fault(cut_after_bytes=0))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        http.post("/embeddings", json=EMBED)
    assert sandbox.requests[-1].status is None


def test_cut_in_the_middle_of_a_body(sandbox, http):
    sandbox.faults.add(Fault(cut_after_bytes=40))
    with http.stream("POST", "/embeddings", json=EMBED) as response:
        assert int(response.headers["content-length"]) > 40
        with pytest.raises(httpx.RemoteProtocolError, match="received 40 bytes"):
            drain(response)
    assert not sandbox.requests[-1].complete


@pytest.mark.parametrize("count", [0, 1, 3])
def test_cut_after_events(sandbox, http, count):
    sandbox.faults.add(Fault(cut_after_events=count))
    got = []
    with http.stream("POST", "/chat/completions", json=STREAM) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            drain(response, got)
    assert b"".join(got).count(b"\n\n") == count


def stream_text(http, fault):
    return http.post("/chat/completions", json=STREAM, headers={"x-sandbox-fault": fault.to_header()}).text


def test_stall_and_comment_only_stall(http):
    started = time.monotonic()
    silent = stream_text(http, Fault(stall_after_events=2, stall_seconds=0.15))
    assert time.monotonic() - started >= 0.15
    assert ": keep-alive" not in silent
    commented = stream_text(http, Fault(stall_after_events=2, stall_seconds=0.15, stall_comments=0.04))
    assert commented.split("\n\n")[2:5] == [": keep-alive"] * 3
    assert silent.endswith("data: [DONE]\n\n")
    assert commented.endswith("data: [DONE]\n\n")


def test_error_object_in_the_stream(http):
    blocks = stream_text(http, Fault(error_after_events=2, code="insufficient_quota")).strip().split("\n\n")
    assert len(blocks) == 3
    assert json.loads(blocks[-1].removeprefix("data: "))["error"]["code"] == "insufficient_quota"


def test_no_done(http):
    text = stream_text(http, Fault(no_done=True))
    assert "[DONE]" not in text
    assert '"finish_reason":"stop"' in text


def test_two_terminal_chunks(http):
    text = stream_text(http, Fault(two_terminals=True))
    assert text.count('"finish_reason":"stop"') == 2
    assert text.count('"usage"') == 1


def test_raw_stream(http):
    raw = ["data: caf\xc3", "\xa9\n\n", ": hm\r\n"]
    header = {"x-sandbox-fault": Fault(raw=raw, content_type="application/json").to_header()}
    response = http.post("/chat/completions", json=STREAM, headers=header)
    assert response.content == "data: café\n\n: hm\r\n".encode()
    assert response.headers["content-type"] == "application/json"


def test_garbage(http, sandbox):
    text = http.post(
        "/chat/completions",
        json=STREAM,
        headers={"x-sandbox-fault": Fault(garbage="\xff\x00\xfe").to_header()},
    ).content
    assert b"\n\n\xff\x00\xfedata: " in text
    sandbox.faults.add(Fault(garbage="\xff\x00"))
    response = http.post("/embeddings", json=EMBED)
    with pytest.raises(ValueError, match=r"utf-8|JSON|control"):
        response.json()


def test_embedding_faults(sandbox, http):
    def data(fault):
        sandbox.faults.add(fault)
        return http.post("/embeddings", json=EMBED).json()["data"]

    well = http.post("/embeddings", json=EMBED).json()["data"]
    assert len(base64.b64decode(data(Fault(truncate_base64=True))[0]["embedding"])) % 4 == 2
    shuffled = data(Fault(shuffle_indices=True))
    assert [item["index"] for item in shuffled] != [0, 1, 2, 3]
    assert sorted(shuffled, key=lambda item: item["index"]) == well
    assert len(data(Fault(drop_item=True))) == 3
    assert isinstance(data(Fault(ignore_encoding=True))[0]["embedding"], list)
    sandbox.faults.add(Fault(refuse_base64=True))
    refused = http.post("/embeddings", json=EMBED)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "encoding_format")


def test_fields_that_a_server_may_not_know(sandbox, http):
    sandbox.faults.add(Fault(refuse_stream_options=True, times=2))
    streamed = CHAT | {"stream": True}
    refused = http.post("/chat/completions", json=streamed | {"stream_options": {"include_usage": True}})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "stream_options")
    assert http.post("/chat/completions", json=streamed).status_code == 200


def test_extension_faults(sandbox, http):
    def answer(**fault):
        sandbox.faults.add(Fault(**fault))
        return http.post("/chat/completions", json=CHAT).json()

    assert "environment_impact" not in answer(impact="missing")
    assert set(answer(impact="partial")["environment_impact"]) == {"energy_kwh", "provider_id", "simulated"}
    assert isinstance(answer(impact="strange")["environment_impact"]["energy_kwh"], str)
    assert "billing_cost" not in answer(cost="missing")
    assert set(answer(cost="partial")["billing_cost"]) == {"credits", "simulated"}
    assert answer(cost="strange")["billing_cost"]["credits"] == "NaN"
    assert isinstance(answer(cost="number")["billing_cost"]["credits"], float)
    assert isinstance(answer(cost="string")["billing_cost"]["credits"], str)
    assert answer(cost="zero")["billing_cost"]["credits"] == "0"
    assert "usage" not in answer(usage="missing")


def test_faults_need_a_key_as_any_request_does(sandbox, http):
    header = {"x-sandbox-fault": Fault(status=503).to_header()}
    assert httpx.get(f"{sandbox.base_url}/models", headers=header, trust_env=False).status_code == 401
    sandbox.faults.add(Fault(status=503))
    assert httpx.get(f"{sandbox.base_url}/models", trust_env=False).status_code == 401
    assert http.get("/models").status_code == 503


def test_impossible_faults():
    with pytest.raises(ValueError, match="rate_limit"):
        Fault(code="bad luck")
    with pytest.raises(ValueError, match="at least 1"):
        Fault(times=0)
    with pytest.raises(ValueError, match="impact must be one of missing, partial, strange, not 'odd'"):
        Fault(impact="odd")
    with pytest.raises(ValueError, match="cut_after_bytes"):
        Fault(cut_after_bytes=-1)


def test_a_fault_for_some_requests_only(sandbox, ask):
    sandbox.faults.add(Fault(status=503), when=lambda request: request.body["temperature"] == 1)
    assert ask(temperature=0).status_code == 200
    assert ask(temperature=1).status_code == 503
    assert ask(temperature=1).status_code == 200


def test_a_predicate_that_fails_says_so(sandbox, ask):
    sandbox.faults.add(Fault(status=503), when=lambda request: request.body["nothing"])
    answer = ask()
    assert answer.status_code == 500
    assert "The `when` of a fault raised KeyError('nothing')" in answer.json()["error"]["message"]


def test_a_predicate_must_be_a_function(sandbox):
    with pytest.raises(InvalidArgumentError, match="when must be a function that takes the request"):
        sandbox.faults.add(Fault(status=503), when="chat")
