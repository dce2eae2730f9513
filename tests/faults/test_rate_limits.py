"""What one refusal does to the other requests of a key: it holds some of them back, for a while."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from faults_faces import AsyncFace, SyncFace
from faults_kit import ASK, KEY, Peer, eventually, whole

from melious import AsyncMeliousClient, RateLimitError
from melious.exchange.gate import gate_for

TOO_MANY = {"error": {"code": "rate_limit_exceeded", "message": "Too many."}}, "429 Too Many Requests"
A_MONTH = whole(*TOO_MANY, "retry-after: 2592000")
SOON = whole(*TOO_MANY, "retry-after-ms: 200")
CALLERS = 8


def image(face):
    request = {"model": "flux-schnell", "prompt": "a lighthouse", "max_retries": 0}
    if isinstance(face, SyncFace):
        return face.client.images.generate(**request)
    return face.run(face.client.images.generate(**request))


def together(face, callers):
    """Make chat calls at the same time; gives results and exceptions."""
    if isinstance(face, AsyncFace):

        async def run():
            calls = (face.client.chat.create(**ASK) for _ in range(callers))
            return await asyncio.gather(*calls, return_exceptions=True)

        return face.run(run())

    def call(_):
        try:
            return face.chat()
        except Exception as error:
            return error

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(call, range(callers)))


def test_a_month_of_waiting_for_images_stops_no_chat(any_face, serve):
    def script(peer: Peer) -> None:
        while (received := peer.request()) is not None:
            peer.send(A_MONTH if b"images" in received.split(b"\r\n", 1)[0] else whole())

    server = serve(script)
    face = any_face(server.base_url)
    with pytest.raises(RateLimitError) as caught:
        image(face)
    assert caught.value.retry_after == 2592000.0
    assert face.chat().text == "A light."
    with pytest.raises(RateLimitError, match="not sent"):
        image(any_face(server.base_url, deadline=5.0))
    assert len(server.requests) == 2


class OneByOne:
    """Refuses the first request; answers the second with `outcome`, when all other callers wait for that."""

    def __init__(self, outcome: bytes) -> None:
        self.outcome = outcome
        self.while_probed = 0
        self.server = None
        self.gate = None
        self._lock = threading.Lock()
        self._count = 0

    def __call__(self, peer: Peer) -> None:
        while peer.request() is not None:
            with self._lock:
                self._count += 1
                number = self._count
            if number == 1:
                peer.send(SOON)
            elif number == 2:
                assert eventually(lambda: self.gate._waiting == CALLERS - 1)
                self.while_probed = len(self.server.requests)
                peer.send(self.outcome)
            else:
                peer.send(whole())


def refused(any_face, serve, outcome, **options):
    script = OneByOne(outcome)
    script.server = serve(script)
    face = any_face(script.server.base_url, **options)
    config = face.client.config
    script.gate = gate_for(config.base_url, config.key_digest, "chat")
    with pytest.raises(RateLimitError):
        face.chat(max_retries=0)
    return face, script


def test_when_its_time_is_over_one_request_tries_and_the_others_follow(any_face, serve):
    face, script = refused(any_face, serve, whole())
    results = together(face, CALLERS)
    assert [result.text for result in results] == ["A light."] * CALLERS
    assert script.while_probed == 2, "the others waited for the outcome"
    assert len(script.server.requests) == 1 + CALLERS


def test_when_the_one_is_refused_the_others_are_told_and_not_sent(any_face, serve):
    face, script = refused(any_face, serve, A_MONTH, deadline=55.0)
    results = together(face, CALLERS)
    assert all(isinstance(result, RateLimitError) for result in results)
    assert sum("not sent" in str(result) for result in results) == CALLERS - 1
    assert len(script.server.requests) == 2


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
def test_when_the_one_is_cancelled_another_tries(kind, serve):
    probing = threading.Event()
    count = 0

    def script(peer: Peer) -> None:
        nonlocal count
        while peer.request() is not None:
            count += 1
            if count == 1:
                peer.send(SOON)
            elif count == 2:
                probing.set()
                peer.left()
                return
            else:
                peer.send(whole())

    server = serve(script)

    async def main():
        client = AsyncMeliousClient(base_url=server.base_url, api_key=KEY, async_transport=kind)
        with pytest.raises(RateLimitError):
            await client.chat.create(**ASK, max_retries=0)
        probe = asyncio.ensure_future(client.chat.create(**ASK))
        await asyncio.to_thread(probing.wait)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        answer = await client.chat.create(**ASK)
        await client.aclose()
        return answer.text

    assert asyncio.run(main()) == "A light."
    assert len(server.requests) == 3


def test_waits_that_are_named_use_nothing_up(any_face, serve):
    """Fifty refused attempts, each with its wait, are no outage."""
    turns = iter(range(10_000))

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            if next(turns) % 3 == 2:
                peer.send(whole())
            else:
                peer.send(whole({}, "503 Service Unavailable", "retry-after-ms: 1"))

    server = serve(script)
    face = any_face(server.base_url)
    for _ in range(25):
        assert face.chat().attempts == 3
    assert len(server.requests) == 75
