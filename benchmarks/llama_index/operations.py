"""What is done with a language model of LlamaIndex; streams give the length of their text."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from benchmarks.llama_index.models import Make
from benchmarks.measure import AsyncContender, SyncContender
from benchmarks.server import FIELD, QUESTION, TOOL


def _question() -> Any:
    from llama_index.core.llms import ChatMessage

    return [ChatMessage(role="user", content=QUESTION)]


def chat(make: Make) -> SyncContender:
    """One question, one whole answer."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], Any]]:
        model, question = make(url), _question()
        yield lambda: model.chat(question).message.content

    return open_model


def achat(make: Make) -> AsyncContender:
    """One question, one whole answer."""

    @asynccontextmanager
    async def open_model(url: str) -> AsyncIterator[Callable[[], Any]]:
        model, question = make(url), _question()

        async def ask() -> str:
            text: str = (await model.achat(question)).message.content
            return text

        yield ask

    return open_model


def stream_chat(make: Make) -> SyncContender:
    """A response for each chunk of text."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        model, question = make(url), _question()
        yield lambda: sum(len(response.delta or "") for response in model.stream_chat(question))

    return open_model


def astream_chat(make: Make) -> AsyncContender:
    """A response for each chunk of text."""

    @asynccontextmanager
    async def open_model(url: str) -> AsyncIterator[Callable[[], Any]]:
        model, question = make(url), _question()

        async def read() -> int:
            size = 0
            async for response in await model.astream_chat(question):
                size += len(response.delta or "")
            return size

        yield read

    return open_model


def stream_tool_call(make: Make) -> SyncContender:
    """A response for each chunk of a tool call, and the call as far as it has come, as agents ask for it."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        from llama_index.core.tools import FunctionTool

        def note(text: str) -> str:
            """Take down a text."""
            return text

        model, tools = make(url), [FunctionTool.from_defaults(fn=note, name=TOOL)]

        def read() -> int:
            calls: list[Any] = []
            for response in model.stream_chat_with_tools(tools, user_msg=QUESTION):
                calls = model.get_tool_calls_from_response(response, error_on_no_tool_call=False)
            return len(calls[0].tool_kwargs[FIELD])

        yield read

    return open_model


def stream_object(make: Make) -> SyncContender:
    """A partial object for each chunk."""

    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        from llama_index.core.prompts import PromptTemplate
        from pydantic import create_model

        model, prompt = make(url), PromptTemplate("{question}")
        wanted = create_model(TOOL, **{FIELD: (str, ...)})  # type: ignore[call-overload]

        def read() -> int:
            objects = model.stream_structured_predict(wanted, prompt, question=QUESTION)
            [whole] = deque(objects, maxlen=1)
            return len(getattr(whole, FIELD))

        yield read

    return open_model
