"""Rate-limit and Retry-After headers, parsed.

Two forms are in use: `X-RateLimit-Limit/-Remaining/-Reset`, with an epoch as
reset, and the same names with `-Requests` at the end, with seconds from now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from melious._figures import known_figure

_EPOCH = 1e9
_EPOCH_MS = 1e12
_LONGEST = 31 * 86_400.0
"""Seconds; a longer wait is taken for a mistake."""
_CLOCKS_AGREE = 1.0
"""Seconds by which the more precise local clock may differ from `Date` and be used instead."""
_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)


class RateLimit(NamedTuple):
    """The account's rate limit, as an answer reported it. What is missing is None.

    Attributes:
        limit: Requests per window.
        remaining: Requests left in it.
        reset_after: Seconds from the answer to the next window.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_after: float | None = None


def parse_rate_limit(headers: Mapping[str, str], now: float) -> RateLimit | None:
    """Parse the rate-limit headers of an answer; None if there are none.

    Header names are in lower case; `now` is the local time in epoch seconds.
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
    """Parse how many seconds to wait: from milliseconds, seconds or a date.

    None for values that are negative, unreadable, or longer than a month.
    """
    milliseconds = known_figure(headers.get("retry-after-ms"))
    if milliseconds is not None and milliseconds / 1000 <= _LONGEST:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = known_figure(value)
    if seconds is None:
        moment = _date(value)
        seconds = None if moment is None else _until(moment, headers, now)
    return _believable(seconds)


def _seconds_until(reset: str | None, headers: Mapping[str, str], now: float) -> float | None:
    value = known_figure(reset)
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
    """Seconds until an epoch, by `Date` unless the local clock agrees with it."""
    date = _date(headers.get("date"))
    if date is None or date - _CLOCKS_AGREE <= now <= date + 1.0 + _CLOCKS_AGREE:
        date = now
    return max(0.0, moment - date)


def _believable(seconds: float | None) -> float | None:
    return seconds if seconds is not None and seconds <= _LONGEST else None


def _count(value: str | None) -> int | None:
    number = known_figure(value)
    return None if number is None else int(number)


def _date(value: str | None) -> float | None:
    if value is None or not value[:3].isalpha():
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to import, rarely needed

    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
