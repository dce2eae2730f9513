"""Timeouts and deadlines: each wait ends when it was promised to end, for blocking code and asyncio alike."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from faults_faces import AsyncFace
from faults_kit import ASK, DONE, KEY, Peer, always, event, eventually, head, http_chunk, took, whole

from melious import (
    APIConnectionError,
    APITimeoutError,
    AsyncMeliousClient,
    DeadlineExceededError,
    MeliousClient,
    RateLimitError,
    ServerError,
    Timeout,
)
from melious.sandbox import Fault

LATE = 0.9
"""Seconds that a loaded machine may add."""


def silent(peer: Peer) -> None:
    """Take requests and answer nothing."""
    while peer.request() is not None:
        peer.left(20)


def trickle(peer: Peer) -> None:
    """Begin an answer and send it byte by byte, for ever in time for the next read."""
    peer.request()
    peer.send(head("200 OK", "content-type: application/json", "content-length: 100000"))
    for _ in range(400):
        peer.send(b" ")
        peer.pause(0.05)


def trickled_head(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(400):
        peer.send(b"x-header-%d: 1\r\n" % number)
        peer.pause(0.05)


@pytest.fixture(params=["deadline", "timeout"])
def limit(request) -> dict[str, float]:
    return {request.param: 0.3}


@pytest.mark.parametrize("script", [silent, trickle, trickled_head])
def test_an_answer_that_does_not_come_or_does_not_end(script, limit, serve, any_face):
    client = any_face(serve(script).base_url)
    with took(0.25, 0.3 + LATE), pytest.raises(APITimeoutError) as caught:
        client.chat(**limit)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, DeadlineExceededError) == ("deadline" in limit)
    assert caught.value.attempts == 1, "an answer that costs money is not asked for twice because it is slow"
    assert 0.25 < caught.value.elapsed < 0.3 + LATE


@pytest.mark.parametrize("script", [silent, trickled_head])
def test_a_stream_that_does_not_begin(script, limit, serve, any_face):
    with took(0.25, 0.3 + LATE), pytest.raises(APITimeoutError):
        any_face(serve(script).base_url).chunks(**limit)


@pytest.mark.parametrize("comments", [None, 0.1])
@pytest.mark.parametrize("timeout", [0.3, Timeout(event=0.3), Timeout(silence=0.3, event=0.3)])
def test_a_stream_that_stalls(comments, timeout, sandbox, any_face):
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=20, stall_comments=comments))
    client = any_face(sandbox.base_url, api_key=sandbox.api_key)
    seen = []
    with took(0.25, 0.3 + LATE), pytest.raises(APITimeoutError) as caught:
        client.chunks(seen, timeout=timeout)
    assert len(seen) == 3
    assert caught.value.partial.text
    assert caught.value.request_id == sandbox.requests[0].request_id
    assert len(sandbox.requests) == 1
    if client.kind != "sync":
        client.pause(0.02)
    assert eventually(lambda: sandbox.open_connections == 0)


def test_silence_is_told_apart_from_an_event_that_does_not_come(sandbox, face):
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=20, stall_comments=0.1))
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=0.8, stall_comments=0.1))
    client = face(sandbox.base_url, api_key=sandbox.api_key)
    with pytest.raises(APITimeoutError, match=r"no event for 0\.4 s"):
        client.chunks(timeout=Timeout(silence=5, event=0.4))
    # Comments do count as signs of a living connection.
    assert len(client.chunks(timeout=Timeout(silence=0.4, event=5))) > 3


def test_the_deadline_of_a_stream_ends_with_its_first_chunk(sandbox, any_face):
    sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=0.5))
    assert len(any_face(sandbox.base_url, api_key=sandbox.api_key).chunks(deadline=0.3)) > 3


@pytest.fixture
def full() -> Iterator[str]:
    """A server that is so busy that no connection comes about."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(8):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(server.getsockname())
            waiting.append(one)
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        for one in waiting:
            one.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_that_does_not_come_about(stream, full, any_face):
    client = any_face(full, max_retries=0)
    with took(0.3, 0.4 + LATE), pytest.raises(APITimeoutError, match="connect"):
        (client.chunks if stream else client.chat)(timeout=Timeout(connect=0.4))


def test_the_deadline_holds_while_connecting(full, any_face):
    with took(0.25, 0.3 + LATE), pytest.raises(DeadlineExceededError):
        any_face(full).chat(deadline=0.3)


def test_connecting_is_tried_again(full, face):
    with took(0.5, 0.6 + 0.5 + 1.0 + LATE), pytest.raises(APITimeoutError) as caught:
        face(full, max_retries=2).chat(timeout=Timeout(connect=0.2))
    assert caught.value.attempts == 3
    assert len(caught.value.history) == 2


def test_a_refused_connection_names_the_host(any_face):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(APIConnectionError, match=f"could not connect to 127.0.0.1:{port}") as caught:
            any_face(f"http://127.0.0.1:{port}", max_retries=1).chat()
    assert caught.value.attempts == 2


def test_a_host_that_does_not_exist(any_face):
    with took(0, 15), pytest.raises(APIConnectionError, match=r"could not connect to no-such-host\.invalid"):
        any_face("https://no-such-host.invalid", max_retries=0).chat()


