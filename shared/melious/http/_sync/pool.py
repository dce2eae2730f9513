"""A pool of connections for threads."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from melious import forks
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
from melious.http.leftovers import blocking_is_clean
from melious.http.library import library, socket_options
from melious.http.origin import Origin
from melious.http.outgoing import EncodedRequest


class _Stream:
    """A network stream whose reads keep to the deadline of the request."""

    def __init__(self, inner: Any, backend: DeadlineBackend) -> None:
        self.inner = inner
        self._backend = backend
        backend.streams = [self]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._backend.held:
            self.write(b"", timeout)
        data: bytes = self.inner.read(max_bytes, self._backend.read_seconds())
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        data = self._backend.joined(buffer)
        for start in range(0, len(data), WRITE_BYTES):
            self.inner.write(data[start : start + WRITE_BYTES], self._backend.bounded(timeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - part of the time for the connection
    ) -> _Stream:
        seconds = self._backend.handshake_seconds()
        try:
            return _Stream(self.inner.start_tls(ssl_context, server_hostname, seconds), self._backend)
        except BaseException:
            self.inner.close()  # the library forgets it when it is interrupted
            raise

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


class _Backend(DeadlineBackend):
    """The network as the HTTP library sees it."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - ours are the same for every connection
    ) -> _Stream:
        seconds = self.dial_seconds(timeout)
        return _Stream(self.inner.connect_tcp(host, port, seconds, local_address, _OPTIONS), self)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


_OPTIONS = socket_options()


class SyncAnswer:
    """An answer whose body has not been read; `close` gives the connection back or throws it away."""

    __slots__ = ("_pool", "_pooled", "_response", "deadline", "headers", "status")

    def __init__(self, response: Any, pooled: PooledConnection, pool: SyncPool) -> None:
        self.status: int = response.status
        self.headers: list[tuple[bytes, bytes]] = response.headers
        self.deadline = pooled.backend.deadline
        self._response = response
        self._pooled: PooledConnection | None = pooled
        self._pool = pool

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response.stream)

    def drain(self, body: Iterator[bytes]) -> None:
        """Read what little is left of the body, so that the connection can be used again."""
        self.deadline.until = time.monotonic() + DRAIN_SECONDS
        size = 0
        for data in body:
            size += len(data)
            if size > DRAIN_BYTES:
                return

    def close(self) -> None:
        """Be done with the answer, read or not."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            self._pool.release(pooled, self._response)


class SyncPool:
    """Sends requests to one origin over as many connections as there are requests at a time."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.connections = IdleConnections(blocking_is_clean)
        self._make = connection_maker(origin, asynchronous=False)
        self._request = request_maker(origin)
        self._closed = False
        self._lock = forks.new_lock()
        self._slot_freed = threading.Condition(self._lock)
        self._slots = origin.max_connections

    def send(self, encoded: EncodedRequest, deadline: Deadline) -> tuple[SyncAnswer | None, Exception | None]:
        """Send one attempt.

        Args:
            encoded: The attempt.
            deadline: Bounds the wait for a connection, and all that follows.

        Returns:
            The answer or the error.
        """
        try:
            pooled = self._take(deadline)
        except Exception as error:  # noqa: BLE001 - as below
            return None, error
        if pooled is None:
            message = f"all {self.origin.max_connections} connections are in use"
            return None, library().core.PoolTimeout(message)
        try:
            pooled.backend.begin(deadline)
            response = pooled.connection.handle_request(self._request(encoded))
            return SyncAnswer(response, pooled, self), None
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            self._discard(pooled)
            return None, pooled.blamed(error, self.origin)
        except BaseException:
            self._discard(pooled)
            raise

    def _take(self, deadline: Deadline) -> PooledConnection | None:
        """Take a connection once there is a slot for it; None if there is none in time."""
        with self._slot_freed:
            if not self._slots and not self._slot_freed.wait_for(lambda: self._slots, deadline.left()):
                return None
            pooled, closing = self.connections.take()
            if pooled is None:
                backend = _Backend(library().core.SyncBackend())
                pooled = PooledConnection(self._make(backend), backend)
                self.connections.add(pooled)
            self._slots -= 1
        for cold in closing:
            cold.connection.close()
        return pooled

    def release(self, pooled: PooledConnection, response: Any) -> None:
        """Take a connection back from an answer that is closed; the library keeps it open only if it may."""
        try:
            response.close()
        except BaseException:
            self._discard(pooled)
            raise
        with self._slot_freed:
            closing = self.connections.give_back(pooled)
            if self._closed:
                closing += self.connections.clear()
            self._slots += 1
            self._slot_freed.notify()
        for cold in closing:
            cold.connection.close()

    def _discard(self, pooled: PooledConnection) -> None:
        with self._slot_freed:
            self.connections.discard(pooled)
            self._slots += 1
            self._slot_freed.notify()
        pooled.connection.close()
        for stream in pooled.half_open(self.origin):
            stream.close()

    def close(self) -> None:
        """Close the idle connections; those in use close when their requests end."""
        with self._lock:
            self._closed = True
            closing = self.connections.clear()
        for pooled in closing:
            pooled.connection.close()

    def abandon(self) -> None:
        """Let go of the sockets, in the child of a fork."""
        for pooled in self.connections.all:
            pooled.abandon()
