"""What is sent again and what never is: up to the first chunk everything, after it nothing."""

import asyncio
import threading
import time

import pytest
from faults_faces import AsyncFace
from faults_kit import ASK, DONE, KEY, LAST_CHUNK, Peer, always, event, eventually, took, whole

from melious import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    MeliousClient,
    ProviderError,
    RateLimitError,
    ServerError,
    StreamTruncatedError,
)
from melious.sandbox import Fault

SOON = {"retry-after": "0"}


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
@pytest.mark.parametrize("stream", [False, True])
def test_a_passing_trouble_is_tried_again(status, stream, sandbox, face):
    sandbox.faults.add(Fault(status=status, headers=SOON, times=2))
    client = face(sandbox.base_url, api_key=sandbox.api_key)
    if stream:
        assert len(client.chunks()) > 3
    else:
        assert client.chat().attempts == 3
    assert [request.status for request in sandbox.requests] == [status, status, 200]
    assert len({request.headers["idempotency-key"] for request in sandbox.requests}) == 1
    assert [request.headers.get("x-retry-count") for request in sandbox.requests] == [None, "1", "2"]
    # A refusal is read to its end, so its connection serves the next attempt.
    assert len({request.connection for request in sandbox.requests}) == 1


@pytest.mark.parametrize("code", ["insufficient_quota", "auth", "scope", "context_length"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_no_retry_can_help_is_raised_at_once(code, stream, sandbox, face):
    sandbox.faults.add(Fault(code=code, times=None))
    client = face(sandbox.base_url, api_key=sandbox.api_key)
    with pytest.raises(APIStatusError) as caught:
        (client.chunks if stream else client.chat)()
    assert caught.value.attempts == len(sandbox.requests) == 1


def test_money_is_terminal_even_on_429(sandbox, face):
    sandbox.faults.add(Fault(code="insufficient_quota", status=429, headers=SOON, times=None))
    with pytest.raises(APIStatusError):
        face(sandbox.base_url, api_key=sandbox.api_key).chat()
    assert len(sandbox.requests) == 1


def test_attempts_are_one_more_than_retries(sandbox, face):
    sandbox.faults.add(Fault(status=503, headers=SOON, times=None))
    client = face(sandbox.base_url, api_key=sandbox.api_key)
    for retries in (0, 1, 4):
        with pytest.raises(ServerError) as caught:
            client.chat(max_retries=retries)
        assert caught.value.attempts == retries + 1
        assert len(caught.value.history) == retries
        assert len(sandbox.requests) == retries + 1
        sandbox.requests.clear()


def test_the_service_may_forbid_and_ask_for_another_try(sandbox, face):
    client = face(sandbox.base_url, api_key=sandbox.api_key)
    sandbox.faults.add(Fault(status=503, headers={"x-should-retry": "false"}))
    with pytest.raises(ServerError):
        client.chat()
    sandbox.faults.add(Fault(status=400, headers={"x-should-retry": "true", **SOON}))
    assert client.chat().attempts == 2


@pytest.mark.parametrize("first", [b"", b": keep-alive\n\n", b"event: ping\ndata: {}\n\n"])
def test_an_error_before_the_first_chunk_is_tried_again(first, serve, any_face):
    error = b'data: {"error": {"message": "busy", "code": "provider_error"}}\n\n'

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            events = [first, error] if len(server.requests) < 2 else [event("A", "stop"), DONE]
            peer.events(*filter(None, events))
            peer.send(LAST_CHUNK)

    server = serve(script)
    chunks = any_face(server.base_url).chunks()
    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["A"]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(error_after_events=3), ProviderError),
        (Fault(cut_after_events=3), APIConnectionError),
        (Fault(no_done=True, cut_after_bytes=900), StreamTruncatedError),
        (Fault(garbage="data: {broken\n\n"), None),
    ],
)
def test_nothing_is_sent_again_once_a_chunk_was_handed_over(fault, error, sandbox, any_face):
    from melious import MeliousError

    sandbox.faults.add(fault)
    seen = []
    with pytest.raises(error or MeliousError) as caught:
        any_face(sandbox.base_url, api_key=sandbox.api_key).chunks(seen)
    assert seen
    assert caught.value.partial is not None
    assert caught.value.attempts == 1
    assert len(sandbox.requests) == 1


def test_a_stream_cut_before_its_first_chunk_is_tried_again(sandbox, any_face):
    sandbox.faults.add(Fault(cut_after_events=0), Fault(cut_after_bytes=0))
    assert len(any_face(sandbox.base_url, api_key=sandbox.api_key).chunks()) > 3
    assert len(sandbox.requests) == 3


def test_the_budget_ends_a_storm(sandbox, face):
    """When everything fails, retries soon stop: an outage is not made worse."""
    sandbox.faults.add(Fault(status=503, headers=SOON, times=None))
    client = face(sandbox.base_url, api_key=sandbox.api_key, max_retries=2)
    for _ in range(40):
        with pytest.raises(ServerError):
            client.chat()
    # 500 tokens, 14 for a retry: 35 retries.
    assert len(sandbox.requests) == 40 + 35
    with pytest.raises(ServerError) as caught:
        client.chat()
    assert any("Not retried" in note for note in caught.value.__notes__)
    sandbox.faults.clear()
    for _ in range(30):
        client.models()
    sandbox.faults.add(Fault(status=503, headers=SOON))
    assert client.chat().attempts == 2, "successes fill the budget up"


def test_retry_after_is_honoured(sandbox, face):
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "0.4"}))
    with took(0.4, 2.0):
        assert face(sandbox.base_url, api_key=sandbox.api_key).chat().attempts == 2


