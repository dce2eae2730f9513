"""Many calls at once against limits of every kind: nobody is lost, and little time is."""

from collections.abc import Callable
from typing import Any

import pytest

from melious import RateLimitError
from melious.exchange.retry import RetryBudget

from .bursts import (
    Burst,
    FixedWindow,
    Limiter,
    Network,
    SlidingWindow,
    TokenBucket,
    Unlimited,
    delta_headers,
    epoch_headers,
    exact_headers,
    no_headers,
)

Model = Callable[[int], Limiter]

SERVERS: dict[str, Model] = {
    "fixed, epoch": lambda limit: FixedWindow(limit, 1.0, epoch_headers, aligned=True),
    "fixed, epoch, from the first request": lambda limit: FixedWindow(limit, 1.0, epoch_headers),
    "fixed, epoch, no retry-after": lambda limit: FixedWindow(limit, 1.0, epoch_headers, retry_after=False),
    "fixed, seconds": lambda limit: FixedWindow(limit, 1.0, delta_headers, aligned=True),
    "fixed, seconds, from the first request": lambda limit: FixedWindow(limit, 1.0, delta_headers),
    "fixed, seconds, no retry-after": lambda limit: FixedWindow(limit, 1.0, delta_headers, retry_after=False),
    "fixed, exact": lambda limit: FixedWindow(limit, 1.0, exact_headers),
    "fixed, only retry-after": lambda limit: FixedWindow(limit, 1.0, no_headers),
    "fixed, only retry-after, by the clock": lambda limit: FixedWindow(limit, 1.0, no_headers, aligned=True),
    "sliding, epoch": lambda limit: SlidingWindow(limit, 1.0, epoch_headers),
    "sliding, exact": lambda limit: SlidingWindow(limit, 1.0, exact_headers),
    "sliding, only retry-after": lambda limit: SlidingWindow(limit, 1.0, no_headers),
    "bucket": lambda limit: TokenBucket(limit, limit),
    "bucket, retry-after": lambda limit: TokenBucket(limit, limit, retry_after=True),
    "bucket, only retry-after": lambda limit: TokenBucket(limit, limit, no_headers, retry_after=True),
}
BURSTS = [(400, 20), (100, 10)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("start", [1000.0, 1000.9])
@pytest.mark.parametrize(("callers", "per_second"), BURSTS)
@pytest.mark.parametrize("server", SERVERS)
def test_a_burst_is_served_as_fast_as_the_limit_allows(
    server: str, callers: int, per_second: int, start: float
) -> None:
    burst = Burst(SERVERS[server](per_second), start=start)
    outcome = burst.run(callers)
    assert outcome.lost == []
    assert len(outcome.requests) == callers
    assert max(outcome.requests) <= 3
    assert outcome.seconds <= 1.5 * (callers - per_second) / per_second
    assert burst.policy.budget.tokens == RetryBudget.CAPACITY, "waits that are named cost nothing"


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "network",
    [
        Network(each_send=0.002, answer=0.02, refusal=0.02),
        Network(connections=64, answer=0.05, refusal=0.02),
        Network(connections=20),
    ],
    ids=["a busy machine", "64 connections", "20 connections"],
)
@pytest.mark.parametrize("server", SERVERS)
def test_a_burst_is_served_by_a_busy_machine_too(server: str, network: Network) -> None:
    outcome = Burst(SERVERS[server](20), network).run(400)
    assert outcome.lost == []
    assert max(outcome.requests) <= 3
    assert outcome.seconds <= 1.6 * 19.0


@pytest.mark.parametrize("say", [epoch_headers, delta_headers, exact_headers, no_headers])
def test_slow_answers_and_windows_of_a_minute(say: Any) -> None:
    burst = Burst(FixedWindow(20, 60.0, say), Network(answer=10.0), max_rate_limit_wait=600.0)
    outcome = burst.run(100, deadline=1000.0)
    assert outcome.lost == []
    assert max(outcome.requests) <= 3
    assert outcome.seconds <= 1.5 * (4 * 60.0 + 10.0)


@pytest.mark.parametrize("callers", [64, 400])
def test_where_nobody_limits_nobody_waits(callers: int) -> None:
    outcome = Burst(Unlimited(), Network(connections=1000)).run(callers)
    assert (outcome.lost, outcome.asked) == ([], 0)
    assert outcome.requests == [1] * callers
    assert outcome.seconds <= callers * 0.0003 + 0.011


def test_a_limit_that_is_not_reached_holds_nobody_back() -> None:
    burst = Burst(FixedWindow(240, 60.0, epoch_headers, aligned=True))
    for _ in range(6):
        outcome = burst.run(64)
        assert (outcome.lost, outcome.asked) == ([], 0)
        burst.now += 60.0


def test_a_refused_attempt_before_its_time_does_not_shrink_the_windows() -> None:
    """The clock of the service is half a second behind: windows begin later than they are expected."""
    limiter = FixedWindow(20, 1.0, no_headers, aligned=True)
    outcome = Burst(limiter, start=1000.5).run(200)
    assert outcome.lost == []
    passed_late = [moment for moment, passed in outcome.arrivals if passed and moment > 2.0]
    assert passed_late
    assert outcome.seconds <= 1.5 * 9.0


def test_callers_that_come_one_after_the_other_share_the_limit_with_those_that_wait() -> None:
    burst = Burst(FixedWindow(20, 1.0, epoch_headers, aligned=True))
    outcome = burst.run(60)
    again = burst.run(60)
    assert outcome.lost == again.lost == []
    assert sum(again.requests) <= 62, "what was learned keeps the second burst from being refused"


def test_without_retries_the_refused_are_told_and_the_next_wait() -> None:
    burst = Burst(FixedWindow(20, 1.0, epoch_headers, aligned=True))
    outcome = burst.run(50, max_retries=0)
    assert outcome.requests == [1] * 50
    assert len(outcome.lost) == 30
    assert all(isinstance(error, RateLimitError) and error.attempts == 1 for error in outcome.lost)
    again = burst.run(50, max_retries=0)
    assert again.lost == []


def test_whoever_has_no_time_is_told_before_anything_is_sent() -> None:
    burst = Burst(FixedWindow(5, 60.0, exact_headers))
    burst.run(5)
    outcome = burst.run(10, deadline=5.0)
    assert outcome.requests == [0] * 10
    assert all("not sent" in str(error) for error in outcome.lost)


@pytest.mark.parametrize("seed", range(3))
def test_waiting_costs_little(seed: int) -> None:
    """Those who wait ask again now and then, and not all the time."""
    outcome = Burst(SERVERS["fixed, epoch"](20), seed=seed).run(400)
    assert outcome.asked <= 400 * 20
