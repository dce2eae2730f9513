"""What may be shown to others: no key, no personal data, few headers."""

from __future__ import annotations

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
        "account",
        "account_id",
        "api_key",
        "api_key_id",
        "created_by",
        "customer",
        "customer_id",
        "email",
        "error_file_id",
        "filename",
        "input_file_id",
        "ip",
        "key_id",
        "metadata",
        "org_id",
        "organization",
        "organization_id",
        "output_file_id",
        "owner",
        "owner_id",
        "project_id",
        "team_id",
        "tenant",
        "tenant_id",
        "user",
        "user_id",
        "workspace_id",
    }
)
"""Names of fields whose values are left out."""
_KEYS = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_*.…-]+")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_HIDDEN = "***"
_ID_SHOWN = 12
_LEAST_KEY = 8
"""Letters of the shortest key that is looked for in texts; a shorter one might be a common word."""


def scrubbed_text(text: str, key: str = "") -> str:
    """A text without keys, mail addresses and IP addresses.

    Args:
        text: The text.
        key: The key that was used; it is removed whatever its form.
    """
    if len(key) >= _LEAST_KEY:
        text = text.replace(key, _HIDDEN)
    for form in (_KEYS, _MAIL, _ADDRESS):
        text = form.sub(_HIDDEN, text)
    return text


def scrubbed(value: Any, key: str = "") -> Any:
    """JSON without keys and personal data."""
    if isinstance(value, str):
        return scrubbed_text(value, key)
    if isinstance(value, list):
        return [scrubbed(item, key) for item in value]
    if isinstance(value, Mapping):
        return {
            scrubbed_text(name, key): _HIDDEN if name.lower() in _PRIVATE and item else scrubbed(item, key)
            for name, item in value.items()
        }
    return value


def scrubbed_headers(headers: Mapping[str, str], key: str = "") -> dict[str, str]:
    """The headers that may be shown; ids are shortened."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if name in _IDS:
            kept[name] = short_id(value)
        elif name in _HEADERS or name.startswith(_HEADERS_OF_LIMITS):
            kept[name] = scrubbed_text(value, key)
    return kept


def other_headers(headers: Mapping[str, str]) -> list[str]:
    """The names of the headers that are not shown."""
    return sorted(set(headers) - set(scrubbed_headers(headers)))


def short_id(value: str) -> str:
    """The beginning of an id: enough to find a request, for those who have the log."""
    return value if len(value) <= _ID_SHOWN else f"{value[:_ID_SHOWN]}..."