def test_one_refusal_holds_all_callers_of_the_key_back(sandbox):
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "0.5"}))
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    times = []

    def work():
        MeliousClient(**options).models.list()
        times.append(time.monotonic())

    started = time.monotonic()
    MeliousClient(**options).models.list()
    threads = [threading.Thread(target=work) for _ in range(8)]
    assert time.monotonic() - started > 0.45
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "0.5"}))
    with pytest.raises(RateLimitError):
        MeliousClient(max_retries=0, **options).models.list()
    before = len(sandbox.requests)
    started = time.monotonic()
    for thread in threads:
        thread.start()
    assert len(sandbox.requests) == before
    for thread in threads:
        thread.join()
    assert min(times) - started > 0.4
    assert {request.status for request in list(sandbox.requests)[before:]} == {200}


def test_cancelled_between_two_attempts(sandbox):
    from melious import AsyncMeliousClient

    sandbox.faults.add(Fault(status=503, headers={"retry-after": "20"}, times=None))

    async def main():
        client = AsyncMeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.chat.create(**ASK)
        await client.aclose()

    with took(0.2, 2.0):
        asyncio.run(main())
    assert len(sandbox.requests) == 1


# --- a connection that the server closed while it was idle ----------------------------------------------


def hangs_up_on_reuse(peer: Peer) -> None:
    """Answer one request; close as the next one comes, without a word."""
    peer.request()
    peer.send(whole())
    if peer.number == 1:
        peer.request()
        return
    always(whole())(peer)


def test_a_connection_that_was_closed_while_idle_costs_no_attempt(serve, face):
    server = serve(hangs_up_on_reuse)
    client = face(server.base_url, max_retries=0)
    assert client.chat().attempts == 1
    assert client.chat().attempts == 1
    assert server.connections == 2
    assert not any(b"x-retry-count" in request for request in server.requests)
    keys = [
        line
        for request in server.requests
        for line in request.split(b"\r\n")
        if line.startswith(b"idempotency")
    ]
    assert len(keys) == 3
    assert keys[0] != keys[1] == keys[2]


def test_a_connection_that_is_seen_to_be_closed_is_not_used(serve, face):
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(whole())

    server = serve(script)
    client = face(server.base_url, max_retries=0)
    for number in range(1, 4):
        assert client.chat().text == "A light."
        assert server.connections == number
        client.pause(0.05)


def test_the_free_resend_happens_once_and_only_for_a_used_connection(serve, face):
    def script(peer: Peer) -> None:
        if peer.number == 1:
            peer.request()
            peer.send(whole())
        peer.request()

    server = serve(script)
    client = face(server.base_url, max_retries=0)
    client.chat()
    with pytest.raises(APIConnectionError) as caught:
        client.chat()
    assert len(server.requests) == 3
    assert caught.value.attempts == 1
    with pytest.raises(APIConnectionError):
        client.chat()
    assert len(server.requests) == 4


@pytest.mark.parametrize("said", [b"H", b"HTTP/1.1 200 OK\r\ncontent-"])
def test_no_free_resend_once_a_byte_of_the_answer_came(said, serve, face):
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(whole())
        peer.request()
        peer.send(said)

    server = serve(script)
    client = face(server.base_url, max_retries=0)
    client.chat()
    with pytest.raises(APIConnectionError):
        client.chat()
    assert len(server.requests) == 2


def test_no_free_resend_on_a_connection_that_was_made_anew(serve, face):
    """The server said `connection: close`; that the client had one before does not make the new one used."""

    def script(peer: Peer) -> None:
        peer.request()
        if peer.number < 3:
            peer.send(whole(None, "200 OK", "connection: close"))

    server = serve(script)
    client = face(server.base_url, max_retries=0)
    client.chat()
    client.chat()
    with pytest.raises(APIConnectionError):
        client.chat()
    assert len(server.requests) == 3


def test_a_dozen_stale_connections_do_no_harm(serve):
    from concurrent.futures import ThreadPoolExecutor

    barrier = threading.Barrier(12)

    def script(peer: Peer) -> None:
        peer.request()
        if peer.number <= 12:
            barrier.wait(5)
        peer.send(whole())
        if peer.number <= 12:
            peer.request()
            return
        always(whole())(peer)

    server = serve(script)
    with MeliousClient(base_url=server.base_url, api_key=KEY, max_retries=0) as client:
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda _: client.chat.create(**ASK), range(12)))
        assert server.connections == 12
        for _ in range(12):
            assert client.chat.create(**ASK).text == "A light."


def test_an_embeddings_call_ends_with_its_deadline(sandbox, face):
    """Many requests under one call, one deadline over all of them."""
    sandbox.faults.add(Fault(endpoint="embeddings", delay=0.4, times=None))
    client = face(sandbox.base_url, api_key=sandbox.api_key)
    with took(0.8, 2.2), pytest.raises(APITimeoutError):
        client.embed(
            [f"text {number}" for number in range(10)], batch_size=1, max_concurrency=1, deadline=1.0
        )


def test_a_batch_that_fails_ends_the_call_and_leaves_nothing_running(sandbox, face):
    sandbox.faults.add(Fault(endpoint="embeddings", status=400, after=2))
    client = face(sandbox.base_url, api_key=sandbox.api_key)
    threads = threading.active_count()
    with pytest.raises(BadRequestError):
        client.embed([f"text {number}" for number in range(40)], batch_size=2, max_concurrency=3)
    if isinstance(client, AsyncFace):

        async def tasks():
            return len(asyncio.all_tasks())

        assert client.run(tasks()) == 1
    assert eventually(lambda: threading.active_count() <= threads)
    client.pause(0.1)  # what was on its way when the call ended may still arrive
    sent = len(sandbox.requests)
    client.pause(0.1)
    assert len(sandbox.requests) == sent < 20
