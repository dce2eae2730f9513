"""A streamed chat answer, as its caller holds it."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, Self, TypeAlias

from melious.answers.meta import AttachedDocument
from melious.answers.reading import completion_of, note_documents
from melious.answers.results import ChatCompletion
from melious.exchange.opened import OpenStream
from melious.exchange.ratelimit import RateLimit
from melious.wire.chunk import ChatChunk
from melious.wire.completion import PartialCompletion
from melious.wire.head import without_cookies

Begun: TypeAlias = tuple[OpenStream, Generator[ChatChunk], Callable[[], None]]
"""A stream whose first chunk has come, its chunks, and what closes its connection."""

AsyncBegun: TypeAlias = tuple[OpenStream, AsyncGenerator[ChatChunk], Callable[[], Awaitable[None]]]
"""The same for asyncio."""


class StreamBase:
    """What blocking and asyncio streams share: everything but the reading."""

    _opened: OpenStream | None = None
    _documents: Sequence[AttachedDocument] = ()

    def _head(self) -> OpenStream:
        if self._opened is None:
            raise RuntimeError("the stream has not started: await it or iterate over it")
        return self._opened

    @property
    def request_id(self) -> str | None:
        """The service's id of the request."""
        return self._head().head.request_id

    @property
    def rate_limit(self) -> RateLimit | None:
        """The account's rate limit, as the answer reported it."""
        return self._head().call.rate_limit

    @property
    def attempts(self) -> int:
        """How many requests it took to start the stream."""
        return self._head().call.attempts

    @property
    def relaxed(self) -> tuple[str, ...]:
        """The filters that `routing_fallbacks` gave up to find a provider, in order; () for none."""
        return self._head().call.routing.relaxed

    @property
    def routing(self) -> str | None:
        """The flavor, or else the preset, that the request asked for; a flavor wins over a preset."""
        return self._head().call.routing.preference

    @property
    def converted_documents(self) -> tuple[AttachedDocument, ...]:
        """The documents of the messages that were sent as text (`convert_documents`)."""
        return tuple(self._documents)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the answer, names in lower case, without cookies."""
        return without_cookies(self._head().head.headers)

    @property
    def partial(self) -> PartialCompletion:
        """What has arrived so far, merged."""
        return self._head().parser.partial

    def completion(self) -> ChatCompletion:
        """What has arrived so far as an answer; after the last chunk, the whole answer.

        Raises:
            ResponseDecodeError: The chunks do not make up an answer.
        """
        completion = completion_of(self._head())
        note_documents(completion, self.converted_documents)
        return completion


class ChatStream(StreamBase):
    """Chunks of a chat answer: dicts in OpenAI's shape, in one regular form, with their `text`.

    Iterate over it once. `chunk.text` is the text that a chunk adds, empty if it adds none. In every
    chunk `choices` is a list and each choice has a `delta` dict; reasoning is under
    `reasoning_content`; pieces of tool calls carry an integer `index`, and their id and name exactly
    once. Closing or dropping it early closes the connection at once; read to its end, it returns the
    connection.

    Raises:
        StreamTruncatedError: While iterating: the stream ended before the answer did.
        APITimeoutError: While iterating: nothing arrived for too long.
        APIStatusError: While iterating: the service reported an error inside the stream.
            In all three cases `.partial` has what arrived.

    Examples:
        >>> from melious import MeliousClient
        >>> with MeliousClient(api_key="sk-mel-...") as client:  # doctest: +SKIP
        ...     with client.chat.stream(model="glm-4.7", messages=[...]) as stream:
        ...         for chunk in stream:
        ...             print(chunk.text, end="")
        ...     print(stream.completion().usage)
    """

    def __init__(self, begin: Callable[[], Begun], documents: Sequence[AttachedDocument] = ()) -> None:
        self._documents = documents
        self._opened, self._chunks, _ = begin()

    def __iter__(self) -> Iterator[ChatChunk]:
        return self._chunks

    def __next__(self) -> ChatChunk:
        return next(self._chunks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; harmless after the end."""
        self._chunks.close()


class AsyncChatStream(StreamBase):
    """Like `ChatStream`, for asyncio.

    The request is made when the stream is first awaited, entered or iterated over; errors before
    the first chunk are raised there.

    Examples:
        >>> async def main() -> None:
        ...     async with AsyncMeliousClient() as client:
        ...         async for chunk in client.chat.stream(model="glm-4.7", messages=[...]):
        ...             print(chunk.text, end="")
    """

    def __init__(
        self, begin: Callable[[], Awaitable[AsyncBegun]], documents: Sequence[AttachedDocument] = ()
    ) -> None:
        self._documents = documents
        self._begin = begin
        self._chunks: AsyncGenerator[ChatChunk] | None = None
        self._close_connection: Callable[[], Awaitable[None]] | None = None

    async def _started(self) -> Self:
        if self._chunks is None:
            self._opened, self._chunks, self._close_connection = await self._begin()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self._started().__await__()

    def __aiter__(self) -> AsyncIterator[ChatChunk]:
        return self if self._chunks is None else self._chunks

    async def __anext__(self) -> ChatChunk:
        if self._chunks is None:
            await self._started()
        assert self._chunks is not None  # noqa: S101 - just started
        return await anext(self._chunks)

    async def __aenter__(self) -> Self:
        return await self._started()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop reading; harmless before the start, after the end, and while another task does it."""
        if self._chunks is None or self._close_connection is None:
            return
        # The connection first, so that the generator has nothing to wait for when it is closed: at its end an
        # event loop closes every generator there is at the same time, those that close one another included.
        await self._close_connection()
        if not getattr(self._chunks, "ag_running", False):
            await self._chunks.aclose()
