"""What passes between the sandbox and the server behind it: no secrets, and no work for clients that have left."""

import json
import socket
import threading

import httpx
import pytest
import raw
from faults.faults_kit import ANSWER, EVENTS_HEAD, RawServer, always, event, eventually, http_chunk, whole

from melious.sandbox import Fault, Sandbox

CHAT = {"model": "llama3.2:1b", "messages": [{"role": "user", "content": "What is a harbour?"}]}
EMBED = {"model": "nomic", "input": ["a"]}
MINE = {
    "cookie": "session=mine",
    "x-api-key": "sk-mel-mine",
    "proxy-authorization": "Basic bWluZQ==",
    "x-mine": "mine",
}


def post(sandbox, path, body):
    content = json.dumps(body).encode()
    length = f"content-length: {len(content)}"
    return raw.request(sandbox, f"POST /v1{path} HTTP/1.1", length, key=sandbox.api_key, body=content)


class Waiting:
    """A server that takes one request, says what it is told to, and waits until the other side has left."""

    def __init__(self, *first: bytes) -> None:
        self._first = first
        self.asked = threading.Event()
        self.left = threading.Event()

    def __call__(self, peer) -> None:
        if peer.request() is None:
            return
        try:
            peer.send(*self._first)
        except OSError:  # the other side left in the middle
            self.left.set()
        self.asked.set()
        if peer.left():
            self.left.set()


@pytest.mark.parametrize(
    ("path", "body", "first"),
    [
        ("/chat/completions", CHAT, ()),
        ("/embeddings", EMBED, ()),
        ("/chat/completions", CHAT | {"stream": True}, ()),
        ("/chat/completions", CHAT | {"stream": True}, (EVENTS_HEAD,)),
        (
            "/chat/completions",
            CHAT | {"stream": True},
            (EVENTS_HEAD, http_chunk(event("a")), http_chunk(event("b"))),
        ),
        ("/chat/completions", CHAT, (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",)),
    ],
    ids=["chat", "embeddings", "stream", "stream begun", "stream in its middle", "answer in its middle"],
)
@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_calls_the_work_off(path, body, first, reset):
    script = Waiting(*first)
    with RawServer(script) as behind, Sandbox(upstream=behind.base_url) as front:
        with socket.create_connection(raw.address_of(front), 60) as sock:
            sock.sendall(post(front, path, body))
            assert script.asked.wait(60)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert script.left.wait(60)
        assert eventually(lambda: front.requests[0].duration is not None)
        assert not front.requests[0].complete
        assert front.requests.totals().failed == 1


@pytest.mark.parametrize(
    "fault", [Fault(cut_after_bytes=0), Fault(cut_after_events=0), Fault(cut_after_events=1)]
)
def test_so_does_an_answer_that_is_cut_on_purpose(fault):
    script = Waiting(EVENTS_HEAD, http_chunk(event("a")), http_chunk(event("b")))
    with RawServer(script) as behind, Sandbox(upstream=behind.base_url) as front:
        front.faults.add(fault)
        raw.say(front, post(front, "/chat/completions", CHAT | {"stream": True}))
        assert script.left.wait(60)


def test_a_client_that_leaves_while_its_answer_is_held_back():
    script = Waiting(EVENTS_HEAD, http_chunk(event("a")))
    with RawServer(script) as behind, Sandbox(upstream=behind.base_url, latency=1000) as front:
        with socket.create_connection(raw.address_of(front), 60) as sock:
            sock.sendall(post(front, "/chat/completions", CHAT | {"stream": True}))
            assert script.asked.wait(60)
            assert eventually(lambda: front.requests[0].served is not None)
        assert script.left.wait(60)


def test_the_others_go_on():
    """One client leaves; the answer of the other, under way at the same time, is not touched."""
    both, go_on = threading.Barrier(2), threading.Event()

    def script(peer):
        if peer.request() is None:
            return
        both.wait(60)
        go_on.wait(60)
        peer.send(whole())

    with RawServer(script) as behind, Sandbox(upstream=behind.base_url) as front:
        with socket.create_connection(raw.address_of(front), 60) as stays:
            stays.sendall(post(front, "/chat/completions", CHAT))
            with socket.create_connection(raw.address_of(front), 60) as leaves:
                leaves.sendall(post(front, "/chat/completions", CHAT))
                assert eventually(lambda: len(behind.requests) == 2)
            assert eventually(lambda: front.requests.totals().failed == 1)
            go_on.set()
            answer = raw.read(stays)
        assert json.loads(answer.body)["choices"] == ANSWER["choices"]


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_of_the_client_goes_there_but_its_question(stream):
    def script(peer):
        while peer.request() is not None:
            peer.send(whole(None, "200 OK", "set-cookie: theirs=1; Path=/", "set-cookie: more=2"))

    with RawServer(script) as behind, Sandbox(upstream=behind.base_url, upstream_key="sk-local") as front:
        with httpx.Client(trust_env=False, headers=MINE) as http:
            for _ in range(2):
                url, key = f"{front.base_url}/chat/completions?x=mine", f"Bearer {front.api_key}"
                answer = http.post(url, json=CHAT | {"stream": stream}, headers={"authorization": key})
                assert answer.status_code == 200
                assert "set-cookie" not in answer.headers
        assert len(behind.requests) == 2
        for head in behind.requests:
            lines = head.lower()
            assert b"authorization: bearer sk-local" in lines
            for word in (b"cookie", b"mine", b"theirs", b"x-api-key", front.api_key.encode()):
                assert word not in lines


def test_without_a_key_for_it_none_goes_there():
    with RawServer(always(whole())) as behind, Sandbox(upstream=behind.base_url) as front:
        assert raw.say(front, post(front, "/chat/completions", CHAT)).status == 200
    assert b"authorization" not in behind.requests[0].lower()


@pytest.mark.parametrize("line", ["host: evil.example", "origin: http://evil.example"])
def test_a_foreign_page_reaches_nothing_behind(line):
    with RawServer(lambda peer: peer.request()) as behind, Sandbox(upstream=behind.base_url) as front:
        data = post(front, "/chat/completions", CHAT).replace(b"\r\n\r\n", f"\r\n{line}\r\n\r\n".encode(), 1)
        if line.startswith("host"):
            host, port = raw.address_of(front)
            data = data.replace(f"host: {host}:{port}\r\n".encode(), b"", 1)
        assert raw.say(front, data).status == 403
    assert behind.requests == []


def test_its_address_may_have_a_query():
    with RawServer(always(whole())) as behind, Sandbox(upstream=f"{behind.base_url}/?api-version=1") as front:
        assert raw.say(front, post(front, "/chat/completions", CHAT)).status == 200
    assert behind.requests[0].startswith(b"POST /v1/chat/completions?api-version=1 HTTP/1.1")


def test_lone_surrogates_go_through_as_escapes():
    with RawServer(always(whole())) as behind, Sandbox(upstream=behind.base_url) as front:
        body = CHAT | {"messages": [{"role": "user", "content": "\ud83d"}]}
        assert raw.say(front, post(front, "/chat/completions", body)).status == 200


def test_in_front_of_another_server_the_key_is_random():
    with RawServer(lambda peer: None) as behind:
        one, other = (Sandbox(upstream=behind.base_url).api_key for _ in range(2))
        given = Sandbox(upstream=behind.base_url, api_key="sk-mel-given").api_key
    assert one != other
    assert len(one) > 30
    assert given == "sk-mel-given"
    assert Sandbox().api_key == Sandbox().api_key
