"""Sends through a blocking client of the caller's: one with httpx's interface.

It is used as it is and never closed here. Redirects are not followed, whatever
it is set to: a redirect would carry the key along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from melious.http.connections import Deadline
from melious.http.outgoing import EncodedRequest, Headers


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


def body_read_before(response: Any) -> bytes | None:
    """The body, decompressed, if a backend of the client has read it or it never was on a wire; else None."""
    return response.content if response.is_stream_consumed else None


def headers_of(response: Any) -> Headers:
    """The headers that hold for the body as it is still to be read."""
    headers: Headers = response.headers.raw
    if response.is_stream_consumed:
        return [pair for pair in headers if pair[0].lower() != b"content-encoding"]
    return headers


def _shorter(seconds: float | None, left: float | None) -> float | None:
    return left if seconds is None else seconds if left is None else min(seconds, left)


class SyncClientAnswer:
    """An answer whose body has not been read."""

    def __init__(self, response: Any, deadline: Deadline) -> None:
        self.status: int = response.status_code
        self.headers = headers_of(response)
        self.deadline = deadline
        self._response = response
        self._read_before = body_read_before(response)

    def __iter__(self) -> Iterator[bytes]:
        if self._read_before is not None:
            yield self._read_before
            return
        for data in self._response.iter_raw():
            if self.deadline.left() == 0.0:
                raise TimeoutError("the time is up")
            yield data

    def drain(self, body: Iterator[bytes]) -> None:
        """Do nothing: no deadline can be put on a read that the client has begun."""

    def close(self) -> None:
        """Be done with the answer."""
        self._response.close()


class SyncClientTransport:
    """Sends through a sync client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(
        self, encoded: EncodedRequest, deadline: Deadline
    ) -> tuple[SyncClientAnswer | None, Exception | None]:
        """Send one attempt; gives the answer or the error."""
        request = built(self._client, encoded, encoded.body, deadline, deadline.seconds())
        try:
            response = self._client.send(request, stream=True, follow_redirects=False)
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            return None, error
        # The client looks the timeout up once more as it begins with the body.
        request.extensions["timeout"]["read"] = body_read_seconds(deadline)
        return SyncClientAnswer(response, deadline), None
