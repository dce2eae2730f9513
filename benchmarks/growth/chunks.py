"""Streams: chunks, and what arrives of tool calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import contenders as names
from benchmarks.contenders import KEY
from benchmarks.core import streams
from benchmarks.core.requests import MESSAGES
from benchmarks.growth import fakes
from benchmarks.growth.curves import Panel
from benchmarks.growth.lab import Lab
from benchmarks.growth.server import arguments
from benchmarks.langchain import models as langchain
from benchmarks.langchain import operations as in_langchain
from benchmarks.llama_index import models as llama
from benchmarks.llama_index import operations as in_llama
from benchmarks.measure import SyncContender
from benchmarks.server import FIELD, MODEL, QUESTION, TOOL, WORD

_FLOORS = {names.LANGCHAIN_MELIOUS: names.LANGCHAIN_FAKE, names.LLAMA_MELIOUS: names.LLAMA_FAKE}


def measure(lab: Lab) -> Iterator[Panel]:
    """Chunks, arguments, and calls in one event."""
    sizes = lab.sizes(10, 100, 1000, 10_000, 100_000)
    length = len(WORD)
    panel = Panel("chunks in a stream", "chunk", floors=_FLOORS, references=(names.HTTPX2,))
    yield lab.grow(panel, sizes, _chunks, "chunks", lambda size: size * length)
    panel = Panel("chunks in an async stream", "chunk", floors=_FLOORS)
    yield lab.grow(panel, sizes, _async_chunks, "chunks", lambda size: size * length)

    sizes = tuple(64 * size for size in lab.sizes(16, 64, 256, 1024, 4096, 16_384))
    panel = Panel("tool arguments, streamed", "character", floors=_FLOORS)
    yield lab.grow(panel, sizes, _arguments, "arguments", lambda size: size)
    panel = Panel("tool arguments, whole", "character")
    yield lab.grow(panel, sizes, lambda _: _WHOLE, "arguments", lambda size: size - _empty())
    sizes = lab.sizes(10, 100, 1000, 4000, 16_000)
    panel = Panel("tool calls in one event", "call", floors=_FLOORS)
    yield lab.grow(panel, sizes, _calls, "calls", lambda size: size)
    panel = Panel("tool calls in a whole answer", "call")
    yield lab.grow(panel, sizes, lambda _: _WHOLE_CALLS, "calls", lambda size: size)


def _chunks(size: int) -> dict[str, Any]:
    return {
        names.HTTPX2: streams.SYNC[names.HTTPX2],
        names.CORE: streams.SYNC[names.CORE],
        names.LANGCHAIN_FAKE: in_langchain.stream(langchain.fake(size)),
        names.LANGCHAIN_MELIOUS: in_langchain.stream(langchain.melious),
        names.LLAMA_FAKE: in_llama.stream_chat(llama.fake(size)),
        names.LLAMA_MELIOUS: in_llama.stream_chat(llama.melious),
    }


def _async_chunks(size: int) -> dict[str, Any]:
    return {
        names.CORE: streams.ASYNC[names.CORE],
        names.CORE_AIOHTTP: streams.ASYNC[names.CORE_AIOHTTP],
        names.LANGCHAIN_FAKE: in_langchain.astream(langchain.fake(size)),
        names.LANGCHAIN_MELIOUS: in_langchain.astream(langchain.melious),
        names.LLAMA_FAKE: in_llama.astream_chat(llama.fake(size)),
        names.LLAMA_MELIOUS: in_llama.astream_chat(llama.melious),
    }


# --- tool calls: an operation gives the characters of all arguments, or how many calls there are ---------


def _empty() -> int:
    return len(json.dumps({FIELD: ""}))


def _core(read: Callable[[Any], int]) -> SyncContender:
    @contextmanager
    def open_client(url: str) -> Iterator[Callable[[], int]]:
        from melious import MeliousClient

        with MeliousClient(api_key=KEY, base_url=url) as client:
            yield lambda: read(client)

    return open_client


def _stream(client: Any) -> Iterator[Any]:
    with client.chat.stream(model=MODEL, messages=MESSAGES) as stream:
        for chunk in stream:
            for choice in chunk["choices"]:
                yield from choice["delta"].get("tool_calls") or ()


def _in_langchain(make: Callable[[str], Any], of_chunk: Callable[[Any], int]) -> SyncContender:
    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        model = make(url)
        yield lambda: sum(of_chunk(chunk) for chunk in model.stream(QUESTION))

    return open_model


def _in_llama(make: Callable[[str], Any], of_last: Callable[[Any], int]) -> SyncContender:
    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        from llama_index.core.llms import ChatMessage

        model, question = make(url), [ChatMessage(role="user", content=QUESTION)]

        def read() -> int:
            response: Any = None
            for response in model.stream_chat(question):  # noqa: B007 - the last is read
                pass
            return of_last(response)

        yield read

    return open_model


def _whole(make: Callable[[str], Any], ask: Callable[[Any], int]) -> SyncContender:
    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        model = make(url)
        yield lambda: ask(model)

    return open_model


def _args_of(chunk: Any) -> int:
    return sum(len(call["args"] or "") for call in chunk.tool_call_chunks)


def _ids_of(chunk: Any) -> int:
    return sum(call["id"] is not None for call in chunk.tool_call_chunks)


def _blocks(response: Any) -> list[Any]:
    return [block for block in response.message.blocks if block.block_type == "tool_call"]


def _arguments(size: int) -> dict[str, Any]:
    def written(response: Any) -> int:
        return len(_blocks(response)[0].tool_kwargs)

    return {
        names.CORE: _core(lambda client: sum(len(call["function"]["arguments"]) for call in _stream(client))),
        names.LANGCHAIN_FAKE: _in_langchain(fakes.langchain_arguments(arguments(size)), _args_of),
        names.LANGCHAIN_MELIOUS: _in_langchain(langchain.melious, _args_of),
        names.LLAMA_FAKE: _in_llama(fakes.llama_arguments(arguments(size)), written),
        names.LLAMA_MELIOUS: _in_llama(llama.melious, written),
    }


def _calls(size: int) -> dict[str, Any]:
    return {
        names.CORE: _core(lambda client: sum("id" in call for call in _stream(client))),
        names.LANGCHAIN_FAKE: _in_langchain(fakes.langchain_calls(size), _ids_of),
        names.LANGCHAIN_MELIOUS: _in_langchain(langchain.melious, _ids_of),
        names.LLAMA_FAKE: _in_llama(fakes.llama_calls(size), lambda response: len(_blocks(response))),
        names.LLAMA_MELIOUS: _in_llama(llama.melious, lambda response: len(_blocks(response))),
    }


def _chat(client: Any) -> Any:
    return client.chat.create(model=MODEL, messages=MESSAGES)


def _selected(model: Any) -> Any:
    from llama_index.core.tools import FunctionTool

    def note(text: str) -> str:
        """Take down a text."""
        return text

    tools = [FunctionTool.from_defaults(fn=note, name=TOOL)]
    return model.get_tool_calls_from_response(
        model.chat_with_tools(tools, user_msg=QUESTION, allow_parallel_tool_calls=True)
    )


def _text_of(core_call: Any) -> int:
    return len(json.loads(core_call["function"]["arguments"])[FIELD])


_WHOLE: dict[str, Any] = {
    names.CORE: _core(lambda client: _text_of(_chat(client).tool_calls[0])),
    names.LANGCHAIN_MELIOUS: _whole(
        langchain.melious, lambda model: len(model.invoke(QUESTION).tool_calls[0]["args"][FIELD])
    ),
    names.LLAMA_MELIOUS: _whole(llama.melious, lambda model: len(_selected(model)[0].tool_kwargs[FIELD])),
}
_WHOLE_CALLS: dict[str, Any] = {
    names.CORE: _core(lambda client: len(_chat(client).tool_calls)),
    names.LANGCHAIN_MELIOUS: _whole(langchain.melious, lambda model: len(model.invoke(QUESTION).tool_calls)),
    names.LLAMA_MELIOUS: _whole(llama.melious, lambda model: len(_selected(model))),
}
