"""Callers of one key wait together, rather than send requests that must fail."""

from typing import Any

import pytest

from melious import APITimeoutError, DeadlineExceededError, RateLimitError, Timeout
from melious.sandbox import Fault, Sandbox

from .clients import CHAT, EMBEDDINGS, QUESTION, RERANK, Clients

CALL = {"model": RERANK, "query": "light", "documents": ["a lighthouse", "a lamp"]}
CALLERS = 64


def _told_to_wait(clients: Clients, sandbox: Sandbox, seconds: str, **options: Any) -> Any:
    """A client whose key has just been told how long to wait."""
    client = clients.client(sandbox, max_connections=CALLERS, **options)
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": seconds}))
    with pytest.raises(RateLimitError) as caught:
        clients.call(client, "rerank.create", **CALL, max_retries=0)
    assert caught.value.retry_after == float(seconds)
    return client


def test_after_a_429_nobody_asks_before_its_time(clients: Clients, sandbox: Sandbox) -> None:
    client = _told_to_wait(clients, sandbox, "0.3")
    told = sandbox.requests[0].received_at
    results = clients.together(client, "rerank.create", [CALL] * CALLERS)
    assert all(len(result.results) == 2 for result in results)
    assert len(sandbox.requests) == 1 + CALLERS, "everybody asked once"
    assert min(request.received_at for request in sandbox.requests[1:]) >= told + 0.3


@pytest.mark.parametrize("profile", ["live", "g2"])
def test_when_nothing_remains_the_rest_are_not_sent_before_the_next_window(
    clients: Clients, start_sandbox: Any, profile: str
) -> None:
    sandbox = start_sandbox(profile, rate_limit=40, rate_window=3600.0)
    client = clients.client(sandbox, max_connections=CALLERS)
    clients.call(client, "rerank.create", **CALL)
    results = clients.together(client, "rerank.create", [CALL] * CALLERS)
    refused = [result for result in results if isinstance(result, RateLimitError)]
    assert all("not sent" in str(error) and error.retry_after > 3000 for error in refused)
    assert [request.status for request in sandbox.requests] == [200] * 40, "nobody met a 429"
    assert len(results) - len(refused) == 39


def test_clients_of_a_key_share_what_they_were_told(clients: Clients, sandbox: Sandbox) -> None:
    _told_to_wait(clients, sandbox, "30")
    other = clients.client(sandbox)
    with pytest.raises(RateLimitError, match="not sent"):
        clients.call(other, "rerank.create", **CALL, deadline=1.0)
    assert len(sandbox.requests) == 1


def test_another_endpoint_is_not_held_back(clients: Clients, sandbox: Sandbox) -> None:
    client = _told_to_wait(clients, sandbox, "30")
    assert clients.call(client, "models.list", deadline=25.0).data
    assert clients.call(client, "embeddings.create", model="bge-m3", input=["a"], deadline=25.0).embeddings


def test_another_key_is_not_held_back(clients: Clients, start_sandbox: Any) -> None:
    sandbox = start_sandbox(keys={"sk-mel-other": ["*"]})
    _told_to_wait(clients, sandbox, "30")
    other = clients.client(sandbox, api_key="sk-mel-other")
    assert clients.call(other, "rerank.create", **CALL, deadline=25.0).results


def test_the_wait_is_bounded_by_the_deadline_and_nothing_is_sent(clients: Clients, sandbox: Sandbox) -> None:
    client = _told_to_wait(clients, sandbox, "30")
    with pytest.raises(RateLimitError, match="not sent") as caught:
        clients.call(client, "rerank.create", **CALL, deadline=5.0)
    assert 0 < caught.value.retry_after <= 30.3
    assert caught.value.attempts == 0
    assert len(sandbox.requests) == 1


