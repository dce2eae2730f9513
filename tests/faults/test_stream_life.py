"""The connection under a stream: closed at once when the stream is left, kept when it was read to its end."""

import asyncio
import gc
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from faults_faces import AsyncFace
from faults_kit import ASK, DONE, KEY, LAST_CHUNK, Peer, event, eventually, http_chunk

from melious import AsyncMeliousClient, MeliousClient
from melious.clients._async.chat import AsyncChat
from melious.clients._sync.chat import Chat
from melious.exchange.exchange import Policy
from melious.http._async.driver import AsyncDriver
from melious.http._sync.driver import SyncDriver
from melious.sandbox import Fault
from melious.settings.config import ClientConfig

pytestmark = pytest.mark.http_library


@pytest.fixture
def stalled(sandbox):
    """A sandbox whose streams fall silent after their first event, and do not end by themselves."""
    sandbox.faults.add(Fault(endpoint="chat", stall_after_events=1, stall_seconds=3600, times=None))
    return sandbox


@pytest.mark.parametrize("way", ["break", "close", "leave", "drop", "raise"])
def test_leaving_a_stream_closes_its_connection_at_once(way, stalled, any_face):
    client = any_face(stalled.base_url, api_key=stalled.api_key)
    for _ in range(3):
        if way == "raise":
            with pytest.raises(LookupError):
                client.first_chunk_then_raise()
        else:
            getattr(client, f"first_chunk_then_{way}")()
        assert client.eventually(lambda: stalled.open_connections == 0)
    assert len(stalled.requests) == 3


def test_closing_before_the_first_chunk_is_taken(stalled, any_face):
    client = any_face(stalled.base_url, api_key=stalled.api_key)
    if isinstance(client, AsyncFace):

        async def begin():
            stream = await client.client.chat.stream(**ASK)
            assert stream.request_id
            await stream.aclose()

        client.run(begin())
    else:
        client.client.chat.stream(**ASK).close()
    assert client.eventually(lambda: stalled.open_connections == 0)


def test_a_stream_that_is_never_taken_up(stalled, any_face):
    """Dropped right after the request, by the caller or by an error in between."""
    client = any_face(stalled.base_url, api_key=stalled.api_key)
    if isinstance(client, AsyncFace):

        async def begin():
            await client.client.chat.stream(**ASK)

        client.run(begin())
    else:
        client.client.chat.stream(**ASK)
    gc.collect()
    assert client.eventually(lambda: stalled.open_connections == 0)


def test_an_async_stream_that_never_began_sends_nothing(sandbox):
    async def main():
        client = AsyncMeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
        stream = client.chat.stream(**ASK)
        await stream.aclose()
        del stream

    asyncio.run(main())
    assert len(sandbox.requests) == 0


def test_another_thread_may_drop_a_stream(stalled):
    client = MeliousClient(base_url=stalled.base_url, api_key=stalled.api_key)
    streams = [client.chat.stream(**ASK) for _ in range(3)]
    for stream in streams:
        next(stream)
    del stream
    thread = threading.Thread(target=streams.clear)
    thread.start()
    thread.join()
    assert eventually(lambda: stalled.open_connections == 0)
    client.close()


@pytest.mark.usefixtures("patient_drain")
def test_five_streams_read_to_their_end_share_one_connection(sandbox, any_face):
    client = any_face(sandbox.base_url, api_key=sandbox.api_key)
    ends = [client.chunks()[-1] for _ in range(5)]
    assert len(ends) == 5
    assert len({request.connection for request in sandbox.requests}) == 1
    assert sandbox.open_connections == 1


@pytest.mark.usefixtures("patient_drain")
def test_a_stream_and_requests_beside_it(sandbox):
    with MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key) as client:
        seen = 0
        for _ in client.chat.stream(**ASK):
            seen += 1
            if seen < 4:
                assert client.models.list().data
        assert seen > 4
    assert len({request.connection for request in sandbox.requests}) == 2


def test_the_stream_outlives_its_client(sandbox):
    stream = MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key).chat.stream(**ASK)
    gc.collect()
    assert len(list(stream)) > 3

    async def main():
        stream = AsyncMeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key).chat.stream(**ASK)
        gc.collect()
        return [chunk async for chunk in stream]

    assert len(asyncio.run(main())) > 3


def test_closing_the_client_spoils_no_stream_under_way(sandbox):
    client = MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
    stream = client.chat.stream(**ASK)
    next(stream)
    client.close()
    assert stream.completion().text == ""
    assert list(stream)
    assert stream.completion().text
    assert eventually(lambda: sandbox.open_connections == 0)


def test_silence_after_done_does_not_hold_the_caller_up(serve, any_face):
    left = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.events(event("A"), event(finish="stop"), DONE)
        left.append(peer.left())

    server = serve(script)
    client = any_face(server.base_url)
    assert len(client.chunks()) == 2
    assert client.eventually(lambda: left == [True])


def test_the_last_chunk_does_not_wait_for_what_follows_done(serve):
    def script(peer: Peer) -> None:
        peer.request()
        peer.events(event("A"), event(finish="stop"), DONE)
        peer.left()

    server = serve(script)
    with MeliousClient(base_url=server.base_url, api_key=KEY) as client:
        stream = client.chat.stream(**ASK)
        next(stream)
        next(stream)
        assert list(stream) == []
        stream.close()


def test_chatter_without_end_after_done_is_not_read(serve, any_face):
    def script(peer: Peer) -> None:
        peer.request()
        peer.events(event("A", "stop"), DONE)
        while True:
            peer.send(b"400\r\n" + b":" * 1023 + b"\n\r\n")

    server = serve(script)
    assert len(any_face(server.base_url).chunks()) == 1


class Clock:
    """A clock that is ahead of the machine's as far as the test wants."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def drivers(clock: Clock) -> tuple[type[SyncDriver], type[AsyncDriver]]:
    """Drivers whose exchanges go by this clock."""

    class BySyncClock(SyncDriver):
        def policy(self, endpoint: str) -> Policy:
            return replace(super().policy(endpoint), clock=clock)

    class ByAsyncClock(AsyncDriver):
        def policy(self, endpoint: str) -> Policy:
            return replace(super().policy(endpoint), clock=clock)

    return BySyncClock, ByAsyncClock


@pytest.mark.parametrize("kind", ["sync", "httpx", "aiohttp"])
def test_a_slow_caller_is_no_stalled_stream(kind, serve):
    """The event clock runs while the server is waited for, not while the caller works."""
    caller_works = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.events(event("A"))
        caller_works.wait()
        peer.send(*[http_chunk(b":\n\n")] * 6, *map(http_chunk, (event("B"), event(finish="stop"), DONE)))
        peer.send(LAST_CHUNK)

    clock = Clock()
    of_threads, of_loops = drivers(clock)
    transport = "httpx" if kind == "sync" else kind
    config = ClientConfig.resolve(base_url=serve(script).base_url, api_key=KEY, async_transport=transport)
    got = []

    def work(chunk: Any) -> None:
        got.append(chunk)
        caller_works.set()
        clock.ahead += 1000.0

    async def read() -> None:
        async for chunk in AsyncChat(config, of_loops(config)).stream(**ASK):
            work(chunk)

    if kind == "sync":
        for chunk in Chat(config, of_threads(config)).stream(**ASK):
            work(chunk)
    else:
        asyncio.run(read())
    assert len(got) == 3
