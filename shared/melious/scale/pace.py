"""How fast one of many processes may go that share a rate limit and do not know of each other.

Each reads from its own answers how many requests the account has left in the window. While there are
plenty, none is delayed. Below that, each process spreads its share over the rest of the window: the same
share that it had in the requests already used.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from melious import forks
from melious.exchange.ratelimit import RateLimit

_PLENTY = 0.25
"""The part of a window's requests that must be left for requests to go undelayed: more would slow down jobs
that fit into a window, less would let many workers hit the limit."""
_LONGEST_WINDOW = 300.0
"""Seconds; longer windows, such as a day, do not slow requests down."""
_SAME_WINDOW = 1.5
"""Seconds by which answers may disagree on the end of a window."""
_SPREAD = 0.25
"""Seconds over which requests that waited for a new window are spread."""


class Pace:
    """Spaces the requests of one process.

    Args:
        uniform: Draws a random number between two others.

    Examples:
        >>> pace = Pace(uniform=lambda least, most: most)
        >>> pace.delay(now=0.0)
        0.0
        >>> pace.observe(RateLimit(limit=10, remaining=2, reset_after=60.0), now=0.0)
        >>> pace.delay(now=0.0) > 10
        True
    """

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._lock = threading.Lock()
        self._uniform = uniform
        self._limit = 0
        self._left = 0
        self._end = 0.0
        self._sent = 0
        self._next: float | None = None

    def delay(self, now: float) -> float:
        """Seconds until the next request should go, at the monotonic time `now`; it counts as sent."""
        with self._lock:
            if self._limit and now >= self._end:
                self._limit, self._sent, self._next = 0, 0, None
            short = self._limit and self._left <= _PLENTY * self._limit
            delay = self._slot(now) - now if short else 0.0
            self._sent += 1
            return delay

    def observe(self, rate_limit: RateLimit | None, now: float) -> None:
        """Note the rate limit that an answer reported; ignored if it is None or incomplete."""
        if rate_limit is None or not rate_limit.limit or rate_limit.remaining is None:
            return
        after = rate_limit.reset_after
        if after is None or not 0 < after <= _LONGEST_WINDOW:
            return
        with self._lock:
            end = now + after
            if self._limit and end < self._end - _SAME_WINDOW:
                return
            if self._limit == rate_limit.limit and end < self._end + _SAME_WINDOW:
                self._left = min(self._left, rate_limit.remaining)
            else:
                if self._limit:
                    self._sent, self._next = 1, None
                self._left = rate_limit.remaining
            self._limit, self._end = rate_limit.limit, end

    def _slot(self, now: float) -> float:
        if self._left <= 0:
            return self._end + self._uniform(0.0, _SPREAD)
        used = max(1, self._limit - self._left)
        mine = self._left * min(1.0, max(1, self._sent) / used)
        interval = (self._end - now) / max(1.0, mine)
        if self._next is None:
            self._next = now + self._uniform(0.0, interval)
        slot = max(now, self._next)
        if slot >= self._end:
            return self._end + self._uniform(0.0, _SPREAD)
        self._next = slot + interval
        return slot


_paces: dict[tuple[str, str], Pace] = {}
_lock = forks.new_lock()


def pace_for(base_url: str, key_digest: str) -> Pace:
    """The pace of a key at a base URL, shared by the whole process."""
    with _lock:
        return _paces.setdefault((base_url, key_digest), Pace())


forks.in_child(_paces.clear)
