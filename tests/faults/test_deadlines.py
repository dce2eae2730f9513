"""Timeouts and deadlines end every wait, for blocking code and asyncio alike.

The servers here never answer by themselves, so only a timeout can end the call. A timeout that must not fire is
so long that it fails the test by the suite's own limit.
"""

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator

import pytest
from faults_faces import AsyncFace
from faults_kit import (
    ASK,
    DONE,
    KEY,
    LAST_CHUNK,
    Peer,
    Script,
    always,
    event,
    eventually,
    head,
    http_chunk,
    whole,
)

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
from melious.http._async import pool as async_pool
from melious.http._sync import pool as sync_pool
from melious.http.connections import WRITE_BYTES, DeadlineBackend
from melious.sandbox import Fault

pytestmark = pytest.mark.http_library

FOREVER = 3600.0
"""Seconds of a wait that nothing but the end of the test may end."""


def silent(peer: Peer) -> None:
    """Take requests and answer nothing."""
    while peer.request() is not None:
        peer.left()


def trickle(peer: Peer) -> None:
    """Begin an answer and send it byte by byte, for ever in time for the next read."""
    peer.request()
    peer.send(head("200 OK", "content-type: application/json", "content-length: 100000"))
    while True:
        peer.send(b" ")
        peer.pause(0.05)


def after_an_answer(script: Script) -> Script:
    """Answer one request; what comes after it on its connection is up to the script."""

    def first(peer: Peer) -> None:
        if peer.request() is not None:
            peer.send(whole())
            script(peer)

    return first


def trickled_head(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        peer.send(b"x-header-%d: 1\r\n" % number)
        peer.pause(0.05)


@pytest.fixture(params=["deadline", "timeout"])
def limit(request) -> dict[str, float]:
    return {request.param: 0.1}


@pytest.mark.parametrize("script", [silent, trickle, trickled_head])
def test_an_answer_that_does_not_come_or_does_not_end(script, limit, serve, any_face):
    client = any_face(serve(after_an_answer(script)).base_url)
    client.chat()
    with pytest.raises(APITimeoutError) as caught:
        client.chat(**limit)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, DeadlineExceededError) == ("deadline" in limit)
    assert caught.value.attempts <= 1, "an answer that costs money is not asked for twice because it is slow"
    assert caught.value.elapsed >= 0.09


@pytest.mark.parametrize("script", [silent, trickled_head])
def test_a_stream_that_does_not_begin(script, limit, serve, any_face):
    with pytest.raises(APITimeoutError):
        any_face(serve(script).base_url).chunks(**limit)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("comments", [None, 0.1])
@pytest.mark.parametrize("timeout", [1.0, Timeout(event=1.0), Timeout(silence=1.0, event=1.0)])
def test_a_stream_that_stalls(comments, timeout, sandbox, any_face):
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=FOREVER, stall_comments=comments))
    client = any_face(sandbox.base_url, api_key=sandbox.api_key)
    seen = []
    with pytest.raises(APITimeoutError) as caught:
        client.chunks(seen, timeout=timeout)
    assert len(seen) == 3
    assert caught.value.partial.text
    assert caught.value.request_id == sandbox.requests[0].request_id
    assert len(sandbox.requests) == 1
    assert client.eventually(lambda: sandbox.open_connections == 0)


def test_silence_is_told_apart_from_an_event_that_does_not_come(sandbox, face):
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=FOREVER, stall_comments=0.1))
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=1.2, stall_comments=0.05))
    client = face(sandbox.base_url, api_key=sandbox.api_key)
    with pytest.raises(APITimeoutError, match=r"no event for 0\.3 s"):
        client.chunks(timeout=Timeout(silence=FOREVER, event=0.3))
    # Comments do count as signs of a living connection.
    assert len(client.chunks(timeout=Timeout(silence=1.0, event=FOREVER))) > 3


def test_the_deadline_of_a_stream_ends_with_its_first_chunk(sandbox, any_face):
    sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=1.2))
    assert len(any_face(sandbox.base_url, api_key=sandbox.api_key).chunks(deadline=1.0)) > 3


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
    with pytest.raises(APITimeoutError, match="connect"):
        (client.chunks if stream else client.chat)(timeout=Timeout(connect=0.1))


def test_the_deadline_holds_while_connecting(full, any_face):
    with pytest.raises(DeadlineExceededError):
        any_face(full).chat(deadline=0.1)


def test_connecting_is_tried_again(full, face):
    with pytest.raises(APITimeoutError) as caught:
        face(full, max_retries=2).chat(timeout=Timeout(connect=0.1))
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
    with pytest.raises(APIConnectionError, match=r"could not connect to no-such-host\.invalid"):
        any_face("https://no-such-host.invalid", max_retries=0).chat()


def test_the_deadline_covers_attempts_and_waits(serve, any_face):
    """Slow refusals and backoffs: the whole never takes longer than it may."""

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.pause(0.1)
            peer.send(whole({"error": {"message": "busy"}}, "503 Busy"))

    server = serve(script)
    with pytest.raises((ServerError, DeadlineExceededError)) as caught:
        any_face(server.base_url, max_retries=50).chat(deadline=0.5)
    assert len(server.requests) <= caught.value.attempts < 50


