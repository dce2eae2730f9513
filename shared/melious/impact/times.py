"""Times and months, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def in_utc(time: datetime) -> datetime:
    """A time in UTC; one without a zone is in UTC already."""
    if time.tzinfo is UTC:
        return time
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def month_of(time: datetime) -> int:
    """The month of a time in UTC, counted from the year 0."""
    utc = in_utc(time)
    return utc.year * 12 + utc.month - 1


def month_name(month: int) -> str:
    """A month as in `2026-11`."""
    return f"{month // 12:04}-{month % 12 + 1:02}"
