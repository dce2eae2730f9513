"""`client.chat`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from melious._signatures import written_out
from melious.answers.reading import note_documents
from melious.answers.results import ChatCompletion
from melious.clients._async.endpoint import AsyncEndpoint
from melious.clients.record import UsageRecorder
from melious.clients.streams import AsyncBegun, AsyncChatStream
from melious.endpoints import chat
from melious.endpoints.chat_params import ChatParams
from melious.endpoints.conversions import ConversionCache
from melious.exchange.request import Request
from melious.http._async.driver import AsyncDriver
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions, RoutingOptions
from melious.wire.chunk import ChatChunk

if TYPE_CHECKING:
    from melious.answers.meta import AttachedDocument
    from melious.endpoints.attachments import Attachments


class AsyncChat(AsyncEndpoint):
    """`client.chat`."""

    def __init__(self, config: ClientConfig, driver: AsyncDriver) -> None:
        super().__init__(config, driver)
        self._converted = ConversionCache()

    if not TYPE_CHECKING:  # for type checkers there are no other attributes

        def __getattr__(self, name: str) -> Any:
            hint = "; use chat.create and chat.stream" if name == "completions" else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    @written_out(ChatParams, RoutingOptions, CallOptions)
    async def create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **params: Unpack[ChatParams]
    ) -> ChatCompletion:
        """Get a whole answer.

        Args:
            model: The model, with or without a flavor (`glm-4.7:eco`).
            messages: The conversation, oldest first, in OpenAI's form.
            **params: Those of `melious.ChatParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        messages = chat.rereadable(messages)
        found, spent = chat.attachments_in(self._config, messages, params), 0.0
        if found is not None:
            chat.create(self._config, model, found.messages(), params)  # errors show before it is paid
            await self._convert(found, params)
            messages, spent = found.messages(), found.spent
        operation = chat.create(self._config, model, messages, params, spent)
        completion = await self._call(operation)
        if chat.is_disobeyed(operation.request, completion):
            completion = await self._call(chat.create(self._config, model, messages, params, spent))
        if found is not None:
            note_documents(completion, found.documents)
        return completion

    async def _convert(self, found: Attachments, params: ChatParams) -> None:
        """Convert the documents that are neither known to this client nor being converted by another call."""
        from melious.clients._async.primitives import wait_for  # noqa: PLC0415 - most chats convert nothing
        from melious.clients._async.splitting import run_batches  # noqa: PLC0415
        from melious.endpoints.documents import DocumentsPlan  # noqa: PLC0415

        deadline = params.get("deadline", self._config.deadline)
        while not found.are_known:
            try:
                files = found.claim(self._converted)
                if files:
                    plan = DocumentsPlan(self._config, files, found.params(params))
                    found.learn(self._converted, await run_batches(plan, self._driver.call))
            finally:
                found.release(self._converted)
            for future in found.pending():
                await wait_for(future, found.left(deadline))
            found.settle(deadline)

    @written_out(ChatParams, RoutingOptions, CallOptions)
    def stream(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **params: Unpack[ChatParams]
    ) -> AsyncChatStream:
        """Stream an answer. Awaiting, entering or iterating over it makes the request.

        Args:
            model: The model, with or without a flavor (`glm-4.7:eco`).
            messages: The conversation, oldest first, in OpenAI's form.
            **params: Those of `melious.ChatParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed before its first chunk.
        """
        messages = chat.rereadable(messages)
        found = chat.attachments_in(self._config, messages, params)
        if found is None:
            return AsyncChatStream(self._opener(model, messages, params))
        chat.stream(self._config, model, found.messages(), params)  # errors show before it is paid
        documents: list[AttachedDocument] = []
        return AsyncChatStream(partial(self._open_converted, model, found, params, documents), documents)

    async def _open_converted(
        self, model: str, found: Attachments, params: ChatParams, documents: list[AttachedDocument]
    ) -> AsyncBegun:
        await self._convert(found, params)
        documents.extend(found.documents)
        return await self._opener(model, found.messages(), params, found.spent)()

    def _opener(
        self, model: str, messages: Sequence[Mapping[str, Any]], params: ChatParams, spent: float = 0.0
    ) -> Callable[[], Awaitable[AsyncBegun]]:
        make = partial(chat.stream, self._config, model, messages, params, spent)
        request = make()
        if chat.may_be_disobeyed(request):
            return partial(self._open_forced, request, make)
        return partial(self._open, request)

    async def _open_forced(self, request: Request, make: Callable[[], Request]) -> AsyncBegun:
        """Open a stream that should begin with a tool call; if it ends without one, open another instead."""
        opened, chunks, let_go = await self._open(request)
        if not chat.is_forced(request):
            return opened, chunks, let_go
        first: list[ChatChunk] = []
        async for chunk in chunks:
            first.append(chunk)
            if opened.parser.partial.tool_calls:
                break
        if chat.is_disobeyed(request, opened.parser.partial):
            return await self._open(make())
        rest = _after(first, chunks)
        await anext(rest)  # a generator that never began would not close the stream
        return opened, rest, let_go

    async def _open(self, request: Request) -> AsyncBegun:
        with UsageRecorder(request) as record:
            begun = await self._driver.open(request, record.stream_ended)
            record.opened()
        return begun


async def _after(first: list[ChatChunk], rest: AsyncGenerator[ChatChunk]) -> AsyncGenerator[ChatChunk]:
    """Nothing, so that it has begun; then the chunks that were read already, and those that follow."""
    try:
        yield ChatChunk()
        for chunk in first:
            yield chunk
        async for chunk in rest:
            yield chunk
    finally:
        await rest.aclose()
