"""One call, driven by values: how the gate holds it back, and up to where a stream is asked for again."""

import json
from typing import Any

import pytest

from melious import (
    InsufficientBalanceError,
    MeliousError,
    ProviderError,
    RateLimitError,
    StreamTruncatedError,
)
from melious.exchange.effects import Failure, ReadBody, Send, Sleep
from melious.exchange.exchange import whole
from melious.exchange.gate import Turn
from melious.exchange.opened import OpenStream
from melious.exchange.ratelimit import RateLimit
from melious.exchange.request import Response
from melious.exchange.retry import Phase, RetryBudget
from melious.wire.head import Head

from .exchanges import EPOCH, Answer, Clock, Lost, play, policy_with, request_with

OK = Answer(body=b'{"ok": true}')


def _error_body(code: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "words"}}).encode()


# --- the gate ----------------------------------------------------------------------------------------------


def test_a_closed_gate_is_waited_for() -> None:
    clock = Clock()
    policy = policy_with(clock)
    policy.gate.refused(Turn(), 20.0, clock(), most=60.0)
    played = play(request_with(), [OK], policy)
    assert played.error is None
    assert 20.0 <= sum(played.sleeps) <= 20.6


@pytest.mark.parametrize(
    ("changes", "waits"), [({"max_rate_limit_wait": 10.0}, {}), ({}, {"deadline": 10.0})]
)
def test_a_gate_closed_for_too_long_is_an_error_and_nothing_is_sent(
    changes: dict[str, Any], waits: dict[str, Any]
) -> None:
    clock = Clock()
    policy = policy_with(clock, **changes)
    policy.gate.refused(Turn(), 20.0, clock(), most=60.0)
    played = play(request_with(**waits), [], policy)
    assert isinstance(played.error, RateLimitError)
    assert "not sent" in str(played.error)
    assert played.error.attempts == 0
    assert 20.0 <= (played.error.retry_after or 0) <= 20.25


def test_the_gate_can_be_switched_off() -> None:
    clock = Clock()
    policy = policy_with(clock, max_rate_limit_wait=0.0)
    policy.gate.refused(Turn(), 20.0, clock(), most=60.0)
    assert play(request_with(), [OK], policy).sleeps == []


def test_every_answer_tells_the_gate_what_remains() -> None:
    clock = Clock()
    policy = policy_with(clock)
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000010"}
    played = play(request_with(), [Answer(headers=headers)], policy)
    assert isinstance(played.outcome, Response)
    assert played.outcome.call.rate_limit == RateLimit(None, 0, pytest.approx(9.9))
    assert play(request_with(), [OK], policy).sleeps != []


@pytest.mark.parametrize("body", [_error_body("rate_limit_exceeded"), _error_body("AUTH_1028"), b"slow down"])
def test_a_429_with_retry_after_closes_the_gate_and_one_about_money_does_not(body: bytes) -> None:
    for said, closes in ((body, True), (_error_body("insufficient_quota"), False)):
        clock = Clock()
        policy = policy_with(clock)
        play(request_with(max_retries=0), [Answer(429, said, {"retry-after": "5"})], policy)
        assert (policy.gate.wait(Turn(), clock()) > 0) == closes


LONG = Answer(429, _error_body("rate_limit_exceeded"), {"retry-after": "2592000"})


def test_a_month_of_waiting_is_at_most_what_a_caller_would_wait_and_then_one_asks() -> None:
    policy = policy_with(Clock())
    play(request_with(), [LONG], policy)
    played = play(request_with(), [OK], policy)
    assert played.error is None
    assert sum(played.sleeps) == pytest.approx(60.0, abs=0.5)
    assert play(request_with(), [OK], policy).sleeps == []


def test_a_month_of_waiting_that_is_said_again_closes_the_gate_again() -> None:
    policy = policy_with(Clock())
    play(request_with(), [LONG], policy)
    play(request_with(), [LONG], policy)
    played = play(request_with(deadline=30.0), [], policy)
    assert "not sent" in str(played.error)
    assert play(request_with(), [OK], policy).error is None


@pytest.mark.parametrize("lost", [Lost(Phase.CONNECT), Lost(Phase.SENT), Lost(Phase.CONNECT, timed_out=True)])
def test_a_probe_that_fails_otherwise_frees_its_place(lost: Lost) -> None:
    policy = policy_with(Clock())
    play(request_with(), [LONG], policy)
    assert play(request_with(max_retries=0), [lost], policy).error is not None
    assert play(request_with(), [OK], policy).sleeps == []


