"""A streamed answer, as its caller holds it: a chat in chunks, or a file."""

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
from typing import Any, Generic, Self, TypeAlias, TypeVar

from melious.answers.meta import AttachedDocument
from melious.answers.reading import completion_of, note_documents
from melious.answers.results import ChatCompletion
from melious.exchange.opened import OpenAnswer, OpenStream
from melious.exchange.ratelimit import RateLimit
from melious.wire.chunk import ChatChunk
from melious.wire.completion import PartialCompletion
from melious.wire.files import LineSplitter
from melious.wire.head import without_cookies

T = TypeVar("T")
A = TypeVar("A", bound=OpenAnswer[Any])

Begun: TypeAlias = tuple[OpenStream, Generator[ChatChunk], Callable[[], None]]
"""A stream whose first chunk has come, its chunks, and what closes its connection."""

AsyncBegun: TypeAlias = tuple[OpenStream, AsyncGenerator[ChatChunk], Callable[[], Awaitable[None]]]
"""The same for asyncio."""


BegunFile: TypeAlias = tuple[OpenAnswer[bytes], Generator[bytes], Callable[[], None]]
"""A file whose first bytes have come, its bytes, and what closes its connection."""

AsyncBegunFile: TypeAlias = tuple[OpenAnswer[bytes], AsyncGenerator[bytes], Callable[[], Awaitable[None]]]
"""The same for asyncio."""


class StreamHead(Generic[A]):
    """What is known of every streamed answer once it has begun."""

    _opened: A | None = None

    def _head(self) -> A:
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
    def headers(self) -> Mapping[str, str]:
        """The headers of the answer, names in lower case, without cookies."""
        return without_cookies(self._head().head.headers)


class StreamBase(StreamHead[OpenStream]):
    """What blocking and asyncio chat streams share: everything but the reading."""

    _documents: Sequence[AttachedDocument] = ()

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


class Stream(StreamHead[A], Generic[A, T]):
    """The reading of a streamed answer, for blocking code."""

    def __init__(self, begin: Callable[[], tuple[A, Generator[T], Callable[[], None]]]) -> None:
        self._opened, self._chunks, _ = begin()

    def __iter__(self) -> Iterator[T]:
        return self._chunks

    def __next__(self) -> T:
        return next(self._chunks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; harmless after the end."""
        self._chunks.close()


class AsyncStream(StreamHead[A], Generic[A, T]):
    """The reading of a streamed answer, for asyncio."""

    def __init__(
        self, begin: Callable[[], Awaitable[tuple[A, AsyncGenerator[T], Callable[[], Awaitable[None]]]]]
    ) -> None:
        self._begin = begin
        self._chunks: AsyncGenerator[T] | None = None
        self._close_connection: Callable[[], Awaitable[None]] | None = None

    async def _started(self) -> Self:
        if self._chunks is None:
            self._opened, self._chunks, self._close_connection = await self._begin()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self._started().__await__()

    def __aiter__(self) -> AsyncIterator[T]:
        return self if self._chunks is None else self._chunks

    async def __anext__(self) -> T:
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


class ChatStream(Stream[OpenStream, ChatChunk], StreamBase):
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
        super().__init__(begin)


class AsyncChatStream(AsyncStream[OpenStream, ChatChunk], StreamBase):
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
        super().__init__(begin)


class FileStream(Stream[OpenAnswer[bytes], bytes]):
    """The bytes of a file as they arrive; memory does not grow with the file.

    Iterate over it once, or over its `lines()`. Closing or dropping it early closes the connection at
    once; read to its end, it returns the connection.

    Raises:
        StreamTruncatedError: While iterating: the connection broke before the end of the file.
        APITimeoutError: While iterating: nothing arrived for too long.

    Examples:
        >>> from melious import MeliousClient
        >>> with MeliousClient(api_key="sk-mel-...") as client:  # doctest: +SKIP
        ...     with client.files.content("file_1") as stream:
        ...         for line in stream.lines():
        ...             print(line[:80])
    """

    def lines(self) -> Iterator[bytes]:
        """The lines as they arrive, without their ends and without blank ones."""
        splitter = LineSplitter()
        for data in self:
            yield from splitter.feed(data)
        yield from splitter.rest()

    def read(self) -> bytes:
        """The rest of the file, in memory."""
        return b"".join(self)


class AsyncFileStream(AsyncStream[OpenAnswer[bytes], bytes]):
    """Like `FileStream`, for asyncio.

    The request is made when the stream is first awaited, entered or iterated over; errors before
    the first byte are raised there.

    Examples:
        >>> async def main() -> None:
        ...     async with AsyncMeliousClient() as client:
        ...         async with client.files.content("file_1") as stream:
        ...             async for line in stream.lines():
        ...                 print(line[:80])
    """

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines as they arrive, without their ends and without blank ones."""
        splitter = LineSplitter()
        async for data in self:
            for line in splitter.feed(data):
                yield line
        for line in splitter.rest():
            yield line

    async def read(self) -> bytes:
        """The rest of the file, in memory."""
        return b"".join([data async for data in self])
