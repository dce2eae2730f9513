"""Clients that read a streamed answer: an operation is one whole stream and gives the length of its text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

from pydantic_core import from_json

from benchmarks import contenders as names
from benchmarks.contenders import AUTH, KEY
from benchmarks.core.requests import MESSAGES
from benchmarks.measure import AsyncContender, SyncContender
from benchmarks.server import MODEL

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


SYNC: dict[str, SyncContender] = {
    names.HTTPX: _raw("httpx"),
    names.HTTPX2: _raw("httpx2"),
    names.CORE: _core,
    names.OPENAI: _openai,
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


ASYNC: dict[str, AsyncContender] = {
    names.HTTPX: _araw("httpx"),
    names.HTTPX2: _araw("httpx2"),
    names.CORE: _acore(),
    names.CORE_AIOHTTP: _acore(async_transport="aiohttp"),
    names.OPENAI: _aopenai(aiohttp=False),
    names.OPENAI_AIOHTTP: _aopenai(aiohttp=True),
}
