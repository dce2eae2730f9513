"""Performs what an exchange asks for, with asyncio; nothing is decided here."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from melious import forks
from melious.exchange.effects import Effect, Notify, ReadBody, ReadSome, Send, Sleep
from melious.exchange.exchange import Exchange, streamed, whole
from melious.exchange.opened import OpenStream, lost, stream_error
from melious.exchange.request import Otherwise, Request, Response
from melious.exchange.retry import Phase
from melious.http._async import sharing as async_registry
from melious.http._async.aiohttp_pool import AiohttpAnswer
from melious.http._async.borrowed import AsyncClientAnswer, AsyncClientTransport
from melious.http._async.pool import AsyncAnswer
from melious.http.asyncio_only import running_loop
from melious.http.callbacks import awaited
from melious.http.driver import CallRunnerBase, DriverBase, StreamEnd
from melious.http.frames import CleanInterruption
from melious.settings.config import ClientConfig
from melious.wire.compression import Collected, Decoder

T = TypeVar("T")


class AsyncDriver(DriverBase):
    """Makes the calls of one client, on any number of event loops."""

    def __init__(self, config: ClientConfig, http_client: Any = None) -> None:
        super().__init__(config, http_client, config.async_transport)
        self._injected = None if http_client is None else AsyncClientTransport(http_client)
        self._holds: dict[int, tuple[async_registry.AsyncHold, weakref.finalize[..., Any]]] = {}

    async def call(self, request: Request) -> Response:
        """Make a call and give its whole answer.

        Raises:
            MeliousError: The call failed for good.
        """
        running_loop()
        runner = _CallRunner(self, request)
        try:
            return await runner.run(whole(request, self.policy(request.endpoint)))
        finally:
            await runner.aclose()

    async def open(
        self, request: Request, on_end: StreamEnd
    ) -> tuple[OpenStream, AsyncGenerator[dict[str, Any]], Callable[[], Awaitable[None]]]:
        """Make a call whose answer streams; gives how it began, its chunks, and what closes its connection.

        Raises:
            MeliousError: The call failed before its first chunk.
        """
        running_loop()
        runner = _CallRunner(self, request)
        try:
            opened = await runner.run(streamed(request, self.policy(request.endpoint)))
        except BaseException:
            await runner.aclose()
            raise
        if request.replay is not None:
            await runner.aclose()  # the answer is here: its connection is free while it is handed out
        chunks = runner.chunks(opened, on_end)
        await anext(chunks)
        return opened, chunks, runner.aclose

    async def sender(self) -> async_registry.AnyAsyncPool | AsyncClientTransport:
        """What sends: the caller's client, or the pool that the running loop shares."""
        if self._injected is not None:
            return self._injected
        loop = running_loop()
        share = self._share(loop)
        if share is None:
            taken = await async_registry.hold(self.encoder.origin)
            share = self._share(loop)
            if share is not None:
                async_registry.drop(taken)  # another task was faster
                return share.pool
            share = taken
            self._forget_dead()
            finalizer = weakref.finalize(self, async_registry.drop, share)
            finalizer.atexit = False
            self._holds[id(loop)] = (share, finalizer)
        return share.pool

    def _share(self, loop: asyncio.AbstractEventLoop) -> async_registry.AsyncHold | None:
        found = self._holds.get(id(loop))
        if found is None or found[0].loop is not loop or found[0].generation != forks.generation():
            return None
        return found[0]

    def _forget_dead(self) -> None:
        for key, (share, finalizer) in list(self._holds.items()):
            if share.loop.is_closed() or share.generation != forks.generation():
                finalizer.detach()
                self._holds.pop(key, None)

    async def aclose(self) -> None:
        """Give the running loop's share in its pool back; a later call takes a new one."""
        found = self._holds.pop(id(running_loop()), None)
        if found is not None and found[0].generation == forks.generation():
            found[1].detach()
            await async_registry.close(found[0])


