"""Sending through a client with httpx's interface: one that the caller brings, or httpx on aiohttp.

A client that was brought is used as it is and never closed here. Redirects are
not followed, whatever it is set to: a redirect would carry the key along.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any

from melious.errors import ConfigurationError
from melious.transport.lanes import DRAIN_SECONDS, Origin, ReadClock
from melious.transport.library import KEEPALIVE_EXPIRY, ssl_context
from melious.transport.outgoing import Headers, Outgoing


def _built(client: Any, outgoing: Outgoing, clock: ReadClock) -> Any:
    seconds = clock.seconds()
    timeout = {"connect": outgoing.connect, "write": outgoing.write, "read": seconds, "pool": seconds}
    return client.build_request(
        outgoing.method.decode(),
        outgoing.url,
        headers=[pair for pair in outgoing.headers if pair[0] != b"host"],
        content=outgoing.body,
        extensions={"timeout": timeout},
    )


def _check(clock: ReadClock) -> None:
    if clock.until is not None and time.monotonic() > clock.until:
        raise TimeoutError("the time is up")


class SyncClientAnswer:
    """An answer whose body has not been read."""

    def __init__(self, response: Any, clock: ReadClock) -> None:
        self.status: int = response.status_code
        self.headers: Headers = response.headers.raw
        self.clock = clock
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        for data in self._response.iter_raw():
            yield data
            _check(self.clock)

    def drain(self, body: Iterator[bytes]) -> None:
        """Do nothing: no deadline can be put on a read that the client has begun."""

    def close(self) -> None:
        """Be done with the answer."""
        self._response.close()


class SyncClientSender:
    """Sends through a sync client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(
        self,
        outgoing: Outgoing,
        clock: ReadClock,
        *,
        fresh: bool,  # noqa: ARG002 - the client decides on its connections
    ) -> tuple[SyncClientAnswer | None, bool, Exception | None]:
        """Send one attempt; gives the answer or the error, and that nothing is known of the connection."""
        request = _built(self._client, outgoing, clock)
        try:
            response = self._client.send(request, stream=True, follow_redirects=False)
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            return None, False, error
        return SyncClientAnswer(response, clock), False, None


class AsyncClientAnswer:
    """An answer whose body has not been read."""

    def __init__(self, response: Any, clock: ReadClock) -> None:
        self.status: int = response.status_code
        self.headers: Headers = response.headers.raw
        self.clock = clock
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._response.aiter_raw():
            yield data
            _check(self.clock)

    async def drain(self, body: AsyncIterator[bytes]) -> None:
        """Read what little is left of the body, so that the connection can be used again."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                async for _ in body:
                    pass
        except TimeoutError:
            return

    async def aclose(self) -> None:
        """Be done with the answer."""
        await self._response.aclose()


class AsyncClientSender:
    """Sends through an async client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def send(
        self,
        outgoing: Outgoing,
        clock: ReadClock,
        *,
        fresh: bool,  # noqa: ARG002 - the client decides on its connections
    ) -> tuple[AsyncClientAnswer | None, bool, Exception | None]:
        """Send one attempt; gives the answer or the error, and that nothing is known of the connection."""
        request = _built(self._client, outgoing, clock)
        try:
            response = await self._client.send(request, stream=True, follow_redirects=False)
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            return None, False, error
        return AsyncClientAnswer(response, clock), False, None


class AiohttpPool(AsyncClientSender):
    """httpx on aiohttp's connections: much less work per request and per chunk when many run at a time."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        try:
            aiohttp = import_module("aiohttp")
            transport_type = import_module("httpx_aiohttp").AiohttpTransport
        except ImportError as error:
            raise ConfigurationError(
                "async_transport='aiohttp' needs the extra: pip install 'melious[aiohttp]'"
            ) from error
        context = ssl_context(origin.verify)

        def session() -> Any:
            connector = aiohttp.TCPConnector(
                limit=origin.max_connections, keepalive_timeout=KEEPALIVE_EXPIRY, ssl=context
            )
            return aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=True
            )

        transport = transport_type(verify=context, client=session)
        super().__init__(
            import_module("httpx").AsyncClient(transport=transport, verify=context, trust_env=False)
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
