"""What the rate-limit headers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious.exchange.ratelimit import RateLimit, parse_rate_limit, parse_retry_after

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
"""The same moment as `NOW`."""


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ({}, None),
        ({"content-type": "application/json"}, None),
        (
            {"x-ratelimit-limit": "240", "x-ratelimit-remaining": "239", "x-ratelimit-reset": "1700000042"},
            RateLimit(240, 239, 42.0),
        ),
        (
            {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "17",
            },
            RateLimit(60, 0, 17.0),
        ),
        (
            {"x-ratelimit-limit": "1", "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining": "3"},
            RateLimit(60, 3, None),
        ),
        ({"x-ratelimit-remaining": "0"}, RateLimit(None, 0, None)),
        ({"x-ratelimit-remaining": "many", "x-ratelimit-reset": "soon"}, RateLimit(None, None, None)),
        ({"x-ratelimit-remaining": "-1"}, RateLimit(None, None, None)),
        ({"x-ratelimit-remaining": "3.0"}, RateLimit(None, 3, None)),
        ({"x-ratelimit-remaining": "nan", "x-ratelimit-limit": "inf"}, RateLimit(None, None, None)),
    ],
)
def test_both_shapes_are_one_value(headers: dict[str, str], read: RateLimit | None) -> None:
    assert parse_rate_limit(headers, NOW) == read


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("0", 0.0),
        ("17", 17.0),
        ("0.25", 0.25),
        ("  17 ", 17.0),
        ("1700000042", 42.0),
        ("1700000042.5", 42.5),
        ("1700000042500", 42.5),
        ("1699999999", 0.0),
        ("120ms", 0.12),
        ("6s", 6.0),
        ("1m30s", 90.0),
        ("1m", 60.0),
        ("2h", 7200.0),
        ("1h2m3.5s", 3723.5),
        ("1s500ms", 1.5),
        ("", None),
        ("soon", None),
        ("s", None),
        ("1x", None),
        ("5m3h", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e300", None),
        ("99999999999999999999", None),
        ("9999999999", None),
    ],
)
def test_the_forms_of_a_reset(reset: str, seconds: float | None) -> None:
    read = parse_rate_limit({"x-ratelimit-limit": "1", "x-ratelimit-reset": reset}, NOW)
    assert read == RateLimit(1, None, seconds)


def test_an_epoch_is_measured_by_the_clock_of_the_service() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000042", "date": DATE}
    for skewed in (NOW - 86_400, NOW, NOW + 86_400):
        assert parse_rate_limit(headers, skewed) == RateLimit(None, 0, 42.0)


@pytest.mark.parametrize(("now", "seconds"), [(NOW + 0.75, 41.25), (NOW + 1.5, 40.5), (NOW - 0.5, 42.5)])
def test_a_clock_that_agrees_with_the_service_knows_more_than_whole_seconds(
    now: float, seconds: float
) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000042", "date": DATE}
    assert parse_rate_limit(headers, now) == RateLimit(None, 0, seconds)


RETRY_AFTER = [
    ("20", 20.0),
    ("0", 0.0),
    ("0.5", 0.5),
    (" 20 ", 20.0),
    ("120", 120.0),
    ("3600", 3600.0),
    ("", None),
    ("-10", None),
    ("nan", None),
    ("NaN", None),
    ("inf", None),
    ("-inf", None),
    ("1e35", None),
    ("1e400", None),
    ("1700000060", None),
    ("99999999999999999999999", None),
    ("soon", None),
    ("20 seconds", None),
    ("Tue, 14 Nov 2023 22:13:40 GMT", 20.0),
    ("Tue, 14 Nov 2023 22:14:21 GMT", 61.0),
    ("Tuesday, 14-Nov-23 22:13:40 GMT", 20.0),
    ("Tue Nov 14 22:13:40 2023", 20.0),
    ("Tue, 14 Nov 2023 22:13:40 +0000", 20.0),
    ("Tue, 14 Nov 2023 23:13:40 +0100", 20.0),
    ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ("Fri, 31 Dec 9999 23:59:59 GMT", None),
    ("Fri, 31 Dec 100000 23:59:59 GMT", None),
    ("Zun, 29 Sep 2024 99:99:99 GMT", None),
    ("Tue, 32 Nov 2023 22:13:40 GMT", None),
    ("Tue, 14 Nov 2023", None),
]


@pytest.mark.parametrize(("value", "seconds"), RETRY_AFTER)
def test_the_forms_of_retry_after(value: str, seconds: float | None) -> None:
    assert parse_retry_after({"retry-after": value}, NOW) == seconds


@pytest.mark.parametrize(
    ("milliseconds", "seconds"),
    [
        ("1500", 1.5),
        ("0", 0.0),
        ("0.5", 0.0005),
        ("nan", 20.0),
        ("-1", 20.0),
        ("", 20.0),
        ("1e40", 20.0),
        ("x", 20.0),
    ],
)
def test_milliseconds_win_where_they_are_some(milliseconds: str, seconds: float) -> None:
    assert parse_retry_after({"retry-after-ms": milliseconds, "retry-after": "20"}, NOW) == seconds


def test_a_date_is_measured_by_the_clock_of_the_service() -> None:
    headers = {"retry-after": "Tue, 14 Nov 2023 22:13:40 GMT", "date": DATE}
    assert parse_retry_after(headers, NOW + 86_400) == 20.0
    assert parse_retry_after(headers | {"date": "garbage"}, NOW - 10) == 30.0


def test_without_the_headers_there_is_nothing() -> None:
    assert parse_retry_after({}, NOW) is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_is_a_crash(value: str, other: str) -> None:
    headers = {"retry-after": value, "retry-after-ms": other, "date": other}
    seconds = parse_retry_after(headers, NOW)
    assert seconds is None or 0 <= seconds < float("inf")
    names = ("x-ratelimit-limit", "x-ratelimit-remaining-requests", "x-ratelimit-reset", "date")
    read = parse_rate_limit(dict.fromkeys(names, value), NOW)
    assert read is None or read.reset_after is None or 0 <= read.reset_after < float("inf")
