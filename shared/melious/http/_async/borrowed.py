"""Sends through an injected async client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from melious.http.borrowed import ClientAnswer, body_read_seconds, built
from melious.http.connections import DRAIN_BYTES, DRAIN_SECONDS, Deadline
from melious.http.outgoing import EncodedRequest
from melious.wire.uploads import AsyncPieces, Multipart

_GRACE = 0.05
"""Seconds for the client's own, more specific timeout before it is cut off from outside."""


def _limit(seconds: float | None) -> asyncio.Timeout:
    """Cut off what takes longer than its own timeout should allow."""
    return asyncio.timeout(None if seconds is None else seconds + _GRACE)


class AsyncClientAnswer(ClientAnswer):
    """An answer whose body has not been read."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._read_before is not None:
            yield self._read_before
            return
        parts = aiter(self._response.aiter_raw())
        while True:
            if self.deadline.left() == 0.0:
                raise TimeoutError("the time is up")
            try:
                async with _limit(self.deadline.seconds()):
                    data = await anext(parts)
            except StopAsyncIteration:
                return
            yield data

    async def drain(self, body: AsyncIterator[bytes]) -> None:
        """Read the short rest of the body, so that the connection can be reused."""
        size = 0
        async with asyncio.timeout(DRAIN_SECONDS):
            async for data in body:
                size += len(data)
                if size > DRAIN_BYTES:
                    return

    async def aclose(self) -> None:
        """Close the answer."""
        await self._response.aclose()


class AsyncClientTransport:
    """Sends through an async client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def send(
        self, encoded: EncodedRequest, deadline: Deadline
    ) -> tuple[AsyncClientAnswer | None, Exception | None]:
        """Send one attempt; gives the answer or the error."""
        read = body_read_seconds(deadline)  # until the head is there, `_limit` is the shorter one
        body = encoded.body
        content = AsyncPieces(body) if isinstance(body, Multipart) else body
        request = built(self._client, encoded, content, deadline, read)
        try:
            async with _limit(deadline.left()):
                response = await self._client.send(request, stream=True, follow_redirects=False)
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            return None, error
        return AsyncClientAnswer(response, deadline), None
