"""Turns the chunks of a stream into responses, and reports them to LlamaIndex's callbacks and events.

LlamaIndex's decorators create an event for every response, with or without a
handler, and validate the whole conversation each time: a third of the cost of a
chunk, and more in long conversations. Here they see the first and the last
response, and those in between only while there is a handler. They still do
everything else: traces, start, end, errors, the rate limiter.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeAlias, TypeVar

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher, active_instrument_tags
from llama_index_instrumentation.span import active_span_id

from llama_index_melious.listeners import has_handler
from llama_index_melious.llm.responses import ResponseBuilder, as_completion, check_not_withheld

if TYPE_CHECKING:
    from melious.clients.streams import AsyncChatStream, ChatStream, StreamBase

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="StreamBase")

Callback: TypeAlias = Callable[[], Callable[..., Any]]
"""`llm_chat_callback` or `llm_completion_callback`."""

_dispatcher: Dispatcher = get_dispatcher("llama_index.core.llms.callbacks")


class ResponseStream(Generic[S, R]):
    """An open stream, and the responses built from its chunks.

    Attributes:
        stream: The stream.
        take: Returns the response of a chunk, or None if it adds nothing.
    """

    take: Callable[[dict[str, Any]], R | None]

    def __init__(self, stream: S, builder: ResponseBuilder) -> None:
        self.stream = stream
        self._builder = builder
        self._span_id = active_span_id.get()
        self._tags = active_instrument_tags.get()

    def _last(self) -> ChatResponse:
        from llama_index_melious.events import dispatch_usage  # noqa: PLC0415 - needed by the first answer

        last = self._builder.finish(self.stream)
        dispatch_usage("chat", last.raw or {}, origin=self.stream, span_id=self._span_id, tags=self._tags)
        check_not_withheld(last)
        return last

    def end(self) -> R:
        """The last response; reports the usage."""
        raise NotImplementedError


class ChatResponseStream(ResponseStream[S, ChatResponse]):
    """A stream of chat responses."""

    def __init__(self, stream: S, builder: ResponseBuilder) -> None:
        super().__init__(stream, builder)
        self.take: Callable[[dict[str, Any]], ChatResponse | None] = builder.add

    def end(self) -> ChatResponse:
        """The last response."""
        return self._last()


class CompletionResponseStream(ResponseStream[S, CompletionResponse]):
    """A stream of completion responses."""

    def take(self, chunk: dict[str, Any]) -> CompletionResponse | None:
        """The response of a chunk."""
        response = self._builder.add(chunk)
        return None if response is None else as_completion(response)

    def end(self) -> CompletionResponse:
        """The last response."""
        return as_completion(self._last())


def stream_callback(
    callback: Callback,
) -> Callable[[Callable[P, ResponseStream[ChatStream, R]]], Callable[P, Generator[R, None, None]]]:
    """Apply a callback decorator to a method that opens a stream; the result returns the responses."""

    def decorate(method: Callable[P, ResponseStream[ChatStream, R]]) -> Callable[P, Generator[R, None, None]]:
        @wraps(method)
        def stream(*args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
            tap: _Tap[R] = _Tap()
            opened: list[ResponseStream[ChatStream, R]] = []

            def begin(*args: P.args, **kwargs: P.kwargs) -> Generator[R, None, None]:
                opened.append(method(*args, **kwargs))
                return tap.responses()

            observed = callback()(begin)(*args, **kwargs)
            return _responses(opened.pop(), tap, observed)

        _show_return_type(stream, "Generator")
        return stream

    return decorate


def astream_callback(
    callback: Callback,
) -> Callable[
    [Callable[P, Coroutine[Any, Any, ResponseStream[AsyncChatStream, R]]]],
    Callable[P, Coroutine[Any, Any, AsyncGenerator[R, None]]],
]:
    """Like `stream_callback`, for asyncio."""

    def decorate(
        method: Callable[P, Coroutine[Any, Any, ResponseStream[AsyncChatStream, R]]],
    ) -> Callable[P, Coroutine[Any, Any, AsyncGenerator[R, None]]]:
        @wraps(method)
        async def stream(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[R, None]:
            tap: _Tap[R] = _Tap()
            opened: list[ResponseStream[AsyncChatStream, R]] = []

            async def begin(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[R, None]:
                opened.append(await method(*args, **kwargs))
                return tap.aresponses()

            observed = await callback()(begin)(*args, **kwargs)
            return _aresponses(opened.pop(), tap, observed)

        _show_return_type(stream, "AsyncGenerator")
        return stream

    return decorate


def _show_return_type(stream: Any, returns: str) -> None:
    """Show callers the generator in `help` and editors, not the open stream.

    LlamaIndex's spans check arguments by the signature. The prompt is optional there, so that LlamaIndex's
    own check of it gives the error.
    """
    signature = inspect.signature(stream)
    shown = [
        one.replace(default=...) if one.name == "prompt" else one for one in signature.parameters.values()
    ]
    stream.__signature__ = signature.replace(parameters=shown, return_annotation=returns)


class _Tap(Generic[R]):
    """The part of a stream that LlamaIndex's callbacks see.

    Attributes:
        response: The next response for them; None at the end of the stream.
        error: The error of a failed stream.
    """

    response: R | None = None
    error: BaseException | None = None

    def responses(self) -> Generator[R, None, None]:
        """The responses for the callbacks."""
        while self.response is not None:
            yield self.response
        self._end()

    async def aresponses(self) -> AsyncGenerator[R, None]:
        """Like `responses`, for asyncio."""
        while self.response is not None:
            yield self.response
        self._end()

    def _end(self) -> None:
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame, and so the stream


# `observed` may be closed already, by the garbage collector or the end of an event loop; hence the defaults.


def _responses(
    opened: ResponseStream[ChatStream, R], tap: _Tap[R], observed: Generator[R, None, None]
) -> Generator[R, None, None]:
    take = opened.take
    try:
        with opened.stream as stream:
            for chunk in stream:
                response = take(chunk)
                if response is not None:
                    if tap.response is None or has_handler(_dispatcher):
                        tap.response = response
                        next(observed, None)
                    yield response
        tap.response = last = opened.end()
        next(observed, None)
        yield last
    except BaseException as error:
        tap.response, tap.error = None, error
        next(observed, None)  # reports the error, and raises it
        raise
    tap.response = None
    next(observed, None)


async def _aresponses(
    opened: ResponseStream[AsyncChatStream, R], tap: _Tap[R], observed: AsyncGenerator[R, None]
) -> AsyncGenerator[R, None]:
    take = opened.take
    try:
        async with opened.stream as stream:
            async for chunk in stream:
                response = take(chunk)
                if response is not None:
                    if tap.response is None or has_handler(_dispatcher):
                        tap.response = response
                        await anext(observed, None)
                    yield response
        tap.response = last = opened.end()
        await anext(observed, None)
        yield last
    except BaseException as error:
        tap.response, tap.error = None, error
        await anext(observed, None)  # reports the error, and raises it
        raise
    tap.response = None
    await anext(observed, None)
