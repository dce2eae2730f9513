"""Models of the sandbox, and both ways of calling them behind one face."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

import langchain_melious
from melious.sandbox import Sandbox


class SyncWay:
    """The blocking methods."""

    asynchronous = False

    def invoke(self, runnable: Any, *args: Any, **kwargs: Any) -> Any:
        return runnable.invoke(*args, **kwargs)

    def call(self, of: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(of, name)(*args, **kwargs)

    def stream(self, runnable: Any, *args: Any, into: list[Any] | None = None, **kwargs: Any) -> list[Any]:
        chunks = [] if into is None else into
        chunks.extend(runnable.stream(*args, **kwargs))
        return chunks


class AsyncWay:
    """The asynchronous methods, each call on an event loop of its own."""

    asynchronous = True

    def invoke(self, runnable: Any, *args: Any, **kwargs: Any) -> Any:
        return asyncio.run(runnable.ainvoke(*args, **kwargs))

    def call(self, of: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return asyncio.run(getattr(of, f"a{name}")(*args, **kwargs))

    def stream(self, runnable: Any, *args: Any, into: list[Any] | None = None, **kwargs: Any) -> list[Any]:
        chunks = [] if into is None else into

        async def read() -> None:
            async for chunk in runnable.astream(*args, **kwargs):
                chunks.append(chunk)

        asyncio.run(read())
        return chunks


@pytest.fixture(params=[SyncWay, AsyncWay], ids=["sync", "async"])
def way(request: pytest.FixtureRequest) -> SyncWay | AsyncWay:
    return request.param()


@pytest.fixture
def chat(sandbox: Sandbox) -> Callable[..., Any]:
    """Make chat models of the sandbox."""

    def make(model: str = "glm-4.7", **arguments: Any) -> Any:
        return langchain_melious.ChatMelious(model=model, **(_place(sandbox) | arguments))

    return make


@pytest.fixture
def embeddings(sandbox: Sandbox) -> Callable[..., Any]:
    def make(model: str = "bge-m3", **arguments: Any) -> Any:
        return langchain_melious.MeliousEmbeddings(model=model, **(_place(sandbox) | arguments))

    return make


@pytest.fixture
def rerank(sandbox: Sandbox) -> Callable[..., Any]:
    def make(model: str = "bge-reranker-v2-m3", **arguments: Any) -> Any:
        return langchain_melious.MeliousRerank(model=model, **(_place(sandbox) | arguments))

    return make


def _place(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "base_url": sandbox.base_url}


@pytest.fixture
def whole() -> Callable[[list[AIMessageChunk]], AIMessage]:
    """Add chunks up, as LangChain does."""
    return lambda chunks: chunks[0] + chunks[1:] if len(chunks) > 1 else chunks[0]
