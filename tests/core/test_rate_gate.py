"""The gate of an endpoint, by values and moments."""

import threading
import time
from itertools import pairwise
from typing import Any

import pytest

from melious.exchange.allowance import Allowance, Period
from melious.exchange.gate import RateGate, Turn, forget_gates, gate_for
from melious.exchange.ratelimit import RateLimit

SOON = 0.25
"""Seconds after which whoever waits for another's attempt asks again, at the latest."""


def _ask(gate: RateGate, now: float) -> float:
    """Another call asks, and goes away if it has to wait."""
    turn = Turn()
    wait = gate.wait(turn, now)
    if wait:
        gate.leave(turn)
    return wait


def _observe(gate: RateGate, said: RateLimit | None, now: float) -> None:
    """An answer to a request that did not ask the gate."""
    gate.passed(Turn(), said, now)


def _close(gate: RateGate, seconds: float, now: float, most: float = 60.0) -> None:
    gate.refused(Turn(), seconds, now, most=most)


def test_a_new_gate_is_open() -> None:
    gate = RateGate()
    assert [_ask(gate, float(now)) for now in range(100)] == [0.0] * 100


def test_a_closed_gate_opens_when_its_time_has_come() -> None:
    gate = RateGate()
    _close(gate, 10.0, now=100.0)
    assert _ask(gate, 100.0) == 10.0
    assert _ask(gate, 109.0) == 1.0
    assert _ask(gate, 110.0) == 0.0


def test_the_longer_closing_holds() -> None:
    gate = RateGate()
    _close(gate, 10.0, now=100.0)
    _close(gate, 2.0, now=101.0)
    assert _ask(gate, 104.0) == 6.0
    _close(gate, 20.0, now=105.0)
    assert _ask(gate, 110.0) == 15.0


def test_no_closing_is_longer_than_a_caller_would_wait() -> None:
    gate = RateGate()
    _close(gate, 30 * 86_400.0, now=100.0)
    assert _ask(gate, 100.0) == 60.0
    assert _ask(gate, 160.0) == 0.0


def test_a_refusal_that_names_no_wait_closes_nothing() -> None:
    gate = RateGate()
    gate.refused(Turn(), None, 100.0, most=60.0)
    assert _ask(gate, 100.0) == 0.0


# --- the probe ------------------------------------------------------------------------------------------


def _probed(most: float = 60.0) -> tuple[RateGate, Turn]:
    """A gate whose closing is over, and the call that probes."""
    gate, probe = RateGate(), Turn()
    _close(gate, 3600.0, now=100.0, most=most)
    assert gate.wait(probe, 100.0 + most) == 0.0
    return gate, probe


def test_after_a_closing_one_goes_and_the_others_wait_for_its_outcome() -> None:
    gate, probe = _probed()
    assert all(0.0 < _ask(gate, now) <= SOON for now in (160.0, 160.5, 170.0, 219.0))
    gate.passed(probe, None, 220.0)
    assert [_ask(gate, 220.0) for _ in range(10)] == [0.0] * 10


def test_a_probe_that_is_refused_closes_the_gate_again() -> None:
    gate, probe = _probed()
    gate.refused(probe, 3600.0, 161.0, most=60.0)
    assert _ask(gate, 161.0) == 60.0
    assert _ask(gate, 221.0) == 0.0
    assert _ask(gate, 221.0) > 0.0


def test_a_probe_that_goes_away_makes_room_for_another() -> None:
    gate, probe = _probed()
    gate.leave(probe)
    assert _ask(gate, 160.1) == 0.0
    assert _ask(gate, 160.1) > 0.0


def test_a_call_that_asks_again_gives_its_old_attempt_up() -> None:
    gate, probe = _probed()
    assert gate.wait(probe, 160.2) == 0.0
    assert _ask(gate, 160.2) > 0.0
    gate.passed(probe, None, 160.3)
    assert _ask(gate, 160.3) == 0.0


def test_refused_probes_follow_each_other_ever_more_slowly() -> None:
    gate, now, waits = RateGate(), 100.0, []
    _close(gate, 0.0, now)
    for _ in range(12):
        probe = Turn()
        assert gate.wait(probe, now) == 0.0
        gate.refused(probe, 0.0, now, most=60.0)
        waits.append(_ask(gate, now))
        now += waits[-1]
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(waits))
    assert (waits[0], waits[-1]) == (pytest.approx(0.1), pytest.approx(8.0))


