"""Periods of reports: what people write, where they begin and end, and what is refused."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from melious import InvalidArgumentError
from melious.impact.periods import Period


def _at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("given", "name", "begin", "end"),
    [
        ("2026-11", "November 2026", _at(2026, 11, 1), _at(2026, 12, 1)),
        ("2026-12", "December 2026", _at(2026, 12, 1), _at(2027, 1, 1)),
        ("2026-Q4", "Q4 2026", _at(2026, 10, 1), _at(2027, 1, 1)),
        ("2026-q1", "Q1 2026", _at(2026, 1, 1), _at(2026, 4, 1)),
        (" 2026 ", "2026", _at(2026, 1, 1), _at(2027, 1, 1)),
        ("9999-12", "December 9999", _at(9999, 12, 1), None),
        (None, "all time", None, None),
        (("2026-11-02", "2026-11-03"), "2026-11-02 to 2026-11-03", _at(2026, 11, 2), _at(2026, 11, 4)),
        ((date(2026, 11, 2), date(2026, 11, 2)), "2026-11-02 to 2026-11-02", _at(2026, 11, 2), _at(2026, 11, 3)),
        (
            (datetime(2026, 11, 2, 1, tzinfo=timezone(timedelta(hours=2))), "2026-11-02T12:30"),
            "2026-11-02T01:00:00+02:00 to 2026-11-02T12:30",
            _at(2026, 11, 1, 23),
            _at(2026, 11, 2, 12, 30),
        ),
    ],
)  # fmt: skip
def test_a_period_has_a_name_and_limits_in_utc(
    given: Any, name: str, begin: datetime | None, end: datetime | None
) -> None:
    assert Period.of(given) == Period(name, begin, end)


def test_the_end_does_not_belong_to_a_period() -> None:
    period = Period.of("2026-11")
    assert period.has(_at(2026, 11, 1))
    assert period.has(_at(2026, 12, 1) - timedelta(microseconds=1))
    assert not period.has(_at(2026, 12, 1))
    assert not period.has(_at(2026, 10, 31, 23, 59, 59))
    assert str(period) == "November 2026 (2026-11-01 00:00 to before 2026-12-01 00:00, UTC)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("2026-13", "period: must be a month ('2026-11'), a quarter ('2026-Q4'), a year ('2026') or a pair"),
        ("2026-Q5", "not '2026-Q5'"),
        ("November", "not 'November'"),
        ("0000", "not '0000'"),
        ("", "not ''"),
        (2026, "not 2026"),
        (("2026-11-01",), "not ('2026-11-01',)"),
        (("2026-11-31", "2026-12-01"), "period[0]: must be a day ('2026-11-01') or a time"),
        (("2026-11-01", 7), "period[1]: must be a day ('2026-11-01') or a time ('2026-11-01T12:00'), not 7"),
        (("2026-11-01", date.max), "period[1]: must be a day"),
        (("2026-11-02", "2026-11-01"), "period: must begin before it ends, not ('2026-11-02', '2026-11-01')"),
        (("2026-11-02T00:00", "2026-11-02T00:00"), "period: must begin before it ends"),
    ],
)
def test_what_is_not_a_period_is_refused_by_name(given: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(said)):
        Period.of(given)
