"""One face for the three kinds of clients: blocking, asyncio, and asyncio on aiohttp."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from faults_kit import ASK, eventually

import melious


class SyncFace:
    """A client for blocking code."""

    kind = "sync"

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.client = melious.MeliousClient(**options)

    def chat(self, **params: Any) -> Any:
        return self.client.chat.create(**(ASK | params))

    def chats(self, count: int) -> list[Any]:
        """Ask so often at the same time."""
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(lambda _: self.chat(), range(count)))

    def neighbour(self, **options: Any) -> "SyncFace":
        """Another client like this one but for some options, on the same connections."""
        return SyncFace(**self._options | options)

    def models(self, **params: Any) -> Any:
        return self.client.models.list(**params)

    def embed(self, texts: list[str], **params: Any) -> Any:
        return self.client.embeddings.create(model="bge-m3", input=texts, **params)

    def chunks(self, seen: list[dict[str, Any]] | None = None, **params: Any) -> list[dict[str, Any]]:
        """Read a stream to its end; what comes before an error is in `seen`."""
        got = [] if seen is None else seen
        for chunk in self.client.chat.stream(**(ASK | params)):
            got.append(chunk)
        return got

    def first_chunk_then_break(self) -> None:
        for _ in self.client.chat.stream(**ASK):
            break

    def first_chunk_then_close(self) -> None:
        stream = self.client.chat.stream(**ASK)
        next(stream)
        stream.close()
        stream.close()

    def first_chunk_then_leave(self) -> None:
        with self.client.chat.stream(**ASK) as stream:
            next(stream)

    def first_chunk_then_drop(self) -> None:
        stream = self.client.chat.stream(**ASK)
        next(iter(stream))
        del stream

    def first_chunk_then_raise(self) -> None:
        with self.client.chat.stream(**ASK) as stream:
            next(stream)
            raise LookupError

    def eventually(self, condition: Callable[[], bool]) -> bool:
        """Wait until something is true; False if it does not come true at all."""
        return eventually(condition)

    def close(self) -> None:
        self.client.close()


class AsyncFace:
    """A client for asyncio, on an event loop that lasts as long as the face."""

    kind = "async"

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.client = melious.AsyncMeliousClient(**options)
        self._runner = asyncio.Runner()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    def chat(self, **params: Any) -> Any:
        return self.run(self.client.chat.create(**(ASK | params)))

    def chats(self, count: int) -> list[Any]:
        async def ask() -> list[Any]:
            return await asyncio.gather(*(self.client.chat.create(**ASK) for _ in range(count)))

        return self.run(ask())

    def neighbour(self, **options: Any) -> "AsyncFace":
        """Another client like this one but for some options, on the same connections."""
        other = AsyncFace(**self._options | options)
        other.kind = self.kind
        other._runner.close()
        other._runner = self._runner
        return other

    def models(self, **params: Any) -> Any:
        return self.run(self.client.models.list(**params))

    def embed(self, texts: list[str], **params: Any) -> Any:
        return self.run(self.client.embeddings.create(model="bge-m3", input=texts, **params))

    def chunks(self, seen: list[dict[str, Any]] | None = None, **params: Any) -> list[dict[str, Any]]:
        got = [] if seen is None else seen

        async def read() -> None:
            async for chunk in self.client.chat.stream(**(ASK | params)):
                got.append(chunk)

        self.run(read())
        return got

    def first_chunk_then_break(self) -> None:
        async def read() -> None:
            async for _ in self.client.chat.stream(**ASK):
                break

        self.run(read())

    def first_chunk_then_close(self) -> None:
        async def read() -> None:
            stream = await self.client.chat.stream(**ASK)
            await anext(stream)
            await stream.aclose()
            await stream.aclose()

        self.run(read())

    def first_chunk_then_leave(self) -> None:
        async def read() -> None:
            async with self.client.chat.stream(**ASK) as stream:
                await anext(stream)

        self.run(read())

    def first_chunk_then_drop(self) -> None:
        async def read() -> None:
            stream = await self.client.chat.stream(**ASK)
            await anext(aiter(stream))
            del stream

        self.run(read())

    def first_chunk_then_raise(self) -> None:
        async def read() -> None:
            async with self.client.chat.stream(**ASK) as stream:
                await anext(stream)
                raise LookupError

        self.run(read())

    def eventually(self, condition: Callable[[], bool]) -> bool:
        """The same while the loop runs on: what was dropped is closed by the loop itself."""

        async def wait() -> bool:
            return await asyncio.to_thread(eventually, condition)

        return self.run(wait())

    def close(self) -> None:
        self.run(self.client.aclose())

    def end(self) -> None:
        """End the event loop."""
        self._runner.close()


class AiohttpFace(AsyncFace):
    """The same on aiohttp's connections."""

    kind = "aiohttp"

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"async_transport": "aiohttp", **options})


Face = SyncFace | AsyncFace

FACES: dict[str, type[SyncFace] | type[AsyncFace]] = {
    "sync": SyncFace,
    "async": AsyncFace,
    "aiohttp": AiohttpFace,
}
