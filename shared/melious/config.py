"""What a client is made from: an argument, then the environment, then a default.

Two environment variables are read, `MELIOUS_API_KEY` and `MELIOUS_BASE_URL`,
and nothing else. Everything is checked here, once, so that a mistake shows
when the client is made and not at the first request.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from melious.errors import ConfigurationError, InvalidArgumentError
from melious.routing import filters_to_wire, flavored

if TYPE_CHECKING:
    import ssl

DEFAULT_BASE_URL = "https://api.melious.ai/v1"
KEY_VARIABLE = "MELIOUS_API_KEY"
URL_VARIABLE = "MELIOUS_BASE_URL"

_ENDPOINTS = re.compile(
    r"/(?:chat(?:/completions)?|completions|responses|messages(?:/count_tokens)?|embeddings|rerank"
    r"|images(?:/generations)?|audio(?:/transcriptions|/speech)?|models(?:/.*)?|batches|files)$"
)


def check_whole(name: str, value: object, *, least: int = 0) -> None:
    """Refuse what is not a whole number of at least so much."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgumentError(f"{name}: {value!r} is not a whole number from {least} up")


def check_choice(name: str, value: object) -> None:
    """Refuse what is neither yes nor no nor, as None, left open."""
    if value is not None and not isinstance(value, bool):
        raise InvalidArgumentError(f"{name}: {value!r} is neither True nor False nor None")


