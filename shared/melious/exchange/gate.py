"""A client-side rate limiter, per key and endpoint: holds back requests that would be refused.

A window is a span of time in which the service accepts some requests. While none is known, the gate is open.
After one is used up, or a refusal, one request, the probe, tries the next; the others follow if it passes.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from melious import forks
from melious.exchange.allowance import Allowance, Period
from melious.exchange.ratelimit import RateLimit

_SAME_WINDOW = 1.5
"""Seconds by which two reported ends of one window may differ."""
_MARGIN = 1.05
"""Part of a period after which the next window is tried without word from a header."""
_ROUNDED_UP = 0.5
"""Seconds from which a wait may be rounded up, so the next window is tried early."""
_RECHECKS = 0.001, 0.01, 0.25
"""Seconds between the checks of waiting calls: per waiting call, at least, and at most."""
_SETTLED = 0.2, 1 / 16
"""Seconds, plus part of the period, after which a probe not refused counts as passed."""
_COUNTED = 10.0
"""Seconds over which an open gate counts requests, in case one is refused."""
_PROBE_BACKOFF = 0.05, 8.0
"""Seconds from a refused probe to the next: first and longest; they double."""


@dataclass(slots=True, eq=False)
class Turn:
    """The state of one call at a gate.

    Attributes:
        window: The window of its last request, if any.
        waiting: It is waiting at the gate.
        can_retry: It has an attempt left after a refusal.
        in_flight: Its request is not answered yet.
    """

    window: int | None = None
    waiting: bool = False
    can_retry: bool = True
    in_flight: bool = False


class RateGate:
    """Holds back calls while their requests could only fail.

    Shared by all clients of the key in this process: numbers and monotonic times under a lock, no timer
    or task. The service's figures are hints.

    Examples:
        >>> gate, turn = RateGate(), Turn()
        >>> gate.wait(turn, now=100.0)
        0.0
        >>> gate.refused(turn, 5.0, now=100.1, most=60.0)
        >>> gate.wait(turn, now=101.1)
        4.0
    """

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._lock = threading.Lock()
        self._uniform = uniform
        self._allowance = Allowance()
        self._limit: int | None = None
        self._closed_until = 0.0
        # The window: how many more requests may go (None: unknown), and until when.
        self._window = 0
        self._left: int | None = None
        self._end = 0.0
        self._end_reported = False  # the service named its end; else it is a guess
        self._was_refused = False
        self._proven = True  # one of its requests passed, or nothing was ever refused
        self._sent = self._answered = self._refused = 0
        self._began = self._last_sent = 0.0
        self._reported_left = 0
        # How long a window is: by the headers, and by the waits that refusals ask for.
        self._length = 0.0
        self._period = Period()
        self._probe: Turn | None = None
        self._probe_sent = 0.0
        self._probe_after = 0.0  # seconds after the first request of the previous window
        self._probed_before: float | None = None  # the window's end, where the probe went before it
        self._before_probe = 0.0, False, 0.0, 0.0  # the window before: end, end reported, began, last sent
        self._probe_must_pass = False  # only an answer to the probe opens the gate
        self._probes_refused = 0
        self._waiting = self._retriable_waiting = self._in_flight = 0

    def wait(self, turn: Turn, now: float, *, can_retry: bool = True) -> float:
        """Seconds until the call may send or should ask again; 0.0 means send now, and counts the request.

        Calls that can retry after a refusal go first.
        """
        with self._lock:
            self._mark_done(turn)
            if self._probe is turn:
                self._give_up_probe()
            opens = self._opens_at(now, can_retry=can_retry)
            if opens > now:
                self._queue(turn, can_retry=can_retry)
                return opens - now
            self._unqueue(turn)
            self._release(turn, now)
            return 0.0

    def spread(self) -> float:
        """Extra seconds for a wait, so that waiting calls do not check in step."""
        return self._uniform(0.0, self._recheck_after())

    def is_probing(self, now: float) -> bool:
        """Whether a probe is out, or due, that will tell if requests pass again."""
        return self._probe is not None or (self._left == 0 and now >= max(self._closed_until, self._end))

    def is_open(self, now: float) -> bool:
        """Whether there is no state worth keeping."""
        with self._lock:
            counted = self._left is not None and now < self._end
            return now >= self._closed_until and not counted and self._probe is None and not self._waiting

    def passed(self, turn: Turn, rate_limit: RateLimit | None, now: float) -> None:
        """Record that a request passed, and what the answer said about the window."""
        with self._lock:
            self._mark_done(turn)
            if turn.window == self._window:
                self._answered += 1
                self._proven = True
            if self._probe is turn:
                self._probe_passed()
            if rate_limit is not None:
                self._learn_window(turn, rate_limit, now)

    def refused(
        self,
        turn: Turn,
        seconds: float | None,
        now: float,
        *,
        most: float,
        rate_limit: RateLimit | None = None,
    ) -> None:
        """Record that the service refused a request because of its rate limit.

        Args:
            turn: The call.
            seconds: The wait it asks for; without one nothing closes.
            now: The time.
            most: The longest time to close for, in seconds.
            rate_limit: What the answer said about the window.
        """
        with self._lock:
            if rate_limit is not None:
                self._learn_limit(rate_limit)
            self._mark_done(turn)
            if turn.window == self._window:
                self._answered += 1
                self._refused += 1
            if self._probe is turn:
                seconds = self._probe_refused(seconds, now)
            elif seconds is None:
                return
            elif not self._was_refused or seconds > self._period.seconds:
                self._period.requested(min(seconds, most))
            self._probe_must_pass = self._probe_must_pass or seconds > most or not self._expected()
            self._closed_until = max(self._closed_until, now + min(seconds, most))
            self._left, self._end, self._end_reported, self._was_refused = 0, self._closed_until, True, True

    def leave(self, turn: Turn) -> None:
        """Remove a call that ended or failed; another may then probe."""
        if turn.waiting or turn.in_flight:
            with self._lock:
                self._unqueue(turn)
                self._mark_done(turn)
                if self._probe is turn:
                    self._give_up_probe()

    # --- who may go ----------------------------------------------------------------------------------------

    def _opens_at(self, now: float, *, can_retry: bool) -> float:
        """When the caller may send, or should ask again."""
        if self._left is None and self._probe is None and now >= self._closed_until:
            return now
        soon = now + self._recheck_after()
        if self._probe is not None:
            if self._probe_must_pass or now < self._probe_sent + self._settled_after():
                return soon
            self._probe_passed()
        if now < self._closed_until:
            return self._closed_until
        if self._left and now >= self._end:
            self._roll_over(now)
        if self._left is None:
            return now
        if self._left > 0 and (can_retry or self._is_certain()):
            return now
        opens = self._next_window_at(can_retry=can_retry)
        if opens <= now:
            return soon if self._retriable_waiting and not can_retry else now
        # Another call may find out sooner that a new window has begun.
        looks = self._next_window_at(can_retry=True) if self._end_reported else now + _RECHECKS[-1]
        return max(soon, min(opens, looks)) if looks > now else opens

    def _next_window_at(self, *, can_retry: bool) -> float:
        period, last = self._period, self._last_sent
        if can_retry:
            if not self._end_reported:
                opens = last + _MARGIN * period.tried if period.seconds else self._end
            elif period.seconds < _ROUNDED_UP:
                opens = self._end
            else:
                opens = min(self._end, last + _MARGIN * period.tried)
        else:
            sure = 1.0 if self._end_reported or period.proven else 2.0
            opens = max(self._end, last + _MARGIN * period.longest, last + _MARGIN * sure * period.seconds)
        # Figures for the window do not cover the requests still in flight.
        return max(opens, last + self._settled_after()) if self._in_flight else opens

    def _is_certain(self) -> bool:
        """Whether a request is sure to pass; calls that can retry also try unproven windows."""
        if self._retriable_waiting and not self._proven:
            return False
        proven = self._allowance.proven
        return self._end_reported or proven is None or self._sent < proven

    def _release(self, turn: Turn, now: float) -> None:
        if self._left == 0:
            guessed = not self._end_reported or now < self._end
            self._probe, self._probe_sent, self._probe_after = turn, now, now - self._began
            self._probed_before = (self._end if self._end_reported else math.inf) if guessed else None
            self._before_probe = self._end, self._end_reported, self._began, self._last_sent
            self._begin_window(now)
            self._proven = False
        elif self._left is not None:
            self._left -= 1
        elif now - self._began > _COUNTED:
            self._began, self._sent, self._answered, self._refused = now, 0, 0, 0
        turn.window = self._window
        turn.in_flight = True
        self._in_flight += 1
        self._sent += 1
        self._last_sent = now

    def _mark_done(self, turn: Turn) -> None:
        if turn.in_flight:
            turn.in_flight = False
            self._in_flight -= 1

    def _recheck_after(self) -> float:
        each, least, most = _RECHECKS
        return min(most, max(least, each * self._waiting))

    def _queue(self, turn: Turn, *, can_retry: bool) -> None:
        self._unqueue(turn)
        turn.waiting, turn.can_retry = True, can_retry
        self._waiting += 1
        self._retriable_waiting += can_retry

    def _unqueue(self, turn: Turn) -> None:
        if turn.waiting:
            turn.waiting = False
            self._waiting -= 1
            self._retriable_waiting -= turn.can_retry

    # --- the probe -----------------------------------------------------------------------------------------

    def _settled_after(self) -> float:
        seconds, part = _SETTLED
        return seconds + part * max(self._period.seconds, self._length)

    def _probe_passed(self) -> None:
        """Let others follow a probe that passed, or was not refused in time."""
        self._probe = None
        self._probe_must_pass = False
        self._probes_refused = 0
        if not self._period.seconds:
            self._period.requested(self._probe_after)
        if self._period.seconds >= _ROUNDED_UP:
            self._period.passed(self._probe_after)
        expected = self._expected()
        self._left = None if expected is None else max(0, expected - self._sent)
        self._end_reported = False
        self._end = self._last_sent + (self._period.seconds or self._length)

    def _expected(self) -> int | None:
        known = [number for number in (self._limit, self._allowance.tried) if number]
        return min(known, default=None)

    def _probe_refused(self, seconds: float | None, now: float) -> float:
        """Note a refused probe; gives the seconds until the next one."""
        self._probe = None
        self._probes_refused += 1
        first, most = _PROBE_BACKOFF
        least = min(most, first * 2.0 ** min(self._probes_refused, 16))
        seconds = max(seconds or 0.0, least)
        if self._probed_before is None:
            self._period.requested(seconds)
            return seconds
        self._period.refused(seconds, self._probe_after)
        return max(least, min(seconds, self._probed_before - now))

    def _give_up_probe(self) -> None:
        self._probe = None
        self._sent -= 1
        self._end, self._end_reported, self._began, self._last_sent = self._before_probe

    # --- the window ----------------------------------------------------------------------------------------

    def _begin_window(self, now: float) -> None:
        self._allowance.learn(self._sent, self._refused)
        self._window += 1
        self._began = now
        self._sent = self._answered = self._refused = 0
        self._end_reported = self._was_refused = False
        self._end = now

    def _roll_over(self, now: float) -> None:
        """Go on after a window that was not used up; keeps its count while calls wait."""
        if not self._waiting:
            self._left = self._limit
        if not self._waiting or self._end_reported:
            self._begin_window(now)
        self._end = now + self._length

    def _learn_limit(self, rate_limit: RateLimit) -> None:
        if rate_limit.limit and rate_limit.limit >= (rate_limit.remaining or 0):
            self._limit = rate_limit.limit

    def _learn_window(self, turn: Turn, said: RateLimit, now: float) -> None:
        self._learn_limit(said)
        if said.remaining is None or said.reset_after is None:
            return
        if self._was_refused or turn.window not in {None, self._window}:
            return
        if self._end_reported and now >= self._end and self._waiting:
            return  # the probe decides
        end = now + said.reset_after
        if self._left is None or not self._end_reported or now >= self._end:
            if self._end_reported:
                self._begin_window(now)
            self._length = said.reset_after
            self._left, self._end, self._end_reported = said.remaining, end, True
            if self._limit is not None:
                self._left = min(said.remaining, max(0, self._limit - self._sent))
            if self._waiting:
                self._left = min(self._left, max(0, said.remaining - (self._sent - self._answered)))
            self._reported_left = said.remaining
        elif abs(end - self._end) < _SAME_WINDOW:
            self._left = min(self._left, said.remaining)
            if said.remaining <= self._reported_left:
                self._reported_left, self._end = said.remaining, end
        elif end > self._end and said.remaining and not self._waiting:
            self._left, self._end, self._reported_left = said.remaining, end, said.remaining
        elif said.remaining == 0:
            # A second window ends sooner than the known one: nothing is sent before it does.
            self._closed_until = max(self._closed_until, min(end, self._end))


_MANY_GATES = 1000
"""Gates per process; beyond this, open ones are dropped."""
_gates: dict[tuple[str, str, str], RateGate] = {}
_gates_lock = forks.new_lock()


def gate_for(base_url: str, key_digest: str, endpoint: str) -> RateGate:
    """This process's gate for a key and endpoint."""
    name = base_url, key_digest, endpoint
    with _gates_lock:
        found = _gates.get(name)
        if found is None:
            if len(_gates) >= _MANY_GATES:
                now = time.monotonic()
                for known in [known for known, gate in _gates.items() if gate.is_open(now)]:
                    del _gates[known]
            found = _gates[name] = RateGate()
        return found


def forget_gates() -> None:
    """Drop all gates, in the child of a fork."""
    _gates.clear()


forks.in_child(forget_gates)
