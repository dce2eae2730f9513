"""Periods of reports: a month, a quarter, a year, or from a day or time to another. In UTC."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from typing import TypeAlias

from melious.errors import InvalidArgumentError
from melious.impact.times import in_utc, month_of

Moment: TypeAlias = str | date | datetime
PeriodArgument: TypeAlias = "str | tuple[Moment, Moment] | None"
"""`2026-11`, `2026-Q4`, `2026`, a pair (from, to), or None for all time."""

_WORDS = re.compile(r"(\d{4})(?:-(?:(0[1-9]|1[0-2])|Q([1-4])))?", re.IGNORECASE | re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_KINDS = "a month ('2026-11'), a quarter ('2026-Q4'), a year ('2026') or a pair (from, to)"


@dataclass(frozen=True, slots=True)
class Period:
    """A period of time.

    Attributes:
        name: What it is called, such as `November 2026`.
        begin: Its first moment, in UTC; None for no limit.
        end: The first moment after it, in UTC; None for no limit.
    """

    name: str = "all time"
    begin: datetime | None = None
    end: datetime | None = None

    @classmethod
    def of(cls, period: PeriodArgument) -> Period:
        """The period of an argument.

        Raises:
            InvalidArgumentError: It is not a period, or ends before it begins.

        Examples:
            >>> Period.of("2026-Q4").name, Period.of("2026-11").end.isoformat()
            ('Q4 2026', '2026-12-01T00:00:00+00:00')
            >>> Period.of(("2026-11-01", "2026-11-30")).end == Period.of("2026-11").end
            True
        """
        if period is None:
            return cls()
        if isinstance(period, str):
            return cls._of_word(period)
        if not isinstance(period, Sequence) or len(period) != 2:  # noqa: PLR2004
            raise InvalidArgumentError(f"period: must be {_KINDS}, not {period!r:.80}", param="period")
        begin, end = _moment(period, 0), _moment(period, 1)
        if begin >= end:
            raise InvalidArgumentError(
                f"period: must begin before it ends, not {period!r:.120}", param="period"
            )
        return cls(f"{_shown(period[0])} to {_shown(period[1])}", begin, end)

    @classmethod
    def _of_word(cls, word: str) -> Period:
        match = _WORDS.fullmatch(word.strip())
        if match is None or match[1] == "0000":
            raise InvalidArgumentError(f"period: must be {_KINDS}, not {word!r:.80}", param="period")
        year, month, quarter = int(match[1]), match[2], match[3]
        if month:
            return cls._months(f"{calendar.month_name[int(month)]} {year}", year, int(month), 1)
        if quarter:
            return cls._months(f"Q{quarter} {year}", year, int(quarter) * 3 - 2, 3)
        return cls._months(str(year), year, 1, 12)

    @classmethod
    def _months(cls, name: str, year: int, month: int, count: int) -> Period:
        after = year * 12 + month - 1 + count
        begin = datetime(year, month, 1, tzinfo=UTC)
        last = after // 12 > MAXYEAR
        return cls(name, begin, None if last else datetime(after // 12, after % 12 + 1, 1, tzinfo=UTC))

    @property
    def months(self) -> tuple[int, int] | None:
        """Its first month, and the first one after it, if it is made of whole months."""
        if not all(map(_begins_a_month, (self.begin, self.end))):
            return None
        first = 0 if self.begin is None else month_of(self.begin)
        return first, (MAXYEAR + 1) * 12 if self.end is None else month_of(self.end)

    def has(self, time: datetime) -> bool:
        """Whether a time is in it."""
        utc = in_utc(time)
        return (self.begin is None or utc >= self.begin) and (self.end is None or utc < self.end)

    def __str__(self) -> str:
        if self.begin is None:
            return self.name
        end = "" if self.end is None else f"{self.end:%Y-%m-%d %H:%M}"
        return f"{self.name} ({self.begin:%Y-%m-%d %H:%M} to before {end}, UTC)"


def _begins_a_month(time: datetime | None) -> bool:
    return time is None or time == datetime(time.year, time.month, 1, tzinfo=UTC)


def _moment(period: Sequence[Moment], place: int) -> datetime:
    """A moment of a pair. A day as the end includes the day; a time without a zone is in UTC."""
    given = period[place]
    try:
        moment = _read(given) if isinstance(given, str) else given
        if isinstance(moment, datetime):
            return in_utc(moment)
        if isinstance(moment, date):
            day = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
            return day + timedelta(days=place)
    except (ValueError, OverflowError):
        pass
    raise InvalidArgumentError(
        f"period[{place}]: must be a day ('2026-11-01') or a time ('2026-11-01T12:00'), not {given!r:.80}",
        param="period",
    )


def _read(text: str) -> date | datetime:
    return date.fromisoformat(text) if _DAY.fullmatch(text) else datetime.fromisoformat(text)


def _shown(moment: Moment) -> str:
    return moment if isinstance(moment, str) else moment.isoformat()
