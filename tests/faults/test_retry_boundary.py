"""What is sent again and what never is: up to the first chunk everything, after it nothing."""

import asyncio
import socket
import threading

import pytest
from faults_faces import AsyncFace
from faults_kit import ANSWER, ASK, DONE, LAST_CHUNK, PATIENCE, Peer, Script, always, event, eventually, whole

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
    assert face(sandbox.base_url, api_key=sandbox.api_key).chat().attempts == 2
    first, second = sandbox.requests
    assert second.received_at - first.received_at >= 0.39


def test_one_refusal_holds_all_callers_of_the_key_back(sandbox):
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "0.5"}))
    with pytest.raises(RateLimitError):
        MeliousClient(max_retries=0, **options).models.list()
    threads = [threading.Thread(target=MeliousClient(**options).models.list) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused, *others = sandbox.requests
    assert [request.status for request in others] == [200] * 8
    assert min(request.received_at for request in others) - refused.received_at >= 0.5


def test_cancelled_between_two_attempts(sandbox):
    from melious import AsyncMeliousClient

    sandbox.faults.add(Fault(status=503, headers={"retry-after": "60"}, times=None))

    async def main():
        client = AsyncMeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
        waits = asyncio.Event()
        call = asyncio.ensure_future(client.chat.create(**ASK, on_retry=lambda _: waits.set()))
        await waits.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await client.aclose()

    asyncio.run(main())
    assert len(sandbox.requests) == 1


# --- connections that the server closes -----------------------------------------------------------------


def warm(count: int, then: Script) -> Script:
    """A script of so many connections that answer one request each, all at once; then another takes over."""
    barrier = threading.Barrier(count)

    def script(peer: Peer) -> None:
        if peer.number <= count:
            peer.request()
            barrier.wait(PATIENCE)
            peer.send(whole())
        then(peer)

    return script


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("ask", ["chat", "models"])
def test_a_server_that_hangs_up_on_warm_connections_is_asked_no_more_often(retries, ask, serve, any_face):
    def reads_and_hangs_up(peer: Peer) -> None:
        peer.request()

    server = serve(warm(10, reads_and_hangs_up))
    client = any_face(server.base_url, max_retries=retries)
    client.chats(10)
    assert server.connections == len(server.requests) == 10
    with pytest.raises(APIConnectionError) as caught:
        getattr(client, ask)()
    asked = server.requests[10:]
    assert caught.value.attempts == len(asked) == 1 + retries
    assert len(caught.value.history) == retries
    assert [b"x-retry-count" in request for request in asked] == [False] + [True] * retries
    keys = {line for request in asked for line in request.split(b"\r\n") if b"idempotency" in line}
    assert len(keys) == (1 if ask == "chat" else 0)


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("ask", ["chat", "models"])
def test_connections_that_were_closed_while_idle_cost_nothing(how, ask, serve, any_face):
    closing = threading.Event()
    closed = threading.Semaphore(0)

    def ends(peer: Peer) -> None:
        if peer.number > 10:
            always(whole(ANSWER | {"data": []}))(peer)
            return
        closing.wait()
        if how == "reset":
            peer.reset()
        else:
            peer.sock.shutdown(socket.SHUT_WR)
        closed.release()
        peer.left()

    server = serve(warm(10, ends))
    client = any_face(server.base_url, max_retries=0)
    client.chats(10)
    closing.set()
    for _ in range(10):
        assert closed.acquire(timeout=PATIENCE)
    for _ in range(3):
        getattr(client, ask)()
    assert (server.connections, len(server.requests)) == (11, 13)
    assert not any(b"x-retry-count" in request for request in server.requests)


def test_a_server_that_ends_every_connection_after_its_answer(serve, any_face):
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(whole())
        peer.sock.shutdown(socket.SHUT_WR)
        ended.release()
        peer.left()

    ended = threading.Semaphore(0)
    server = serve(script)
    client = any_face(server.base_url, max_retries=0)
    for number in range(1, 4):
        answer = client.chat()
        assert (answer.text, answer.attempts, server.connections) == ("A light.", 1, number)
        assert ended.acquire(timeout=PATIENCE)


def test_an_embeddings_call_ends_with_its_deadline(sandbox, face):
    """Many requests under one call, one deadline over all of them."""
    sandbox.faults.add(Fault(endpoint="embeddings", delay=0.15, times=None))
    client = face(sandbox.base_url, api_key=sandbox.api_key)
    with pytest.raises(APITimeoutError):
        client.embed(
            [f"text {number}" for number in range(10)], batch_size=1, max_concurrency=1, deadline=1.0
        )
    assert len(sandbox.requests) < 10


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
    assert len(sandbox.requests) < 20
