"""What is done with a chat model of LangChain; streams give the length of their text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from warnings import catch_warnings, simplefilter

from benchmarks.langchain.models import Make
from benchmarks.measure import AsyncContender, SyncContender
from benchmarks.server import QUESTION


def invoke(make: Make) -> SyncContender:
    """One question, one whole answer."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], Any]]:
        model = make(url)
        yield lambda: model.invoke(QUESTION).content

    return open_model


def ainvoke(make: Make) -> AsyncContender:
    """One question, one whole answer."""

    @asynccontextmanager
    async def open_model(url: str) -> AsyncIterator[Callable[[], Any]]:
        model = make(url)

        async def ask() -> str:
            text: str = (await model.ainvoke(QUESTION)).content
            return text

        yield ask

    return open_model


def stream(make: Make) -> SyncContender:
    """Message chunks."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        model = make(url)
        yield lambda: sum(len(chunk.content) for chunk in model.stream(QUESTION))

    return open_model


def astream(make: Make) -> AsyncContender:
    """Message chunks."""

    @asynccontextmanager
    async def open_model(url: str) -> AsyncIterator[Callable[[], Any]]:
        model = make(url)

        async def read() -> int:
            size = 0
            async for chunk in model.astream(QUESTION):
                size += len(chunk.content)
            return size

        yield read

    return open_model


def _written(event: Any) -> int:
    return len(event["delta"].get("text", "")) if event["event"] == "content-block-delta" else 0


@contextmanager
def _no_word_of_beta() -> Iterator[None]:
    """LangChain warns once that the protocol is new."""
    from langchain_core._api import LangChainBetaWarning

    with catch_warnings():
        simplefilter("ignore", LangChainBetaWarning)
        yield


def stream_events(make: Make) -> SyncContender:
    """The events of the third stream protocol, as a user reads them."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        model = make(url)

        def read() -> int:
            return sum(map(_written, model.stream_events(QUESTION, version="v3")))

        with _no_word_of_beta():
            read()
        yield read

    return open_model


def astream_events(make: Make) -> AsyncContender:
    """The events of the third stream protocol, as a user reads them."""

    @asynccontextmanager
    async def open_model(url: str) -> AsyncIterator[Callable[[], Any]]:
        model = make(url)

        async def read() -> int:
            size = 0
            async for event in await model.astream_events(QUESTION, version="v3"):
                size += _written(event)
            return size

        with _no_word_of_beta():
            await read()
        yield read

    return open_model


def make_events(make: Make) -> SyncContender:
    """The events of the third stream protocol as the model hands them to LangChain.

    That is its own hook, or, where it has none, LangChain's bridge over its chunks.
    """

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        from langchain_core.language_models._compat_bridge import chunks_to_events
        from langchain_core.messages import HumanMessage

        model, question = make(url), [HumanMessage(QUESTION)]
        hook = getattr(model, "_stream_chat_model_events", None)

        def events() -> Iterable[Any]:
            return hook(question) if hook else chunks_to_events(model._stream(question), message_id="run")

        yield lambda: sum(map(_written, events()))

    return open_model
