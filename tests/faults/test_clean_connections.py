"""Every answer belongs to its own request: a connection with anything left on it is not used again.

Alice's server says more than it was asked for. Bob, another client with another
key on the same connections, must get his own answer nevertheless.
"""

import fcntl
import json
import socket
import struct
import termios
import threading

import pytest
from faults_faces import Face
from faults_kit import (
    ANSWER,
    CA,
    DONE,
    EVENTS_HEAD,
    KEY,
    LAST_CHUNK,
    PATIENCE,
    Peer,
    event,
    eventually,
    head,
    http_chunk,
    tls,
    whole,
)

from melious import MeliousError
from melious.http.leftovers import aiohttp_is_clean, asyncio_is_clean, blocking_is_clean

pytestmark = [pytest.mark.http_library, pytest.mark.usefixtures("plain_environment")]

ESTABLISHED = 1  # as the kernel numbers the states of a connection
ALICE, BOB = f"{KEY}-of-alice", f"{KEY}-of-bob"


def asker(request: bytes) -> str:
    """Whose key a request carries."""
    return "alice" if ALICE.encode() in request else "bob"


def answer_for(name: str) -> bytes:
    body = json.loads(json.dumps(ANSWER))
    body["choices"][0]["message"]["content"] = f"for {name}"
    return whole(body)


def chunked_for(name: str) -> bytes:
    received, _, body = answer_for(name).partition(b"\r\n\r\n")
    lines = [line for line in received.split(b"\r\n") if not line.startswith(b"content-length")]
    lines.append(b"transfer-encoding: chunked")
    return b"\r\n".join(lines) + b"\r\n\r\n" + http_chunk(body) + LAST_CHUNK


def stream_for(name: str) -> bytes:
    events = event(f"for {name}"), event(finish="stop"), DONE
    return EVENTS_HEAD + b"".join(map(http_chunk, events)) + LAST_CHUNK


FORMS = {"length": answer_for, "chunked": chunked_for, "stream": stream_for}
PLANTED = {
    "an answer": answer_for("nobody"),
    "two answers": answer_for("nobody") * 2,
    "a stream": stream_for("nobody"),
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-ty",
    "one letter": b"H",
    "letters": b"of more than was announced",
    "an answer of 70 kB": whole(b" " * 70_000 + b"{}"),
}
CASES = [(planted, "length") for planted in PLANTED] + [
    (planted, form) for planted in ("an answer", "half a head") for form in ("chunked", "stream")
]


def arrived(sock: socket.socket) -> bool:
    """Whether the other side has acknowledged all that was sent, or has closed the connection."""
    if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED:
        return True
    return struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4)) == (0,)


class Planter:
    """A server that answers each request, and to Alice's adds what nobody asked for, at a moment of choice."""

    def __init__(self, form: str, planted: bytes, when: str) -> None:
        self.late = threading.Event()
        self.planted = threading.Event()
        self._form, self._extra, self._when = FORMS[form], planted, when

    def __call__(self, peer: Peer) -> None:
        while (request := peer.request()) is not None:
            name = asker(request)
            if name == "bob":
                peer.send(self._form("bob"))
                continue
            try:
                self._plant(peer)
            finally:  # the client may have closed the connection in the midst of it
                self.planted.set()

    def _plant(self, peer: Peer) -> None:
        if self._when == "with it":
            peer.send(self._form("alice") + self._extra)
        elif self._when == "behind it":
            peer.send(self._form("alice"), self._extra)
        else:
            peer.send(self._form("alice"))
            self.late.wait(PATIENCE)
            peer.send(self._extra)
        assert eventually(lambda: arrived(peer.sock))


def ask(client: Face, form: str) -> str:
    if form == "stream":
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in client.chunks())
    return client.chat().text


