"""Checks of arguments; each names the argument and says what it must be."""

import math
import re
from collections.abc import Collection, Mapping
from ipaddress import IPv6Address
from typing import Any, NoReturn
from urllib.parse import urlsplit

from melious.errors import InvalidArgumentError
from melious_sandbox.hosts import MalformedHostError, host_name

LONGEST_SECONDS = 86_400.0
"""A day: what is longer is a mistake, and no event loop can wait for it with certainty."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_MOST_SHOWN = 80


def refuse(name: str, what: str, value: Any = None) -> NoReturn:
    """Refuse an argument.

    Raises:
        InvalidArgumentError: Always; its ``param`` is the argument.
    """
    shown = "" if value is None else f", not {_short(value)}"
    raise InvalidArgumentError(f"{name} must be {what}{shown}", param=name)


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Check an integer; True and False are not integers."""
    scope = f"of at least {least}" if most is None else f"from {least} to {most}"
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not fits or (most is not None and value > most):
        refuse(name, f"a whole number {scope}", value)


def check_number(name: str, value: Any, most: float, unit: str = "") -> None:
    """Check a number from 0 to a limit; NaN is refused."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= most or not math.isfinite(value):
        refuse(name, f"a number{unit} from 0 to {most:,.0f}", value)


def check_seconds(name: str, value: Any) -> None:
    """Check a time in seconds, at most a day."""
    check_number(name, value, LONGEST_SECONDS, " of seconds")


def check_flag(name: str, value: Any) -> None:
    """Check for True or False."""
    if not isinstance(value, bool):
        refuse(name, "True or False", value)


def check_word(name: str, value: Any, words: Collection[str]) -> None:
    """Check that a value is one of a few words."""
    if not isinstance(value, str) or value not in words:
        refuse(name, f"one of {', '.join(words)}", value)


def check_key(name: str, value: Any) -> None:
    """Check an API key, and do not show it."""
    if not isinstance(value, str) or not _PRINTABLE.fullmatch(value):
        refuse(name, "a string of printable ASCII characters without spaces")


def check_keys(name: str, value: Any) -> None:
    """Check a mapping of API keys to their scopes."""
    if not isinstance(value, Mapping):
        refuse(name, "a mapping of keys to lists of scopes")
    for position, (key, scopes) in enumerate(value.items()):
        check_key(f"{name}, key {position},", key)
        if isinstance(scopes, str) or not isinstance(scopes, Collection):
            refuse(f"{name}, the scopes of key {position},", "a list of strings", scopes)
        if not all(isinstance(scope, str) for scope in scopes):
            refuse(f"{name}, the scopes of key {position},", "strings", scopes)


def check_host(name: str, value: Any) -> None:
    """Check a name or an address to bind; an IPv6 address stands without brackets."""
    if not isinstance(value, str) or not (_is_ipv6(value) or _is_name(value)):
        refuse(name, "the name or the address of a host, without a port", value)


def check_names(name: str, value: Any) -> None:
    """Check a list of hosts."""
    if isinstance(value, str) or not isinstance(value, Collection):
        refuse(name, "a list of hosts", value)
    for position, host in enumerate(value):
        check_host(f"{name}[{position}]", host)


def check_url(name: str, value: Any) -> None:
    """Check the base URL of a server, and do not show it: it may hold a password."""
    what = "an http or https URL with a host, such as http://127.0.0.1:11434/v1"
    if not isinstance(value, str) or not _PRINTABLE.fullmatch(value):
        refuse(name, what)
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or parts.fragment:
        refuse(name, what)


def check_header(where: str, name: Any, value: Any) -> None:
    """Check the name and the value of a header."""
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise InvalidArgumentError(
            f"{where}: a name must be a valid HTTP header name, not {_short(name)}", param=where
        )
    check_header_value(f"{where}[{name!r}]", value)


def check_header_value(name: str, value: Any) -> None:
    """Check the value of a header: Latin-1, on one line, without white space around it."""
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        refuse(name, "a valid HTTP header value", value)


def check_unicode(name: str, value: Any) -> None:
    """Check a text that UTF-8 can carry."""
    if not isinstance(value, str):
        refuse(name, "a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse(name, "a string without lone surrogates", value)


def check_bytes_as_text(name: str, value: Any) -> None:
    """Check a text each of whose characters is one byte."""
    if not isinstance(value, str) or any(character > "\xff" for character in value):
        refuse(name, "a string in which each character is one byte, U+0000 to U+00FF", value)


def _is_name(value: str) -> bool:
    try:
        return value.isascii() and ":" not in value and host_name(value) == value.lower()
    except MalformedHostError:
        return False


def _is_ipv6(value: str) -> bool:
    try:
        IPv6Address(value)
    except ValueError:
        return False
    return "%" not in value


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of too many digits, a list inside itself
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
