"""Writes answers to the connection, and does the damage that faults ask for."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from http import HTTPStatus

from starlette.types import Send

from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.responses import COMMENT, DONE, EventsResponse, Response, event

_EVENTS_PER_TURN = 8
_GARBAGE_AFTER = 2
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Delivery:
    """Sends the answer to one request."""

    def __init__(self, send: Send, context: RequestContext) -> None:
        settings = context.service.settings
        self._send = send
        self._context = context
        self._connection = context.connection
        self._fault = context.fault
        self._stream_delay = settings.stream_delay + context.seconds_per_token
        self._keepalive = settings.keepalive

    async def pause(self, seconds: float) -> bool:
        """Wait, and say whether the client is still connected."""
        if seconds > 0 and not self._connection.is_lost:
            try:
                await asyncio.wait_for(self._connection.gone.wait(), seconds)
            except TimeoutError:
                return True
        return not self._connection.is_lost

    async def send(self, response: Response | EventsResponse, headers: Iterable[tuple[str, str]]) -> None:
        """Send an answer with these headers."""
        if self._fault.cut_after_bytes == 0:
            await self._connection.abort()
            return
        lines = dict(headers)
        lines["content-type"] = self._fault.content_type or response.content_type
        lines.update((name.lower(), value) for name, value in response.headers.items())
        lines.update((name.lower(), value) for name, value in self._fault.headers.items())
        if isinstance(response, Response):
            await self._send_whole(response, lines)
        else:
            await self._send_events(response, lines)

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        self._context.record.status = status
        self._answer = self._context.service.requests.begin_answer(self._context.record, headers)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def _write(self, data: bytes, *, last: bool = False) -> None:
        self._answer.add(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})
        if last:
            self._context.record.complete = not self._connection.is_lost

    async def _send_whole(self, response: Response, headers: dict[str, str]) -> None:
        content = response.content
        if self._fault.garbage is not None:
            middle = len(content) // 2
            content = content[:middle] + self._fault.garbage.encode("latin-1") + content[middle:]
        if response.status in _BODILESS:
            content = b""
        else:
            headers.setdefault("content-length", str(len(content)))
        await self._start(response.status, headers)
        limit = self._fault.cut_after_bytes
        if limit is not None and limit < len(content):
            await self._write(content[:limit])
            await self._connection.abort()
            return
        if self._context.incoming.ended:
            await self._write(content, last=True)
            return
        await self._write(content)
        await self._context.incoming.linger()
        await self._write(b"", last=True)

    async def _send_events(self, response: EventsResponse, headers: dict[str, str]) -> None:
        await self._start(response.status, headers)
        if self._fault.cut_after_events == 0:
            await self._connection.abort()
            return
        limit = self._fault.cut_after_bytes
        written = count = 0
        async with aclosing(self._paced(response.events)) as blocks:
            async for block in blocks:
                await self._write(block if limit is None else block[: limit - written])
                count += 1
                written += len(block)
                if (limit is not None and written >= limit) or count == self._fault.cut_after_events:
                    await self._connection.abort()
                    return
                if self._connection.is_lost:
                    return
        await self._write(b"", last=True)

    async def _paced(self, events: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """Give the events at their pace, with the silence, comments, garbage and errors of the fault."""
        fault = self._fault
        count = 0
        async for block in _each(events):
            if count and self._stream_delay:
                async for comment in self._silence(self._stream_delay, self._keepalive):
                    yield comment
            if count == fault.stall_after_events:
                async for comment in self._silence(fault.stall_seconds, fault.stall_comments):
                    yield comment
            if count == fault.error_after_events:
                _, body = SandboxError(fault.code or "provider_error").render(self._context.service.profile)
                yield event(body)
                return
            if fault.garbage is not None and count == _GARBAGE_AFTER:
                yield fault.garbage.encode("latin-1")
            if fault.no_done and block == DONE:
                continue
            yield block
            count += 1
            if count % _EVENTS_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _silence(self, seconds: float, comment_every: float | None) -> AsyncIterator[bytes]:
        while comment_every and seconds > comment_every:
            if not await self.pause(comment_every):
                return
            seconds -= comment_every
            yield COMMENT
        await self.pause(seconds)


async def _each(events: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(events, AsyncIterable):
        async for block in events:
            yield block
    else:
        for block in events:
            yield block
