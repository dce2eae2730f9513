"""Sending through a blocking client that the caller brings: one with httpx's interface.

It is used as it is and never closed here. Redirects are not followed, whatever
it is set to: a redirect would carry the key along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from melious.http.connections import ReadClock
from melious.http.outgoing import Headers, Outgoing


def built(client: Any, outgoing: Outgoing, body: Any, clock: ReadClock, read: float | None) -> Any:
    """Make a client's own request of an attempt, with the time that is left as its timeouts.

    Args:
        client: The client.
        outgoing: The attempt.
        body: Its body, as a client of this kind iterates over it.
        clock: Bounds the waits.
        read: Seconds that each read may take.
    """
    return client.build_request(
        outgoing.method.decode(),
        outgoing.url,
        headers=outgoing.headers,
        content=body,
        extensions={"timeout": timeouts(outgoing, clock, read)},
    )


def timeouts(outgoing: Outgoing, clock: ReadClock, read: float | None) -> dict[str, float | None]:
    """The timeouts of an attempt in httpx's form: as usual, but not beyond what is left."""
    left = clock.left()
    return {
        "connect": _shorter(outgoing.connect, left),
        "write": _shorter(outgoing.write, left),
        "read": read,
        "pool": left,
    }


def body_read_seconds(clock: ReadClock) -> float | None:
    """How long each read of a body may take, for a client that wants to know before the first."""
    return clock.left() if clock.silence is None else clock.silence


def body_read_before(response: Any) -> bytes | None:
    """The body, decompressed, if a hook of the client has read it or it never was on a wire; else None."""
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

    def __init__(self, response: Any, clock: ReadClock) -> None:
        self.status: int = response.status_code
        self.headers = headers_of(response)
        self.clock = clock
        self._response = response
        self._read_before = body_read_before(response)

    def __iter__(self) -> Iterator[bytes]:
        if self._read_before is not None:
            yield self._read_before
            return
        for data in self._response.iter_raw():
            if self.clock.left() == 0.0:
                raise TimeoutError("the time is up")
            yield data

    def drain(self, body: Iterator[bytes]) -> None:
        """Do nothing: no deadline can be put on a read that the client has begun."""

    def close(self) -> None:
        """Be done with the answer."""
        self._response.close()


class SyncClientSender:
    """Sends through a sync client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, outgoing: Outgoing, clock: ReadClock) -> tuple[SyncClientAnswer | None, Exception | None]:
        """Send one attempt; gives the answer or the error."""
        request = built(self._client, outgoing, outgoing.body, clock, clock.seconds())
        try:
            response = self._client.send(request, stream=True, follow_redirects=False)
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            return None, error
        # The client looks the timeout up once more as it begins with the body.
        request.extensions["timeout"]["read"] = body_read_seconds(clock)
        return SyncClientAnswer(response, clock), None
