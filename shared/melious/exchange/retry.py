"""Whether and when to retry, and a budget against retry storms."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from melious import forks
from melious.errors import (
    APIStatusError,
    BadRequestError,
    ContextLengthExceededError,
    InsufficientBalanceError,
    MeliousError,
    NoProvidersAvailableError,
    PageLimitError,
    RateLimitError,
)

if TYPE_CHECKING:
    from melious.exchange.ratelimit import RateLimit
    from melious.exchange.request import Limits

BACKOFF_BASE = 0.5
BACKOFF_CAP = 8.0
SERVER_DELAY_CAP = 60.0
_ROUNDED = 2.0
"""Seconds by which rounding may delay the end of a window."""
GATEWAY_CUT = 55.0
"""Seconds after which the gateway itself may have cut the request, and would again."""

_RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
_TERMINAL = (InsufficientBalanceError, ContextLengthExceededError, PageLimitError)


class Phase(Enum):
    """How far an attempt had come when it failed."""

    CONNECT = "connect"
    """There was no connection; nothing was sent."""
    SENT = "sent"
    """The request was sent, at least in part; the answer had not begun."""
    ANSWER = "answer"
    """The answer had begun."""


class RetryBudget:
    """Tokens that retries take and successes refill, against retry storms.

    Attributes:
        tokens: How many are left.
    """

    CAPACITY = 500
    COST = 14
    THROTTLE_COST = 5

    def __init__(self) -> None:
        self._lock = forks.new_lock()
        self.tokens = self.CAPACITY

    def take(self, cost: int) -> bool:
        """Take tokens; False, and none taken, if there are too few."""
        with self._lock:
            if self.tokens < cost:
                return False
            self.tokens -= cost
            return True

    def refund(self) -> None:
        """Put one token back for a success."""
        if self.tokens < self.CAPACITY:
            with self._lock:
                self.tokens = min(self.CAPACITY, self.tokens + 1)


def is_malformed(error: MeliousError) -> bool:
    """Whether the gateway called a request malformed.

    Under concurrency it also says so of valid requests (wire reference, section 19).
    """
    return (
        isinstance(error, BadRequestError)
        and not isinstance(error, ContextLengthExceededError)
        and error.status_code in (None, 400)
        and "malformed" in error.message.lower()
    )


def worth_retrying(
    error: MeliousError,
    limits: Limits,
    phase: Phase,
    *,
    attempts: int,
    malformed: int,
    spent: float,
    timed_out: bool,
) -> bool:
    """Whether a retry is allowed and may succeed.

    Args:
        error: Its error; `x-should-retry` has already set its `is_retryable`.
        limits: What may be retried.
        phase: How far the attempt had come.
        attempts: Attempts so far, including this one.
        malformed: How many of them were called malformed.
        spent: Seconds that this attempt took.
        timed_out: Whether it timed out.
    """
    if isinstance(error, _TERMINAL):
        return False
    if "is_retryable" in error.__dict__:
        return error.is_retryable
    if isinstance(error, APIStatusError):
        if isinstance(error, NoProvidersAvailableError):
            return limits.retry_no_providers and attempts == 1
        if is_malformed(error):
            return limits.retry_malformed and malformed == 1
        status = error.status_code
        if status is None:
            return error.is_retryable
        if status == 504 and spent >= GATEWAY_CUT:  # noqa: PLR2004
            return False
        return status in _RETRYABLE_STATUSES or status >= 500  # noqa: PLR2004
    if phase is Phase.CONNECT:
        return True
    if timed_out:
        return limits.retry_timeouts
    return error.is_retryable and spent < GATEWAY_CUT


def delay_before_retry(
    error: MeliousError, attempts: int, uniform: Callable[[float, float], float]
) -> float | None:
    """Seconds to wait before the next attempt; None if the service asks for more than 60 seconds.

    That is `retry_after` plus up to a tenth, so that callers do not return in
    step; without it, full jitter under an exponential cap (0.5 to 8 seconds).
    """
    if error.retry_after is not None:
        if error.retry_after > SERVER_DELAY_CAP:
            return None
        return error.retry_after + uniform(0.0, 0.1 * error.retry_after)
    return uniform(0.0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempts - 1, 16)))


def wait_until_reset(rate_limit: RateLimit) -> float | None:
    """Seconds until the window ends; up to 62 count as 60, because of rounding."""
    seconds = rate_limit.reset_after
    if seconds is not None and SERVER_DELAY_CAP < seconds <= SERVER_DELAY_CAP + _ROUNDED:
        return SERVER_DELAY_CAP
    return seconds


def retry_cost(error: MeliousError) -> int:
    """Tokens that a retry after this error costs: none where the service named a wait."""
    if error.retry_after:
        return 0
    return RetryBudget.THROTTLE_COST if isinstance(error, RateLimitError) else RetryBudget.COST
