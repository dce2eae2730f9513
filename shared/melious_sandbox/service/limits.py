"""The per-minute rate limit of the account: a window that opens with its first request."""

import math
import threading
import time
from dataclasses import dataclass

UNLIMITED = 100_000


@dataclass(frozen=True, slots=True)
class RateState:
    """What the rate-limit headers of one answer say."""

    limit: int
    remaining: int
    reset: float  # epoch seconds
    allowed: bool = True

    @property
    def retry_after(self) -> int:
        """Whole seconds until the window closes, at least one."""
        return max(1, math.ceil(self.reset - time.time()))


class RateLimiter:
    """Counts requests per window; the account has one, whatever key is used.

    Args:
        limit: Requests per window.
        window: Length of the window in seconds.

    Raises:
        ValueError: The limit is below 0.
    """

    def __init__(self, limit: int = UNLIMITED, window: float = 60.0) -> None:
        if limit < 0:
            raise ValueError("a rate limit is 0 or more")
        self._limit = limit
        self._window = window
        self._lock = threading.Lock()
        self._used = 0
        self._reset = 0.0

    def take(self) -> RateState:
        """Count one request and say whether it fits."""
        with self._lock:
            self._roll()
            allowed = self._used < self._limit
            if allowed:
                self._used += 1
            return RateState(self._limit, self._limit - self._used, self._reset, allowed)

    def peek(self) -> RateState:
        """Say where the window stands without counting a request."""
        with self._lock:
            self._roll()
            return RateState(self._limit, self._limit - self._used, self._reset)

    def reset(self) -> None:
        """Forget everything that was counted."""
        with self._lock:
            self._used, self._reset = 0, 0.0

    def _roll(self) -> None:
        now = time.time()
        if now >= self._reset:
            self._used, self._reset = 0, now + self._window
