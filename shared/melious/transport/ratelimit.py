"""Rate limits: the headers of every generation as one value, and a gate before requests that must fail.

Two shapes are in use: `X-RateLimit-Limit/-Remaining/-Reset`, where the reset is
an epoch, and the same with `-Requests` behind, where it is the seconds to go.
"""

from __future__ import annotations

import math
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from melious.transport import forks

_EPOCH = 1e9
_EPOCH_MS = 1e12
_LONGEST = 31 * 86_400.0
"""Seconds beyond which a wait is no limit but a mistake: an epoch in the wrong place, an overflow."""
_SAME_WINDOW = 1.5
"""Seconds that two answers may differ by, whole seconds and travel times, and still mean one window."""
_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What an answer said of the account's limit.

    Attributes:
        limit: Requests allowed in a window.
        remaining: Requests left in this window.
        reset_after: Seconds from the answer until the window is new.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_after: float | None = None


def parse_rate_limit(headers: Mapping[str, str], now: float) -> RateLimit | None:
    """Read the rate-limit headers of an answer; None where there are none.

    Args:
        headers: Names in lower case.
        now: This machine's time (epoch seconds), for an answer without `Date`.
    """
    values = [
        headers.get(f"x-ratelimit-{name}-requests") or headers.get(f"x-ratelimit-{name}")
        for name in ("limit", "remaining", "reset")
    ]
    if not any(values):
        return None
    limit, remaining, reset = values
    return RateLimit(_count(limit), _count(remaining), _seconds_until(reset, headers, now))


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read how long an answer asks to wait, in seconds: milliseconds, seconds or a date.

    A value that is no number from zero up, or more than a month, is no answer.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None and milliseconds / 1000 <= _LONGEST:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is None:
        moment = _date(value)
        seconds = None if moment is None else _until(moment, headers, now)
    return _believable(seconds)


def _seconds_until(reset: str | None, headers: Mapping[str, str], now: float) -> float | None:
    value = _number(reset)
    if value is None:
        match = _DURATION.fullmatch(reset.strip()) if reset else None
        if match is None or not any(match.groups()):
            return None
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
        return _believable(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)
    if value > _EPOCH_MS:
        value /= 1000
    if value > _EPOCH:
        return _believable(_until(value, headers, now))
    return _believable(value)


def _until(moment: float, headers: Mapping[str, str], now: float) -> float:
    """Seconds until an epoch, by the service's own clock where the answer tells it."""
    return max(0.0, moment - (_date(headers.get("date")) or now))


def _believable(seconds: float | None) -> float | None:
    return seconds if seconds is not None and seconds <= _LONGEST else None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _count(value: str | None) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _date(value: str | None) -> float | None:
    if value is None or not value[:3].isalpha():
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - imports half of `email`, for a header

    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None


class RateGate:
    """Holds the callers of one key back while their requests could only fail.

    Shared by every client of the key in this process, sync and async alike: it
    is a number and a moment under a lock, with no timer or task behind it. The
    figures are hints: what cannot be read is ignored, and no wait is longer
    than its caller allows.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: int | None = None
        self._window_end = 0.0
        self._closed_until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a request may go, 0.0 for at once; a request that may go is counted.

        Args:
            now: A monotonic time.
        """
        with self._lock:
            until = self._closed_until
            if self._left is not None:
                if now >= self._window_end:
                    self._left = None
                elif self._left <= 0:
                    until = max(until, self._window_end)
            if until > now:
                return until - now + random.uniform(0.0, 0.25)  # noqa: S311 - spreads callers, no secret
            if self._left is not None:
                self._left -= 1
            return 0.0

    def is_open(self, now: float) -> bool:
        """Whether there is nothing to remember: no wait, and no window that is being counted."""
        with self._lock:
            return now >= self._closed_until and (self._left is None or now >= self._window_end)

    def observe(self, rate_limit: RateLimit | None, now: float) -> None:
        """Take note of what an answer said of the window."""
        if rate_limit is None or rate_limit.remaining is None or rate_limit.reset_after is None:
            return
        end = now + rate_limit.reset_after
        with self._lock:
            same_window = self._left is not None and abs(end - self._window_end) < _SAME_WINDOW
            if self._left is not None and same_window:
                self._left = min(self._left, rate_limit.remaining)
            elif self._left is None or end > self._window_end:
                self._left, self._window_end = rate_limit.remaining, end
            elif rate_limit.remaining == 0:
                # A window that ends sooner than the known one: nothing goes before its end.
                self._closed_until = max(self._closed_until, end)

    def close(self, seconds: float, now: float) -> None:
        """Let nobody through for some seconds: the service said 429 and how long."""
        with self._lock:
            self._closed_until = max(self._closed_until, now + seconds)


_MANY_GATES = 1000
"""Keys in one process, beyond which the gates that stand open are forgotten."""
_gates: dict[tuple[str, str], RateGate] = {}
_gates_lock = forks.new_lock()


def gate_for(base_url: str, key_digest: str) -> RateGate:
    """The one gate of a key at a base URL in this process."""
    with _gates_lock:
        found = _gates.get((base_url, key_digest))
        if found is None:
            if len(_gates) >= _MANY_GATES:
                now = time.monotonic()
                for name in [name for name, gate in _gates.items() if gate.is_open(now)]:
                    del _gates[name]
            found = _gates[base_url, key_digest] = RateGate()
        return found


def forget_gates() -> None:
    """Start anew, as the child of a fork must: it waits for nobody else's answers."""
    _gates.clear()


forks.in_child(forget_gates)
