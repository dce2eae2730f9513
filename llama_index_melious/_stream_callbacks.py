"""LlamaIndex's callbacks around streams, sparing the event of a response that nobody hears.

Its decorators make an event of every response, whether or not there is a
handler, and check the whole conversation each time: a third of what a chunk
costs, and more the longer the conversation is. Here they are told of the first
and the last response, and of those in between while anybody listens. All else
stays theirs: traces, the beginning, the end, errors, the rate limiter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from functools import wraps
from typing import Any, Generic, TypeVar, cast

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")

Callback = Callable[[], Callable[..., Any]]
"""`llm_chat_callback` or `llm_completion_callback`."""

_dispatcher: Dispatcher = get_dispatcher("llama_index.core.llms.callbacks")


def stream_callback(callback: Callback) -> Callable[[F], F]:
    """What `callback` is for other methods, for one that gives a generator.

    Args:
        callback: `llm_chat_callback` or `llm_completion_callback`.
    """

    def decorate(method: F) -> F:
        @wraps(method)
        def stream(llm: Any, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
            tap: _Tap[Any] = _Tap()
            opened: list[Generator[Any, None, None]] = []

            def begin(llm: Any, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
                opened.append(method(llm, *args, **kwargs))
                return tap.told()

            told = callback()(begin)(llm, *args, **kwargs)
            return _through(opened.pop(), tap, told)

        return cast("F", stream)

    return decorate


def astream_callback(callback: Callback) -> Callable[[F], F]:
    """Like `stream_callback`, for a coroutine that gives an async generator."""

    def decorate(method: F) -> F:
        @wraps(method)
        async def stream(llm: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            tap: _Tap[Any] = _Tap()
            opened: list[AsyncGenerator[Any, None]] = []

            async def begin(llm: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
                opened.append(await method(llm, *args, **kwargs))
                return tap.atold()

            told = await callback()(begin)(llm, *args, **kwargs)
            return _athrough(opened.pop(), tap, told)

        return cast("F", stream)

    return decorate


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


def _through(
    source: Generator[R, None, None], tap: _Tap[R], told: Generator[R, None, None]
) -> Generator[R, None, None]:
    response = None
    try:
        for response in source:
            if tap.response is None or _is_heard():
                tap.response = response
                next(told)
            yield response
    except BaseException as error:
        tap.response, tap.error = None, error
        next(told)  # which tells of the error, and raises it
        raise
    finally:
        source.close()
    if response is not tap.response:
        tap.response = response
        next(told)
    tap.response = None
    next(told, None)


async def _athrough(
    source: AsyncGenerator[R, None], tap: _Tap[R], told: AsyncGenerator[R, None]
) -> AsyncGenerator[R, None]:
    response = None
    try:
        async for response in source:
            if tap.response is None or _is_heard():
                tap.response = response
                await anext(told)
            yield response
    except BaseException as error:
        tap.response, tap.error = None, error
        await anext(told)  # which tells of the error, and raises it
        raise
    finally:
        await source.aclose()
    if response is not tap.response:
        tap.response = response
        await anext(told)
    tap.response = None
    await anext(told, None)
