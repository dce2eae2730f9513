"""What blocking and asyncio pools share: connections, their deadlines, and which of them to keep.

A request takes an idle connection, or a new one, in constant time. An error, a cancellation or a dropped
stream spoils only its own connection, which is closed. The order is last in, first out: few connections stay
in use, and the others expire and are closed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from melious.http.library import KEEPALIVE_EXPIRY, library, ssl_context
from melious.http.origin import Origin
from melious.http.outgoing import EncodedRequest

MAX_IDLE = 20
DRAIN_SECONDS = 0.05
DRAIN_BYTES = 64 * 1024
WRITE_BYTES = 1024 * 1024
_MOMENT = 0.001
"""Seconds for a step that starts too late: long enough to fail as a timeout."""


class Deadline:
    """Bounds the waits of one attempt.

    Attributes:
        until: The monotonic time of the deadline, or None.
        silence: The most seconds that a single read may take, or None.
    """

    __slots__ = ("silence", "until")

    def __init__(self, until: float | None = None, silence: float | None = None) -> None:
        self.until = until
        self.silence = silence

    def left(self) -> float | None:
        """Seconds until the end, never below 0.0; None without an end."""
        return None if self.until is None else max(0.0, self.until - time.monotonic())

    def seconds(self) -> float | None:
        """How long the next read may take; 0.0 if the time is up."""
        if self.until is None:
            return self.silence
        left = max(0.0, self.until - time.monotonic())
        return left if self.silence is None else min(left, self.silence)


class DeadlineBackend:
    """Binds every wait of a connection to the deadline of its request; the base of both network backends.

    Attributes:
        streams: The outermost network stream, once there is a connection.
        held: The head of a request that waits for its body.
        sent: Whether the request itself is being written, after the handshake with a proxy.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.deadline = Deadline()
        self.streams: list[Any] = []
        self.held = b""
        self.sent = False
        self._connected_by: float | None = None

    def begin(self, deadline: Deadline) -> None:
        """Set the deadline of the next request."""
        self.deadline = deadline
        self.sent = False

    def read_seconds(self) -> float | None:
        """How long the next read may take; the library's `ReadTimeout` is raised if the time is up."""
        seconds = self.deadline.seconds()
        if seconds is not None and seconds <= 0.0:
            raise library().core.ReadTimeout("the time is up")
        return seconds

    def joined(self, buffer: bytes) -> bytes:
        """What to write for a piece of a request: the head waits for the body, so both go in one packet.

        What is still held must be written before the library reads.
        """
        if self.sent:
            if self.held:
                buffer, self.held = self.held + buffer, b""
            return buffer
        if buffer.startswith(b"POST "):
            self.sent = True
            self.held = buffer
            return b""
        self.sent = buffer.startswith(b"GET ")
        return buffer

    def bounded(self, seconds: float | None) -> float | None:
        """How long a step other than a read may take, at most so many seconds."""
        left = self.deadline.left()
        if left is None:
            return seconds
        return max(_MOMENT, left if seconds is None else min(left, seconds))

    def dial_seconds(self, seconds: float | None) -> float | None:
        """How long connecting may take; `handshake_seconds` gives the rest of it for TLS."""
        self._connected_by = None if seconds is None else time.monotonic() + seconds
        return self.bounded(seconds)

    def handshake_seconds(self) -> float | None:
        """How long the TLS handshake may take."""
        by = self._connected_by
        return self.bounded(None if by is None else by - time.monotonic())


@dataclass(slots=True, eq=False)
class PooledConnection:
    """One connection of a pool.

    Attributes:
        connection: The HTTP library's connection.
        backend: What it reads and writes through.
        idle_since: The monotonic time of its last return to the pool.
        is_spent: Whether to close it when its request ends.
    """

    connection: Any
    backend: DeadlineBackend
    idle_since: float = 0.0
    is_spent: bool = False

    def blamed(self, error: Exception, origin: Origin) -> Exception:
        """The error, as the proxy's if the connection broke before the request was sent through it."""
        core = library().core
        broken = isinstance(error, core.NetworkError | core.ProtocolError | core.ReadTimeout)
        if origin.proxy is None or self.backend.sent or not broken or isinstance(error, core.ConnectError):
            return error
        kind = core.ConnectTimeout if isinstance(error, core.ReadTimeout) else core.ProxyError
        # Without the error itself: the frames of a handshake with a proxy hold the user and password.
        blamed: Exception = kind(str(error) or type(error).__name__)
        return blamed

    def half_open(self, origin: Origin) -> list[Any]:
        """The streams that the library does not close if a SOCKS proxy refuses a connection."""
        return self.backend.streams if origin.proxy is not None and origin.proxy.is_socks else []

    def abandon(self) -> None:
        """Replace the socket in a forked child by the null device: without a lock or a word to the peer."""
        for stream in self.backend.streams:
            sock = stream.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, sock.fileno(), inheritable=False)
                os.close(nowhere)


