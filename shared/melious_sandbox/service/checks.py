"""Checks of arguments. Each names the argument and says what it must be."""

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, wraps
from inspect import signature
from ipaddress import IPv6Address
from types import NoneType
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from melious.errors import InvalidArgumentError
from melious.errors.suggestions import nearest
from melious_sandbox.service.hosts import MalformedHostError, host_name

Check = Callable[[str, Any], None]
T = TypeVar("T")

_LONGEST_SECONDS = 86_400.0
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_MOST_SHOWN = 80


def refuse(name: str, what: str, value: Any = None) -> NoReturn:
    """Raise an InvalidArgumentError whose ``param`` is the argument."""
    shown = "" if value is None else f", not {_short(value)}"
    raise InvalidArgumentError(f"{name} must be {what}{shown}", param=name)


def known_arguments(cls: type[T]) -> type[T]:
    """Let a class refuse unknown keyword arguments with the name that was probably meant."""
    made = cls.__init__
    names = list(signature(cls).parameters)

    @wraps(made)
    def checked(self: T, *args: Any, **given: Any) -> None:
        for name in given:
            if name not in names:
                message = f"{cls.__name__}: unknown argument {name!r}{hint(name, names)}"
                raise InvalidArgumentError(message, param=name)
        made(self, *args, **given)

    cls.__init__ = checked  # type: ignore[method-assign, assignment]
    return cls


def hint(word: str, known: Iterable[str]) -> str:
    """Give the end of an error text: the known word that was probably meant, "" where none is near."""
    near = nearest(word, known)
    return "" if near is None else f"; did you mean {near!r}?"


def check_fields(given: Any) -> None:
    """Check the fields of a dataclass by their types: ``Annotated`` with a check, a ``Literal``, or bool."""
    cls: Any = type(given)
    for name, (check, takes_none) in _checks_of(cls).items():
        value = getattr(given, name)
        if value is not None or not takes_none:
            check(name, value)


@cache
def _checks_of(cls: Any) -> dict[str, tuple[Check, bool]]:
    found: dict[str, tuple[Check, bool]] = {}
    for name, kind in get_type_hints(cls, include_extras=True).items():
        given: tuple[Check, ...] = getattr(kind, "__metadata__", ())
        plain = get_args(kind)[0] if given else kind
        options = get_args(plain) if NoneType in get_args(plain) else (plain,)
        words = [word for option in options if get_origin(option) is Literal for word in get_args(option)]
        usual = one_of(words) if words else flag if bool in options else None
        if (check := given[0] if given else usual) is not None:
            found[name] = check, NoneType in options
    return found


def whole(least: int, most: int | None = None) -> Check:
    """Check for an integer; True and False are not integers."""
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"

    def check(name: str, value: Any) -> None:
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
        if not fits or (most is not None and value > most):
            refuse(name, f"a whole number {limits}", value)

    return check


def number(most: float, unit: str = "", *, zero: bool = True) -> Check:
    """Check for a number from 0, which itself may be left out, to a limit; NaN is refused."""

    def check(name: str, value: Any) -> None:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits or not 0 <= value <= most or not math.isfinite(value):
            refuse(name, f"a number{unit} from 0 to {most:,.0f}", value)
        if not value and not zero:
            refuse(name, f"a number{unit} above 0")

    return check


seconds = number(_LONGEST_SECONDS, " of seconds")
positive_seconds = number(_LONGEST_SECONDS, " of seconds", zero=False)


def flag(name: str, value: Any) -> None:
    """Check for True or False."""
    if not isinstance(value, bool):
        refuse(name, "True or False", value)


def one_of(words: Collection[str]) -> Check:
    """Check for one of a few words."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, str):
            refuse(name, f"one of {', '.join(words)}", value)
        if value not in words:
            raise InvalidArgumentError(
                f"{name} must be one of {', '.join(words)}, not {_short(value)}{hint(value, words)}",
                param=name,
            )

    return check


def string(what: str, fits: Callable[[str], Any], *, secret: bool = False) -> Check:
    """Check for a string that fits; an error does not show a secret one."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or not fits(value):
            refuse(name, what, None if secret else value)

    return check


key = string(
    "a string of printable ASCII characters without spaces, and not empty", _PRINTABLE.fullmatch, secret=True
)
header_value = string("a valid HTTP header value", _HEADER_VALUE.fullmatch)
latin_1 = string(
    "a string in which each character is one byte, U+0000 to U+00FF", re.compile(r"[\x00-\xff]*").fullmatch
)


def keys(name: str, value: Any) -> None:
    """Check a mapping of API keys to their scopes."""
    if not isinstance(value, Mapping):
        refuse(name, "a mapping of keys to lists of scopes")
    for position, (api_key, scopes) in enumerate(value.items()):
        key(f"{name}, key {position},", api_key)
        if isinstance(scopes, str) or not isinstance(scopes, Collection):
            refuse(f"{name}, the scopes of key {position},", "a list of strings", scopes)
        if not all(isinstance(scope, str) for scope in scopes):
            refuse(f"{name}, the scopes of key {position},", "strings", scopes)


def hosts(name: str, value: Any) -> None:
    """Check a list of hosts."""
    if isinstance(value, str) or not isinstance(value, Collection):
        refuse(name, "a list of hosts", value)
    for position, item in enumerate(value):
        host(f"{name}[{position}]", item)


def url(name: str, value: Any) -> None:
    """Check the base URL of a server without showing it, since it may hold a password."""
    try:
        parts = urlsplit(value if _PRINTABLE.fullmatch(value) else "")
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (TypeError, ValueError):
        fits = False
    if not fits or "#" in value:
        refuse(name, "a valid http or https URL, such as http://127.0.0.1:11434/v1")


def headers(name: str, value: Any) -> None:
    """Check a mapping of HTTP headers."""
    if not isinstance(value, Mapping):
        refuse(name, "a mapping of names to values", value)
    for header, text in value.items():
        if not isinstance(header, str) or not _HEADER_NAME.fullmatch(header):
            refuse(f"{name}: each name", "a valid HTTP header name", header)
        header_value(f"{name}[{header!r}]", text)


def text(name: str, value: Any) -> None:
    """Check a text that UTF-8 can encode."""
    if not isinstance(value, str):
        refuse(name, "a string", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse(name, "a string without lone surrogates", value)


def name_of_model(name: str, value: Any) -> None:
    """Check a text that is not empty."""
    text(name, value)
    if not value:
        refuse(name, "the name of a model, or None", value)


def list_of(check: Check) -> Check:
    """Check each item of a list or tuple."""

    def check_items(name: str, value: Any) -> None:
        if not isinstance(value, list | tuple):
            refuse(name, "a list or tuple of strings", value)
        for position, item in enumerate(value):
            check(f"{name}[{position}]", item)

    return check_items


def header_object(value: str, known: Collection[str]) -> dict[str, Any]:
    """Read a request header that must hold a JSON object of known fields."""
    try:
        given = json.loads(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it is not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise ValueError("it must be a JSON object")  # noqa: TRY004 - one error for every bad header
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise ValueError(f"it has unknown fields: {', '.join(unknown)}{hint(unknown[0], known)}")
    return given


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


host = string("a host name or an address, without a port", lambda value: _is_ipv6(value) or _is_name(value))


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of too many digits, a list inside itself
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
