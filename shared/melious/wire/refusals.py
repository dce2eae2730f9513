"""Errors in place of an answer, with an error status or with 200."""

from __future__ import annotations

from typing import Any

from melious.errors import APIStatusError
from melious.errors.table import status_error
from melious.wire import codec
from melious.wire.head import Head

MAX_ERROR_BODY = 64 * 1024
_REDIRECTED = (
    "It redirects to {}. Redirects are not followed, because they would receive the key: set `base_url`"
)


def refusal(head: Head, said: Any, endpoint: str) -> APIStatusError:
    """The error for a refused request.

    Args:
        head: Status and headers.
        said: The parsed body, or its text.
        endpoint: The endpoint's name, for a body without a message.
    """
    status = None if 200 <= head.status < 300 else head.status  # noqa: PLR2004
    error = status_error(status, said, request_id=head.request_id, endpoint=endpoint)
    if 300 <= head.status < 400:  # noqa: PLR2004
        error.advice = _REDIRECTED.format(_without_secrets(head.headers.get("location", "nowhere")))
    return error


def error_object(body: bytes) -> dict[str, Any] | None:
    """The error in a body with status 200; None if it is an answer."""
    if len(body) > MAX_ERROR_BODY or b'"error"' not in body:
        return None
    said = codec.loads_or_text(body)
    reported = isinstance(said, dict) and (bool(said.get("error")) or said.get("object") == "error")
    return said if reported else None


def _without_secrets(location: str) -> str:
    """The target of a redirect, without query and credentials."""
    scheme, slashes, rest = location.partition("?")[0].rpartition("//")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"