def _check_seconds(name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf:  # type: ignore[operator]  # it is a number by now
        raise InvalidArgumentError(f"{name}: {value!r} is not a number of seconds above zero")


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long each wait of one attempt may last, in seconds; None waits for ever.

    Attributes:
        connect: Until the connection stands, TLS included.
        write: For each piece of the request.
        answer: Until the answer is whole; for a stream, until it begins.
        silence: In a stream, until the next byte.
        event: In a stream, until the next event: comments do not count.

    Example:
        >>> from melious import Timeout
        >>> Timeout(answer=30.0, silence=None)
        Timeout(connect=5.0, write=60.0, answer=30.0, silence=None, event=300.0)
    """

    connect: float | None = 5.0
    write: float | None = 60.0
    answer: float | None = 300.0
    silence: float | None = 60.0
    event: float | None = 300.0

    def __post_init__(self) -> None:
        for name in ("connect", "write", "answer", "silence", "event"):
            value = getattr(self, name)
            if value is not None and not (type(value) is float and 0 < value < math.inf):
                _check_seconds(f"timeout: {name}", value)


@runtime_checkable
class TimeoutParts(Protocol):
    """What an `httpx.Timeout` has: seconds for each kind of wait, or None for no limit."""

    @property
    def connect(self) -> float | None:
        """Until the connection stands."""

    @property
    def read(self) -> float | None:
        """For each piece of the answer."""

    @property
    def write(self) -> float | None:
        """For each piece of the request."""

    @property
    def pool(self) -> float | None:
        """For a free connection."""


TimeoutArgument: TypeAlias = float | Timeout | TimeoutParts | tuple[float | None, ...] | None


def read_timeout(timeout: TimeoutArgument) -> float | Timeout | None:
    """Read what other libraries take for a timeout; a number, a `Timeout` and None stay what they are.

    Args:
        timeout: An `httpx.Timeout` or the like; or `(connect, read)`, where
            `read` is for writing too; or `(connect, read, write, pool)`.
            `read` becomes the time for the whole answer, and in a stream for
            each silence; None is no limit. Waiting for a free connection is
            part of the answer's time, so `pool` bounds nothing of its own.

    Raises:
        InvalidArgumentError: It is none of these, or a number is not above zero.

    Example:
        >>> read_timeout((3.05, 27.0))
        Timeout(connect=3.05, write=27.0, answer=27.0, silence=27.0, event=27.0)
    """
    if timeout is None or isinstance(timeout, Timeout):
        return timeout
    if isinstance(timeout, tuple) and len(timeout) in (2, 4):
        connect, read = timeout[:2]
        write = timeout[2] if len(timeout) == 4 else read  # noqa: PLR2004
    elif isinstance(timeout, TimeoutParts):
        connect, read, write = timeout.connect, timeout.read, timeout.write
    else:
        _check_seconds("timeout", timeout)
        return float(timeout)  # type: ignore[arg-type]  # it is a number by now
    return Timeout(connect, write, read, read, read)


_ANSWER_SECONDS = {
    "chat": 300.0,
    "embeddings": 60.0,
    "rerank": 60.0,
    "images": 180.0,
    "audio": 900.0,
    "models": 15.0,
}


def timeout_for(endpoint: str, timeout: TimeoutArgument) -> Timeout:
    """Make the timeouts of a request.

    Args:
        endpoint: The endpoint's name; each has its own default for a whole answer.
        timeout: A number bounds every single wait, except that connecting
            never takes longer than 5 s; a `Timeout` is taken as it is; None
            means the defaults; for the rest see `read_timeout`.

    Raises:
        InvalidArgumentError: It cannot be read, or a number is not above zero.
    """
    if timeout is None:
        return _DEFAULTS.get(endpoint) or Timeout()
    seconds = read_timeout(timeout)
    if isinstance(seconds, float):
        return Timeout(min(5.0, seconds), seconds, seconds, seconds, seconds)
    return seconds or Timeout()


_DEFAULTS = {name: Timeout(answer=seconds) for name, seconds in _ANSWER_SECONDS.items()}


@dataclass(frozen=True)
class ClientConfig:
    """The settings of a client, checked and complete. Make it with `ClientConfig.resolve`.

    The key is a secret: it is in no repr, and `key_digest` stands for it
    wherever something must be told apart by key.
    """

    api_key: SecretStr
    base_url: str
    auth: Literal["bearer", "x-api-key"] = "bearer"
    timeout: float | Timeout | None = None
    deadline: float | None = 600.0
    max_retries: int = 2
    retry_timeouts: bool | None = None
    preset: str | None = None
    flavor: str | None = None
    filters: Mapping[str, Any] | None = None
    default_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    extra_body: Mapping[str, Any] | None = None
    verify: bool | str | ssl.SSLContext = True
    max_connections: int = 256
    max_rate_limit_wait: float = 60.0
    async_transport: Literal["httpx", "aiohttp"] = "httpx"
    embedding_cache_size: int = 0
    embedding_cache_ttl: float = 3600.0
    key_digest: str = ""

    @classmethod
    def resolve(
        cls,
        *,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        allow_insecure_http: bool = False,
        default_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ClientConfig:
        """Fill in what was not given and check everything.

        Raises:
            ConfigurationError: No key, or a base URL that cannot be used.
            InvalidArgumentError: Another argument is wrong.
        """
        known = {item.name for item in fields(cls)} - {"key_digest"}
        reject_unknown(options, known | {"allow_insecure_http"}, "MeliousClient")
        key = resolve_key(api_key)
        if "timeout" in options:
            options["timeout"] = read_timeout(options["timeout"])
        config = cls(
            api_key=SecretStr(key),
            base_url=resolve_base_url(base_url, allow_insecure_http=allow_insecure_http),
            default_headers=checked_headers("default_headers", default_headers),
            key_digest=hashlib.blake2b(key.encode(), digest_size=8).hexdigest(),
            **options,
        )
        config._check()
        return config

    def _check(self) -> None:
        if self.auth not in ("bearer", "x-api-key"):
            raise InvalidArgumentError(f"auth: {self.auth!r} is neither 'bearer' nor 'x-api-key'")
        if self.async_transport not in ("httpx", "aiohttp"):
            raise InvalidArgumentError(
                f"async_transport: {self.async_transport!r} is neither 'httpx' nor 'aiohttp'"
            )
        check_whole("max_retries", self.max_retries)
        check_choice("retry_timeouts", self.retry_timeouts)
        check_whole("max_connections", self.max_connections, least=1)
        check_whole("embedding_cache_size", self.embedding_cache_size)
        _check_seconds("embedding_cache_ttl", self.embedding_cache_ttl)
        if self.max_rate_limit_wait != 0 or isinstance(self.max_rate_limit_wait, bool):
            _check_seconds("max_rate_limit_wait", self.max_rate_limit_wait)
        check_deadline(self.deadline)
        if self.preset is not None and not isinstance(self.preset, str):
            raise InvalidArgumentError(f"preset: {self.preset!r} is no text")
        _check_verify(self.verify)
        flavored("", self.flavor)
        filters_to_wire(self.filters)
        if self.extra_body is not None and not isinstance(self.extra_body, Mapping):
            raise InvalidArgumentError(f"extra_body: {self.extra_body!r} is no mapping")

    def with_options(self, **changes: Any) -> ClientConfig:
        """A copy with other options, checked again; the key and the base URL stay."""
        reject_unknown(
            changes, {item.name for item in fields(self)} - {"api_key", "base_url", "key_digest"}, "options"
        )
        if "default_headers" in changes:
            changes["default_headers"] = checked_headers("default_headers", changes["default_headers"])
        if "timeout" in changes:
            changes["timeout"] = read_timeout(changes["timeout"])
        config = replace(self, **changes)
        config._check()  # noqa: SLF001 - its own class
        return config


def _check_verify(verify: object) -> None:
    if isinstance(verify, str):
        if not os.path.exists(verify):  # noqa: PTH110 - pathlib costs more than making a client
            raise InvalidArgumentError(f"verify: there is no file or directory {verify!r}")
    elif not isinstance(verify, bool) and all(cls.__name__ != "SSLContext" for cls in type(verify).__mro__):
        raise InvalidArgumentError(f"verify: {verify!r} is no bool, path as text or ssl.SSLContext")


def check_deadline(deadline: float | None) -> None:
    """Refuse a deadline that is not a number of seconds above zero (None is no deadline)."""
    if deadline is not None:
        _check_seconds("deadline", deadline)


def resolve_key(api_key: str | SecretStr | None) -> str:
    """Find and check the key; it is stripped, and never part of an error.

    Raises:
        ConfigurationError: There is none, or it holds characters that no header can carry.
    """
    given = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
    source = "api_key" if given is not None else KEY_VARIABLE
    if given is not None and not isinstance(given, str):
        raise ConfigurationError(f"api_key: needs text, not {type(given).__name__}")
    key = (given if given is not None else os.environ.get(KEY_VARIABLE, "")).strip()
    if not key:
        raise ConfigurationError(
            f"No API key: pass api_key=... or set the environment variable {KEY_VARIABLE}",
            advice="Keys are made at https://melious.ai/account/api/keys",
        )
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            f"{source}: the key holds a line break or another character that no header carries"
        )
    return key


def resolve_base_url(base_url: str | None, *, allow_insecure_http: bool = False) -> str:
    """Find the base URL and bring every spelling of it to the one that ends in `/v1`.

    Args:
        base_url: The root, `/v1` with or without a slash, or a full endpoint's URL.
        allow_insecure_http: Let the key go in clear to a host that is not loopback.

    Raises:
        ConfigurationError: It is no http(s) URL, carries credentials, or would
            send the key in clear.

    Example:
        >>> resolve_base_url("https://api.melious.ai/v1/chat/completions")
        'https://api.melious.ai/v1'
    """
    source, text = "base_url", base_url
    if text is None:
        source, text = URL_VARIABLE, os.environ.get(URL_VARIABLE)
    if text is not None and not isinstance(text, str):
        raise ConfigurationError(f"{source}: needs text, not {type(text).__name__}")
    text = (text or "").strip() or DEFAULT_BASE_URL
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationError(f"{source}: a URL holds no blank, line break or letter beyond ASCII")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"{source}: not a URL ({error})") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(
            f"{source}: {parts._replace(netloc=host or '').geturl()!r} is no http(s) URL"
        )
    if parts.username or parts.password:
        raise ConfigurationError(
            f"{source}: take user and password out of the URL; the key goes into a header"
        )
    if parts.scheme == "http" and not allow_insecure_http and not is_loopback(host):
        raise ConfigurationError(
            f"{source}: http to {host!r} would send the key in clear",
            advice="Use https, or pass allow_insecure_http=True if the network is yours",
        )
    path = _ENDPOINTS.sub("", re.sub("//+", "/", parts.path).rstrip("/"))
    if not path.endswith("/v1"):
        path += "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    from ipaddress import ip_address  # noqa: PLC0415 - a tenth of this module's import, for one address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def checked_headers(where: str, headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Headers as pairs.

    Raises:
        InvalidArgumentError: A name or a value would break the request.
    """
    if headers is not None and not isinstance(headers, Mapping):
        raise InvalidArgumentError(f"{where}: a {type(headers).__name__} is no mapping")
    given = (headers or {}).items()
    for name, value in given:
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgumentError(f"{where}: {name!r} needs text, not {type(value).__name__}")
    pairs = tuple((name, value.strip(" \t")) for name, value in given)
    for name, value in pairs:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise InvalidArgumentError(f"{where}: {name!r} is no header name")
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise InvalidArgumentError(f"{where}: the value of {name!r} holds a line break or the like")
    return pairs


def reject_unknown(given: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse names that are not known, with the nearest known one.

    Raises:
        InvalidArgumentError: For the first unknown name.
    """
    names = set(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidArgumentError(f"{where}: unknown argument {name!r}{hint}")