def test_those_with_an_attempt_to_spare_probe_first() -> None:
    gate, last, spare = RateGate(), Turn(), Turn()
    _close(gate, 10.0, now=100.0)
    assert gate.wait(spare, 101.0, can_retry=True) == 9.0
    assert gate.wait(last, 101.0, can_retry=False) == 9.0
    assert 0.0 < gate.wait(last, 111.0, can_retry=False) <= SOON
    assert gate.wait(spare, 111.0, can_retry=True) == 0.0


def test_the_last_attempt_probes_where_nobody_else_can() -> None:
    gate, last, spare = RateGate(), Turn(), Turn()
    _close(gate, 10.0, now=100.0)
    gate.wait(spare, 101.0, can_retry=True)
    gate.leave(spare)
    assert gate.wait(last, 111.0, can_retry=False) == 0.0


def test_a_probe_whose_answer_takes_long_was_not_refused() -> None:
    gate, probe = RateGate(), Turn()
    _observe(gate, RateLimit(10, 0, 60.0), now=100.0)
    assert gate.wait(probe, 160.0) == 0.0
    assert _ask(gate, 161.0) > 0.0
    assert [_ask(gate, 165.0) for _ in range(9)] == [0.0] * 9
    assert _ask(gate, 165.0) > 0.0, "ten in all"


# --- what remains ---------------------------------------------------------------------------------------


def test_what_remains_is_given_out_and_then_one_tries_the_new_window() -> None:
    gate = RateGate()
    _observe(gate, RateLimit(10, 3, 30.0), now=100.0)
    turns = [Turn() for _ in range(3)]
    assert [gate.wait(turn, 101.0) for turn in turns] == [0.0] * 3
    for turn in turns:
        gate.passed(turn, None, 101.1)
    assert _ask(gate, 101.1) == pytest.approx(28.9)
    assert _ask(gate, 129.9) == pytest.approx(0.1)
    probe = Turn()
    assert gate.wait(probe, 130.0) == 0.0
    assert 0.0 < _ask(gate, 130.0) <= SOON
    gate.passed(probe, RateLimit(10, 9, 30.0), 130.1)
    assert [_ask(gate, 130.1) for _ in range(9)] == [0.0] * 9
    assert _ask(gate, 130.1) > 0.0


def test_a_window_that_was_not_used_up_is_followed_by_a_full_one_at_once() -> None:
    gate = RateGate()
    _observe(gate, RateLimit(10, 3, 30.0), now=100.0)
    assert [_ask(gate, 130.0) for _ in range(10)] == [0.0] * 10
    assert _ask(gate, 130.0) > 0.0, "no more than the limit"


def test_nothing_left_holds_everybody() -> None:
    gate = RateGate()
    _observe(gate, RateLimit(10, 0, 5.0), now=100.0)
    assert _ask(gate, 100.0) == 5.0
    assert _ask(gate, 105.0) == 0.0


def test_what_was_sent_before_the_first_answer_counts() -> None:
    gate = RateGate()
    first, *_ = turns = [Turn() for _ in range(8)]
    assert [gate.wait(turn, 100.0) for turn in turns] == [0.0] * 8
    gate.passed(first, RateLimit(10, 9, 30.0), now=100.1)
    assert [_ask(gate, 100.2) for _ in range(2)] == [0.0] * 2
    assert _ask(gate, 100.2) > 0.0


def test_answers_of_one_window_only_lower_what_remains() -> None:
    gate = RateGate()
    _observe(gate, RateLimit(10, 5, 30.0), now=100.0)
    assert _ask(gate, 100.0) == 0.0
    _observe(gate, RateLimit(10, 8, 29.5), now=100.5)
    assert [_ask(gate, 101.0) for _ in range(4)] == [0.0] * 4
    assert _ask(gate, 101.0) > 0.0, "an answer that was overtaken gives nothing back"
    _observe(gate, RateLimit(10, 0, 29.0), now=101.0)
    assert _ask(gate, 104.0) == pytest.approx(26.0)


def test_nothing_left_of_a_shorter_window_holds_everybody_until_its_end() -> None:
    gate = RateGate()
    _observe(gate, RateLimit(100, 50, 60.0), now=100.0)
    _observe(gate, RateLimit(100, 0, 5.0), now=101.0)
    assert _ask(gate, 102.0) == 4.0
    assert _ask(gate, 106.0) == 0.0


def test_a_new_window_counts_anew_and_an_old_one_is_past() -> None:
    gate = RateGate()
    _observe(gate, RateLimit(10, 0, 5.0), now=100.0)
    _observe(gate, RateLimit(10, 10, 60.0), now=105.5)
    turns = [Turn() for _ in range(10)]
    assert [gate.wait(turn, 106.0) for turn in turns] == [0.0] * 10
    for turn in turns:
        gate.leave(turn)
    assert _ask(gate, 106.0) == 59.5
    _observe(gate, RateLimit(10, 7, 1.0), now=106.0)
    assert _ask(gate, 106.0) == 59.5, "the end of a window that is over says nothing"


