"""The pace of processes that share a rate limit and nothing else, by values: no clock, no waiting."""

import heapq
import random

import pytest

from melious.exchange.ratelimit import RateLimit
from melious.scale.pace import Pace

WINDOW = 60.0


class Account:
    """A window of requests, as the service counts them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.end = 0.0
        self.refused = 0
        self.by_window: list[int] = []

    def take(self, now: float) -> tuple[bool, RateLimit]:
        if now >= self.end:
            self.used, self.end = 0, now + WINDOW
            self.by_window.append(0)
        allowed = self.used < self.limit
        if allowed:
            self.used += 1
            self.by_window[-1] += 1
        else:
            self.refused += 1
        return allowed, RateLimit(self.limit, self.limit - self.used, self.end - now)


def run(paces: list[Pace], account: Account, *, seconds: float, latency: float, each: int = 1) -> None:
    """Let workers send as fast as their pace allows; who is refused waits for the new window."""
    draw = random.Random(7)
    turns = [(draw.uniform(0.0, latency), worker) for worker in range(len(paces)) for _ in range(each)]
    heapq.heapify(turns)
    while turns and turns[0][0] < seconds:
        now, worker = heapq.heappop(turns)
        delay = paces[worker].delay(now)
        heapq.heappush(turns, (now + delay, ~worker))
        while turns and turns[0][1] < 0:
            at, sender = heapq.heappop(turns)
            allowed, told = account.take(at)
            paces[~sender].observe(told, at)
            wait = latency if allowed else (told.reset_after or 0.0) + draw.uniform(0.0, 1.0)
            heapq.heappush(turns, (at + wait, ~sender))


@pytest.mark.parametrize(("workers", "each"), [(1, 4), (4, 4), (8, 4), (20, 1)])
def test_workers_use_the_whole_limit_and_are_seldom_refused(workers: int, each: int) -> None:
    account = Account(240)
    run(_paces(workers), account, seconds=10 * WINDOW, latency=0.2, each=each)
    whole = account.by_window[1:-1]
    assert len(whole) >= 7
    assert sum(whole) / len(whole) > 0.95 * 240, account.by_window
    assert account.refused < 0.04 * sum(account.by_window)


def test_without_a_pace_they_are_refused_often() -> None:
    class Unpaced(Pace):
        def delay(self, now: float) -> float:
            return 0.0

    account = Account(240)
    run([Unpaced() for _ in range(8)], account, seconds=10 * WINDOW, latency=0.2, each=4)
    assert account.refused > 0.1 * sum(account.by_window), "else the test above would show nothing"


def _paces(count: int) -> list[Pace]:
    return [Pace(random.Random(number).uniform) for number in range(count)]


def test_nobody_is_held_back_while_there_is_plenty() -> None:
    pace = Pace()
    pace.observe(RateLimit(100, 26, 60.0), now=0.0)
    assert [pace.delay(now=float(second)) for second in range(20)] == [0.0] * 20


def test_a_share_of_what_is_left_is_spread_over_the_window() -> None:
    pace = Pace(uniform=lambda least, most: least)
    for _ in range(30):
        pace.delay(now=0.0)
    pace.observe(RateLimit(100, 20, 30.0), now=0.0)
    # 30 of the 80 that are used: three eighths of the 20 that are left, in 30 seconds.
    assert pace.delay(now=0.0) == pytest.approx(0.0)
    assert pace.delay(now=0.0) == pytest.approx(4.0, rel=0.1)
    assert pace.delay(now=0.0) == pytest.approx(8.0, rel=0.1)


def test_nothing_left_means_the_next_window() -> None:
    pace = Pace(uniform=lambda least, most: most)
    pace.observe(RateLimit(100, 0, 12.0), now=0.0)
    assert 12.0 <= pace.delay(now=0.0) <= 12.5
    assert pace.delay(now=12.6) == 0.0, "the new window is not known to be short"


@pytest.mark.parametrize(
    "told",
    [
        None,
        RateLimit(),
        RateLimit(limit=100, remaining=1),
        RateLimit(limit=0, remaining=0, reset_after=9.0),
        RateLimit(limit=50_000, remaining=1, reset_after=40_000.0),
        RateLimit(limit=100, remaining=1, reset_after=0.0),
    ],
    ids=repr,
)
def test_what_says_nothing_of_a_minute_changes_nothing(told: RateLimit | None) -> None:
    pace = Pace()
    pace.observe(told, now=0.0)
    assert [pace.delay(now=0.0) for _ in range(50)] == [0.0] * 50


def test_what_was_left_of_one_limit_says_nothing_of_another() -> None:
    pace = Pace()
    pace.observe(RateLimit(60, 50, 60.0), now=0.0)
    pace.observe(RateLimit(100_000, 99_998, 60.2), now=0.0)
    assert [pace.delay(now=0.0) for _ in range(50)] == [0.0] * 50


def test_an_answer_that_comes_late_does_not_bring_an_old_window_back() -> None:
    pace = Pace()
    pace.observe(RateLimit(100, 80, 60.0), now=100.0)
    pace.observe(RateLimit(100, 0, 0.5), now=100.0)
    assert pace.delay(now=101.0) == 0.0


def test_answers_out_of_order_never_add_to_what_is_left() -> None:
    pace = Pace(uniform=lambda least, most: most)
    pace.observe(RateLimit(100, 0, 30.0), now=0.0)
    pace.observe(RateLimit(100, 60, 30.5), now=0.1)
    assert pace.delay(now=0.2) > 29
