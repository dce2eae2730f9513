"""What asyncio does differently from threads, for the code that is written once for both."""

from __future__ import annotations

import asyncio
from asyncio import sleep
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import AbstractContextManager, nullcontext

from melious.http.asyncio_only import running_loop
from melious.http.callbacks import awaited
from melious.http.connections import PooledConnection
from melious.settings.config import ClientConfig
from melious.wire.compression import Decoder

__all__ = [
    "Slots",
    "callback_result",
    "check_runtime",
    "close_each",
    "decoded",
    "new_lock",
    "sleep",
    "transport_of",
]


def new_lock() -> AbstractContextManager[None]:
    """No lock: nothing else runs on the loop between two awaits."""
    return nullcontext()


class Slots:
    """Limits the number of concurrent requests; the others wait.

    Attributes:
        taken: How many slots are taken.
    """

    def __init__(self, count: int) -> None:
        self.taken = 0
        self._free = asyncio.Semaphore(count)

    async def acquire(self, seconds: float | None) -> bool:
        """Take a slot; False if none is free for so many seconds."""
        if self._free.locked():
            try:
                async with asyncio.timeout(seconds):
                    await self._free.acquire()
            except TimeoutError:
                return False
        else:
            await self._free.acquire()
        self.taken += 1
        return True

    def release(self) -> None:
        """Give a slot back."""
        self.taken -= 1
        self._free.release()


async def close_each(connections: Iterable[PooledConnection]) -> None:
    """Close connections; a cancellation takes effect once all are closed."""
    cancelled: asyncio.CancelledError | None = None
    for pooled in connections:
        try:
            await pooled.connection.aclose()
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def decoded(decoder: Decoder, parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Decompress a body as it arrives."""
    async for part in parts:
        for piece in decoder.feed(part):
            yield piece
    for piece in decoder.finish():
        yield piece


async def callback_result(name: str, given: object) -> None:  # noqa: ARG001 - the blocking twin names it in an error
    """Await the result of a callback, if it is awaitable."""
    await awaited(given)


def check_runtime() -> None:
    """Check that calls can be made here.

    Raises:
        ConfigurationError: No asyncio event loop is running.
    """
    running_loop()


def transport_of(config: ClientConfig) -> str:
    """The transport of a client without an injected one."""
    return config.async_transport
