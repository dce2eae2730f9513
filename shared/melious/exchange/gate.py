"""Holds requests back that the service would refuse: the gate of one endpoint, for one key.

A window is a span of time in which the service lets some requests through. While nothing is known of one,
the gate stands open. What comes after a window that was used up, or after a refusal, is tried by one request,
the probe; the others follow when that one was not refused.
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
"""Seconds that two answers may differ by, whole seconds and travel times, and still mean one window."""
_MARGIN = 1.05
"""The part of a period after which the next window is tried, where no header tells its beginning."""
_ROUNDED_UP = 0.5
"""Seconds from which on a wait may have been rounded up: the next window is tried before it is told."""
_RECHECKS = 0.001, 0.01, 0.25
"""Seconds between the looks of those who wait: for each that waits, at least, and at most."""
_SETTLED = 0.2, 1 / 16
"""Seconds, and the part of a period, after which a probe that was not refused counts as let through."""
_COUNTED = 10.0
"""Seconds of an open gate whose requests count for what a window lets through, should one be refused."""
_PROBES = 0.05, 8.0
"""Seconds after which a refused probe is followed by another, doubled for each that is refused: from, to."""


@dataclass(slots=True, eq=False)
class Turn:
    """The place of one call at a gate.

    Attributes:
        window: The window in which its last request was sent; None if the gate was not asked.
        waiting: It waits at the gate.
        spare: A refusal would leave it a further attempt.
        flying: Its request was sent and is not answered.
    """

    window: int | None = None
    waiting: bool = False
    spare: bool = True
    flying: bool = False


class RateGate:
    """Holds the callers of one key and endpoint back while their requests could only fail.

    Shared by every client of the key in this process, sync and async alike: numbers and moments (monotonic
    times) under a lock, with no timer or task behind them. The figures of the service are hints.

    Args:
        uniform: Draws a number between two others.

    Example:
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
        # The window: how many more may go, or None where that is not known, and until when.
        self._window = 0
        self._left: int | None = None
        self._end = 0.0
        self._told = False  # its end is the service's word, not our guess
        self._denied = False
        self._proved = True  # a request of it passed, or nothing was ever refused
        self._sent = self._answered = self._refused = 0
        self._began = self._last_sent = 0.0
        self._told_left = 0
        # How long a window is: by what headers say, and by how long refusals ask to wait.
        self._length = 0.0
        self._period = Period()
        self._probe: Turn | None = None
        self._probe_sent = 0.0
        self._probe_after = 0.0  # seconds behind the first request of the window before
        self._early_for: float | None = None  # the end before which the probe went
        self._before = 0.0, False, 0.0, 0.0  # end, told, began and last sent of the window before the probe
        self._strict = False  # only the probe's outcome opens the gate
        self._probes_refused = 0
        self._waiting = self._spare_waiting = self._flying = 0

    def wait(self, turn: Turn, now: float, *, spare: bool = True) -> float:
        """Seconds until the call may send or should ask again; 0.0 to send at once, which is counted.

        Args:
            turn: The call's place.
            now: The time.
            spare: A refusal would leave the call a further attempt: such calls go first.
        """
        with self._lock:
            self._land(turn)
            if self._probe is turn:
                self._give_up_probe()
            opens = self._opens(now, spare=spare)
            if opens > now:
                self._queue(turn, spare=spare)
                return opens - now
            self._unqueue(turn)
            self._let_go(turn, now)
            return 0.0

    def spread(self) -> float:
        """Some seconds more for a wait, so that those who wait do not ask in step."""
        return self._uniform(0.0, self._recheck())

    def is_probing(self, now: float) -> bool:
        """Whether it is about to be known if requests pass again."""
        return self._probe is not None or (self._left == 0 and now >= max(self._closed_until, self._end))

    def is_open(self, now: float) -> bool:
        """Whether there is nothing to remember: no wait, and no window that is being counted."""
        with self._lock:
            counted = self._left is not None and now < self._end
            return now >= self._closed_until and not counted and self._probe is None and not self._waiting

    def passed(self, turn: Turn, rate_limit: RateLimit | None, now: float) -> None:
        """The service let a request through, and may have said what remains of the window."""
        with self._lock:
            self._land(turn)
            if turn.window == self._window:
                self._answered += 1
                self._proved = True
            if self._probe is turn:
                self._open()
            if rate_limit is not None:
                self._note(turn, rate_limit, now)

    def refused(
        self,
        turn: Turn,
        seconds: float | None,
        now: float,
        *,
        most: float,
        rate_limit: RateLimit | None = None,
    ) -> None:
        """The service refused a request because of its limit.

        Args:
            turn: The call's place.
            seconds: How long it asks to wait; None if it does not say, which closes nothing.
            now: The time.
            most: Seconds for which the gate closes at most. After them one request tries.
            rate_limit: What the answer said of the window.
        """
        with self._lock:
            if rate_limit is not None:
                self._note_limit(rate_limit)
            self._land(turn)
            if turn.window == self._window:
                self._answered += 1
                self._refused += 1
            if self._probe is turn:
                seconds = self._probe_refused(seconds, now)
            elif seconds is None:
                return
            elif not self._denied or seconds > self._period.seconds:
                self._period.name(min(seconds, most))
            self._strict = self._strict or seconds > most or not self._expected()
            self._closed_until = max(self._closed_until, now + min(seconds, most))
            self._left, self._end, self._told, self._denied = 0, self._closed_until, True, True

    def leave(self, turn: Turn) -> None:
        """The call ended, or its attempt came to nothing: it waits no longer, and another may probe."""
        if turn.waiting or turn.flying:
            with self._lock:
                self._unqueue(turn)
                self._land(turn)
                if self._probe is turn:
                    self._give_up_probe()

    # --- who may go ----------------------------------------------------------------------------------------

    def _opens(self, now: float, *, spare: bool) -> float:
        """The moment at which the caller may go, or should ask again."""
        if self._left is None and self._probe is None and now >= self._closed_until:
            return now
        soon = now + self._recheck()
        if self._probe is not None:
            if self._strict or now < self._probe_sent + self._settled_after():
                return soon
            self._open()
        if now < self._closed_until:
            return self._closed_until
        if self._left and now >= self._end:
            self._roll(now)
        if self._left is None:
            return now
        if self._left > 0 and (spare or self._is_certain()):
            return now
        opens = self._next_window(spare=spare)
        if opens <= now:
            return soon if self._spare_waiting and not spare else now
        # Others may find out before the end that a new window has begun.
        looks = self._next_window(spare=True) if self._told else now + _RECHECKS[-1]
        return max(soon, min(opens, looks)) if looks > now else opens

    def _next_window(self, *, spare: bool) -> float:
        """The moment at which a window may be tried that follows the one that is used up."""
        period, last = self._period, self._last_sent
        if spare:
            if not self._told:
                opens = last + _MARGIN * period.tried if period.seconds else self._end
            elif period.seconds < _ROUNDED_UP:
                opens = self._end
            else:
                opens = min(self._end, last + _MARGIN * period.tried)
        else:
            sure = 1.0 if self._told or period.proven else 2.0
            opens = max(self._end, last + _MARGIN * period.longest, last + _MARGIN * sure * period.seconds)
        # What is said of a window was not said of the requests that are still on their way.
        return max(opens, last + self._settled_after()) if self._flying else opens

    def _is_certain(self) -> bool:
        """Whether a request is sure to pass, as far as is known; others try an unproven window."""
        if self._spare_waiting and not self._proved:
            return False
        proven = self._allowance.proven
        return self._told or proven is None or self._sent < proven

    def _let_go(self, turn: Turn, now: float) -> None:
        if self._left == 0:
            guessed = not self._told or now < self._end
            self._probe, self._probe_sent, self._probe_after = turn, now, now - self._began
            self._early_for = (self._end if self._told else math.inf) if guessed else None
            self._before = self._end, self._told, self._began, self._last_sent
            self._next(now)
            self._proved = False
        elif self._left is not None:
            self._left -= 1
        elif now - self._began > _COUNTED:
            self._began, self._sent, self._answered, self._refused = now, 0, 0, 0
        turn.window = self._window
        turn.flying = True
        self._flying += 1
        self._sent += 1
        self._last_sent = now

    def _land(self, turn: Turn) -> None:
        if turn.flying:
            turn.flying = False
            self._flying -= 1

    def _recheck(self) -> float:
        each, least, most = _RECHECKS
        return min(most, max(least, each * self._waiting))

    def _queue(self, turn: Turn, *, spare: bool) -> None:
        self._unqueue(turn)
        turn.waiting, turn.spare = True, spare
        self._waiting += 1
        self._spare_waiting += spare

    def _unqueue(self, turn: Turn) -> None:
        if turn.waiting:
            turn.waiting = False
            self._waiting -= 1
            self._spare_waiting -= turn.spare

    # --- the probe -----------------------------------------------------------------------------------------

    def _settled_after(self) -> float:
        seconds, part = _SETTLED
        return seconds + part * max(self._period.seconds, self._length)

    def _open(self) -> None:
        """The probe passed, or was at least not refused: others may follow, as many as are to be expected."""
        self._probe = None
        self._strict = False
        self._probes_refused = 0
        if not self._period.seconds:
            self._period.name(self._probe_after)
        if self._period.seconds >= _ROUNDED_UP:
            self._period.passed(self._probe_after)
        expected = self._expected()
        self._left = None if expected is None else max(0, expected - self._sent)
        self._told = False
        self._end = self._last_sent + (self._period.seconds or self._length)

    def _expected(self) -> int | None:
        """How many requests a window lets through, as far as that is known."""
        known = [number for number in (self._limit, self._allowance.tried) if number]
        return min(known, default=None)

    def _probe_refused(self, seconds: float | None, now: float) -> float:
        """Seconds until the next probe."""
        self._probe = None
        self._probes_refused += 1
        first, most = _PROBES
        least = min(most, first * 2.0 ** min(self._probes_refused, 16))
        seconds = max(seconds or 0.0, least)
        if self._early_for is None:
            self._period.name(seconds)
            return seconds
        self._period.refused(seconds, self._probe_after)
        return max(least, min(seconds, self._early_for - now))

    def _give_up_probe(self) -> None:
        self._probe = None
        self._sent -= 1
        self._end, self._told, self._began, self._last_sent = self._before

    # --- the window ----------------------------------------------------------------------------------------

    def _next(self, now: float) -> None:
        """A window begins."""
        self._allowance.learn(self._sent, self._refused)
        self._window += 1
        self._began = now
        self._sent = self._answered = self._refused = 0
        self._told = self._denied = False
        self._end = now

    def _roll(self, now: float) -> None:
        """A window follows one that was not used up; while others wait, only what was left is given out."""
        if not self._waiting:
            self._left = self._limit
        if not self._waiting or self._told:
            self._next(now)
        self._end = now + self._length

    def _note_limit(self, rate_limit: RateLimit) -> None:
        if rate_limit.limit and rate_limit.limit >= (rate_limit.remaining or 0):
            self._limit = rate_limit.limit

    def _note(self, turn: Turn, said: RateLimit, now: float) -> None:
        self._note_limit(said)
        if said.remaining is None or said.reset_after is None:
            return
        if self._denied or turn.window not in {None, self._window}:
            return
        if self._told and now >= self._end and self._waiting:
            return  # a probe will tell
        end = now + said.reset_after
        if self._left is None or not self._told or now >= self._end:
            if self._told:
                self._next(now)
            self._length = said.reset_after
            self._left, self._end, self._told = said.remaining, end, True
            if self._limit is not None:
                self._left = min(said.remaining, max(0, self._limit - self._sent))
            if self._waiting:
                self._left = min(self._left, max(0, said.remaining - (self._sent - self._answered)))
            self._told_left = said.remaining
        elif abs(end - self._end) < _SAME_WINDOW:
            self._left = min(self._left, said.remaining)
            if said.remaining <= self._told_left:
                self._told_left, self._end = said.remaining, end
        elif end > self._end and said.remaining and not self._waiting:
            self._left, self._end, self._told_left = said.remaining, end, said.remaining
        elif said.remaining == 0:
            # A window that ends sooner than the known one: nothing goes before its end.
            self._closed_until = max(self._closed_until, min(end, self._end))


_MANY_GATES = 1000
"""Gates in one process, beyond which those that stand open are forgotten."""
_gates: dict[tuple[str, str, str], RateGate] = {}
_gates_lock = forks.new_lock()


def gate_for(base_url: str, key_digest: str, endpoint: str) -> RateGate:
    """The one gate in this process of a key's requests to an endpoint."""
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
    """Start anew, as the child of a fork must: it waits for nobody else's answers."""
    _gates.clear()


forks.in_child(forget_gates)
