"""What sync and async pools have in common: lanes, their clocks, and which of them to keep.

A lane is one connection of the HTTP library. A request takes an idle lane, or
a new one, in constant time, however many there are; whatever happens to a
request, an error, a cancellation, a dropped stream, spoils its own lane at the
most, and that one is thrown away. The order is last in, first out, so that few
connections stay warm and the rest grow cold and are closed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from melious.http.library import KEEPALIVE_EXPIRY, library, ssl_context
from melious.http.origin import Origin
from melious.http.outgoing import Outgoing

MAX_IDLE = 20
DRAIN_SECONDS = 0.05
DRAIN_BYTES = 64 * 1024
WRITE_BYTES = 1024 * 1024
_MOMENT = 0.001
"""Seconds for a step that is begun too late: long enough to fail as one that takes too long."""


class ReadClock:
    """Bounds the waits of one attempt.

    Attributes:
        until: The monotonic moment after which nothing goes on, or None.
        silence: The most seconds that a single read may take, or None.
    """

    __slots__ = ("silence", "until")

    def __init__(self, until: float | None = None, silence: float | None = None) -> None:
        self.until = until
        self.silence = silence

    def left(self) -> float | None:
        """Seconds until the end, 0.0 at the least; None if there is none."""
        return None if self.until is None else max(0.0, self.until - time.monotonic())

    def seconds(self) -> float | None:
        """How long the next read may take; 0.0 if it is too late for it."""
        if self.until is None:
            return self.silence
        left = max(0.0, self.until - time.monotonic())
        return left if self.silence is None else min(left, self.silence)


class NetworkHook:
    """Puts a lane's clock around every wait: what the sync and the async network backend share.

    Attributes:
        streams: The network stream, the outermost one, once there is a connection.
        held: The head of a request that waits for its body.
        sent: The request itself has begun to be written, past what a proxy is told first.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.clock = ReadClock()
        self.streams: list[Any] = []
        self.held = b""
        self.sent = False
        self._connected_by: float | None = None

    def begin(self, clock: ReadClock) -> None:
        """Set the clock of the next request."""
        self.clock = clock
        self.sent = False

    def read_seconds(self) -> float | None:
        """How long the next read may take.

        Raises:
            ReadTimeout: of the HTTP library, if the time is up.
        """
        seconds = self.clock.seconds()
        if seconds is not None and seconds <= 0.0:
            raise library().core.ReadTimeout("the time is up")
        return seconds

    def joined(self, buffer: bytes) -> bytes:
        """What to write for a piece of a request: a head waits for its body, and both go in one packet.

        What is held when the library begins to read is written before.
        """
        if not self.held and buffer.startswith(b"POST "):
            self.sent = True
            self.held = buffer
            return b""
        if self.held:
            buffer, self.held = self.held + buffer, b""
        elif buffer.startswith(b"GET "):
            self.sent = True
        return buffer

    def bounded(self, seconds: float | None) -> float | None:
        """How long a step that is not a read may take, if it should take so many seconds at the most."""
        left = self.clock.left()
        if left is None:
            return seconds
        return max(_MOMENT, left if seconds is None else min(left, seconds))

    def dial_seconds(self, seconds: float | None) -> float | None:
        """How long the connection may take; `handshake_seconds` gives what is left of it for TLS."""
        self._connected_by = None if seconds is None else time.monotonic() + seconds
        return self.bounded(seconds)

    def handshake_seconds(self) -> float | None:
        """How long TLS may take."""
        by = self._connected_by
        return self.bounded(None if by is None else by - time.monotonic())