def test_the_wait_is_bounded_by_its_own_limit(clients: Clients, sandbox: Sandbox) -> None:
    _told_to_wait(clients, sandbox, "30")
    impatient = clients.client(sandbox, max_rate_limit_wait=10)
    with pytest.raises(RateLimitError, match="not sent"):
        clients.call(impatient, "rerank.create", **CALL)
    assert len(sandbox.requests) == 1


def test_it_can_be_switched_off(clients: Clients, sandbox: Sandbox) -> None:
    client = _told_to_wait(clients, sandbox, "30", max_rate_limit_wait=0)
    assert clients.call(client, "rerank.create", **CALL).results
    assert len(sandbox.requests) == 2


def test_streams_and_batches_wait_too(clients: Clients, sandbox: Sandbox) -> None:
    chat: dict[str, Any] = {"model": CHAT, "messages": QUESTION}
    embed: dict[str, Any] = {"model": EMBEDDINGS, "input": ["a", "b"]}
    client = clients.client(sandbox)
    for name, params in (("chat.create", chat), ("embeddings.create", embed)):
        sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after": "30"}))
        with pytest.raises(RateLimitError):
            clients.call(client, name, **params, max_retries=0)
    with pytest.raises(RateLimitError, match="not sent"):
        clients.stream(client, **chat, deadline=1)
    with pytest.raises(RateLimitError, match="not sent"):
        clients.call(client, "embeddings.create", **embed, batch_size=1, deadline=1)
    assert len(sandbox.requests) == 2


def test_an_empty_balance_holds_nobody_back(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox)
    sandbox.faults.add(Fault(code="insufficient_quota", headers={"retry-after": "30"}))
    with pytest.raises(Exception, match="Top up"):
        clients.call(client, "rerank.create", **CALL)
    assert clients.call(client, "rerank.create", **CALL, deadline=25.0).results


def test_a_429_is_retried_when_its_time_has_come(clients: Clients, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(code="rate_limit", headers={"retry-after-ms": "150"}))
    result = clients.call(clients.client(sandbox), "rerank.create", **CALL)
    first, second = sandbox.requests
    assert (result.attempts, second.headers["x-retry-count"]) == (2, "1")
    assert second.received_at - first.received_at >= 0.15
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_what_remains_is_told_with_every_answer(clients: Clients, start_sandbox: Any, profile: str) -> None:
    sandbox = start_sandbox(profile, rate_limit=240, rate_window=3600.0)
    client = clients.client(sandbox)
    first, second = (clients.call(client, "rerank.create", **CALL).rate_limit for _ in range(2))
    assert (first.limit, first.remaining, second.remaining) == (240, 239, 238)
    assert 3000 < first.reset_after <= 3602
    assert (
        clients.stream(
            client, model="llama-3.1-8b-instruct", messages=[{"role": "user", "content": "x"}]
        ).stream.rate_limit.remaining
        == 237
    )


# --- deadlines over the wire ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "kind"), [(None, DeadlineExceededError), (Timeout(answer=0.1), APITimeoutError)]
)
def test_the_deadline_ends_a_call_and_its_retries(
    clients: Clients, sandbox: Sandbox, timeout: Timeout | None, kind: type[Exception]
) -> None:
    sandbox.faults.add(Fault(delay=3600.0, times=None))
    client = clients.client(sandbox, max_retries=50)
    with pytest.raises(kind) as caught:
        clients.call(client, "rerank.create", **CALL, deadline=0.4, timeout=timeout)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.attempts < 51
    assert len(sandbox.requests) <= caught.value.attempts


def test_the_deadline_covers_a_body_that_trickles(clients: Clients, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(stall_after_events=1, stall_seconds=3600.0, stall_comments=0.05, times=None))
    got = clients.stream(
        clients.client(sandbox),
        model="llama-3.1-8b-instruct",
        messages=[{"role": "user", "content": "x"}],
        timeout=Timeout(event=0.4),
    )
    assert isinstance(got.error, TimeoutError)
    assert "stalled" in str(got.error)
