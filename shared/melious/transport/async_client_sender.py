"""Sending through an async client with httpx's interface: one that the caller brings, or httpx on aiohttp.

A client that was brought is used as it is and never closed here. Redirects are
not followed, whatever it is set to: a redirect would carry the key along.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib import import_module
from typing import Any

from melious.errors import ConfigurationError
from melious.transport.lanes import DRAIN_BYTES, DRAIN_SECONDS, WRITE_BYTES, Origin, ReadClock
from melious.transport.library import KEEPALIVE_EXPIRY, Proxy, ssl_context
from melious.transport.outgoing import Headers, Outgoing
from melious.transport.sync_client_sender import body_read_seconds, built

_GRACE = 0.05
"""Seconds that a client's own timeout, which tells more, has before it is cut off from outside."""


def _limit(seconds: float | None) -> asyncio.Timeout:
    return asyncio.timeout(None if seconds is None else seconds + _GRACE)


class AsyncClientAnswer:
    """An answer whose body has not been read."""

    def __init__(self, response: Any, clock: ReadClock) -> None:
        self.status: int = response.status_code
        self.headers: Headers = response.headers.raw
        self.clock = clock
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(self._response.aiter_raw())
        while True:
            if self.clock.left() == 0.0:
                raise TimeoutError("the time is up")
            try:
                async with _limit(self.clock.seconds()):
                    data = await anext(parts)
            except StopAsyncIteration:
                return
            yield data

    async def drain(self, body: AsyncIterator[bytes]) -> None:
        """Read what little is left of the body, so that the connection can be used again."""
        size = 0
        async with asyncio.timeout(DRAIN_SECONDS):
            async for data in body:
                size += len(data)
                if size > DRAIN_BYTES:
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
        read = body_read_seconds(clock)  # until the head is there, `_limit` is the shorter one
        request = built(self._client, outgoing, clock, self._body(outgoing), read)
        try:
            async with _limit(clock.left()):
                response = await self._client.send(request, stream=True, follow_redirects=False)
        except Exception as error:  # noqa: BLE001 - handed to the driver, which raises what is not the transport's
            return None, False, error
        return AsyncClientAnswer(response, clock), False, None

    def _body(self, outgoing: Outgoing) -> Any:
        return outgoing.body


def _authority(proxy: Proxy) -> dict[str, str]:
    """The password of a proxy as a header: aiohttp's own way is deprecated."""
    if proxy.auth is None:
        return {}
    return {"authorization": f"Basic {b64encode(b':'.join(proxy.auth)).decode()}"}


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), WRITE_BYTES):
        yield body[start : start + WRITE_BYTES]


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
        httpx = import_module("httpx")
        context = ssl_context(origin.verify) if origin.needs_tls else False
        proxy = (
            None if origin.proxy is None else httpx.Proxy(origin.proxy.url, headers=_authority(origin.proxy))
        )

        def session() -> Any:
            connector = aiohttp.TCPConnector(
                limit=origin.max_connections, keepalive_timeout=KEEPALIVE_EXPIRY, ssl=context
            )
            return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        transport = transport_type(verify=context, client=session, proxy=proxy)
        super().__init__(httpx.AsyncClient(transport=transport, cookies=no_cookies, trust_env=False))

    def _body(self, outgoing: Outgoing) -> Any:
        # aiohttp writes a large body all at once, which holds up the loop, and warns of it.
        body = outgoing.body
        return body if body is None or len(body) <= WRITE_BYTES else _pieces(body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def abandon(self) -> None:
        """Do nothing in the child of a fork: aiohttp's sockets cannot be reached; they stay as they are."""