class _CallRunner(CallRunnerBase):
    """One call on its way, over asyncio."""

    def __init__(self, driver: AsyncDriver, request: Request) -> None:
        super().__init__(driver, request)
        self._sender = driver.sender
        self._answer: AsyncAnswer | AsyncClientAnswer | AiohttpAnswer | None = None
        self._body: AsyncIterator[bytes] = _nothing()

    async def run(self, plan: Exchange[T]) -> T:
        """Perform what a plan asks for, to its end."""
        result: Any = None
        try:
            with CleanInterruption():
                while True:
                    try:
                        effect = plan.send(result)
                    except StopIteration as done:
                        return done.value  # type: ignore[no-any-return]
                    result = await self._perform(effect)
        finally:
            plan.close()

    async def _perform(self, effect: Effect) -> Any:
        if isinstance(effect, Send):
            return await self._send(effect)
        if isinstance(effect, Sleep):
            await self.aclose()
            return await asyncio.sleep(effect.seconds)
        if isinstance(effect, Notify):
            await self.aclose()
            return await awaited(self.retrying(effect.event))
        if isinstance(effect, Otherwise):
            await self.aclose()
            return self.instead(effect)
        try:
            if isinstance(effect, ReadBody):
                return await self._read_all(effect)
            assert isinstance(effect, ReadSome)  # noqa: S101 - there is no other effect
            async for data in self._body:
                if data:
                    return self.first(data)
        except Exception as error:  # noqa: BLE001 - raised on if it is not the transport's
            problem = error
        else:
            return b""
        return self.failed(problem, Phase.ANSWER)

    async def _send(self, effect: Send) -> Any:
        await self.aclose()
        sender = await self._sender()
        answer, error = await sender.send(self.begin(effect), self.deadline)
        if error is not None:
            return self.failed(error, Phase.SENT)
        assert answer is not None  # noqa: S101 - no error, so an answer
        self._answer = answer
        head = self.head(answer.status, answer.headers)
        self._body = _decoded(self.decoder, answer) if self.decoder else aiter(answer)
        return head

    async def _read_all(self, effect: ReadBody) -> bytes:
        collected = Collected(effect.limit, cut=effect.cut)
        async for data in self._body:
            if collected.add(data):
                break
        return self.whole(effect, collected)

    async def chunks(self, opened: OpenStream, on_end: StreamEnd) -> AsyncGenerator[dict[str, Any]]:
        """The chunks of an open stream. Once advanced, it owns the connection, whatever happens."""
        with CleanInterruption():
            parser = opened.parser
            complete = False
            try:
                yield {}
                for chunk in opened.first:
                    yield chunk
                self.deadline.until = parser.resume()
                failure: Exception | None = None
                try:
                    if not parser.ended:
                        async for data in self._body:
                            chunks = parser.feed(data)
                            if chunks:
                                for chunk in chunks:
                                    yield chunk
                                self.deadline.until = parser.resume()
                            if parser.ended:
                                break
                        else:
                            for chunk in parser.close():
                                yield chunk
                except Exception as error:  # noqa: BLE001 - raised on if it is not the transport's
                    failure = error
                if failure is not None:
                    for chunk in lost(opened, self.failed(failure, Phase.ANSWER)):
                        yield chunk
                if parser.done and self._answer is not None:
                    await self._drain(self._answer)
                problem = stream_error(opened, time.monotonic())
                if problem is not None:
                    raise problem
                complete = True
            finally:
                await self._end(opened, on_end, complete)

    async def _end(self, opened: OpenStream, on_end: StreamEnd, complete: bool) -> None:  # noqa: FBT001
        try:
            await self.aclose()
        except BaseException:
            on_end(opened, False)
            raise
        on_end(opened, complete)

    async def _drain(self, answer: AsyncAnswer | AsyncClientAnswer | AiohttpAnswer) -> None:
        """Read what is left of an answer that is whole; that it breaks off there is nothing."""
        problem: Exception | None = None
        try:
            await answer.drain(self._body)
        except Exception as error:  # noqa: BLE001 - raised on if it is not the transport's
            problem = error
        if problem is not None:
            self.failed(problem, Phase.ANSWER)

    async def aclose(self) -> None:
        """Be done with the answer of the last attempt."""
        answer, self._answer = self._answer, None
        if answer is not None:
            await answer.aclose()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # an async generator that gives nothing


async def _decoded(decode: Decoder, parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for part in parts:
        for piece in decode.feed(part):
            yield piece
    for piece in decode.finish():
        yield piece
