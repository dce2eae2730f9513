"""Sends through an injected blocking client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from melious.http.borrowed import ClientAnswer, body_read_seconds, built
from melious.http.connections import Deadline
from melious.http.outgoing import EncodedRequest


class SyncClientAnswer(ClientAnswer):
    """An answer whose body has not been read."""

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
        """Close the answer."""
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
