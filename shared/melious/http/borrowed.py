"""Sending through a client of the caller's: one with httpx's interface.

It is used as it is and never closed here. Redirects are not followed, whatever
it is set to: a redirect would carry the key along.
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
        # The body, decompressed, if a hook of the client has read it or it never was on a wire.
        self._read_before: bytes | None = response.content if response.is_stream_consumed else None


def built(client: Any, encoded: EncodedRequest, body: Any, deadline: Deadline, read: float | None) -> Any:
    """Make a client's own request of an attempt, with the time that is left as its timeouts.

    Args:
        client: The client.
        encoded: The attempt.
        body: Its body, as a client of this kind iterates over it.
        deadline: Bounds the waits.
        read: Seconds that each read may take.
    """
    return client.build_request(
        encoded.method.decode(),
        encoded.url,
        headers=encoded.headers,
        content=body,
        extensions={"timeout": timeouts(encoded, deadline, read)},
    )


def timeouts(encoded: EncodedRequest, deadline: Deadline, read: float | None) -> dict[str, float | None]:
    """The timeouts of an attempt in httpx's form: as usual, but not beyond what is left."""
    left = deadline.left()
    return {
        "connect": _shorter(encoded.connect, left),
        "write": _shorter(encoded.write, left),
        "read": read,
        "pool": left,
    }


def body_read_seconds(deadline: Deadline) -> float | None:
    """How long each read of a body may take, for a client that wants to know before the first."""
    return deadline.left() if deadline.silence is None else deadline.silence


def _headers_of(response: Any) -> Headers:
    """The headers that hold for the body as it is still to be read."""
    headers: Headers = response.headers.raw
    if response.is_stream_consumed:
        return [pair for pair in headers if pair[0].lower() != b"content-encoding"]
    return headers


def _shorter(seconds: float | None, left: float | None) -> float | None:
    return left if seconds is None else seconds if left is None else min(seconds, left)