def connection_maker(origin: Origin, *, asynchronous: bool) -> Callable[[Any], Any]:
    """A function that makes a connection on a network backend; the TLS settings are loaded here.

    The library's pools are used only to make connections, direct or through a proxy: their other work
    costs a fifth of a request.
    """
    core = library().core
    proxy = origin.proxy
    context = ssl_context(origin.verify) if origin.needs_tls else None
    options: dict[str, Any] = {"ssl_context": context, "keepalive_expiry": KEEPALIVE_EXPIRY}
    prefix = "Async" if asynchronous else ""
    if proxy is None:
        kind = f"{prefix}ConnectionPool"
    else:
        kind = f"{prefix}SOCKSProxy" if proxy.is_socks else f"{prefix}HTTPProxy"
        options |= {"proxy_url": proxy.url, "proxy_auth": proxy.auth}
        if proxy.scheme == "https":
            options["proxy_ssl_context"] = context
    make = getattr(core, kind)
    to = core.Origin(origin.scheme.encode(), origin.host.encode("ascii"), origin.port)
    return lambda backend: make(network_backend=backend, **options).create_connection(to)


def request_maker(origin: Origin) -> Callable[[EncodedRequest], Any]:
    """A function that makes the HTTP library's request for an attempt."""
    core = library().core
    scheme, host, port = origin.scheme.encode(), origin.host.encode("ascii"), origin.port

    def make(encoded: EncodedRequest) -> Any:
        return core.Request(
            encoded.method,
            core.URL(scheme=scheme, host=host, port=port, target=encoded.target),
            headers=encoded.headers,
            content=encoded.body,
            extensions={"timeout": {"connect": encoded.connect, "write": encoded.write}},
        )

    return make


class IdleConnections:
    """The idle connections of a pool; callers hold the pool's lock, or run on its event loop."""

    def __init__(self, is_clean: Callable[[Any, Any], bool]) -> None:
        self.idle: list[PooledConnection] = []
        self.all: set[PooledConnection] = set()
        self._is_clean = is_clean
        self._most = MAX_IDLE
        self._used_at = time.monotonic()

    def is_cold(self, now: float) -> bool:
        """Whether the pool has been unused for so long that every idle connection has expired."""
        return now - self._used_at > KEEPALIVE_EXPIRY

    def take(self) -> tuple[PooledConnection | None, list[PooledConnection]]:
        """The latest clean idle connection, if any, and those to close: expired, hung up, not clean."""
        closing: list[PooledConnection] = []
        found = None
        while found is None and self.idle:
            pooled = self.idle.pop()
            if pooled.connection.has_expired() or not self._proved(pooled):
                closing.append(pooled)
            else:
                found = pooled
        self.all.difference_update(closing)
        return found, closing

    def add(self, pooled: PooledConnection) -> None:
        """Add a new connection."""
        self.all.add(pooled)

    def give_back(self, pooled: PooledConnection) -> list[PooledConnection]:
        """Put a connection back; gives those to close: spent, not clean, expired, or too many."""
        self._used_at = pooled.idle_since = now = time.monotonic()
        if pooled.connection.is_closed():
            self.all.discard(pooled)
            return []
        if pooled.is_spent or not self._proved(pooled):
            self.all.discard(pooled)
            return [pooled]
        self.idle.append(pooled)
        expired = 0
        while expired < len(self.idle) and now - self.idle[expired].idle_since >= KEEPALIVE_EXPIRY:
            expired += 1
        surplus = max(expired, len(self.idle) - self._most)
        closing, self.idle = (self.idle[:surplus], self.idle[surplus:]) if surplus else ([], self.idle)
        self.all.difference_update(closing)
        return closing

    def _proved(self, pooled: PooledConnection) -> bool:
        streams = pooled.backend.streams
        return bool(streams) and self._is_clean(pooled.connection, streams[0].inner)

    def discard(self, pooled: PooledConnection) -> None:
        """Forget a connection that cannot be used again."""
        self._used_at = time.monotonic()
        self.all.discard(pooled)

    def clear(self) -> list[PooledConnection]:
        """Take out the idle connections, to close them; those in use become spent."""
        closing, self.idle = self.idle, []
        self.all.difference_update(closing)
        for pooled in self.all:
            pooled.is_spent = True
        return closing

    def retire(self) -> list[PooledConnection]:
        """Like `clear`, and keep no connection from now on."""
        self._most = 0
        return self.clear()
