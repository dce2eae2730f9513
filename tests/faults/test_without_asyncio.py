"""The async clients and adapters where no asyncio event loop runs: under trio, and driven by hand."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from faults_kit import ASK, KEY, always, whole

from melious import AsyncMeliousClient, ConfigurationError

trio = pytest.importorskip("trio")
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(32)


async def _read(chunks: AsyncIterator[Any]) -> None:
    async for _ in chunks:
        pass


async def _entered(stream: Any) -> None:
    async with stream:
        pass


async def _awaited(stream: Any) -> None:
    await stream


CORE: dict[str, Callable[[AsyncMeliousClient], Awaitable[Any]]] = {
    "chat": lambda client: client.chat.create(**ASK),
    "a stream that is read": lambda client: _read(client.chat.stream(**ASK)),
    "a stream that is entered": lambda client: _entered(client.chat.stream(**ASK)),
    "a stream that is awaited": lambda client: _awaited(client.chat.stream(**ASK)),
    "embeddings": lambda client: client.embeddings.create(model="m", input="a"),
    "batches of embeddings": lambda client: client.embeddings.create(
        model="m", input=[str(n) for n in range(9)], batch_size=2
    ),
    "rerank": lambda client: client.rerank.create(model="m", query="a", documents=["a"]),
    "batches of rerank": lambda client: client.rerank.create(
        model="m", query="a", documents=[str(n) for n in range(3000)]
    ),
    "images": lambda client: client.images.generate(model="m", prompt="a"),
    "an upload": lambda client: client.audio.transcribe(model="m", file=("a.wav", WAV)),
    "models.list": lambda client: client.models.list(),
    "models.find": lambda client: client.models.find(),
    "models.retrieve": lambda client: client.models.retrieve("m"),
    "aclose": lambda client: client.aclose(),
    "a block": _entered,
}


@pytest.fixture(autouse=True)
def _everything_is_awaited() -> Iterator[None]:
    """No coroutine of ours is left behind: `never awaited` would be warned of, and warnings are errors."""
    gc.freeze()  # what was there before the test is not gone through after it
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
        gc.collect()
    gc.unfreeze()
    assert [str(one.message) for one in told] == []


def by_hand(call: Callable[[], Awaitable[Any]]) -> None:
    """Run a call as no event loop does."""
    coroutine = call().__await__()
    next(coroutine)
    raise AssertionError("it waits for something")


RUNNERS: dict[str, Callable[[Callable[[], Awaitable[Any]]], Any]] = {"trio": trio.run, "by hand": by_hand}


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("transport", ["httpx", "aiohttp", "injected"])
@pytest.mark.parametrize("call", CORE)
def test_calls_say_that_they_need_asyncio(call, transport, runner, serve):
    server = serve(always(whole()))
    options: dict[str, Any] = {"async_transport": transport}
    injected = None
    if transport == "injected":
        injected = pytest.importorskip("httpx").AsyncClient(trust_env=False)
        options = {"http_client": injected}
    client = AsyncMeliousClient(base_url=server.base_url, api_key=KEY, embedding_cache_size=10, **options)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="running asyncio event loop") as caught:
            RUNNERS[runner](lambda: CORE[call](client))
        assert "trio" in str(caught.value)
    assert server.connections == 0
    if injected is not None:
        asyncio.run(injected.aclose())


def test_the_same_client_goes_on_with_asyncio(serve):
    server = serve(always(whole()))
    client = AsyncMeliousClient(base_url=server.base_url, api_key=KEY)

    async def main() -> str:
        async with client:
            return (await client.chat.create(**ASK)).text

    with pytest.raises(ConfigurationError):
        trio.run(main)
    assert asyncio.run(main()) == "A light."


def _langchain(call: str, base_url: str) -> Awaitable[Any]:
    from langchain_core.documents import Document
    from langchain_core.messages import HumanMessage

    from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank

    settings: dict[str, Any] = {"model": "m", "base_url": base_url, "api_key": KEY}
    chat, embeddings = ChatMelious(**settings), MeliousEmbeddings(**settings)
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "ainvoke": lambda: chat.ainvoke("?"),
        "agenerate": lambda: chat.agenerate([[HumanMessage("a")], [HumanMessage("b")]]),
        "astream": lambda: _read_later(lambda: chat.astream("?")),
        "abatch": lambda: chat.abatch(["a", "b"]),
        "aembed_documents": lambda: embeddings.aembed_documents(["a", "b"]),
        "aembed_query": lambda: embeddings.aembed_query("a"),
        "acompress_documents": lambda: MeliousRerank(**settings).acompress_documents([Document("a")], "q"),
    }
    return calls[call]()


def _llama_index(call: str, base_url: str) -> Awaitable[Any]:
    from llama_index.core.llms import ChatMessage

    from llama_index_melious import Melious, MeliousEmbedding

    settings: dict[str, Any] = {"model": "m", "base_url": base_url, "api_key": KEY}
    llm, embedding = Melious(**settings), MeliousEmbedding(**settings)
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "acomplete": lambda: llm.acomplete("?"),
        "achat": lambda: llm.achat([ChatMessage(content="a")]),
        "astream_chat": lambda: llm.astream_chat([ChatMessage(content="a")]),
        "aget_text_embedding": lambda: embedding.aget_text_embedding("a"),
        "aget_text_embedding_batch": lambda: embedding.aget_text_embedding_batch(["a", "b"]),
    }
    return calls[call]()


async def _read_later(start: Callable[[], AsyncIterator[Any]]) -> None:
    await _read(start())


@pytest.mark.parametrize(
    ("adapter", "call"),
    [
        *((_langchain, name) for name in ("ainvoke", "agenerate", "astream", "abatch")),
        *((_langchain, name) for name in ("aembed_documents", "aembed_query", "acompress_documents")),
        *((_llama_index, name) for name in ("acomplete", "achat", "astream_chat")),
        *((_llama_index, name) for name in ("aget_text_embedding", "aget_text_embedding_batch")),
    ],
)
def test_adapters_say_so_too(adapter, call, serve):
    server = serve(always(whole()))
    with pytest.raises(ConfigurationError, match="running asyncio event loop"):
        trio.run(lambda: adapter(call, server.base_url))
    assert server.connections == 0
