"""The body of a request as it comes in, and how much of it is read."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from starlette.types import Receive

from melious_sandbox.service.errors import ClientGoneError, SandboxError

MOST_UNREAD = 64 * 1024
"""Bytes that are read, and dropped, of a body that nobody wants; a longer one closes the connection."""

_LINGER_BYTES = 2 * 1024 * 1024
_UNWANTED_SECONDS = 2.0


class Incoming:
    """The body of one request.

    Args:
        receive: The ASGI channel.
        headers: The headers of the request, names in lower case.
    """

    def __init__(self, receive: Receive, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._receive = receive
        self._ended = False
        self._declared = 0
        self._has_body = self._waits = False
        for name, value in headers:
            if name == b"content-length":
                self._declared = int(value)
                self._has_body = self._declared > 0
            elif name == b"transfer-encoding":
                self._has_body = True
            elif name == b"expect":
                self._waits = True

    @property
    def has_body(self) -> bool:
        """Whether the headers announce a body."""
        return self._has_body

    @property
    def ended(self) -> bool:
        """Whether all of it was read."""
        return self._ended

    @property
    def connection_header(self) -> dict[str, str]:
        """The header of the answer that says that the connection closes, where the body was not read."""
        return {} if self._ended else {"connection": "close"}

    async def read(self, most: int) -> bytes:
        """Read the body to its end.

        Args:
            most: Bytes it may have.

        Raises:
            SandboxError: It has more.
            ClientGoneError: The connection closed first.
        """
        too_large = f"The body of the request is larger than {most:,} bytes."
        if self._declared > most:
            raise SandboxError("payload_too_large", too_large)
        body = bytearray()
        while not self._ended:
            body += await self._next()
            if len(body) > most:
                raise SandboxError("payload_too_large", too_large)
        return bytes(body)

    async def skip(self) -> bool:
        """Drop a body of at most 64 KiB, so that the connection can be kept.

        A longer one is left unread, and so is what does not come within two seconds.

        Returns:
            Whether the client is still there.
        """
        if self._declared > MOST_UNREAD or (self._waits and self._has_body):
            return True
        try:
            await self._drop(MOST_UNREAD)
        except ClientGoneError:
            return False
        return True

    async def linger(self) -> None:
        """Once the answer is written, drop a little more of a body that was not read.

        A connection that closes with bytes unread is reset, and a client that is still writing might never
        see the answer.
        """
        with suppress(ClientGoneError):
            await self._drop(_LINGER_BYTES)

    async def _drop(self, most: int) -> None:
        # Its end, a number of bytes and the time are three ways to be done.
        with suppress(TimeoutError):
            async with asyncio.timeout(_UNWANTED_SECONDS):
                while not self._ended and most > 0:
                    most -= len(await self._next())

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        self._ended = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        return part
