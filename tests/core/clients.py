"""Both clients behind one face, so that a case is written once and runs on each."""

import asyncio
import contextvars
import operator
import threading
from collections.abc import AsyncIterable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from melious import AsyncMeliousClient, ChatChunk, MeliousClient, MeliousError
from melious.sandbox import Sandbox

CHAT = "llama-3.1-8b-instruct"
VISION = "mistral-small-3.2-24b-instruct"
EMBEDDINGS = "bge-m3"
RERANK = "bge-reranker-v2-m3"
IMAGES = "flux-schnell"
AUDIO = "whisper-large-v3-turbo"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTION = [{"role": "user", "content": "What is a lighthouse?"}]


@dataclass
class Streamed:
    """A stream read to its end: what came, and what it ended with."""

    stream: Any
    chunks: list[ChatChunk]
    error: MeliousError | None

    @property
    def text(self) -> str:
        """The text of choice 0, as a caller puts it together."""
        return "".join(
            choice["delta"].get("content") or ""
            for chunk in self.chunks
            for choice in chunk["choices"]
            if choice.get("index", 0) == 0
        )


class Clients:
    """Makes clients of one kind and drives them; everything is closed with it."""

    asynchronous: bool

    def __init__(self) -> None:
        self._made: list[Any] = []

    def client(self, sandbox: Sandbox, **options: Any) -> Any:
        """A client of a sandbox, with its key unless another is given."""
        kind = AsyncMeliousClient if self.asynchronous else MeliousClient
        client = kind(**{"api_key": sandbox.api_key, "base_url": sandbox.base_url, **options})
        self._made.append(client)
        return client


class SyncClients(Clients):
    asynchronous = False

    def call(self, client: MeliousClient, name: str, *args: Any, **params: Any) -> Any:
        return operator.attrgetter(name)(client)(*args, **params)

    def items(self, iterable: Iterable[Any]) -> list[Any]:
        """What something gives that is iterated over, such as a batch job."""
        return list(iterable)

    def first(self, iterable: Iterable[Any]) -> Any:
        """The first of what something gives; the rest is left."""
        rest = iter(iterable)
        found = next(rest)
        rest.close()  # type: ignore[attr-defined]  # a generator
        return found

    def stream(self, client: MeliousClient, **params: Any) -> Streamed:
        with client.chat.stream(**params) as stream:
            chunks: list[ChatChunk] = []
            try:
                chunks.extend(stream)
            except MeliousError as error:
                return Streamed(stream, chunks, error)
            return Streamed(stream, chunks, None)

    def together(self, client: MeliousClient, name: str, calls: Iterable[dict[str, Any]]) -> list[Any]:
        """Make calls at the same time; gives results and exceptions in their order."""
        params = list(calls)
        barrier = threading.Barrier(len(params))

        def run(one: dict[str, Any]) -> Any:
            barrier.wait()
            try:
                return self.call(client, name, **one)
            except Exception as error:
                return error

        with ThreadPoolExecutor(len(params)) as pool:
            return list(pool.map(run, params))

    def close(self) -> None:
        for client in self._made:
            client.close()


class AsyncClients(Clients):
    asynchronous = True

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()

    def call(self, client: AsyncMeliousClient, name: str, *args: Any, **params: Any) -> Any:
        async def run() -> Any:
            return await operator.attrgetter(name)(client)(*args, **params)

        return self._runner.run(run(), context=contextvars.copy_context())

    def items(self, iterable: AsyncIterable[Any]) -> list[Any]:
        """What something gives that is iterated over, such as a batch job."""

        async def run() -> list[Any]:
            return [item async for item in iterable]

        return self._runner.run(run(), context=contextvars.copy_context())

    def first(self, iterable: AsyncIterable[Any]) -> Any:
        """The first of what something gives; the rest is left."""

        async def run() -> Any:
            rest = aiter(iterable)
            found = await anext(rest)
            await rest.aclose()  # type: ignore[attr-defined]  # a generator
            return found

        return self._runner.run(run(), context=contextvars.copy_context())

    def stream(self, client: AsyncMeliousClient, **params: Any) -> Streamed:
        async def run() -> Streamed:
            async with client.chat.stream(**params) as stream:
                chunks: list[ChatChunk] = []
                try:
                    async for chunk in stream:
                        chunks.append(chunk)
                except MeliousError as error:
                    return Streamed(stream, chunks, error)
                return Streamed(stream, chunks, None)

        return self._runner.run(run(), context=contextvars.copy_context())

    def together(self, client: AsyncMeliousClient, name: str, calls: Iterable[dict[str, Any]]) -> list[Any]:
        """Make calls at the same time; gives results and exceptions in their order."""
        method = operator.attrgetter(name)(client)

        async def run() -> list[Any]:
            return await asyncio.gather(*(method(**one) for one in calls), return_exceptions=True)

        return self._runner.run(run(), context=contextvars.copy_context())

    def close(self) -> None:
        async def run() -> None:
            for client in self._made:
                await client.aclose()

        self._runner.run(run())
        self._runner.close()


class AiohttpClients(AsyncClients):
    """The same on aiohttp's connections."""

    def client(self, sandbox: Sandbox, **options: Any) -> Any:
        return super().client(sandbox, async_transport="aiohttp", **options)
