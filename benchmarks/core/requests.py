"""Clients that ask one question and take the whole answer: 1 KB there, 0.7 KB back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

from benchmarks import contenders as names
from benchmarks.contenders import AUTH, KEY
from benchmarks.measure import AsyncContender, SyncContender
from benchmarks.server import MODEL, QUESTION

MESSAGES = [{"role": "user", "content": QUESTION}]
BODY = {"model": MODEL, "messages": MESSAGES, "temperature": 0.2}

Ask = Callable[[], str]
AskAsync = Callable[[], Awaitable[str]]


def _raw(library: str) -> SyncContender:
    @contextmanager
    def open_client(url: str) -> Iterator[Ask]:
        with import_module(library).Client(headers=AUTH) as client:

            def ask() -> str:
                answer = client.post(f"{url}/chat/completions", json=BODY).json()
                text: str = answer["choices"][0]["message"]["content"]
                return text

            yield ask

    return open_client


@contextmanager
def _core(url: str) -> Iterator[Ask]:
    from melious import MeliousClient

    with MeliousClient(api_key=KEY, base_url=url) as client:
        yield lambda: client.chat.create(model=MODEL, messages=MESSAGES, temperature=0.2).text


@contextmanager
def _openai(url: str) -> Iterator[Ask]:
    from openai import OpenAI

    with OpenAI(api_key=KEY, base_url=url) as client:
        create: Any = client.chat.completions.create
        yield lambda: create(model=MODEL, messages=MESSAGES, temperature=0.2).choices[0].message.content


SYNC: dict[str, SyncContender] = {
    names.HTTPX: _raw("httpx"),
    names.HTTPX2: _raw("httpx2"),
    names.CORE: _core,
    names.OPENAI: _openai,
}


def _araw(library: str) -> AsyncContender:
    @asynccontextmanager
    async def open_client(url: str) -> AsyncIterator[AskAsync]:
        async with import_module(library).AsyncClient(headers=AUTH) as client:

            async def ask() -> str:
                answer = (await client.post(f"{url}/chat/completions", json=BODY)).json()
                text: str = answer["choices"][0]["message"]["content"]
                return text

            yield ask

    return open_client


def _acore(**options: Any) -> AsyncContender:
    @asynccontextmanager
    async def open_client(url: str) -> AsyncIterator[AskAsync]:
        from melious import AsyncMeliousClient

        async with AsyncMeliousClient(api_key=KEY, base_url=url, **options) as client:

            async def ask() -> str:
                return (await client.chat.create(model=MODEL, messages=MESSAGES, temperature=0.2)).text

            yield ask

    return open_client


def _aopenai(*, aiohttp: bool) -> AsyncContender:
    @asynccontextmanager
    async def open_client(url: str) -> AsyncIterator[AskAsync]:
        from openai import AsyncOpenAI, DefaultAioHttpClient

        http_client = DefaultAioHttpClient() if aiohttp else None
        async with AsyncOpenAI(api_key=KEY, base_url=url, http_client=http_client) as client:
            create: Any = client.chat.completions.create

            async def ask() -> str:
                answer = await create(model=MODEL, messages=MESSAGES, temperature=0.2)
                text: str = answer.choices[0].message.content
                return text

            yield ask

    return open_client


ASYNC: dict[str, AsyncContender] = {
    names.HTTPX: _araw("httpx"),
    names.HTTPX2: _araw("httpx2"),
    names.CORE: _acore(),
    names.CORE_AIOHTTP: _acore(async_transport="aiohttp"),
    names.OPENAI: _aopenai(aiohttp=False),
    names.OPENAI_AIOHTTP: _aopenai(aiohttp=True),
}
