"""Bodies cost memory only where they are wanted: not without a key, not beyond a bound, not for ever in records."""

import json
import socket
from contextlib import ExitStack

import pytest
import raw

from melious import MeliousClient
from melious.errors import AuthenticationError, BadRequestError
from melious_sandbox.server import bodies

CHAT = "POST /v1/chat/completions HTTP/1.1"
EMBED = {"model": "bge-m3", "input": "a"}
NOT_READ = "the request was refused before its body was read"
ENDPOINTS = ["chat/completions", "embeddings", "rerank", "images/generations", "audio/transcriptions"]


@pytest.mark.parametrize("path", [*ENDPOINTS, "models", "nowhere"])
@pytest.mark.parametrize("key", [None, "sk-mel-wrong"])
def test_without_a_key_the_answer_does_not_wait_for_a_large_body(sandbox, path, key):
    line = f"POST /v1/{path} HTTP/1.1"
    answer = raw.say(sandbox, raw.request(sandbox, line, "content-length: 800000000", key=key))
    assert answer.status == {"models": 405, "nowhere": 404}.get(path, 401)
    assert "connection: close" in answer.head


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=b"])
def test_nor_for_the_end_of_a_chunked_one(sandbox, kind):
    lines = ("transfer-encoding: chunked", f"content-type: {kind}")
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = raw.say(sandbox, raw.request(sandbox, CHAT, *lines, body=piece))
    assert answer.status == 401
    record = sandbox.requests[0]
    assert (record.body, record.body_left_out) == (None, NOT_READ)


def test_nor_for_small_ones_that_never_end(sandbox, monkeypatch):
    """It waits a little for their rest; all of them wait at the same time."""
    monkeypatch.setattr(bodies, "_SKIP_SECONDS", 0.1)
    foreign = raw.request(sandbox, CHAT, "host: evil.example", "content-length: 100", body=b"ab")
    unended = [(403, foreign)]
    for path, status in (("chat/completions", 401), ("nowhere", 404)):
        for line, begun in (("content-length: 100", b"ab"), ("transfer-encoding: chunked", b"2\r\nab\r\n")):
            unended.append((status, raw.request(sandbox, f"POST /v1/{path} HTTP/1.1", line, body=begun)))
    with ExitStack() as stack:
        asked = []
        for status, data in unended:
            sock = stack.enter_context(socket.create_connection(raw.address_of(sandbox), 60))
            sock.sendall(data)
            asked.append((status, sock))
        for status, sock in asked:
            answer = raw.read(sock)
            assert answer.status == status
            assert "connection: close" in answer.head


def test_nor_for_one_that_waits_to_be_asked_for(sandbox):
    lines = ("content-length: 5", "expect: 100-continue")
    assert raw.say(sandbox, raw.request(sandbox, CHAT, *lines)).status == 401
    with socket.create_connection(raw.address_of(sandbox), 60) as sock:
        sock.sendall(raw.request(sandbox, CHAT, *lines, key=sandbox.api_key))
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"[1,2]")
        assert raw.read(sock).status == 400


def test_a_small_body_without_a_key_keeps_the_connection(sandbox, client_of):
    http = client_of(sandbox, "sk-mel-wrong")
    for _ in range(3):
        assert http.post("/embeddings", json=EMBED).status_code == 401
    assert len({request.connection for request in sandbox.requests}) == 1
    assert {request.body_left_out for request in sandbox.requests} == {NOT_READ}


@pytest.mark.parametrize("size", [100_000, 1_000_000, 20_000_000])
def test_a_client_with_a_large_body_and_a_wrong_key_hears_so(sandbox, size):
    client = MeliousClient(api_key="sk-mel-wrong", base_url=sandbox.base_url, max_retries=2)
    with client, pytest.raises(AuthenticationError):
        client.embeddings.create(model="bge-m3", input=["x" * size])
    assert len(sandbox.requests) == 1


