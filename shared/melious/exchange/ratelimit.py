"""What an answer says of rate limits, in the headers of every generation, as one value.

Two shapes are in use: `X-RateLimit-Limit/-Remaining/-Reset`, where the reset is
an epoch, and the same with `-Requests` behind, where it is the seconds to go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from melious._figures import known_figure

_EPOCH = 1e9
_EPOCH_MS = 1e12
_LONGEST = 31 * 86_400.0
"""Seconds beyond which a wait is no limit but a mistake: an epoch in the wrong place, an overflow."""
_CLOCKS_AGREE = 1.0
"""Seconds that this machine's clock may be off the second in `Date`: servers write it once a second or so."""
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

    A negative value, one that cannot be read, or more than a month, counts as none.
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
    """Seconds until an epoch, by the service's own clock where the answer tells it.

    `Date` has whole seconds: where this machine's clock agrees with it, that one knows more.
    """
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
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - imports half of `email`, for a header

    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
