"""Answers that are broken, odd or hostile, byte by byte, over a real connection."""

import gzip
import json
import zlib
from collections.abc import Callable

import pytest
from faults_kit import (
    ANSWER,
    DONE,
    EVENTS_HEAD,
    KEY,
    LAST_CHUNK,
    Peer,
    always,
    event,
    eventually,
    head,
    http_chunk,
    whole,
)

from melious import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    MeliousError,
    RateLimitError,
    ResponseDecodeError,
    Timeout,
)

pytestmark = pytest.mark.http_library

JSON_HEAD = "content-type: application/json"
BODY = json.dumps(ANSWER).encode()


def cut(*parts: bytes):
    """A script that sends this and hangs up."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(*parts)

    return script


def reset(*parts: bytes):
    """A script that sends this and resets the connection."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(*parts)
        peer.pause(0.05)
        peer.reset()

    return script


LONG = f"content-length: {len(BODY)}"
BROKEN = {
    "closed before the status line": cut(),
    "closed in the status line": cut(b"HTTP/1.1 2"),
    "closed in the headers": cut(b"HTTP/1.1 200 OK\r\ncontent-type: appl"),
    "closed in the body": cut(head("200 OK", JSON_HEAD, LONG) + BODY[:20]),
    "closed before the body": cut(head("200 OK", JSON_HEAD, LONG)),
    "closed in a chunk": cut(head("200 OK", "transfer-encoding: chunked") + b"ff\r\n{"),
    "no last chunk": cut(head("200 OK", "transfer-encoding: chunked") + http_chunk(BODY)),
    "a length that is too great": cut(head("200 OK", JSON_HEAD, f"content-length: {len(BODY) + 9}") + BODY),
    "reset before the status line": reset(),
    "reset in the headers": reset(b"HTTP/1.1 200 OK\r\n"),
    "reset in the body": reset(head("200 OK", JSON_HEAD, LONG) + BODY[:20]),
    "a bad status line": cut(b"HELLO WORLD\r\n\r\n"),
    "a status of letters": cut(b"HTTP/1.1 abc OK\r\n\r\n"),
    "another protocol": cut(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "a header without a colon": cut(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"),
    "two lengths that differ": cut(head("200 OK", JSON_HEAD, LONG, "content-length: 3") + BODY),
    "a length of letters": cut(head("200 OK", JSON_HEAD, "content-length: many") + BODY),
    "a chunk size of letters": cut(head("200 OK", "transfer-encoding: chunked") + b"zz\r\n" + BODY),
    "a chunk size beyond all bounds": cut(
        head("200 OK", "transfer-encoding: chunked") + b"f" * 40 + b"\r\n" + BODY
    ),
    "an unknown transfer encoding": cut(head("200 OK", "transfer-encoding: rot13") + BODY),
    "gzip that is cut": always(whole(gzip.compress(BODY)[:-1], "200 OK", "content-encoding: gzip")),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_answer_is_a_connection_error(fault, serve, face):
    server = serve(BROKEN[fault])
    client = face(server.base_url, max_retries=0, timeout=5)
    with pytest.raises(APIConnectionError) as caught:
        client.chat()
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.attempts == 1
    assert "127.0.0.1" in str(caught.value)
    assert caught.value.__cause__ is not None
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault", ["closed before the status line", "closed in the body", "a bad status line"]
)
def test_a_broken_answer_is_asked_for_again(fault, serve, face):
    def script(peer: Peer) -> None:
        if peer.number < 3:
            BROKEN[fault](peer)
        else:
            always(whole())(peer)

    server = serve(script)
    answer = face(server.base_url, timeout=5).chat()
    assert answer.text == "A light."
    assert answer.attempts == 3
    assert [b"x-retry-count" in request for request in server.requests] == [False, True, True]
    keys = {line for request in server.requests for line in request.split(b"\r\n") if b"idempotency" in line}
    assert len(keys) == 1


GOOD = {
    "as it should be": [whole()],
    "byte by byte": [bytes([byte]) for byte in whole()],
    "without a reason": [whole(None, "200 ")],
    "HTTP/1.0 to the end of the connection": [b"HTTP/1.0 200 OK\r\n\r\n" + BODY],
    "no length, to the end of the connection": [head("200 OK", JSON_HEAD, "connection: close") + BODY],
    "one length twice": [head("200 OK", JSON_HEAD, LONG, LONG) + BODY],
    "a folded header": [head("200 OK", "x-note: one\r\n two", LONG) + BODY],
    "100 and 103 before": [head("100 Continue"), head("103 Early Hints", "link: </x>"), whole()],
    "chunks and trailers": [
        head("200 OK", "transfer-encoding: chunked"),
        http_chunk(BODY[:7]) + http_chunk(BODY[7:]),
        b"0\r\nx-checksum: 1\r\n\r\n",
    ],
    "gzip that nobody asked for": [whole(gzip.compress(BODY), "200 OK", "content-encoding: gzip")],
    "deflate that nobody asked for": [whole(zlib.compress(BODY), "200 OK", "content-encoding: deflate")],
}


@pytest.mark.parametrize("kind", GOOD)
def test_an_odd_answer_that_is_whole_is_taken(kind, serve, face):
    server = serve(cut(*GOOD[kind]))
    answer = face(server.base_url, max_retries=0, timeout=5).chat()
    assert answer.text == "A light."
    assert b"accept-encoding: identity" in server.requests[0].lower()


def test_a_compressed_stream_is_read(serve, face):
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) for data in (event("A"), event("B"))]
    parts.append(packer.compress(event(finish="stop") + DONE) + packer.flush())
    start = head(
        "200 OK", "content-type: text/event-stream", "content-encoding: gzip", "transfer-encoding: chunked"
    )
    server = serve(cut(start, *map(http_chunk, parts), LAST_CHUNK))
    chunks = face(server.base_url).chunks()
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == ["A", "B", None]