@dataclass(slots=True, eq=False)
class Lane:
    """One connection, and what its pool must know of it."""

    connection: Any
    hook: NetworkHook
    idle_since: float = 0.0

    def blamed(self, error: Exception, origin: Origin) -> Exception:
        """The error as the proxy's, where it broke off before anything of the request was sent through it."""
        core = library().core
        broken = isinstance(error, core.NetworkError | core.ProtocolError | core.ReadTimeout)
        if origin.proxy is None or self.hook.sent or not broken or isinstance(error, core.ConnectError):
            return error
        kind = core.ConnectTimeout if isinstance(error, core.ReadTimeout) else core.ProxyError
        # Without the error itself: the frames of a handshake with a proxy hold the user and password.
        blamed: Exception = kind(str(error) or type(error).__name__)
        return blamed

    def half_made(self, origin: Origin) -> list[Any]:
        """The streams that the library forgets if a SOCKS proxy does not let a connection through."""
        return self.hook.streams if origin.proxy is not None and origin.proxy.is_socks else []

    def abandon(self) -> None:
        """Take the socket away from a forked child's copy: no farewell, no lock, unnoticed by the parent.

        Whatever still holds the socket holds a way to nowhere from now on.
        """
        for stream in self.hook.streams:
            sock = stream.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, sock.fileno(), inheritable=False)
                os.close(nowhere)


def connection_maker(origin: Origin, *, asynchronous: bool) -> Callable[[Any], Any]:
    """Give a function that makes a connection around a network hook; the TLS settings are made here.

    The library's pools only serve to make connections, straight or through a
    proxy: what else they do costs a fifth of a request, and is done here.
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
    return lambda hook: make(network_backend=hook, **options).create_connection(to)


def request_maker(origin: Origin) -> Callable[[Outgoing], Any]:
    """Give a function that makes the HTTP library's request for an attempt."""
    core = library().core
    scheme, host, port = origin.scheme.encode(), origin.host.encode("ascii"), origin.port

    def make(outgoing: Outgoing) -> Any:
        return core.Request(
            outgoing.method,
            core.URL(scheme=scheme, host=host, port=port, target=outgoing.target),
            headers=outgoing.headers,
            content=outgoing.body,
            extensions={"timeout": {"connect": outgoing.connect, "write": outgoing.write}},
        )

    return make


class LaneShelf:
    """The idle lanes of a pool; callers hold the pool's lock, or are alone on their event loop."""

    def __init__(self, is_clean: Callable[[Any, Any], bool]) -> None:
        self.idle: list[Lane] = []
        self.all: set[Lane] = set()
        self._is_clean = is_clean

    def take(self) -> tuple[Lane | None, list[Lane]]:
        """The warmest idle lane that is clean, if any, and those to be closed: cold, hung up, not clean."""
        closing: list[Lane] = []
        found = None
        while found is None and self.idle:
            lane = self.idle.pop()
            if lane.connection.has_expired() or not self._proved(lane):
                closing.append(lane)
            else:
                found = lane
        self.all.difference_update(closing)
        return found, closing

    def add(self, lane: Lane) -> None:
        """Note a new lane."""
        self.all.add(lane)

    def give_back(self, lane: Lane) -> list[Lane]:
        """Put a lane back and give those that are to be closed: not clean, too cold, or too many."""
        if lane.connection.is_closed():
            self.all.discard(lane)
            return []
        if not self._proved(lane):
            self.all.discard(lane)
            return [lane]
        lane.idle_since = now = time.monotonic()
        self.idle.append(lane)
        cold = 0
        while cold < len(self.idle) and now - self.idle[cold].idle_since >= KEEPALIVE_EXPIRY:
            cold += 1
        surplus = max(cold, len(self.idle) - MAX_IDLE)
        closing, self.idle = (self.idle[:surplus], self.idle[surplus:]) if surplus else ([], self.idle)
        self.all.difference_update(closing)
        return closing

    def _proved(self, lane: Lane) -> bool:
        streams = lane.hook.streams
        return bool(streams) and self._is_clean(lane.connection, streams[0].inner)

    def discard(self, lane: Lane) -> None:
        """Forget a lane that is of no use any more."""
        self.all.discard(lane)

    def clear(self) -> list[Lane]:
        """Forget the idle lanes and give them, to be closed."""
        closing, self.idle = self.idle, []
        self.all.difference_update(closing)
        return closing
