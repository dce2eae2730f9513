"""The headers that callers give: checked, with a warning where they hide the key."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from melious._stacklevel import callers_level
from melious.errors import InvalidArgumentError

Pairs: TypeAlias = tuple[tuple[str, str], ...]

_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""What says where a message ends and how it travels: not a caller's to say."""

_DECODED = frozenset({"identity", "gzip", "x-gzip", "deflate"})
_KEYS = frozenset({"authorization", "x-api-key"})


def checked_headers(where: str, headers: Mapping[str, str] | None) -> Pairs:
    """Headers as pairs.

    A caller's header replaces the library's own of that name: `User-Agent`, `Accept`,
    `Idempotency-Key` (the same then goes with every attempt, and with every request of a call that is
    sent in batches), `Host` (for a gateway that tells its
    services apart by it; where the connection leads, `base_url` says), and the key's. `Content-Type`
    may only be `application/json`, with parameters, and goes with JSON bodies; `Accept-Encoding` may
    only name what the client decodes: `identity`, `gzip`, `deflate`.

    Args:
        where: The argument's name.
        headers: The headers; None for none.

    Raises:
        InvalidArgumentError: A name or a value would break the request, or is not the caller's to say.
    """
    if headers is None:
        return ()
    if not isinstance(headers, Mapping):
        raise InvalidArgumentError(f"{where}: needs a mapping, not {type(headers).__name__}")
    pairs = []
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgumentError(f"{where}: {name!r} needs text, not {type(value).__name__}")
        pairs.append((name, value.strip(" \t")))
        problem = _problem(name, pairs[-1][1])
        if problem:
            raise InvalidArgumentError(f"{where}: {problem}")
    names = [name.lower() for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgumentError(f"{where}: {name!r} is given more than once, in different cases")
    return tuple(pairs)


def _problem(name: str, value: str) -> str | None:
    """What is wrong with a header, in words without its value, which may be secret."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        return f"{name!r} is not a valid header name"
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        return f"the value of {name!r} holds a line break or another control character"
    if re.search("[\ud800-\udfff]", value):
        return f"the value of {name!r} holds half of a surrogate pair, which UTF-8 cannot carry"
    lower = name.lower()
    if lower.replace("_", "-") in _OF_THE_CONNECTION:  # some servers and gateways read `_` as `-`
        return f"{name!r} belongs to the connection, and is set by the library"
    if lower.startswith("proxy-"):
        return (
            f"{name!r} is between the library and a proxy: user and password go into the URL in HTTPS_PROXY"
        )
    if lower == "accept-encoding" and not _is_decoded(value):
        return f"{name!r} may only name {', '.join(sorted(_DECODED))}: the client decodes nothing else"
    if lower == "content-type" and value.partition(";")[0].strip().lower() != "application/json":
        return f"{name!r} is set by the library, and may only be application/json"
    return None


def _is_decoded(value: str) -> bool:
    wanted = (part.partition(";")[0].strip().lower() for part in value.split(","))
    return all(coding in _DECODED for coding in wanted if coding)


def hides_key(headers: Iterable[tuple[str, str]]) -> bool:
    """Whether a header goes in place of the key, or beside it."""
    return any(name.lower() in _KEYS for name, _ in headers)


def warn_of_hidden_key(where: str, headers: Iterable[tuple[str, str]]) -> None:
    """Warn, at the caller's line, of a header that goes in place of the key, or beside it."""
    for name, _ in headers:
        if name.lower() in _KEYS:
            warnings.warn(
                f"{where}: the header {name!r} may hide the API key: the service may go by it and not by "
                "api_key. Leave it out, or give the key as api_key",
                UserWarning,
                stacklevel=callers_level(),
            )
            return
