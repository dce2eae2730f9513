"""uvicorn in a thread of its own, so that a sandbox runs beside tests and inside notebooks."""

import asyncio
import logging
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

Close = Callable[[], Awaitable[None]]

# Connections are cut on purpose here, or go away; uvicorn should not log that as an error.
_logger = logging.getLogger("melious.sandbox.http")
_logger.setLevel(logging.CRITICAL)


@dataclass(slots=True, eq=False)
class Connection:
    """One TCP connection of a client, as the application sees it in ``scope["state"]``."""

    transport: asyncio.Transport
    port: int
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_lost(self) -> bool:
        """Whether nothing more can be sent; true as soon as a write fails, a little before `gone` is set."""
        return self.transport.is_closing() or self.gone.is_set()

    async def abort(self) -> None:
        """Send what was written so far, then close without ending the answer properly."""
        # A transport has no event for having been drained.
        while self.transport.get_write_buffer_size() and not self.gone.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        self.transport.abort()


class _Protocol(H11Protocol):
    """Hands its connection to the application, and logs nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _logger
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._connection = Connection(transport, self.client[1] if self.client else 0)
        self.app_state = {**self.app_state, "connection": self._connection}

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:  # in the middle of an answer there is no place for another
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.gone.set()
        super().connection_lost(exc)


class Listener(uvicorn.Server):
    """One server on one address, from ``start`` to ``stop``; it drops connections, it does not wait for them.

    Port 0 takes a free one; ``close`` is called in the server's event loop when it stops.
    """

    def __init__(self, app: Any, host: str, port: int, close: Close) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=True,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            loop="asyncio",
        )
        super().__init__(config)
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._close = close
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(
            target=self.run,
            kwargs={"sockets": [self._socket]},
            name=f"melious-sandbox-{self.port}",
            daemon=True,
        )

    @property
    def open_connections(self) -> int:
        """Connections that clients hold to this server right now."""
        return len(self.server_state.connections)

    def start(self) -> None:
        """Start serving and return once requests are taken."""
        self._thread.start()
        if not self._ready.wait(10):
            self.stop()
            self._socket.close()
            raise RuntimeError("the sandbox did not come up within 10 seconds")

    def stop(self) -> None:
        """Drop every connection, close the port and end the thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def main_loop(self) -> None:
        """Serve until ``stop``; uvicorn calls this."""
        self._loop = asyncio.get_running_loop()
        seconds = 0
        await self.on_tick(0)
        self._ready.set()
        while not self._stop.is_set():
            seconds += 1
            try:
                await asyncio.wait_for(self._stop.wait(), 1.0)
            except TimeoutError:
                await self.on_tick(seconds * 10)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of everything at once; uvicorn calls this."""
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._close()
        for server in self.servers:
            await server.wait_closed()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where it sees TCP named.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
        sock.setblocking(False)
    except (OSError, OverflowError):
        sock.close()
        raise
    return sock
