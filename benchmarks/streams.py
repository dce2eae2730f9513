"""Clients that read a streamed answer: an operation is one whole stream and gives the length of its text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

from pydantic import SecretStr
from pydantic_core import from_json

from benchmarks import contenders as names
from benchmarks.chat import MESSAGES
from benchmarks.contenders import AUTH, KEY
from benchmarks.measure import AsyncContender, SyncContender
from benchmarks.server import MODEL, QUESTION

BODY = {"model": MODEL, "messages": MESSAGES, "stream": True, "stream_options": {"include_usage": True}}
_OPENAI: dict[str, Any] = {**BODY}

Read = Callable[[], int]
ReadAsync = Callable[[], Awaitable[int]]


def _length(events: list[bytes]) -> int:
    """What the least of all clients does with events: it believes in every one of them."""
    size = 0
    for event in events:
        if event != b"data: [DONE]":
            for choice in from_json(event[6:])["choices"]:
                size += len(choice["delta"].get("content") or "")
    return size


def _raw(library: str) -> SyncContender:
    @contextmanager
    def open_client(url: str) -> Iterator[Read]:
        with import_module(library).Client(headers=AUTH) as client:

            def read() -> int:
                size, rest = 0, b""
                with client.stream("POST", f"{url}/chat/completions", json=BODY) as response:
                    for data in response.iter_raw():
                        *events, rest = (rest + data).split(b"\n\n")
                        size += _length(events)
                return size

            yield read

    return open_client


@contextmanager
def _core(url: str) -> Iterator[Read]:
    from melious import MeliousClient

    with MeliousClient(api_key=KEY, base_url=url) as client:

        def read() -> int:
            size = 0
            with client.chat.stream(model=MODEL, messages=MESSAGES) as stream:
                for chunk in stream:
                    for choice in chunk["choices"]:
                        size += len(choice["delta"].get("content") or "")
            return size

        yield read


@contextmanager
def _openai(url: str) -> Iterator[Read]:
    from openai import OpenAI

    with OpenAI(api_key=KEY, base_url=url) as client:

        def read() -> int:
            size = 0
            for chunk in client.chat.completions.create(**_OPENAI):
                for choice in chunk.choices:
                    size += len(choice.delta.content or "")
            return size

        yield read


def _langchain(model: Any) -> Read:
    return lambda: sum(len(chunk.content) for chunk in model.stream(QUESTION))


@contextmanager
def _langchain_openai(url: str) -> Iterator[Read]:
    from langchain_openai import ChatOpenAI

    yield _langchain(ChatOpenAI(model=MODEL, api_key=SecretStr(KEY), base_url=url, stream_usage=True))


@contextmanager
def _langchain_melious(url: str) -> Iterator[Read]:
    from langchain_melious import ChatMelious

    yield _langchain(ChatMelious(model=MODEL, api_key=KEY, base_url=url))


def _llama_index(model: Any) -> Read:
    from llama_index.core.llms import ChatMessage

    question = ChatMessage(role="user", content=QUESTION)
    return lambda: sum(len(part.delta or "") for part in model.stream_chat([question]))


@contextmanager
def _llama_index_openai(url: str) -> Iterator[Read]:
    from llama_index.llms.openai_like import OpenAILike

    yield _llama_index(OpenAILike(model=MODEL, api_key=KEY, api_base=url, is_chat_model=True))


@contextmanager
def _llama_index_melious(url: str) -> Iterator[Read]:
    from llama_index_melious import Melious

    yield _llama_index(Melious(model=MODEL, api_key=KEY, api_base=url))


SYNC: dict[str, SyncContender] = {
    names.HTTPX: _raw("httpx"),
    names.HTTPX2: _raw("httpx2"),
    names.CORE: _core,
    names.OPENAI: _openai,
    names.LANGCHAIN_OPENAI: _langchain_openai,
    names.LANGCHAIN_MELIOUS: _langchain_melious,
    names.LLAMA_INDEX_OPENAI: _llama_index_openai,
    names.LLAMA_INDEX_MELIOUS: _llama_index_melious,
}


def _araw(library: str) -> AsyncContender:
    @asynccontextmanager
    async def open_client(url: str) -> AsyncIterator[ReadAsync]:
        async with import_module(library).AsyncClient(headers=AUTH) as client:

            async def read() -> int:
                size, rest = 0, b""
                async with client.stream("POST", f"{url}/chat/completions", json=BODY) as response:
                    async for data in response.aiter_raw():
                        *events, rest = (rest + data).split(b"\n\n")
                        size += _length(events)
                return size

            yield read

    return open_client


def _acore(**options: Any) -> AsyncContender:
    @asynccontextmanager
    async def open_client(url: str) -> AsyncIterator[ReadAsync]:
        from melious import AsyncMeliousClient

        async with AsyncMeliousClient(api_key=KEY, base_url=url, **options) as client:

            async def read() -> int:
                size = 0
                async with client.chat.stream(model=MODEL, messages=MESSAGES) as stream:
                    async for chunk in stream:
                        for choice in chunk["choices"]:
                            size += len(choice["delta"].get("content") or "")
                return size

            yield read

    return open_client


def _aopenai(*, aiohttp: bool) -> AsyncContender:
    @asynccontextmanager
    async def open_client(url: str) -> AsyncIterator[ReadAsync]:
        from openai import AsyncOpenAI, DefaultAioHttpClient

        http_client = DefaultAioHttpClient() if aiohttp else None
        async with AsyncOpenAI(api_key=KEY, base_url=url, http_client=http_client) as client:

            async def read() -> int:
                size = 0
                async for chunk in await client.chat.completions.create(**_OPENAI):
                    for choice in chunk.choices:
                        size += len(choice.delta.content or "")
                return size

            yield read

    return open_client


def _alangchain(model: Any) -> ReadAsync:
    async def read() -> int:
        size = 0
        async for chunk in model.astream(QUESTION):
            size += len(chunk.content)
        return size

    return read


@asynccontextmanager
async def _alangchain_openai(url: str) -> AsyncIterator[ReadAsync]:
    from langchain_openai import ChatOpenAI

    yield _alangchain(ChatOpenAI(model=MODEL, api_key=SecretStr(KEY), base_url=url, stream_usage=True))


@asynccontextmanager
async def _alangchain_melious(url: str) -> AsyncIterator[ReadAsync]:
    from langchain_melious import ChatMelious

    yield _alangchain(ChatMelious(model=MODEL, api_key=KEY, base_url=url))


def _allama_index(model: Any) -> ReadAsync:
    from llama_index.core.llms import ChatMessage

    question = ChatMessage(role="user", content=QUESTION)

    async def read() -> int:
        size = 0
        async for part in await model.astream_chat([question]):
            size += len(part.delta or "")
        return size

    return read


@asynccontextmanager
async def _allama_index_openai(url: str) -> AsyncIterator[ReadAsync]:
    from llama_index.llms.openai_like import OpenAILike

    yield _allama_index(OpenAILike(model=MODEL, api_key=KEY, api_base=url, is_chat_model=True))


@asynccontextmanager
async def _allama_index_melious(url: str) -> AsyncIterator[ReadAsync]:
    from llama_index_melious import Melious

    yield _allama_index(Melious(model=MODEL, api_key=KEY, api_base=url))


ASYNC: dict[str, AsyncContender] = {
    names.HTTPX: _araw("httpx"),
    names.HTTPX2: _araw("httpx2"),
    names.CORE: _acore(),
    names.CORE_AIOHTTP: _acore(async_transport="aiohttp"),
    names.OPENAI: _aopenai(aiohttp=False),
    names.OPENAI_AIOHTTP: _aopenai(aiohttp=True),
    names.LANGCHAIN_OPENAI: _alangchain_openai,
    names.LANGCHAIN_MELIOUS: _alangchain_melious,
    names.LLAMA_INDEX_OPENAI: _allama_index_openai,
    names.LLAMA_INDEX_MELIOUS: _allama_index_melious,
}
