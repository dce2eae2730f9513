"""Many at once in one process: open connections, streams, threads."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from importlib import import_module
from statistics import median
from typing import Any

from benchmarks import contenders as names
from benchmarks.contenders import AUTH, KEY
from benchmarks.core.requests import BODY as REQUEST
from benchmarks.core.requests import MESSAGES
from benchmarks.core.streams import BODY as STREAM
from benchmarks.growth.curves import Panel
from benchmarks.growth.lab import ENOUGH, Lab
from benchmarks.growth.server import TOGETHER
from benchmarks.langchain import models as langchain
from benchmarks.llama_index import models as llama
from benchmarks.measure import AsyncContender, Stopwatch, SyncContender
from benchmarks.server import ANSWER, MODEL, QUESTION, WORD

_PATIENCE = 300.0
_CONNECTIONS: dict[str, Any] = {"max_connections": 8192, "timeout": (_PATIENCE, _PATIENCE)}
"""By default 256 connections, each opened within 5 s, which is little for thousands on a busy machine."""
_REQUESTS = 1024
"""Requests that all threads make together."""
_BLOCKS = 4

Ask = Callable[[], Any]


def measure(lab: Lab) -> Iterator[Panel]:
    """Connections, streams, and then threads."""
    panel = Panel("a request beside open connections", "connection", "flat", references=(names.HTTPX2,))
    for size in lab.with_files(panel, 1, 10, 100, 300, 1000, each=2):
        with _silent(lab.url("silent", 0), size):
            lab.grow(panel, [size], _beside, "silent", lambda _: ANSWER)
    yield panel
    panel = Panel(
        "an async request beside open connections", "connection", "flat", references=(names.HTTPX2,)
    )
    for size in lab.with_files(panel, 1, 10, 100, 300, 1000, each=3):
        opened = _silent_async(lab.url("silent", 0), size)
        lab.wait_for(opened.__aenter__())
        lab.grow(panel, [size], _beside_async, "silent", lambda _: ANSWER)
        lab.wait_for(opened.__aexit__(None, None, None))
    yield panel

    yield from _together(lab)

    requests = 16 if lab.quick else _REQUESTS
    panel = Panel("threads", "thread", "flat", f"CPU of {requests} requests", references=(names.HTTPX2,))
    sizes = lab.sizes(1, 4, 16, 64, 256)
    yield lab.grow(panel, sizes, lambda size: _threads(size, requests), "text", lambda _: requests)


# --- connections that are open and say nothing ----------------------------------------------------------


@contextmanager
def _silent(url: str, count: int) -> Iterator[None]:
    """So many streams that have begun and do not go on, in the pool that all of our classes share."""
    from melious import MeliousClient

    with MeliousClient(api_key=KEY, base_url=url, **_CONNECTIONS) as client, ExitStack() as stack:
        for _ in range(count):
            next(iter(stack.enter_context(client.chat.stream(model=MODEL, messages=MESSAGES))))
        yield


@asynccontextmanager
async def _silent_async(url: str, count: int) -> AsyncIterator[None]:
    from melious import AsyncMeliousClient

    async with AsyncExitStack() as stack:
        for options in ({}, {"async_transport": "aiohttp"}):
            client = await stack.enter_async_context(
                AsyncMeliousClient(api_key=KEY, base_url=url, **_CONNECTIONS, **options)  # type: ignore[arg-type]
            )
            for _ in range(count):
                stream = client.chat.stream(model=MODEL, messages=MESSAGES)
                await anext(aiter(await stack.enter_async_context(stream)))
        yield


def _beside(count: int) -> dict[str, SyncContender]:
    @contextmanager
    def raw(url: str) -> Iterator[Ask]:
        httpx2 = import_module("httpx2")
        limits = httpx2.Limits(max_connections=None)
        with httpx2.Client(headers=AUTH, limits=limits) as client, ExitStack() as stack:
            for _ in range(count):
                stack.enter_context(client.stream("POST", f"{url}/chat/completions", json=STREAM))
            yield lambda: _text(client.post(f"{url}/chat/completions", json=REQUEST))

    return {names.HTTPX2: raw, **_asking(**_CONNECTIONS)}


def _text(response: Any) -> str:
    text: str = response.json()["choices"][0]["message"]["content"]
    return text


def _asking(**options: Any) -> dict[str, SyncContender]:
    """One question, by each of our blocking ways."""

    @contextmanager
    def core(url: str) -> Iterator[Ask]:
        from melious import MeliousClient

        client = MeliousClient(api_key=KEY, base_url=url, **options)
        yield lambda: client.chat.create(model=MODEL, messages=MESSAGES).text

    @contextmanager
    def in_langchain(url: str) -> Iterator[Ask]:
        model = langchain.melious(url, **options)
        yield lambda: model.invoke(QUESTION).content

    @contextmanager
    def in_llama(url: str) -> Iterator[Ask]:
        from llama_index.core.llms import ChatMessage

        model, question = llama.melious(url, **options), [ChatMessage(role="user", content=QUESTION)]
        yield lambda: model.chat(question).message.content

    return {names.CORE: core, names.LANGCHAIN_MELIOUS: in_langchain, names.LLAMA_MELIOUS: in_llama}


def _beside_async(count: int) -> dict[str, AsyncContender]:
    @asynccontextmanager
    async def raw(url: str) -> AsyncIterator[Ask]:
        httpx2 = import_module("httpx2")
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(headers=AUTH, limits=limits) as client, AsyncExitStack() as stack:
            for _ in range(count):
                await stack.enter_async_context(client.stream("POST", f"{url}/chat/completions", json=STREAM))

            async def ask() -> str:
                return _text(await client.post(f"{url}/chat/completions", json=REQUEST))

            yield ask

    def core(**options: Any) -> AsyncContender:
        @asynccontextmanager
        async def open_client(url: str) -> AsyncIterator[Ask]:
            from melious import AsyncMeliousClient

            client = AsyncMeliousClient(api_key=KEY, base_url=url, **_CONNECTIONS, **options)

            async def ask() -> str:
                return (await client.chat.create(model=MODEL, messages=MESSAGES)).text

            yield ask

        return open_client

    @asynccontextmanager
    async def in_langchain(url: str) -> AsyncIterator[Ask]:
        model = langchain.melious(url, **_CONNECTIONS)

        async def ask() -> Any:
            return (await model.ainvoke(QUESTION)).content

        yield ask

    @asynccontextmanager
    async def in_llama(url: str) -> AsyncIterator[Ask]:
        from llama_index.core.llms import ChatMessage

        model, question = llama.melious(url, **_CONNECTIONS), [ChatMessage(role="user", content=QUESTION)]

        async def ask() -> Any:
            return (await model.achat(question)).message.content

        yield ask

    return {
        names.HTTPX2: raw,
        names.CORE: core(),
        names.CORE_AIOHTTP: core(async_transport="aiohttp"),
        names.LANGCHAIN_MELIOUS: in_langchain,
        names.LLAMA_MELIOUS: in_llama,
    }


# --- streams at once ------------------------------------------------------------------------------------

Read = Callable[[], AsyncIterator[str]]
"""Opens a stream, and gives its texts."""


def _together(lab: Lab) -> Iterator[Panel]:
    """So many streams of a few chunks each: none goes on before all have begun, and then all do."""
    cpu = Panel("streams at once", "stream", references=(names.HTTPX2,))
    title, wait = "streams at once, until the first chunk", "until the median first chunk"
    until = Panel(title, "stream", "linear", f"CPU {wait}", "ms", references=(names.HTTPX2,))
    # Other work on the machine counts here, so this one is not judged.
    clock = Panel(f"{title}, by the clock", "stream", "linear", f"time {wait}", "ms", references=(*_STREAMS,))
    sizes = lab.with_files(cpu, 20, 100, 500, 1000, 2000)
    until.left_out = clock.left_out = cpu.left_out
    with ExitStack() as stack:
        readers: dict[tuple[str, int], Read] = {}
        for size in sizes:
            for name, contender in _STREAMS.items():
                opened = contender(lab.url("together", size))
                readers[name, size] = lab.wait_for(opened.__aenter__())
                stack.callback(lambda opened=opened: lab.wait_for(opened.__aexit__(None, None, None)))
        spent = dict.fromkeys(readers, 0.0)
        gc.freeze()
        for _ in range(1 if lab.quick else _BLOCKS):
            for (name, size), read in readers.items():
                if spent[name, size] > ENOUGH:
                    continue
                with Stopwatch() as watch:
                    times, spent_until, length = lab.wait_for(_read_all(read, size))
                if length != size * TOGETHER * len(WORD):
                    raise RuntimeError(f"{name} read {length} characters of {size} streams")
                spent[name, size] += watch.seconds
                cpu.note(name, size, watch.seconds * 1e6)
                until.note(name, size, median(spent_until) * 1e3)
                clock.note(name, size, median(times) * 1e3)
    yield from (cpu, until, clock)


async def _read_all(read: Read, count: int) -> tuple[list[float], list[float], int]:
    """Read so many streams at once; gives time and CPU until each first chunk, and the characters of all."""
    times: list[float] = []
    spent: list[float] = []
    began, before = time.perf_counter(), time.process_time()

    async def one() -> int:
        length = 0
        async for text in read():
            if text and not length:
                times.append(time.perf_counter() - began)
                spent.append(time.process_time() - before)
            length += len(text)
        return length

    async with asyncio.timeout(_PATIENCE):
        length = sum(await asyncio.gather(*(one() for _ in range(count))))
    return times, spent, length


@asynccontextmanager
async def _raw(url: str) -> AsyncIterator[Read]:
    httpx2 = import_module("httpx2")
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(headers=AUTH, limits=limits, timeout=_PATIENCE) as client:

        async def read() -> AsyncIterator[str]:
            async with client.stream("POST", f"{url}/chat/completions", json=STREAM) as response:
                async for data in response.aiter_raw():
                    yield WORD * data.count(b'"content":"' + WORD.encode())

        yield read


def _core(**options: Any) -> Callable[[str], Any]:
    @asynccontextmanager
    async def open_client(url: str) -> AsyncIterator[Read]:
        from melious import AsyncMeliousClient

        async with AsyncMeliousClient(api_key=KEY, base_url=url, **_CONNECTIONS, **options) as client:

            async def read() -> AsyncIterator[str]:
                async with client.chat.stream(model=MODEL, messages=MESSAGES) as stream:
                    async for chunk in stream:
                        for choice in chunk["choices"]:
                            yield choice["delta"].get("content") or ""

            yield read

    return open_client


@asynccontextmanager
async def _in_langchain(url: str) -> AsyncIterator[Read]:
    model = langchain.melious(url, **_CONNECTIONS)

    async def read() -> AsyncIterator[str]:
        async for chunk in model.astream(QUESTION):
            yield chunk.content

    yield read


@asynccontextmanager
async def _in_llama(url: str) -> AsyncIterator[Read]:
    from llama_index.core.llms import ChatMessage

    model, question = llama.melious(url, **_CONNECTIONS), [ChatMessage(role="user", content=QUESTION)]

    async def read() -> AsyncIterator[str]:
        async for response in await model.astream_chat(question):
            yield response.delta or ""

    yield read


_STREAMS: dict[str, Callable[[str], Any]] = {
    names.HTTPX2: _raw,
    names.CORE: _core(),
    names.CORE_AIOHTTP: _core(async_transport="aiohttp"),
    names.LANGCHAIN_MELIOUS: _in_langchain,
    names.LLAMA_MELIOUS: _in_llama,
}


# --- threads --------------------------------------------------------------------------------------------


def _threads(count: int, requests: int) -> dict[str, SyncContender]:
    @contextmanager
    def raw(url: str) -> Iterator[Ask]:
        httpx2 = import_module("httpx2")
        limits = httpx2.Limits(max_connections=None)
        with httpx2.Client(headers=AUTH, limits=limits, timeout=_PATIENCE) as client:
            yield lambda: _text(client.post(f"{url}/chat/completions", json=REQUEST))

    def in_threads(contender: SyncContender) -> SyncContender:
        @contextmanager
        def open_client(url: str) -> Iterator[Ask]:
            with contender(url) as ask, ThreadPoolExecutor(count) as threads:

                def right(_: int) -> bool:
                    return bool(ask() == ANSWER)

                yield lambda: sum(threads.map(right, range(requests)))

        return open_client

    everyone = {names.HTTPX2: raw, **_asking()}
    return {name: in_threads(contender) for name, contender in everyone.items()}
