"""Requests or a batch job: which of the two embeds some texts. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

from melious.exchange.ratelimit import RateLimit

Engine: TypeAlias = Literal["requests", "batch", "auto"]
ENGINES: tuple[Engine, ...] = ("requests", "batch", "auto")

BATCH_AFTER = 10.0
"""Minutes. What the limit allows within this time goes as requests: they answer at once, and nobody knows
how long a job takes, except that the service gives it 24 hours."""
_WINDOW = 60.0
"""Seconds: the account's limits are per minute."""


def minutes_at_the_limit(requests: int, rate_limit: RateLimit | None) -> float:
    """How long the account's rate limit alone delays requests; 0 if the service does not report it.

    Args:
        requests: How many are to be sent.
        rate_limit: The limit as the last answer reported it.

    Examples:
        >>> minutes_at_the_limit(1260, RateLimit(limit=60, remaining=60, reset_after=60.0))
        20.0
        >>> minutes_at_the_limit(1260, None)
        0.0
    """
    if rate_limit is None or not rate_limit.limit:
        return 0.0
    beyond = max(0, requests - (rate_limit.remaining or 0))
    window = max(_WINDOW, rate_limit.reset_after or 0.0)
    return beyond / rate_limit.limit * window / 60.0


def engine_for(
    requests: int, rate_limit: RateLimit | None, batch_after: float = BATCH_AFTER
) -> Literal["requests", "batch"]:
    """What `auto` chooses: a batch job if the rate limit alone would take longer than some minutes.

    Args:
        requests: How many requests the texts take.
        rate_limit: The limit as the last answer reported it.
        batch_after: Minutes from which on a job is worth its unknown duration.

    Examples:
        >>> limit = RateLimit(limit=60, remaining=0, reset_after=60.0)
        >>> engine_for(600, limit), engine_for(601, limit), engine_for(601, None)
        ('requests', 'batch', 'requests')
    """
    return "batch" if minutes_at_the_limit(requests, rate_limit) > batch_after else "requests"