def test_no_wait_is_begun_that_the_deadline_would_cut_short(sandbox, any_face):
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "20"}, times=None))
    with pytest.raises(RateLimitError) as caught:
        any_face(sandbox.base_url, api_key=sandbox.api_key).chat(deadline=5)
    assert caught.value.retry_after == 20
    assert len(sandbox.requests) == 1


def test_waiting_for_a_connection_counts(serve):
    server = serve(silent)
    with MeliousClient(base_url=server.base_url, api_key=KEY, max_connections=1) as client:

        def hold() -> None:
            with pytest.raises(APIConnectionError):
                client.chat.create(**ASK, max_retries=0)

        holder = threading.Thread(target=hold)
        holder.start()
        assert eventually(lambda: len(server.requests) == 1)
        with pytest.raises(DeadlineExceededError, match="1 connections are in use"):
            client.chat.create(**ASK, deadline=0.3)
        server.stop()
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
        with pytest.raises(DeadlineExceededError):
            await client.chat.create(**ASK, deadline=0.3)
        holder.cancel()
        await asyncio.wait([holder])
        await client.aclose()

    asyncio.run(main())
    assert len(server.requests) == 1


@pytest.mark.usefixtures("patient_drain")
def test_who_waits_for_a_connection_gets_the_next_free_one(serve, face):
    """Short timeouts for connecting and silence do not bound the wait for a connection: only the deadline does."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.events()
        for _ in range(12):
            peer.send(http_chunk(b":\n\n"))
            peer.pause(0.1)
        peer.send(http_chunk(event("A", "stop") + DONE), LAST_CHUNK)
        while peer.request() is not None:
            peer.events(event("A", "stop"), DONE)
            peer.send(LAST_CHUNK)

    server = serve(script)
    client = face(
        server.base_url, max_connections=1, max_retries=0, timeout=Timeout(connect=1.0, silence=1.0)
    )
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


LONG = [{"role": "user", "content": "x" * 8_000_000}]


def busy(peer: Peer) -> None:
    """Take the connection, and nothing more."""
    peer.pause(FOREVER)


def test_a_server_that_does_not_take_the_request(serve, any_face):
    server = serve(busy)
    client = any_face(server.base_url, max_retries=0)
    with pytest.raises(DeadlineExceededError):
        client.chat(messages=LONG, deadline=0.3)
    server.stop()  # aiohttp would rather wait for ever than leave something unsent
    client.eventually(lambda: True)


def test_the_time_for_writing(serve, face):
    client = face(serve(busy).base_url, max_retries=0)
    with pytest.raises(APITimeoutError):
        client.chat(messages=LONG, timeout=Timeout(write=0.3, answer=FOREVER))


class Written:
    """A connection that notes what is written to it, and how long each piece may take."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, float | None]] = []

    def write(self, data: bytes, seconds: float | None) -> None:
        self.pieces.append((len(data), seconds))


class AsyncWritten(Written):
    async def write(self, data: bytes, seconds: float | None) -> None:
        super().write(data, seconds)


def test_a_slow_upload_takes_the_time_it_needs():
    """The time for writing is for each piece, and a body is written in pieces of a megabyte."""
    head_, body = b"POST /v1/audio HTTP/1.1\r\n\r\n", b"x" * 12_000_000
    written = Written()
    stream = sync_pool._Stream(written, DeadlineBackend(None))
    for part in (head_, body):
        stream.write(part, 2.0)
    on_loop = AsyncWritten()
    async_stream = async_pool._Stream(on_loop, DeadlineBackend(None))

    async def write() -> None:
        for part in (head_, body):
            await async_stream.write(part, 2.0)

    asyncio.run(write())
    assert on_loop.pieces == written.pieces
    assert sum(size for size, _ in written.pieces) == len(head_) + len(body)
    assert max(size for size, _ in written.pieces) <= WRITE_BYTES
    assert {seconds for _, seconds in written.pieces} == {2.0}


def test_timeouts_of_cheap_requests_are_tried_again(serve, face):
    def script(peer: Peer) -> None:
        if peer.number == 1:
            silent(peer)
        else:
            always(whole({"object": "list", "data": []}))(peer)

    server = serve(script)
    answer = face(server.base_url, max_retries=20).models(timeout=Timeout(answer=0.3))
    assert answer.attempts >= 2


def test_a_chunk_at_a_time_for_long_is_no_timeout(serve, any_face):
    """A stream may last longer than any timeout, as long as it goes on."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.events(event("A"))
        for _ in range(6):
            peer.pause(0.2)
            peer.send(http_chunk(event("b")))
        peer.send(http_chunk(event(finish="stop") + DONE), b"0\r\n\r\n")

    chunks = any_face(serve(script).base_url, timeout=1.0, deadline=1.0).chunks()
    assert len(chunks) == 8