def test_an_unknown_compression_is_named(serve, face):
    server = serve(always(whole(b"\x00\x01", "200 OK", "content-encoding: br")))
    with pytest.raises(MeliousError, match="'br'"):
        face(server.base_url, max_retries=0).chat()


def test_a_web_page_is_no_answer(serve, face):
    page = b"<html><title>Log in to the hotel network</title></html>"
    server = serve(always(head("200 OK", "content-type: text/html", f"content-length: {len(page)}") + page))
    client = face(server.base_url, max_retries=0)
    with pytest.raises(ResponseDecodeError, match="hotel network"):
        client.chat()
    with pytest.raises(ResponseDecodeError, match="hotel network"):
        client.chunks()
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(status, serve, any_face):
    elsewhere = serve(always(whole()))
    place = f"{elsewhere.base_url}/chat/completions"
    location = f"location: {place.replace('://', '://me:secret@')}?token=secret"
    server = serve(always(whole(b"", f"{status} Moved", location)))
    with pytest.raises(APIStatusError, match=f"redirects to {place}. Redirects are not followed") as caught:
        any_face(server.base_url, max_retries=0).chat()
    assert caught.value.status_code == status
    assert "secret" not in str(caught.value)
    assert (elsewhere.connections, len(server.requests)) == (0, 1)


def test_cookies_are_not_kept(serve, any_face):
    server = serve(always(whole(None, "200 OK", "set-cookie: id=1; Path=/", "set-cookie: track=2")))
    client = any_face(server.base_url)
    assert [client.chat().text for _ in range(2)] == ["A light.", "A light."]
    assert len(server.requests) == 2
    assert not any(b"cookie" in request.lower() for request in server.requests)