def test_the_deadline_covers_attempts_and_waits(serve, any_face):
    """Slow refusals and backoffs: the whole never takes longer than it may."""

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.pause(0.2)
            peer.send(whole({"error": {"message": "busy"}}, "503 Busy"))

    server = serve(script)
    with took(0.15, 1.0 + LATE), pytest.raises((ServerError, DeadlineExceededError)) as caught:
        any_face(server.base_url, max_retries=50).chat(deadline=1.0)
    assert caught.value.attempts == len(server.requests) >= 1
    assert caught.value.elapsed <= 1.0 + LATE


def test_no_wait_is_begun_that_the_deadline_would_cut_short(sandbox, any_face):
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "20"}, times=None))
    with took(0.0, LATE), pytest.raises(RateLimitError) as caught:
        any_face(sandbox.base_url, api_key=sandbox.api_key).chat(deadline=5)
    assert caught.value.retry_after == 20
    assert len(sandbox.requests) == 1


def test_waiting_for_a_connection_counts(serve):
    server = serve(silent)
    with MeliousClient(base_url=server.base_url, api_key=KEY, max_connections=1) as client:

        def hold() -> None:
            with pytest.raises(APITimeoutError):
                client.chat.create(**ASK, timeout=0.9)

        holder = threading.Thread(target=hold)
        holder.start()
        assert eventually(lambda: len(server.requests) == 1)
        with took(0.25, 0.3 + LATE), pytest.raises(DeadlineExceededError, match="1 connections are in use"):
            client.chat.create(**ASK, deadline=0.3)
        holder.join()
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
def test_waiting_for_a_connection_counts_on_an_event_loop(kind, serve):
    server = serve(silent)

    async def main():
        client = AsyncMeliousClient(
            base_url=server.base_url, api_key=KEY, max_connections=1, async_transport=kind
        )
        holder = asyncio.ensure_future(client.chat.create(**ASK))
        await asyncio.to_thread(eventually, lambda: len(server.requests) == 1)
        with took(0.25, 0.3 + LATE), pytest.raises(DeadlineExceededError):
            await client.chat.create(**ASK, deadline=0.3)
        holder.cancel()
        await asyncio.wait([holder])
        await client.aclose()

    asyncio.run(main())
    assert len(server.requests) == 1


def test_who_waits_for_a_connection_gets_the_next_free_one(serve, face):
    """Short timeouts for silence do not bound the wait for a connection: only the deadline does."""

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.pause(0.3)
            peer.events(event("A", "stop"), DONE)
            peer.send(b"0\r\n\r\n")

    server = serve(script)
    client = face(server.base_url, max_connections=1, max_retries=0, timeout=Timeout(silence=0.5))
    if isinstance(client, AsyncFace):

        async def read():
            return [chunk async for chunk in client.client.chat.stream(**ASK)]

        async def all_of_them():
            return await asyncio.gather(*(read() for _ in range(4)))

        got = client.run(all_of_them())
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(4) as pool:
            got = list(pool.map(lambda _: client.chunks(), range(4)))
    assert [len(chunks) for chunks in got] == [1] * 4
    assert server.connections == 1


LONG = [{"role": "user", "content": "x" * 30_000_000}]


def busy(peer: Peer) -> None:
    """Take the connection, and nothing more."""
    peer.pause(30)


def test_a_server_that_does_not_take_the_request(serve, any_face):
    server = serve(busy)
    client = any_face(server.base_url, max_retries=0)
    with took(0.5, 0.6 + 2 * LATE), pytest.raises(DeadlineExceededError):
        client.chat(messages=LONG, deadline=0.6)
    server.stop()
    client.pause(0.05)  # aiohttp would rather wait for ever than leave something unsent


def test_the_time_for_writing(serve, face):
    client = face(serve(busy).base_url, max_retries=0)
    with took(0.3, 0.4 + 0.4 + 2 * LATE), pytest.raises(APITimeoutError):
        client.chat(messages=LONG, timeout=Timeout(write=0.4, answer=0.8))


def test_a_slow_upload_takes_the_time_it_needs(serve, any_face):
    """The time for writing is for each piece: a long body over a slow line is no timeout."""
    body = 0

    def script(peer: Peer) -> None:
        nonlocal body
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        while body < 6_000_000:
            body += len(peer.sock.recv(200_000))
            peer.pause(0.015)
        peer.send(whole())
        peer.left()

    client = any_face(serve(script).base_url, max_retries=0, timeout=Timeout(write=0.35))
    with took(0.4, 30):
        client.chat(messages=[{"role": "user", "content": "x" * 6_000_000}])


def test_timeouts_of_cheap_requests_are_tried_again(serve, face):
    def script(peer: Peer) -> None:
        if peer.number == 1:
            silent(peer)
        else:
            always(whole({"object": "list", "data": []}))(peer)

    server = serve(script)
    answer = face(server.base_url).models(timeout=0.3)
    assert answer.attempts == 2


def test_a_chunk_at_a_time_for_long_is_no_timeout(serve, any_face):
    """A stream may last longer than any timeout, as long as it goes on."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.events(event("A"))
        for _ in range(8):
            peer.pause(0.15)
            peer.send(http_chunk(event("b")))
        peer.send(http_chunk(event(finish="stop") + DONE), b"0\r\n\r\n")

    chunks = any_face(serve(script).base_url, timeout=0.7, deadline=0.7).chunks()
    assert len(chunks) == 10
