"""A pool of lanes for threads."""

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
    Lane,
    LaneShelf,
    NetworkHook,
    ReadClock,
    connection_maker,
    request_maker,
)
from melious.http.leftovers import blocking_is_clean
from melious.http.library import library, socket_options
from melious.http.origin import Origin
from melious.http.outgoing import Outgoing


class _Stream:
    """A network stream whose reads keep to the lane's clock."""

    def __init__(self, inner: Any, hook: NetworkHook) -> None:
        self.inner = inner
        self._hook = hook
        hook.streams = [self]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._hook.held:
            self.write(b"", timeout)
        data: bytes = self.inner.read(max_bytes, self._hook.read_seconds())
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        data = self._hook.joined(buffer)
        for start in range(0, len(data), WRITE_BYTES):
            self.inner.write(data[start : start + WRITE_BYTES], self._hook.bounded(timeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - part of the time for the connection
    ) -> _Stream:
        seconds = self._hook.handshake_seconds()
        try:
            return _Stream(self.inner.start_tls(ssl_context, server_hostname, seconds), self._hook)
        except BaseException:
            self.inner.close()  # the library forgets it when it is interrupted
            raise

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


class _Network(NetworkHook):
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
    """An answer whose body has not been read; `close` gives the lane back or throws it away."""

    __slots__ = ("_lane", "_pool", "_response", "clock", "headers", "status")

    def __init__(self, response: Any, lane: Lane, pool: SyncPool) -> None:
        self.status: int = response.status
        self.headers: list[tuple[bytes, bytes]] = response.headers
        self.clock = lane.hook.clock
        self._response = response
        self._lane: Lane | None = lane
        self._pool = pool

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response.stream)

    def drain(self, body: Iterator[bytes]) -> None:
        """Read what little is left of the body, so that the connection can be used again."""
        self.clock.until = time.monotonic() + DRAIN_SECONDS
        size = 0
        for data in body:
            size += len(data)
            if size > DRAIN_BYTES:
                return

    def close(self) -> None:
        """Be done with the answer, read or not."""
        lane, self._lane = self._lane, None
        if lane is not None:
            self._pool.release(lane, self._response)


class SyncPool:
    """Sends requests to one origin over as many connections as there are requests at a time."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.shelf = LaneShelf(blocking_is_clean)
        self._make = connection_maker(origin, asynchronous=False)
        self._request = request_maker(origin)
        self._closed = False
        self._lock = forks.new_lock()
        self._slot_freed = threading.Condition(self._lock)
        self._slots = origin.max_connections

    def send(self, outgoing: Outgoing, clock: ReadClock) -> tuple[SyncAnswer | None, Exception | None]:
        """Send one attempt.

        Args:
            outgoing: The attempt.
            clock: Bounds the wait for a connection, and all that follows.

        Returns:
            The answer or the error.
        """
        try:
            lane = self._take(clock)
        except Exception as error:  # noqa: BLE001 - as below
            return None, error
        if lane is None:
            message = f"all {self.origin.max_connections} connections are in use"
            return None, library().core.PoolTimeout(message)
        try:
            lane.hook.begin(clock)
            response = lane.connection.handle_request(self._request(outgoing))
            return SyncAnswer(response, lane, self), None
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            self._discard(lane)
            return None, lane.blamed(error, self.origin)
        except BaseException:
            self._discard(lane)
            raise

    def _take(self, clock: ReadClock) -> Lane | None:
        """Take a lane once there is a slot for it; None if there is none in time."""
        with self._slot_freed:
            if not self._slots and not self._slot_freed.wait_for(lambda: self._slots, clock.left()):
                return None
            lane, closing = self.shelf.take()
            if lane is None:
                hook = _Network(library().core.SyncBackend())
                lane = Lane(self._make(hook), hook)
                self.shelf.add(lane)
            self._slots -= 1
        for cold in closing:
            cold.connection.close()
        return lane

    def release(self, lane: Lane, response: Any) -> None:
        """Take a lane back from an answer that is closed; the library keeps its connection only if it may."""
        try:
            response.close()
        except BaseException:
            self._discard(lane)
            raise
        with self._slot_freed:
            closing = self.shelf.give_back(lane)
            if self._closed:
                closing += self.shelf.clear()
            self._slots += 1
            self._slot_freed.notify()
        for cold in closing:
            cold.connection.close()

    def _discard(self, lane: Lane) -> None:
        with self._slot_freed:
            self.shelf.discard(lane)
            self._slots += 1
            self._slot_freed.notify()
        lane.connection.close()
        for stream in lane.half_made(self.origin):
            stream.close()

    def close(self) -> None:
        """Close the idle connections; those in use close when their requests end."""
        with self._lock:
            self._closed = True
            closing = self.shelf.clear()
        for lane in closing:
            lane.connection.close()

    def abandon(self) -> None:
        """Let go of the sockets, in the child of a fork."""
        for lane in self.shelf.all:
            lane.abandon()