def test_a_huge_error_body_is_read_only_in_part(serve, face):
    size = 64 * 1024 * 1024
    sent = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(head("400 Bad Request", "content-type: text/plain", f"content-length: {size}"))
        for _ in range(size // 65536):
            peer.send(b"x" * 65536)
            sent.append(65536)

    server = serve(script)
    with pytest.raises(BadRequestError) as caught:
        face(server.base_url, max_retries=0).chat()
    assert len(caught.value.body) == 64 * 1024
    assert len(str(caught.value)) < 2000
    assert sum(sent) < size / 2


def test_an_error_whose_body_never_comes_is_still_that_error(serve, face):
    server = serve(cut(head("401 Unauthorized", "content-length: 500") + b'{"error'))
    with pytest.raises(APIStatusError) as caught:
        face(server.base_url, max_retries=0).chat()
    assert caught.value.status_code == 401


STREAM_HEAD = head("200 OK", "content-type: text/event-stream", "transfer-encoding: chunked")


CUT_STREAMS: dict[str, Callable[[Peer], object]] = {
    "closed": lambda peer: None,
    "closed in an event": lambda peer: peer.send(http_chunk(event("light")[:20])),
    "ended in good order": lambda peer: peer.send(LAST_CHUNK),
    "reset": Peer.reset,
    "a bad chunk": lambda peer: peer.send(b"zz\r\n"),
}


@pytest.mark.parametrize("fault", CUT_STREAMS)
def test_a_cut_stream_gives_what_came_and_then_says_so(fault, serve, any_face):
    seen = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.events(event("A "))
        assert eventually(lambda: bool(seen))
        CUT_STREAMS[fault](peer)

    server = serve(script)
    client = any_face(server.base_url)
    # aiohttp never says that a chunk was bad: there the stream ends when no event comes for too long.
    silent = fault == "a bad chunk" and client.kind == "aiohttp"
    timeout = Timeout(event=0.5 if silent else 60.0)
    with pytest.raises(APITimeoutError if silent else APIConnectionError) as caught:
        client.chunks(seen, timeout=timeout)
    assert [chunk["choices"][0]["delta"]["content"] for chunk in seen] == ["A "]
    assert caught.value.partial.text == "A "
    assert len(server.requests) == 1


@pytest.mark.parametrize("ending", [b"", b"garbage that is no chunk", http_chunk(event("after"))])
def test_what_comes_after_done_does_not_matter(ending, serve, any_face):
    chunks = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(EVENTS_HEAD + http_chunk(event("A") + event(finish="stop") + DONE))
        # aiohttp throws away what comes in one read with something bad
        assert eventually(lambda: len(chunks) == 2)
        peer.send(ending)
        peer.reset()

    server = serve(script)
    any_face(server.base_url).chunks(chunks)
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == ["A", None]


def test_the_key_is_sent_and_only_in_its_header(serve, any_face):
    server = serve(always(whole()))
    any_face(server.base_url).chat()
    lines = server.requests[0].split(b"\r\n")
    assert [line for line in lines if KEY.encode() in line] == [
        line for line in lines if line.lower().startswith(b"authorization: bearer ")
    ]
    assert KEY.encode() not in lines[0]


# --- an error with status 200 -------------------------------------------------------------------------

IN_PLACE_OF_AN_ANSWER = b'{"error": {"message": "busy", "code": "rate_limit_exceeded"}}'


@pytest.mark.parametrize("way", ["chat", "chunks", "embed", "models"])
def test_an_error_object_with_status_200_is_tried_again_on_every_endpoint(way, serve, any_face):
    server = serve(always(whole(IN_PLACE_OF_AN_ANSWER, "200 OK", "retry-after-ms: 1")))
    client = any_face(server.base_url, max_retries=2)
    with pytest.raises(RateLimitError) as caught:
        client.embed(["one"]) if way == "embed" else getattr(client, way)()
    assert (caught.value.attempts, len(server.requests)) == (3, 3)
    assert caught.value.retry_after == 0.001
