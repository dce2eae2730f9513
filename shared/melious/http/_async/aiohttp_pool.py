"""A pool of aiohttp's connections for one event loop: less work per request, far less per chunk."""

from __future__ import annotations

import asyncio
import math
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextvars import ContextVar
from functools import cache, lru_cache
from importlib import import_module
from typing import Any
from weakref import WeakSet

from melious.errors import ConfigurationError
from melious.http.borrowed import body_read_seconds, timeouts
from melious.http.connections import DRAIN_BYTES, DRAIN_SECONDS, WRITE_BYTES, Deadline
from melious.http.leftovers import aiohttp_is_clean
from melious.http.library import KEEPALIVE_EXPIRY, ssl_context
from melious.http.origin import Origin
from melious.http.outgoing import EncodedRequest, Headers
from melious.http.proxies import Proxy
from melious.wire.uploads import AsyncPieces, Multipart


class AiohttpAnswer:
    """An answer whose body has not been read.

    aiohttp bounds each read by itself; what is bounded here is all of them
    together, by one timer that closes the connection.
    """

    def __init__(self, response: Any, deadline: Deadline, session: _Session) -> None:
        self.status: int = response.status
        self.headers: Headers = response.raw_headers
        self.deadline = deadline
        self._response = response
        self._session: _Session | None = session
        self._late = False
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._watch()
        try:
            async for data in self._response.content.iter_any():
                yield data
                until = self.deadline.until
                if until is not None and until < self._due:
                    self._watch()
        except Exception:
            if self._late:
                raise TimeoutError("the time is up") from None
            raise

    def _watch(self) -> None:
        """Close the connection when the time is up; if the deadline has moved, check again then."""
        self._unwatch()
        left = self.deadline.left()
        if left == 0.0:
            self._late = True
            self._response.close()
        elif left is not None:
            self._due = self.deadline.until or 0.0
            self._timer = asyncio.get_running_loop().call_later(left, self._watch)

    def _unwatch(self) -> None:
        self._due = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def drain(self, body: AsyncIterator[bytes]) -> None:
        """Read the short rest of the body, so that the connection can be reused."""
        size = 0
        async with asyncio.timeout(DRAIN_SECONDS):
            async for data in body:
                size += len(data)
                if size > DRAIN_BYTES:
                    return

    async def aclose(self) -> None:
        """Close the answer; if it was read to its end, its connection has already been returned."""
        self._unwatch()
        self._response.close()
        session, self._session = self._session, None
        if session is not None:
            await session.release()


class _Attempt:
    """One attempt in aiohttp."""

    def __init__(self) -> None:
        self.has_connection = False


_attempt: ContextVar[_Attempt] = ContextVar("melious_attempt")


@cache
def _connector_class() -> Any:
    aiohttp = import_module("aiohttp")

    class Connector(aiohttp.TCPConnector):  # type: ignore[misc, name-defined]
        """Gives each attempt a connection; a used one only if it is clean.

        It counts as closed with its event loop. A loop that ends without its shutdown, as that of
        LlamaIndex's `asyncio_run` does, gives nobody a chance to close it, and aiohttp would log an error.
        """

        def __init__(self, **options: Any) -> None:
            self._runs_on = asyncio.get_running_loop()
            super().__init__(**options)
            self._used: WeakSet[Any] = WeakSet()

        @property
        def closed(self) -> bool:
            return super().closed or self._runs_on.is_closed()

        def __del__(self) -> None:
            if not self._runs_on.is_closed():
                super().__del__()

        async def connect(self, *request: Any, **options: Any) -> Any:
            attempt = _attempt.get()
            if attempt.has_connection:
                # aiohttp would retry idempotent requests itself, but the exchange counts attempts.
                raise aiohttp.ServerDisconnectedError
            while True:
                connection = await super().connect(*request, **options)
                protocol = connection.protocol
                if protocol not in self._used:
                    self._used.add(protocol)
                    break
                if aiohttp_is_clean(protocol):
                    break
                connection.close()
            attempt.has_connection = True
            return connection

    return Connector


