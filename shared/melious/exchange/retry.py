"""Whether and when a failed attempt is made again: pure decisions, and the budget that ends storms."""

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
    RateLimitError,
)

if TYPE_CHECKING:
    from melious.exchange.ratelimit import RateLimit
    from melious.exchange.request import Limits

BACKOFF_BASE = 0.5
BACKOFF_CAP = 8.0
SERVER_DELAY_CAP = 60.0
_ROUNDED = 2.0
"""Seconds that the end of a window may be late, where it and the time are told in whole seconds."""
GATEWAY_CUT = 55.0
"""Seconds after which the gateway itself may have cut a request: the same prompt would be cut again."""

_RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
_TERMINAL = (InsufficientBalanceError, ContextLengthExceededError)


class Phase(Enum):
    """How far an attempt had come when it failed."""

    CONNECT = "connect"
    """No connection stood; nothing was sent."""
    SENT = "sent"
    """The request was sent, at least in part; no answer had begun."""
    ANSWER = "answer"
    """The answer had begun."""


class RetryBudget:
    """A store of tokens that retries use up and successes fill: an outage is not made worse by retries.

    Attributes:
        tokens: What is left.
    """

    CAPACITY = 500
    COST = 14
    THROTTLE_COST = 5

    def __init__(self) -> None:
        self._lock = forks.new_lock()
        self.tokens = self.CAPACITY

    def take(self, cost: int) -> bool:
        """Use up some tokens; False, and nothing used, if there are too few."""
        with self._lock:
            if self.tokens < cost:
                return False
            self.tokens -= cost
            return True

    def refund(self) -> None:
        """An attempt succeeded."""
        if self.tokens < self.CAPACITY:
            with self._lock:
                self.tokens = min(self.CAPACITY, self.tokens + 1)


def is_malformed(error: MeliousError) -> bool:
    """Whether the gateway called a request malformed, which it also says of requests that are not.

    Many requests at a time are enough for it (wire reference, section 19): one more try is right, no more.
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
    """Whether the same request may succeed, and may be sent, once more.

    Args:
        error: What the attempt came to. `x-should-retry` of the answer, where
            it is there, has already set `is_retryable` of this error.
        limits: What is tried again.
        phase: How far the attempt had come.
        attempts: How many attempts there were, this one included.
        malformed: How many of them were called malformed, this one included.
        spent: Seconds that this attempt took.
        timed_out: The attempt failed because it took too long.
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
    """Seconds to wait before the next attempt; None if the service asks for more than anyone should wait.

    What the service asks for is honoured, and a little more, so that many
    callers do not return in step; otherwise full jitter under a growing cap.

    Args:
        error: What the attempt came to, with `retry_after`.
        attempts: How many attempts there were.
        uniform: Draws a number between two others.
    """
    if error.retry_after is not None:
        if error.retry_after > SERVER_DELAY_CAP:
            return None
        return error.retry_after + uniform(0.0, 0.1 * error.retry_after)
    return uniform(0.0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempts - 1, 16)))


def named_by(rate_limit: RateLimit) -> float | None:
    """The wait that the end of a window names; a minute that was rounded up is a minute."""
    seconds = rate_limit.reset_after
    if seconds is not None and SERVER_DELAY_CAP < seconds <= SERVER_DELAY_CAP + _ROUNDED:
        return SERVER_DELAY_CAP
    return seconds


def retry_cost(error: MeliousError) -> int:
    """What a retry after this error takes from the budget: nothing where the service named a wait."""
    if error.retry_after:
        return 0
    return RetryBudget.THROTTLE_COST if isinstance(error, RateLimitError) else RetryBudget.COST
