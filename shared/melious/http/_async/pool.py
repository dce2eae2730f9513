"""A pool of connections for one event loop."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

from melious.http._async.primitives import Slots, close_each, new_lock, sleep
from melious.http.connections import (
    DRAIN_BYTES,
    DRAIN_SECONDS,
    WRITE_BYTES,
    Deadline,
    DeadlineBackend,
    IdleConnections,
    PooledConnection,
    connection_maker,
    request_maker,
)
from melious.http.leftovers import asyncio_is_clean
from melious.http.library import library, socket_options
from melious.http.origin import Origin
from melious.http.outgoing import EncodedRequest


class _Stream:
    """A network stream whose reads are bounded by the request's deadline."""

    def __init__(self, inner: Any, backend: DeadlineBackend) -> None:
        self.inner = inner
        self._backend = backend
        backend.streams = [self]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._backend.held:
            await self.write(b"", timeout)
        data: bytes = await self.inner.read(max_bytes, self._backend.read_seconds())
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        data = self._backend.joined(buffer)
        for start in range(0, len(data), WRITE_BYTES):
            await self.inner.write(data[start : start + WRITE_BYTES], self._backend.bounded(timeout))

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - part of the time for the connection
    ) -> _Stream:
        seconds = self._backend.handshake_seconds()
        try:
            return _Stream(await self.inner.start_tls(ssl_context, server_hostname, seconds), self._backend)
        except BaseException:
            await self.inner.aclose()  # the library forgets it when it is interrupted
            raise

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


class _Backend(DeadlineBackend):
    """The network as the HTTP library sees it."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - ours are the same for every connection
    ) -> _Stream:
        seconds = self.dial_seconds(timeout)
        return _Stream(await self.inner.connect_tcp(host, port, seconds, local_address, _OPTIONS), self)

    async def sleep(self, seconds: float) -> None:
        await sleep(seconds)


_OPTIONS = socket_options()


class AsyncAnswer:
    """An answer whose body has not been read; `aclose` gives the connection back or throws it away."""

    __slots__ = ("_pool", "_pooled", "_response", "deadline", "headers", "status")

    def __init__(self, response: Any, pooled: PooledConnection, pool: AsyncPool) -> None:
        self.status: int = response.status
        self.headers: list[tuple[bytes, bytes]] = response.headers
        self.deadline = pooled.backend.deadline
        self._response = response
        self._pooled: PooledConnection | None = pooled
        self._pool = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        iterator: AsyncIterator[bytes] = aiter(self._response.stream)
        return iterator

    async def drain(self, body: AsyncIterator[bytes]) -> None:
        """Read the short rest of the body, so that the connection can be reused."""
        self.deadline.until = time.monotonic() + DRAIN_SECONDS
        size = 0
        async for data in body:
            size += len(data)
            if size > DRAIN_BYTES:
                return

    async def aclose(self) -> None:
        """Close the answer, read or not."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            await self._pool.release(pooled, self._response)


class AsyncPool:
    """Sends requests to one origin, with one connection for each concurrent request."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.connections = IdleConnections(asyncio_is_clean)
        self._make = connection_maker(origin, asynchronous=True)
        self._request = request_maker(origin)
        self._lock = new_lock()
        self._slots = Slots(origin.max_connections)

    async def send(
        self, encoded: EncodedRequest, deadline: Deadline
    ) -> tuple[AsyncAnswer | None, Exception | None]:
        """Send one attempt, within its deadline; gives the answer or the error."""
        if not await self._slots.acquire(deadline.left()):
            message = f"all {self.origin.max_connections} connections are in use"
            return None, library().core.PoolTimeout(message)
        try:
            pooled, closing = self._take()
        except Exception as error:  # noqa: BLE001 - as below
            self._slots.release()
            return None, error
        except BaseException:
            self._slots.release()
            raise
        pooled.backend.begin(deadline)
        try:
            if closing:
                await close_each(closing)
            response = await pooled.connection.handle_async_request(self._request(encoded))
            return AsyncAnswer(response, pooled, self), None
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            await self._discard(pooled)
            return None, pooled.blamed(error, self.origin)
        except BaseException:
            await self._discard(pooled)
            raise

    def _take(self) -> tuple[PooledConnection, list[PooledConnection]]:
        with self._lock:
            pooled, closing = self.connections.take()
            if pooled is None:
                backend = _Backend(library().core.AnyIOBackend())
                pooled = PooledConnection(self._make(backend), backend)
                self.connections.add(pooled)
        return pooled, closing

    async def release(self, pooled: PooledConnection, response: Any) -> None:
        """Take a connection back from an answer that is closed; the library keeps it open only if it may."""
        try:
            await response.aclose()
        except BaseException:
            await self._discard(pooled)
            raise
        with self._lock:
            closing = self.connections.give_back(pooled)
        self._slots.release()
        if closing:
            await close_each(closing)

    async def _discard(self, pooled: PooledConnection) -> None:
        with self._lock:
            self.connections.discard(pooled)
        self._slots.release()
        await pooled.connection.aclose()
        for stream in pooled.half_open(self.origin):
            await stream.aclose()

    def is_cold(self, now: float) -> bool:
        """Whether no connection is in use, and every idle one has expired."""
        return not self._slots.taken and self.connections.is_cold(now)

    async def close_idle(self) -> None:
        """Close the idle connections; those in use close when their requests end."""
        with self._lock:
            closing = self.connections.clear()
        await close_each(closing)

    async def aclose(self) -> None:
        """Close the connections like `close_idle`, and keep none from now on."""
        with self._lock:
            closing = self.connections.retire()
        await close_each(closing)

    def abandon(self) -> None:
        """Abandon the sockets, in the child of a fork."""
        for pooled in self.connections.all:
            pooled.abandon()