def test_a_probe_that_is_dropped_frees_its_place() -> None:
    clock = Clock()
    policy = policy_with(clock)
    play(request_with(), [LONG], policy)
    clock.now += 60.0
    plan = whole(request_with(), policy)
    assert isinstance(next(plan), Send)
    assert isinstance(next(whole(request_with(), policy)), Sleep), "others wait for its outcome"
    plan.close()
    assert isinstance(next(whole(request_with(), policy)), Send)


def test_others_wait_for_a_probe_longer_than_for_a_closed_gate() -> None:
    clock = Clock()
    policy = policy_with(clock, max_rate_limit_wait=10.0)
    play(request_with(), [LONG], policy)
    other = whole(request_with(), policy)
    effect = next(other)
    assert isinstance(effect, Sleep)
    clock.now += effect.seconds
    probe = whole(request_with(), policy)
    assert isinstance(next(probe), Send)
    asked = 0
    while clock.now < 1015.0:
        effect = next(other)
        assert isinstance(effect, Sleep)
        clock.now += effect.seconds
        asked += 1
    assert asked < 1500
    assert isinstance(probe.send(Head(200, {})), ReadBody)
    with pytest.raises(StopIteration):
        probe.send(b"{}")
    assert isinstance(next(other), Send)


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_service_names_takes_nothing_from_the_budget(status: int) -> None:
    policy = policy_with(Clock())
    policy.budget.take(RetryBudget.CAPACITY)
    played = play(request_with(), [Answer(status, headers={"retry-after": "1"})] * 2 + [OK], policy)
    assert played.error is None
    assert policy.budget.tokens == 1, "one success"
    unnamed = play(request_with(), [Answer(status)], policy)
    assert any("too many requests" in note for note in unnamed.error.__notes__)


def test_a_minute_that_was_rounded_up_is_waited_for() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(EPOCH) + 61)}
    played = play(request_with(), [Answer(429, headers=headers, takes=0.0), OK])
    assert played.error is None
    assert sum(played.sleeps) >= 60.0


# --- streams -----------------------------------------------------------------------------------------------

EVENTS = {"content-type": "text/event-stream"}
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
BROKEN = b'data: {"error":{"message":"boom","code":"provider_error"}}\n\n'
NO_MONEY = b'data: {"error":{"message":"boom","code":"insufficient_quota"}}\n\n'
CUT = Failure(Phase.ANSWER, timed_out=False, message="cut")


def _stream(*reads: bytes | Failure) -> Answer:
    return Answer(headers=EVENTS, reads=reads)


@pytest.mark.parametrize(
    "first", [(BROKEN,), (b": ping\n\n", BROKEN), (ROLE + BROKEN,), (CUT,), (b": ping\n\n", CUT), ()]
)
def test_a_stream_that_fails_before_its_first_chunk_is_asked_for_again(first: tuple[Any, ...]) -> None:
    played = play(request_with(stream=True), [_stream(*first), _stream(TEXT)])
    assert isinstance(played.outcome, OpenStream)
    assert played.outcome.call.attempts == 2
    assert played.outcome.first[0]["choices"][0]["delta"]["content"] == "Hi"


def test_once_there_is_a_chunk_the_call_is_over() -> None:
    played = play(request_with(stream=True), [_stream(TEXT + BROKEN)])
    assert isinstance(played.outcome, OpenStream)
    assert len(played.outcome.first) == 1
    assert isinstance(played.outcome.parser.error, ProviderError)


@pytest.mark.parametrize(
    ("reads", "kind"),
    [((NO_MONEY,), InsufficientBalanceError), ((BROKEN,), ProviderError), ((), StreamTruncatedError)],
)
def test_a_stream_that_never_begins_ends_in_its_error(
    reads: tuple[bytes, ...], kind: type[MeliousError]
) -> None:
    attempts = 1 if kind is InsufficientBalanceError else 3
    played = play(request_with(stream=True), [_stream(*reads)] * attempts)
    assert type(played.error) is kind
    assert played.error.attempts == attempts


def test_a_stream_refused_by_status_is_like_any_other_answer() -> None:
    played = play(request_with(stream=True), [Answer(503), Answer(429), _stream(TEXT)])
    assert isinstance(played.outcome, OpenStream)