def test_a_body_beyond_the_bound_is_refused_unread(start_sandbox):
    sandbox = start_sandbox("g2", max_body_bytes=1_000)
    for extra in ("content-length: 1001", "content-length: 9" + "0" * 15):
        answer = raw.say(sandbox, raw.request(sandbox, CHAT, extra, key=sandbox.api_key))
        assert (answer.status, json.loads(answer.body)["error"]["code"]) == (413, "VALIDATION_4013")
        assert "1,000 bytes" in answer.message
    assert "larger" in sandbox.requests[0].body_left_out


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b"])
def test_so_is_a_chunked_one(start_sandbox, kind):
    sandbox = start_sandbox(max_body_bytes=1_000)
    lines = ("transfer-encoding: chunked", f"content-type: {kind}")
    line = "POST /v1/audio/transcriptions HTTP/1.1"
    pieces = b"64\r\n" + b"x" * 100 + b"\r\n"
    answer = raw.say(sandbox, raw.request(sandbox, line, *lines, key=sandbox.api_key, body=pieces * 11))
    assert answer.status == 413
    assert sandbox.requests[0].body is None


def test_a_body_at_the_bound_is_taken(start_sandbox, client_of):
    body = json.dumps(EMBED).encode()
    http = client_of(start_sandbox(max_body_bytes=len(body)))
    assert http.post("/embeddings", content=body).status_code == 200
    assert http.post("/embeddings", content=body + b" ").status_code == 413


def test_a_client_whose_body_is_too_large_hears_so(start_sandbox):
    sandbox = start_sandbox(max_body_bytes=100_000)
    client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url, max_retries=2)
    with client, pytest.raises(BadRequestError) as caught:
        client.embeddings.create(model="bge-m3", input=["x" * 10_000_000])
    assert caught.value.status_code == 413
    assert len(sandbox.requests) == 1


def test_records_lose_their_bodies_oldest_first(start_sandbox, client_of):
    sandbox = start_sandbox(max_bytes_kept=1_600_000)
    http = client_of(sandbox)
    for number in range(60):
        http.post("/embeddings", json={"model": "bge-m3", "input": [f"{number} ", "x" * 50_000]})
    kept = [request.body["input"][0] for request in sandbox.requests if request.body is not None]
    assert len(sandbox.requests) == 60
    assert 15 < len(kept) < 32
    assert kept == [f"{number} " for number in range(60 - len(kept), 60)]
    assert sandbox.requests[0].body_left_out == "newer requests needed the room"
    assert sandbox.requests[-1].body_left_out is None
    assert sandbox.requests.totals().requests == 60
    sandbox.reset()
    http.post("/embeddings", json=EMBED)
    assert sandbox.requests[0].body == EMBED


@pytest.mark.parametrize("text", ["x" * 70_000, "[" + "[]," * 20_000 + "[]]"], ids=["long", "many"])
def test_one_large_body_is_left_out_at_once(start_sandbox, client_of, text):
    sandbox = start_sandbox(max_bytes_kept=1_000_000)
    http = client_of(sandbox)
    http.post("/embeddings", json=EMBED)
    http.post("/embeddings", content=text)
    small, large = sandbox.requests
    assert (small.body, large.body, large.body_left_out) == (EMBED, None, "the body is too large to keep")


def test_large_headers_and_names_count_too(start_sandbox, client_of):
    sandbox = start_sandbox(max_bytes_kept=1_000_000)
    http = client_of(sandbox)
    for _ in range(60):
        http.get("/models", headers={"x-large": "x" * 50_000})
    assert 10 < len(sandbox.requests) < 20
    http.post("/embeddings", json={"model": "m" * 60_000, "input": "a"})
    assert len(sandbox.requests[-1].error) <= 1_000


def test_the_page_says_that_a_body_was_left_out(sandbox, client_of):
    client_of(sandbox, "sk-mel-wrong").post("/embeddings", json=EMBED)
    page = raw.say(sandbox, raw.request(sandbox, "GET / HTTP/1.1")).body.decode()
    assert NOT_READ in page


def test_a_form_that_breaks_off_is_malformed(http):
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert http.post("/audio/transcriptions", content=body, headers=headers).status_code == 400


@pytest.mark.parametrize("value", [{}, {"type": []}, {"type": {}}, {"type": [None]}, {"type": None}])
def test_an_odd_response_format_is_refused(ask, value):
    assert ask(response_format=value).status_code == 400
