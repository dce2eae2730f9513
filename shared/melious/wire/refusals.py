"""What a service says in place of an answer: with an error status, or with status 200."""

from __future__ import annotations

from typing import Any

from melious.errors import APIStatusError
from melious.errors.table import status_error
from melious.wire import codec
from melious.wire.head import Head

MAX_ERROR_BODY = 64 * 1024
_REDIRECTED = "It redirects to {}. Redirects are not followed, since the key would go along: set `base_url`"


def refusal(head: Head, said: Any, endpoint: str) -> APIStatusError:
    """The error for what a service said.

    Args:
        head: Status and headers.
        said: The parsed body, or its text.
        endpoint: The endpoint's name, for a body that says nothing.
    """
    status = None if 200 <= head.status < 300 else head.status  # noqa: PLR2004
    error = status_error(status, said, request_id=head.request_id, endpoint=endpoint)
    if 300 <= head.status < 400:  # noqa: PLR2004
        error.advice = _REDIRECTED.format(_place(head.headers.get("location", "nowhere")))
    return error


def error_object(body: bytes) -> dict[str, Any] | None:
    """The error that a server sent with status 200 in place of an answer; None for an answer."""
    if len(body) > MAX_ERROR_BODY or b'"error"' not in body:
        return None
    said = codec.loads_or_text(body)
    reported = isinstance(said, dict) and (bool(said.get("error")) or said.get("object") == "error")
    return said if reported else None


def _place(location: str) -> str:
    """Where a redirect leads, without what may be secret."""
    scheme, slashes, rest = location.partition("?")[0].rpartition("//")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"
