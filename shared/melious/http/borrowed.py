"""Sends through an injected client with httpx's interface.

It is used unchanged and never closed here. Redirects are not followed: they would carry the key along.
"""

from __future__ import annotations

from typing import Any

from melious.http.connections import Deadline
from melious.http.outgoing import EncodedRequest, Headers


class ClientAnswer:
    """An answer whose body has not been read."""

    def __init__(self, response: Any, deadline: Deadline) -> None:
        self.status: int = response.status_code
        self.headers = _headers_of(response)
        self.deadline = deadline
        self._response = response
        # The decompressed body, if a hook of the client has read it or it came from no network.
        self._read_before: bytes | None = response.content if response.is_stream_consumed else None


def built(client: Any, encoded: EncodedRequest, body: Any, deadline: Deadline, read: float | None) -> Any:
    """Build a client's own request for an attempt, with the remaining time as its timeouts."""
    return client.build_request(
        encoded.method.decode(),
        encoded.url,
        headers=encoded.headers,
        content=body,
        extensions={"timeout": timeouts(encoded, deadline, read)},
    )


def timeouts(encoded: EncodedRequest, deadline: Deadline, read: float | None) -> dict[str, float | None]:
    """The timeouts of an attempt in httpx's form, bounded by the deadline."""
    left = deadline.left()
    return {
        "connect": _shorter(encoded.connect, left),
        "write": _shorter(encoded.write, left),
        "read": read,
        "pool": left,
    }


def body_read_seconds(deadline: Deadline) -> float | None:
    """How long each read of a body may take, for a client that needs to know before the first."""
    return deadline.left() if deadline.silence is None else deadline.silence


def _headers_of(response: Any) -> Headers:
    """The headers of the body as it will be read."""
    headers: Headers = response.headers.raw
    if response.is_stream_consumed:
        return [pair for pair in headers if pair[0].lower() != b"content-encoding"]
    return headers


def _shorter(seconds: float | None, left: float | None) -> float | None:
    return left if seconds is None else seconds if left is None else min(seconds, left)