@pytest.mark.sampled(5)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("when", ["with it", "behind it", "late", "late and seen"])
@pytest.mark.parametrize(("planted", "form"), CASES)
def test_what_nobody_asked_for_is_nobodys_answer(planted, form, when, encrypted, serve, any_face):
    planter = Planter(form, PLANTED[planted], when)
    server = serve(planter, **({"tls": tls()} if encrypted else {}))
    alice = any_face(server.base_url, api_key=ALICE, max_retries=0, verify=CA)
    bob = alice.neighbour(api_key=BOB)
    try:
        assert ask(alice, form) == "for alice"
    except MeliousError:
        # aiohttp gives nothing of what comes in one piece with what is no HTTP.
        assert (alice.kind, when) in {("aiohttp", "with it"), ("aiohttp", "behind it")}
    planter.late.set()
    assert planter.planted.wait(PATIENCE)
    if when == "late and seen":
        # The loop is given the chance to see what came; the verdict is the same if it does not.
        alice.eventually(lambda: True)
    assert [ask(bob, form) for _ in range(3)] == ["for bob"] * 3
    assert [asker(request) for request in server.requests] == ["alice", "bob", "bob", "bob"]
    assert server.connections == 2
    bob.close()


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_a_body_where_there_is_none(status, encrypted, serve, any_face):
    body = answer_for("nobody").partition(b"\r\n\r\n")[2]

    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if asker(request) == "bob":
                peer.send(answer_for("bob"))
            else:
                peer.send(head(status, f"content-length: {len(body)}") + body)
                assert eventually(lambda: arrived(peer.sock))

    server = serve(script, **({"tls": tls()} if encrypted else {}))
    alice = any_face(server.base_url, api_key=ALICE, max_retries=0, verify=CA)
    bob = alice.neighbour(api_key=BOB)
    with pytest.raises(MeliousError):
        alice.chat()
    assert [bob.chat().text for _ in range(3)] == ["for bob"] * 3
    assert [asker(request) for request in server.requests] == ["alice", "bob", "bob", "bob"]
    bob.close()


@pytest.mark.parametrize("when", ["with it", "late"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_proxy(scheme, when, monkeypatch, serve, proxy_to, any_face):
    planter = Planter("length", PLANTED["an answer"], when)
    server = serve(planter, **({"tls": tls()} if scheme == "https" else {}))
    proxy = proxy_to(server)
    monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{proxy.port}")
    options = {"allow_insecure_http": True, "max_retries": 0, "verify": CA}
    alice = any_face(f"{scheme}://melious.test/v1", api_key=ALICE, **options)
    bob = alice.neighbour(api_key=BOB)
    assert alice.chat().text == "for alice"
    before = proxy.taken  # with Alice's answer, which she has
    planter.late.set()
    assert planter.planted.wait(PATIENCE)
    assert when == "with it" or eventually(lambda: proxy.returned == proxy.taken > before)
    assert bob.chat().text == "for bob"
    assert [asker(request) for request in server.requests] == ["alice", "bob"]
    bob.close()


@pytest.mark.usefixtures("patient_drain")
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("form", FORMS)
def test_a_clean_connection_is_used_again(form, encrypted, serve, any_face):
    def script(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            peer.send(FORMS[form](asker(request)))

    server = serve(script, **({"tls": tls()} if encrypted else {}))
    alice = any_face(server.base_url, api_key=ALICE, max_retries=0, verify=CA)
    bob = alice.neighbour(api_key=BOB)
    for _ in range(5):
        assert ask(alice, form) == "for alice"
        assert ask(bob, form) == "for bob"
    assert (server.connections, len(server.requests)) == (1, 10)
    bob.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_clean_connection_through_a_proxy_is_used_again(scheme, monkeypatch, serve, proxy_to, any_face):
    planter = Planter("length", b"", "with it")
    server = serve(planter, **({"tls": tls()} if scheme == "https" else {}))
    proxy = proxy_to(server)
    monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{proxy.port}")
    client = any_face(f"{scheme}://melious.test/v1", allow_insecure_http=True, api_key=BOB, verify=CA)
    assert [client.chat().text for _ in range(10)] == ["for bob"] * 10
    assert (server.connections, len(server.requests)) == (1, 10)


@pytest.mark.parametrize("is_clean", [blocking_is_clean, asyncio_is_clean])
def test_without_proof_a_connection_is_not_clean(is_clean):
    """A version of a library that hides what we look at costs connections, and no answer."""
    assert not is_clean(object(), object())


def test_without_proof_a_connection_of_aiohttp_is_not_clean():
    assert not aiohttp_is_clean(object())
