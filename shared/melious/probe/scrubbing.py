"""What may be shown to others: no key, no personal data, few headers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

_HEADERS = frozenset(
    {
        "allow",
        "cache-control",
        "content-encoding",
        "content-type",
        "date",
        "mcp-protocol-version",
        "retry-after",
        "retry-after-ms",
        "server",
        "should-retry",
        "transfer-encoding",
        "vary",
        "x-should-retry",
    }
)
_HEADERS_OF_LIMITS = ("ratelimit-", "x-ratelimit-")
_IDS = frozenset({"mcp-session-id", "request-id", "x-request-id"})
_PRIVATE = frozenset(
    {
        *("account", "accountid", "accountname", "apikey", "apikeyid", "apikeyname", "clientip", "createdby"),
        *("customer", "customerid", "email", "emailaddress", "errorfileid", "filename", "firstname"),
        *("fullname", "inputfileid", "ip", "ipaddress", "keyid", "keyname", "lastname", "metadata", "org"),
        *("organization", "organizationid", "organizationname", "orgid", "orgname", "outputfileid", "owner"),
        *("ownerid", "phone", "phonenumber", "projectid", "remoteaddr", "team", "teamid", "tenant"),
        *("tenantid", "user", "useremail", "userid", "username", "workspace", "workspaceid"),
    }
)
"""Names of fields whose values are left out, in lower case and without separators."""
_FIELDS_OF_IDS = frozenset({"requestid", "xrequestid"})
_KEYS = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_*.…-]+")
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_LIKE_ADDRESS = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w])")
"""What may be an IPv6 address, or a time."""
_REQUEST = re.compile(r"(?<![A-Za-z0-9])req[_-][A-Za-z0-9_-]{9,}")
_WORDS = re.compile(r"[A-Za-z0-9_-]+")
_HIDDEN = "***"
_ID_SHOWN = 12
_CUT = "..."
_LEAST_KEY = 8
"""Letters of the shortest key that is looked for in texts; a shorter one might be a common word."""
_LEAST_END = 4
"""Letters of the end of a key by which services name it."""
_DEEPEST = 100
"""Levels of JSON that are looked through; what is deeper is hidden."""


def scrubbed_text(text: str, key: str = "") -> str:
    """A text without keys, mail addresses and IP addresses; ids of requests are shortened.

    Args:
        text: The text.
        key: The key that was used; it is removed whatever its form, and so are its end and longer parts.
    """
    known = key if len(key) >= _LEAST_KEY else ""
    if known:
        text = text.replace(known, _HIDDEN)
    for form in (_KEYS, _MAIL, _ADDRESS):
        text = form.sub(_HIDDEN, text)
    text = _LIKE_ADDRESS.sub(_without_address, text)
    text = _REQUEST.sub(lambda id_: _shortened(id_[0]), text)
    if known:
        text = _WORDS.sub(lambda word: _HIDDEN if _is_part(word[0], known) else word[0], text)
    return text


def _without_address(found: re.Match[str]) -> str:
    address = found[0] if found[0].endswith("::") else found[0].removesuffix(":")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return found[0]
    return found[0].replace(address, _HIDDEN)


def _is_part(word: str, key: str) -> bool:
    """Whether a word is the end of the key, or a part of it that no other text would have."""
    return (len(word) >= _LEAST_END and key.endswith(word)) or (len(word) >= _LEAST_KEY and word in key)


def scrubbed(value: Any, key: str = "", depth: int = 0) -> Any:
    """JSON without keys and personal data.

    Args:
        value: The JSON.
        key: The key that was used.
        depth: At which level of the JSON the value is.
    """
    if isinstance(value, str):
        return scrubbed_text(value, key)
    if not isinstance(value, list | Mapping):
        return value
    if depth == _DEEPEST:
        return _HIDDEN
    if isinstance(value, list):
        return [scrubbed(item, key, depth + 1) for item in value]
    return {
        scrubbed_text(name, key): _scrubbed_field(name, item, key, depth + 1) for name, item in value.items()
    }


def _scrubbed_field(name: str, value: Any, key: str, depth: int) -> Any:
    plain = re.sub(r"[\W_]", "", name).lower()
    if plain in _PRIVATE and value:
        return _HIDDEN
    if plain in _FIELDS_OF_IDS and isinstance(value, str):
        return short_id(value, key)
    return scrubbed(value, key, depth)


def scrubbed_headers(headers: Mapping[str, str], key: str = "") -> dict[str, str]:
    """The headers that may be shown; ids are shortened."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if name in _IDS:
            kept[name] = short_id(value, key)
        elif name in _HEADERS or name.startswith(_HEADERS_OF_LIMITS):
            kept[name] = scrubbed_text(value, key)
    return kept


def other_headers(headers: Mapping[str, str], key: str = "") -> list[str]:
    """The names of the headers that are not shown."""
    return sorted(scrubbed_text(name, key) for name in set(headers) - set(scrubbed_headers(headers)))


def short_id(value: str, key: str = "") -> str:
    """The beginning of an id: enough to find a request, for those who have the log."""
    return _shortened(scrubbed_text(value, key))


def _shortened(text: str) -> str:
    return text if len(text) <= _ID_SHOWN or text.endswith(_CUT) else f"{text[:_ID_SHOWN]}{_CUT}"