class _Session:
    """An aiohttp session, which can only be closed with all its connections."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.in_use = 0
        self.used_at = time.monotonic()
        self._is_spent = False

    async def release(self) -> None:
        """A request ended; the last one closes a session that is spent."""
        self.in_use -= 1
        self.used_at = time.monotonic()
        if self._is_spent and not self.in_use:
            await self.session.close()

    async def retire(self) -> None:
        """Close the session, at once or when its last request ends."""
        self._is_spent = True
        if not self.in_use:
            await self.session.close()


class AiohttpPool:
    """Sends requests to one origin."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        try:
            self._aiohttp = import_module("aiohttp")
        except ImportError as error:
            raise ConfigurationError(
                "async_transport='aiohttp' needs the extra: pip install 'melious[aiohttp]'"
            ) from error
        self._url = lru_cache(maxsize=64)(import_module("yarl").URL)
        self._context = ssl_context(origin.verify) if origin.needs_tls else False
        self._proxy = None if origin.proxy is None else origin.proxy.url
        self._proxy_headers = _authority(origin.proxy)
        self._session: _Session | None = None

    async def send(
        self, encoded: EncodedRequest, deadline: Deadline
    ) -> tuple[AiohttpAnswer | None, Exception | None]:
        """Send one attempt; gives the answer or the error."""
        if self._session is None:
            self._session = _Session(self._open())
        session = self._session
        waits = timeouts(encoded, deadline, body_read_seconds(deadline))
        attempt = _attempt.set(_Attempt())
        session.in_use += 1
        answer = None
        try:
            async with asyncio.timeout(deadline.left()):
                response = await session.session.request(
                    encoded.method.decode(),
                    self._url(encoded.url, encoded=True),
                    headers=[(name.decode(), value.decode()) for name, value in encoded.headers],
                    data=_content(encoded.body),
                    allow_redirects=False,
                    timeout=self._aiohttp.ClientTimeout(
                        total=None, sock_connect=waits["connect"], sock_read=waits["read"]
                    ),
                    proxy=self._proxy,
                    proxy_headers=self._proxy_headers,
                )
            answer = AiohttpAnswer(response, deadline, session)
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            return None, error
        finally:
            _attempt.reset(attempt)
            if answer is None:
                await session.release()
        return answer, None

    def _open(self) -> Any:
        connector = _connector_class()(
            limit=self.origin.max_connections, keepalive_timeout=KEEPALIVE_EXPIRY, ssl=self._context
        )
        no_cookies = self._aiohttp.DummyCookieJar()
        return self._aiohttp.ClientSession(connector=connector, cookie_jar=no_cookies, auto_decompress=False)

    def is_cold(self, now: float) -> bool:
        """Whether no connection is in use, and every idle one has expired."""
        session = self._session
        return session is None or (not session.in_use and now - session.used_at > KEEPALIVE_EXPIRY)

    async def close_idle(self) -> None:
        """Close the idle connections; those in use close when the last of their requests ends."""
        session, self._session = self._session, None
        if session is not None:
            await session.retire()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.session.close()

    def abandon(self) -> None:
        """Do nothing in the child of a fork: aiohttp's sockets cannot be reached."""


def _content(body: bytes | Multipart | None) -> Any:
    """A body in pieces: aiohttp writes large bytes at once, which blocks the loop, and warns about it."""
    if isinstance(body, Multipart):
        return AsyncPieces(body)
    return body if body is None or len(body) <= WRITE_BYTES else _pieces(body)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), WRITE_BYTES):
        yield body[start : start + WRITE_BYTES]


def _authority(proxy: Proxy | None) -> dict[str, str] | None:
    """The password of a proxy as a header: aiohttp's own way is deprecated."""
    if proxy is None or proxy.auth is None:
        return None
    return {"proxy-authorization": f"Basic {b64encode(b':'.join(proxy.auth)).decode()}"}
