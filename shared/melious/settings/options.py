"""The options of clients and calls: one table, which settings are checked by and documented against."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from melious.errors import InvalidArgumentError
from melious.errors.checks import (
    check_callable,
    check_mapping,
    check_optional_bool,
    check_seconds,
    check_whole,
)
from melious.routing.filters import check_preset, flavored
from melious.routing.residency import check_mode


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: The argument's name.
        scope: Who takes it: the client, a call, or both.
        sentence: What it does.
        default: The client's default, where it is not found elsewhere.
        check: Raises for a wrong value; None where reading the value checks it.
    """

    name: str
    scope: Literal["client", "call", "both"]
    sentence: str
    default: Any = None
    check: Callable[[str, Any], None] | None = None


def check_stream_impact(how: object) -> None:
    """Refuse what is neither way of streaming."""
    _stream_impact("stream_impact", how)


def _either(first: str, second: str) -> Callable[[str, object], None]:
    def check(name: str, value: object) -> None:
        if value not in (first, second):
            raise InvalidArgumentError(f"{name}: must be {first!r} or {second!r}, not {value!r}")

    return check


_stream_impact = _either("native", "buffer")


def _one_or_more(name: str, value: object) -> None:
    check_whole(name, value, least=1)


def _seconds_or_none(name: str, value: object) -> None:
    if value is not None:
        check_seconds(name, value)


def _seconds_or_zero(name: str, value: object) -> None:
    check_seconds(name, value, zero=True)


def _preset(_: str, value: object) -> None:
    check_preset(value)


def _flavor(_: str, value: Any) -> None:
    flavored("", value)


def _mode(_: str, value: object) -> None:
    check_mode(value)


def _verify(name: str, value: object) -> None:
    if isinstance(value, str):
        if not os.path.exists(value):  # noqa: PTH110 - pathlib costs more than making a client
            raise InvalidArgumentError(f"{name}: there is no file or directory {value!r}")
    elif not isinstance(value, bool) and all(cls.__name__ != "SSLContext" for cls in type(value).__mro__):
        raise InvalidArgumentError(f"{name}: must be True or False, a path or an SSLContext, not {value!r}")


def _budget(_: str, value: object) -> None:
    if value is not None:
        from melious.impact.budget import check_budget  # noqa: PLC0415 - only for those who have one

        check_budget(value)


OPTIONS: tuple[Option, ...] = (
    Option("api_key", "client", "The key; by default `MELIOUS_API_KEY`."),
    Option("base_url", "client", "The URL of the service; by default `MELIOUS_BASE_URL`."),
    Option("auth", "client", "How the key is sent.", "bearer", _either("bearer", "x-api-key")),
    Option(
        "async_transport",
        "client",
        "The library behind the async client.",
        "httpx",
        _either("httpx", "aiohttp"),
    ),
    Option("timeout", "both", "How long each wait of an attempt may last, in seconds."),
    Option("max_retries", "both", "Further attempts after the first.", 2, check_whole),
    Option(
        "retry_timeouts",
        "both",
        "Whether to retry attempts that timed out once sent.",
        None,
        check_optional_bool,
    ),
    Option("max_connections", "client", "The most connections at a time.", 256, _one_or_more),
    Option("embedding_cache_size", "client", "How many embedded texts to keep; 0 for none.", 0, check_whole),
    Option("embedding_cache_ttl", "client", "How long to keep them, in seconds.", 3600.0, check_seconds),
    Option(
        "max_rate_limit_wait",
        "client",
        "How long to hold back a request for a rate limit, in seconds.",
        60.0,
        _seconds_or_zero,
    ),
    Option("deadline", "both", "Seconds for the whole call; None for no limit.", 600.0, _seconds_or_none),
    Option("preset", "both", "What routing favours.", None, _preset),
    Option("verify", "client", "Which certificates to trust.", True, _verify),
    Option("flavor", "both", "The suffix of the model.", None, _flavor),
    Option("filters", "both", "Which providers may serve."),
    Option("extra_body", "both", "Fields of the body, sent unchanged.", None, check_mapping),
    Option("budget", "client", "Limits on what requests may cost.", None, _budget),
    Option("verify_location", "both", "Check the country of each answer.", "off", _mode),
    Option("stream_impact", "client", "Stream, or buffer to report impact.", "native", _stream_impact),
    Option("routing_fallbacks", "both", "How to relax the filters where no provider matches."),
    Option("default_headers", "client", "Headers of every request.", ()),
    Option("allow_insecure_http", "client", "Allow sending the key unencrypted to another machine.", False),
    Option("extra_headers", "call", "Headers of this request."),
    Option("on_retry", "call", "Called before every retry.", None, check_callable),
)
"""Every option, in the order in which a client checks them."""

CLIENT_CHECKS = tuple(
    (option.name, option.check) for option in OPTIONS if option.scope != "call" and option.check is not None
)
"""The checks of a client's settings, by name."""
