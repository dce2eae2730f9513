"""Retries that a caller can see and choose: the callback, the log, and attempts that timed out."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from melious import (
    APIConnectionError,
    APITimeoutError,
    AsyncMeliousClient,
    BadRequestError,
    InvalidArgumentError,
    MeliousClient,
    ProviderError,
    RateLimitError,
    RetryEvent,
)
from melious.endpoints.common import request_of
from melious.exchange.retry import Phase
from melious.sandbox import Fault, Sandbox
from melious.settings.config import ClientConfig
from melious.timeouts import Timeout

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, Clients
from .exchanges import Answer, Lost, play, request_with

TRACE: ContextVar[str] = ContextVar("trace", default="nobody's")
OK = Answer(body=b'{"ok": true}')
ASK = {"model": CHAT, "messages": QUESTION}
BUSY = Fault(code="provider_error", headers={"retry-after-ms": "1"})


# --- the callback ---------------------------------------------------------------------------------------


def test_every_retry_is_told_of_once() -> None:
    played = play(
        request_with(max_retries=3), [Answer(503), Answer(429, headers={"retry-after": "7"}), Lost(), OK]
    )
    assert [(event.attempt, type(event.error).__name__) for event in played.told] == [
        (1, "ServerError"),
        (2, "RateLimitError"),
        (3, "APIConnectionError"),
    ]
    assert [event.delay for event in played.told] == played.sleeps
    assert played.told[1].delay == pytest.approx(7.0 * 1.05)
    assert [event.error.attempts for event in played.told] == [1, 2, 3]


@pytest.mark.parametrize("answer", [Answer(400), Answer(402), OK])
def test_what_is_not_made_again_is_not_told_of(answer: Answer) -> None:
    assert play(request_with(), [answer]).told == []


def test_the_last_failure_is_raised_and_not_told_of() -> None:
    assert len(play(request_with(max_retries=1), [Answer(503), Answer(503)]).told) == 1


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_on_retry(clients: Clients, client: Any, sandbox: Sandbox, way: str) -> None:
    sandbox.faults.add(BUSY, Fault(code="rate_limit", headers={"retry-after-ms": "2"}))
    told: list[RetryEvent] = []
    if way == "whole":
        clients.call(client, "chat.create", **ASK, on_retry=told.append)
    else:
        assert clients.stream(client, **ASK, on_retry=told.append).error is None
    assert [(event.attempt, type(event.error)) for event in told] == [(1, ProviderError), (2, RateLimitError)]
    assert 0.001 <= told[0].delay <= 0.0011
    assert 0.002 <= told[1].delay <= 0.0022
    assert [event.error.request_id for event in told] == [
        request.request_id for request in list(sandbox.requests)[:2]
    ]
    assert "on_retry" not in sandbox.requests[0].body


EVERYWHERE = {
    "embeddings.create": {"model": EMBEDDINGS, "input": ["a"]},
    "rerank.create": {"model": RERANK, "query": "q", "documents": ["a"]},
    "images.generate": {"model": IMAGES, "prompt": "a lighthouse"},
    "models.list": {},
}


@pytest.mark.parametrize("name", EVERYWHERE)
def test_on_retry_is_an_option_of_every_call(
    clients: Clients, client: Any, sandbox: Sandbox, name: str
) -> None:
    sandbox.faults.add(BUSY)
    told: list[RetryEvent] = []
    clients.call(client, name, **EVERYWHERE[name], on_retry=told.append)
    assert [event.attempt for event in told] == [1]


def test_on_retry_of_batches_tells_of_each(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(BUSY, BUSY, BUSY)
    told: list[RetryEvent] = []
    texts = {"model": EMBEDDINGS, "input": list("abc"), "batch_size": 1}
    # As many retries as refusals: which of the batches meets them is a matter of chance.
    clients.call(client, "embeddings.create", **texts, max_retries=3, on_retry=told.append)
    assert len(told) == 3


def test_on_retry_of_batches_runs_in_the_context_of_the_call(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(BUSY, BUSY)
    seen: list[str] = []
    token = TRACE.set("the caller's")
    try:
        clients.call(
            client,
            "rerank.create",
            model=RERANK,
            query="q",
            documents=["a", "b"],
            batch_size=1,
            on_retry=lambda event: seen.append(TRACE.get()),
        )
    finally:
        TRACE.reset(token)
    assert seen == ["the caller's"] * 2


@pytest.mark.parametrize("way", ["whole", "stream", "batches"])
def test_what_the_callback_raises_ends_the_call(
    clients: Clients, client: Any, sandbox: Sandbox, way: str
) -> None:
    sandbox.faults.add(BUSY)

    def refuse(event: RetryEvent) -> None:
        raise LookupError(f"enough after {event.attempt}")

    ranked = {"model": RERANK, "query": "q", "documents": ["a", "b"], "batch_size": 1}
    calls: dict[str, Callable[[], Any]] = {
        "whole": lambda: clients.call(client, "chat.create", **ASK, on_retry=refuse),
        "stream": lambda: clients.stream(client, **ASK, on_retry=refuse),
        "batches": lambda: clients.call(client, "rerank.create", **ranked, on_retry=refuse),
    }
    with pytest.raises(LookupError, match="enough after 1"):
        calls[way]()
    assert clients.call(client, "chat.create", **ASK).text, "the client lives on"


def test_an_asyncio_client_awaits_the_callback(sandbox: Sandbox) -> None:
    seen: list[str] = []

    async def on_retry(event: RetryEvent) -> None:
        await asyncio.sleep(0)
        seen.append(f"told of {event.attempt}, {len(sandbox.requests)} sent")

    async def run() -> None:
        async with AsyncMeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
            await client.chat.create(model=CHAT, messages=QUESTION, on_retry=on_retry)

    sandbox.faults.add(BUSY)
    asyncio.run(run())
    assert seen == ["told of 1, 1 sent"]


def test_a_blocking_client_refuses_an_async_callback(sandbox: Sandbox) -> None:
    async def on_retry(event: RetryEvent) -> None:
        raise AssertionError("nobody runs this")

    async def on_progress(done: int, count: int) -> None:
        raise AssertionError("nobody runs this")

    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        sandbox.faults.add(BUSY)
        with pytest.raises(InvalidArgumentError, match=r"on_retry.*AsyncMeliousClient"):
            client.chat.create(model=CHAT, messages=QUESTION, on_retry=on_retry)
        with pytest.raises(InvalidArgumentError, match=r"on_progress.*AsyncMeliousClient"):
            client.embeddings.create(model=EMBEDDINGS, input="a", on_progress=on_progress)


@pytest.mark.parametrize("option", ["on_retry", "retry_timeouts"])
def test_a_wrong_option_is_named_before_anything_is_sent(
    clients: Clients, client: Any, sandbox: Sandbox, option: str
) -> None:
    for name, params in {"chat.create": ASK, **EVERYWHERE}.items():
        with pytest.raises(InvalidArgumentError, match=option):
            clients.call(client, name, **params, **{option: "yes"})
    assert len(sandbox.requests) == 0


# --- the log --------------------------------------------------------------------------------------------


def test_every_retry_is_a_line_of_the_log(
    clients: Clients, client: Any, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "melious")
    echo = {"error": {"message": f"busy with {sandbox.api_key}", "code": "provider_error"}}
    sandbox.faults.add(
        Fault(status=503, body=echo, headers={"retry-after-ms": "1"}), Fault(cut_after_bytes=5)
    )
    clients.call(client, "chat.create", **ASK)
    lines = [record.getMessage() for record in caplog.records if record.name == "melious"]
    assert len(lines) == 3
    assert lines[0].startswith(
        "POST /chat/completions: attempt 1 failed (ProviderError: 503 provider_error), retrying in 0.00 s"
    )
    assert lines[0].endswith(f"id={sandbox.requests[0].request_id}")
    assert "attempt 2 failed (APIConnectionError: the answer was cut off by 127.0.0.1" in lines[1]
    assert sandbox.api_key not in caplog.text


def test_a_call_that_works_leaves_nothing_in_the_log_beside_its_line(
    clients: Clients, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "melious")
    clients.call(client, "chat.create", **ASK)
    (record,) = [record for record in caplog.records if record.name == "melious"]
    assert record.getMessage().startswith("chat ")


# --- attempts that timed out ----------------------------------------------------------------------------

SILENT = Fault(delay=3600.0, times=None)
SOON = Timeout(answer=0.1)


def _after_a_call(clients: Clients, sandbox: Sandbox, **options: Any) -> Any:
    """A client with a warm connection to a service that is silent from now on.

    What times out is then an attempt that was sent, however slow this machine is.
    """
    sandbox.faults.clear()
    client = clients.client(sandbox, **options)
    clients.call(client, "models.list")
    sandbox.faults.add(SILENT)
    return client


def _call(clients: Clients, client: Any, name: str, wav: bytes) -> Any:
    calls = {
        "chat.create": ASK,
        "audio.transcribe": {"model": AUDIO, "file": ("a.wav", wav)},
        **EVERYWHERE,
    }
    return clients.call(client, name, **calls[name], timeout=SOON)


@pytest.mark.parametrize(
    ("name", "by_default"),
    [
        ("chat.create", False),
        ("images.generate", False),
        ("audio.transcribe", False),
        ("embeddings.create", True),
        ("rerank.create", True),
        ("models.list", True),
    ],
)
def test_what_timed_out_is_sent_again_where_that_is_the_default_or_wanted(
    clients: Clients, sandbox: Sandbox, wav: bytes, name: str, by_default: bool
) -> None:
    for options, again in (({}, by_default), ({"retry_timeouts": not by_default}, not by_default)):
        client = _after_a_call(clients, sandbox, max_retries=1, **options)
        with pytest.raises(APITimeoutError) as caught:
            _call(clients, client, name, wav)
        assert caught.value.attempts == (2 if again else 1)


@pytest.mark.parametrize(
    ("call", "client", "default", "means"),
    [
        (None, None, True, True),
        (None, None, False, False),
        (None, True, False, True),
        (None, False, True, False),
        (True, False, False, True),
        (False, True, True, False),
    ],
)
def test_the_call_goes_over_the_client_and_the_client_over_the_default(
    call: bool | None, client: bool | None, default: bool, means: bool
) -> None:
    config = ClientConfig.resolve(api_key="sk-mel-test", retry_timeouts=client)
    request = request_of(config, "chat", "chat", {"retry_timeouts": call}, {}, retry_timeouts=default)
    assert request.limits.retry_timeouts is means


def test_a_stream_that_never_began_is_asked_for_again_where_that_is_wanted(
    clients: Clients, sandbox: Sandbox
) -> None:
    for options, attempts in (({}, 1), ({"retry_timeouts": True}, 2)):
        client = _after_a_call(clients, sandbox)
        with pytest.raises(APITimeoutError) as caught:
            clients.stream(client, **ASK, timeout=SOON, max_retries=1, **options)
        assert caught.value.attempts == attempts


@pytest.mark.parametrize(
    ("lost", "error"),
    [(Lost(Phase.CONNECT, timed_out=True), None), (Lost(Phase.SENT), None)],
    ids=["connecting", "cut"],
)
def test_only_what_timed_out_after_it_was_sent_is_meant(lost: Lost, error: Any) -> None:
    played = play(request_with(retry_timeouts=False), [lost, OK])
    assert played.error is error


def test_no_retry_of_timeouts_breaks_what_is_never_sent_again() -> None:
    played = play(request_with(retry_timeouts=True), [Answer(400)])
    assert isinstance(played.error, BadRequestError)
    lost = play(request_with(retry_timeouts=True, max_retries=0), [Lost(Phase.SENT, timed_out=True)])
    assert isinstance(lost.error, APITimeoutError)
    assert not isinstance(lost.error, APIConnectionError)


# --- progress -------------------------------------------------------------------------------------------

TEXTS = ["a", "b", "a", "c", "d", "e"]
BATCHED: dict[str, dict[str, Any]] = {
    "embeddings.create": {"model": EMBEDDINGS, "input": TEXTS, "batch_size": 2},
    "rerank.create": {"model": RERANK, "query": "q", "documents": TEXTS, "batch_size": 2},
}


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_progress(clients: Clients, client: Any, name: str, concurrency: int) -> None:
    told: list[tuple[int, int, int]] = []

    def on_progress(done: int, count: int) -> None:
        told.append((done, count, threading.get_ident()))

    clients.call(client, name, **BATCHED[name], max_concurrency=concurrency, on_progress=on_progress)
    done = [each[0] for each in told]
    assert done == sorted(set(done)), "always more"
    assert (len(done), done[-1]) == (3, 6)
    assert {each[1] for each in told} == {6}
    assert {each[2] for each in told} == {threading.get_ident()}


def test_progress_of_one_request_is_its_end(clients: Clients, client: Any) -> None:
    told: list[tuple[int, int]] = []
    clients.call(
        client, "embeddings.create", model=EMBEDDINGS, input="a", on_progress=lambda *each: told.append(each)
    )
    assert told == [(1, 1)]


def test_progress_counts_what_the_cache_has(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, embedding_cache_size=10)
    clients.call(client, "embeddings.create", model=EMBEDDINGS, input=["a", "b"])
    told: list[tuple[int, int]] = []

    def tell(*each: int) -> None:
        told.append(each)  # type: ignore[arg-type]

    clients.call(client, "embeddings.create", model=EMBEDDINGS, input=TEXTS, on_progress=tell)
    clients.call(client, "embeddings.create", model=EMBEDDINGS, input=TEXTS, on_progress=tell)
    assert told == [(3, 6), (6, 6), (6, 6)]


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_progress_raises_ends_the_call(
    clients: Clients, client: Any, sandbox: Sandbox, name: str, concurrency: int
) -> None:
    def stop(done: int, count: int) -> None:
        raise KeyError("cancelled by its caller")

    with pytest.raises(KeyError, match="cancelled by its caller"):
        clients.call(client, name, **BATCHED[name], max_concurrency=concurrency, on_progress=stop)
    assert clients.call(client, name, **BATCHED[name]).batches


def test_an_asyncio_client_awaits_progress(sandbox: Sandbox) -> None:
    told: list[int] = []

    async def on_progress(done: int, count: int) -> None:
        await asyncio.sleep(0)
        told.append(done)

    async def run() -> None:
        async with AsyncMeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
            for name, params in BATCHED.items():
                endpoint: Callable[..., Any] = getattr(client, name.partition(".")[0]).create
                await endpoint(**params, max_concurrency=1, on_progress=on_progress)

    asyncio.run(run())
    assert told == [3, 5, 6, 2, 4, 6]
