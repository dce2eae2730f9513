"""What the adapters make of odd answers that the core let through."""

from __future__ import annotations

from collections.abc import Generator
from random import Random
from typing import Any

from langchain_core.outputs import ChatGenerationChunk

from langchain_melious.chat.results import ReadOptions, result_of, summed
from langchain_melious.chat.streams import ChunkReader
from llama_index_melious.events import dispatch_usage
from llama_index_melious.llm.responses import ResponseBuilder, as_completion, chat_response
from melious.answers.meta import Meta
from melious.clients.streams import ChatStream
from melious.endpoints import chat as chat_endpoint
from melious.exchange.opened import OpenStream
from melious.exchange.request import NO_SUMMARY, Response
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head

from . import samples
from .kit import Outcome, Until, encoded, mutated, run
from .parsers import JSON, stream_bytes


def _chunks(parser: ChatStreamParser, body: bytes) -> Generator[dict[str, Any]]:
    yield from parser.feed(body)
    yield from parser.close()
    if parser.error is not None:
        raise parser.error


def _stream(chance: Random) -> ChatStream:
    kind, body = stream_bytes(chance)
    head = Head(200, {**JSON, "content-type": kind})
    parser = ChatStreamParser(head)
    opened = OpenStream(parser, (), head, NO_SUMMARY, 0.0)
    return ChatStream(lambda: (opened, _chunks(parser, body), lambda: None))


def _answer(chance: Random) -> Any:
    return chat_endpoint.parse(Response(200, JSON, encoded(chance, mutated(chance, samples.CHAT))))


def langchain(seed: int, until: Until) -> Outcome:
    """Whole answers and streams as LangChain's messages."""

    def attempt(chance: Random) -> None:
        reading = ReadOptions(langsmith_cost=True)
        if chance.random() < 0.5:
            result = result_of(_answer(chance), reading)
            assert all(type(one.message.content) is str for one in result.generations)
            summed([result.llm_output, result.llm_output])
            return
        stream = _stream(chance)
        reader = ChunkReader(reading)
        made: list[ChatGenerationChunk] = []
        for chunk in stream:
            made += reader.read(chunk)
        made += reader.end(stream)
        whole_message = made[0]
        for one in made[1:]:
            whole_message += one
        assert type(whole_message.message.content) is str

    return run("langchain", seed, until, attempt)


def llama_index(seed: int, until: Until) -> Outcome:
    """Whole answers and streams as LlamaIndex's responses."""

    def attempt(chance: Random) -> None:
        if chance.random() < 0.5:
            response = chat_response(_answer(chance), think_tags=True)
            as_completion(response)
            dispatch_usage("chat", response.raw or {}, origin=Meta("req_1"))
            return
        stream = _stream(chance)
        fold = ResponseBuilder(think_tags=True)
        for chunk in stream:
            fold.add(chunk)
        last = fold.finish(stream)
        as_completion(last)
        dispatch_usage("chat", last.raw or {}, origin=Meta("req_1"))

    return run("llama_index", seed, until, attempt)


TARGETS = (langchain, llama_index)
