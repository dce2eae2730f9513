"""Performs what an exchange asks for; nothing is decided here."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

from melious.exchange.effects import Effect, Notify, ReadBody, ReadSome, Send, Sleep
from melious.exchange.exchange import Exchange, streamed, whole
from melious.exchange.once import MAX_READ, once
from melious.exchange.opened import OpenStream, lost, stream_error
from melious.exchange.request import Otherwise, Request, Response
from melious.exchange.retry import Phase
from melious.http._async.borrowed import AsyncClientTransport
from melious.http._async.primitives import callback_result, check_runtime, decoded, sleep, transport_of
from melious.http._async.sharing import AsyncPools, shared
from melious.http.connections import Deadline
from melious.http.driver import CallRunnerBase, DriverBase, StreamEnd
from melious.http.frames import CleanInterruption
from melious.http.outgoing import EncodedRequest, Headers
from melious.settings.config import ClientConfig
from melious.wire.chunk import ChatChunk
from melious.wire.compression import BodyBuffer

T = TypeVar("T")


class Answer(Protocol):
    """An answer whose body has not been read."""

    status: int
    headers: Headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""

    async def drain(self, body: AsyncIterator[bytes]) -> None:
        """Read the short rest of the body, so that the connection can be reused."""

    async def aclose(self) -> None:
        """Close the answer."""


class Sender(Protocol):
    """A pool, or an injected client."""

    async def send(
        self, encoded: EncodedRequest, deadline: Deadline
    ) -> tuple[Answer | None, Exception | None]:
        """Send one attempt; gives the answer or the error."""


class AsyncDriver(DriverBase):
    """Makes the calls of one client, through an injected client or shared pools."""

    def __init__(self, config: ClientConfig, http_client: Any = None, pools: AsyncPools = shared) -> None:
        super().__init__(config, http_client, transport_of(config))
        self._injected = None if http_client is None else AsyncClientTransport(http_client)
        self._pools = pools

    async def call(self, request: Request) -> Response:
        """Make a call and give its whole answer; raises a `MeliousError` if it failed for good."""
        check_runtime()
        runner = _CallRunner(self, request)
        try:
            return await runner.run(whole(request, self.policy(request.endpoint)))
        finally:
            await runner.aclose()

    async def once(self, request: Request, most: int = MAX_READ) -> Response:
        """Send a request once and give its answer, whatever its status, cut after `most` bytes.

        Raises:
            MeliousError: No answer came, or it broke off.
        """
        check_runtime()
        runner = _CallRunner(self, request)
        try:
            return await runner.run(once(request, most))
        finally:
            await runner.aclose()

    async def open(
        self, request: Request, on_end: StreamEnd
    ) -> tuple[OpenStream, AsyncGenerator[ChatChunk], Callable[[], Awaitable[None]]]:
        """Make a streaming call; gives the opened stream, its chunks, and what closes its connection.

        Raises:
            MeliousError: The call failed before its first chunk.
        """
        check_runtime()
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

    async def sender(self) -> Sender:
        """The injected client, or the shared pool."""
        return self._injected or await self._pools.get(self.encoder.origin)

    async def aclose(self) -> None:
        """Close the idle connections to the service; a later call opens new ones."""
        check_runtime()
        if self._encoder is not None:
            await self._pools.close_idle(self._encoder.origin)


class _CallRunner(CallRunnerBase):
    """One call under way."""

    def __init__(self, driver: AsyncDriver, request: Request) -> None:
        super().__init__(driver, request)
        self._sender = driver.sender
        self._answer: Answer | None = None
        self._body: AsyncIterator[bytes] = _nothing()

    async def run(self, plan: Exchange[T]) -> T:
        """Perform the effects of a plan, to its end."""
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
            return await sleep(effect.seconds)
        if isinstance(effect, Notify):
            await self.aclose()
            return await callback_result("on_retry", self.retrying(effect.event))
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
        self._body = decoded(self.decoder, answer) if self.decoder else aiter(answer)
        return head

    async def _read_all(self, effect: ReadBody) -> bytes:
        collected = BodyBuffer(effect.limit, cut=effect.cut)
        async for data in self._body:
            if collected.add(data):
                break
        return self.whole(effect, collected)

    async def chunks(self, opened: OpenStream, on_end: StreamEnd) -> AsyncGenerator[ChatChunk]:
        """The chunks of an open stream. Once advanced, the generator owns the connection."""
        with CleanInterruption():
            parser = opened.parser
            complete = False
            try:
                yield ChatChunk()
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

    async def _drain(self, answer: Answer) -> None:
        """Read the rest of a complete answer; a failure there does not matter."""
        problem: Exception | None = None
        try:
            await answer.drain(self._body)
        except Exception as error:  # noqa: BLE001 - raised on if it is not the transport's
            problem = error
        if problem is not None:
            self.failed(problem, Phase.ANSWER)

    async def aclose(self) -> None:
        """Close the answer of the last attempt."""
        answer, self._answer = self._answer, None
        if answer is not None:
            await answer.aclose()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # an async generator that gives nothing
