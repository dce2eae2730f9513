"""Streams of an LLM: chunks become responses, and LlamaIndex's callbacks and events are told of them.

LlamaIndex's decorators make an event of every response, whether or not there
is a handler, and check the whole conversation each time: a third of what a
chunk costs, and more the longer the conversation is. Here they are told of the
first and the last response, and of those in between while anybody listens. All
else stays theirs: traces, the beginning, the end, errors, the rate limiter.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypeVar

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler
from llama_index_instrumentation.span import active_span_id

from llama_index_melious.llm.responses import Fold, as_completion

if TYPE_CHECKING:
    from melious.clients.streams import AsyncChatStream, ChatStream, StreamBase

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="StreamBase")

Callback: TypeAlias = Callable[[], Callable[..., Any]]
"""`llm_chat_callback` or `llm_completion_callback`."""

_dispatcher: Dispatcher = get_dispatcher("llama_index.core.llms.callbacks")


class Reading(Generic[S, R]):
    """An open stream, and the responses that its chunks become.

    Attributes:
        stream: The stream.
        take: Gives the response of a chunk; None for one that brings nothing.
    """

    take: Callable[[dict[str, Any]], R | None]

    def __init__(self, stream: S, fold: Fold) -> None:
        self.stream = stream
        self._fold = fold
        self._span_id = active_span_id.get()

    def _last(self) -> ChatResponse:
        from llama_index_melious.events import dispatch_usage  # noqa: PLC0415 - not before there is an answer

        last = self._fold.finish(self.stream)
        dispatch_usage("chat", last.raw or {}, origin=self.stream, span_id=self._span_id)
        return last

    def end(self) -> R:
        """The last response, after the last chunk; what it all cost is told by an event."""
        raise NotImplementedError


class ChatReading(Reading[S, ChatResponse]):
    """A stream as the answer to a conversation."""

    def __init__(self, stream: S, fold: Fold) -> None:
        super().__init__(stream, fold)
        self.take: Callable[[dict[str, Any]], ChatResponse | None] = fold.add

    def end(self) -> ChatResponse:
        """The last response."""
        return self._last()


class CompletionReading(Reading[S, CompletionResponse]):
    """A stream as the answer to a prompt."""

    def take(self, chunk: dict[str, Any]) -> CompletionResponse | None:
        """The response of a chunk."""
        response = self._fold.add(chunk)
        return None if response is None else as_completion(response)

    def end(self) -> CompletionResponse:
        """The last response."""
        return as_completion(self._last())


def stream_callback(
    callback: Callback,
) -> Callable[[Callable[P, Reading[ChatStream, R]]], Callable[P, Generator[R, None, None]]]:
    """What `callback` is for other methods, for one that opens a stream: calling it then gives the responses.

    Args:
        callback: `llm_chat_callback` or `llm_completion_callback`.
    """

    def decorate(method: Callable[P, Reading[ChatStream, R]]) -> Callable[P, Generator[R, None, None]]:
        @wraps(method)
        def stream(*args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
            tap: _Tap[R] = _Tap()
            opened: list[Reading[ChatStream, R]] = []

            def begin(*args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
                opened.append(method(*args, **kwargs))
                return tap.told()

            told = callback()(begin)(*args, **kwargs)
            return _responses(opened.pop(), tap, told)

        _show(stream, "Generator")
        return stream

    return decorate


def astream_callback(
    callback: Callback,
) -> Callable[
    [Callable[P, Coroutine[Any, Any, Reading[AsyncChatStream, R]]]],
    Callable[P, Coroutine[Any, Any, AsyncGenerator[R, None]]],
]:
    """Like `stream_callback`, for asyncio."""

    def decorate(
        method: Callable[P, Coroutine[Any, Any, Reading[AsyncChatStream, R]]],
    ) -> Callable[P, Coroutine[Any, Any, AsyncGenerator[R, None]]]:
        @wraps(method)
        async def stream(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[R, None]:
            tap: _Tap[R] = _Tap()
            opened: list[Reading[AsyncChatStream, R]] = []

            async def begin(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[R, None]:
                opened.append(await method(*args, **kwargs))
                return tap.atold()

            told = await callback()(begin)(*args, **kwargs)
            return _aresponses(opened.pop(), tap, told)

        _show(stream, "AsyncGenerator")
        return stream

    return decorate


def _show(stream: Any, returns: str) -> None:
    """Let `help` and editors show what callers get, and not the reading that it is made of."""
    stream.__signature__ = inspect.signature(stream).replace(return_annotation=returns)


class _Tap(Generic[R]):
    """What LlamaIndex's callbacks see of a stream.

    Attributes:
        response: What they are told next; None once the stream is over.
        error: What the stream ended with, if it failed.
    """

    response: R | None = None
    error: BaseException | None = None

    def told(self) -> Generator[R, None, None]:
        """The stream as the callbacks have it."""
        while self.response is not None:
            yield self.response
        self._end()

    async def atold(self) -> AsyncGenerator[R, None]:
        """Like `told`, for asyncio."""
        while self.response is not None:
            yield self.response
        self._end()

    def _end(self) -> None:
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # it holds this frame, and so what the stream holds


def _is_heard() -> bool:
    """Whether any handler hears what LlamaIndex's callbacks tell."""
    node = _dispatcher
    while True:
        for handler in node.event_handlers:
            if type(handler) is not NullEventHandler:
                return True
        if not node.propagate:
            return False
        node = node.parent


# `told` may be closed already, by the collector or by the end of an event loop: then nobody is left to tell.


def _responses(
    reading: Reading[ChatStream, R], tap: _Tap[R], told: Generator[R, None, None]
) -> Generator[R, None, None]:
    take = reading.take
    try:
        with reading.stream as stream:
            for chunk in stream:
                response = take(chunk)
                if response is not None:
                    if tap.response is None or _is_heard():
                        tap.response = response
                        next(told, None)
                    yield response
        tap.response = last = reading.end()
        next(told, None)
        yield last
    except BaseException as error:
        tap.response, tap.error = None, error
        next(told, None)  # which tells of the error, and raises it
        raise
    tap.response = None
    next(told, None)


async def _aresponses(
    reading: Reading[AsyncChatStream, R], tap: _Tap[R], told: AsyncGenerator[R, None]
) -> AsyncGenerator[R, None]:
    take = reading.take
    try:
        async with reading.stream as stream:
            async for chunk in stream:
                response = take(chunk)
                if response is not None:
                    if tap.response is None or _is_heard():
                        tap.response = response
                        await anext(told, None)
                    yield response
        tap.response = last = reading.end()
        await anext(told, None)
        yield last
    except BaseException as error:
        tap.response, tap.error = None, error
        await anext(told, None)  # which tells of the error, and raises it
        raise
    tap.response = None
    await anext(told, None)