@pytest.mark.parametrize("said", [None, RateLimit(), RateLimit(10, 0, None), RateLimit(10, None, 5.0)])
def test_half_of_the_figures_close_nothing(said: RateLimit | None) -> None:
    gate = RateGate()
    _observe(gate, said, now=100.0)
    assert _ask(gate, 100.0) == 0.0


def test_a_gate_counts_right_under_many_threads() -> None:
    gate = RateGate()
    _observe(gate, RateLimit(1000, 100, 60.0), now=0.0)
    barrier = threading.Barrier(16)
    passed: list[int] = []

    def run() -> None:
        barrier.wait()
        passed.append(sum(_ask(gate, 1.0) == 0.0 for _ in range(50)))

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 100


# --- what is learned ------------------------------------------------------------------------------------


def test_an_allowance_grows_slowly_and_rests_after_a_refusal() -> None:
    allowance = Allowance()
    allowance.learn(sent=30, refused=10)
    assert (allowance.proven, allowance.tried) == (20, 20)
    tried = []
    for _ in range(9):
        allowance.learn(sent=allowance.tried or 0, refused=0)
        tried.append(allowance.tried)
    assert tried == [20] * 7 + [25, 31]


def test_a_window_in_which_nothing_passed_says_nothing_of_the_allowance() -> None:
    allowance = Allowance()
    allowance.learn(sent=5, refused=5)
    assert (allowance.proven, allowance.tried) == (None, None)
    allowance.learn(sent=30, refused=10)
    allowance.learn(sent=1, refused=1)
    assert (allowance.proven, allowance.tried) == (20, 20)


def test_what_passed_once_less_is_proven_and_the_rest_is_tried() -> None:
    allowance = Allowance()
    allowance.learn(sent=20, refused=10)
    allowance.learn(sent=20, refused=4)
    assert (allowance.proven, allowance.tried) == (10, 16)


def test_a_period_that_was_rounded_up_is_found_out() -> None:
    period = Period()
    period.requested(2.0)
    for _ in range(3):
        period.passed(after=period.tried)
    assert (period.seconds, period.tried) == (pytest.approx(1.28), pytest.approx(1.024))
    period.refused(2.0, after=1.024)
    assert period.tried == period.seconds == pytest.approx(1.28)
    period.passed(after=1.3)
    assert period.tried == pytest.approx(1.28), "it rests"


@pytest.mark.parametrize("seconds", [0.05, 1.0, 60.0])
def test_what_cannot_have_been_rounded_by_much_is_kept(seconds: float) -> None:
    period = Period()
    period.requested(seconds)
    period.passed(after=seconds)
    assert period.tried == seconds


# --- one gate for each ----------------------------------------------------------------------------------


def test_there_is_one_gate_for_a_key_at_an_endpoint_of_a_place() -> None:
    gate = gate_for("https://a.example/v1", "digest-1", "chat")
    assert gate_for("https://a.example/v1", "digest-1", "chat") is gate
    assert gate_for("https://a.example/v1", "digest-1", "images") is not gate
    assert gate_for("https://a.example/v1", "digest-2", "chat") is not gate
    assert gate_for("https://b.example/v1", "digest-1", "chat") is not gate


def test_gates_of_many_keys_are_forgotten_when_they_stand_open() -> None:
    closed = gate_for("https://a.example/v1", "told-to-wait", "chat")
    _close(closed, 60.0, time.monotonic())
    opened = gate_for("https://a.example/v1", "free", "chat")
    for number in range(2000):
        gate_for("https://a.example/v1", f"key-{number}", "chat")
    assert gate_for("https://a.example/v1", "told-to-wait", "chat") is closed
    assert gate_for("https://a.example/v1", "free", "chat") is not opened
    forget_gates()


def test_whoever_waits_spreads_by_the_numbers_that_are_drawn() -> None:
    drawn: list[tuple[float, float]] = []

    def highest(least: float, most: float) -> float:
        drawn.append((least, most))
        return most

    gate = RateGate(highest)
    _close(gate, 10.0, now=100.0)
    waiting: list[Any] = [Turn() for _ in range(400)]
    for turn in waiting:
        gate.wait(turn, 100.0)
    assert gate.spread() == 0.25
    for turn in waiting[20:]:
        gate.leave(turn)
    assert gate.spread() == pytest.approx(0.02)
    assert drawn[0] == (0.0, 0.25)
