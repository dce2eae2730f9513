"""Chat models that have tool calls ready: what is left is the framework itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.growth.server import PIECE
from benchmarks.server import FIELD, TOOL

Make = Callable[[str], Any]


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))


def _calls(count: int) -> list[dict[str, Any]]:
    return [
        {"index": number, "id": f"call_{number}", "name": TOOL, "args": json.dumps({FIELD: f"note {number}"})}
        for number in range(count)
    ]


def _langchain(chunks: Callable[[], Iterator[list[dict[str, Any]]]]) -> Make:
    def make(_: str) -> Any:
        from langchain_core.language_models import BaseChatModel
        from langchain_core.messages import AIMessageChunk
        from langchain_core.outputs import ChatGenerationChunk, ChatResult

        class Fake(BaseChatModel):
            @property
            def _llm_type(self) -> str:
                return "fake"

            def _generate(self, *_: Any, **__: Any) -> ChatResult:
                raise NotImplementedError

            def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
                for calls in chunks():
                    parts: Any = [{"type": "tool_call_chunk", **call} for call in calls]
                    yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=parts))
                yield ChatGenerationChunk(message=AIMessageChunk(content="", chunk_position="last"))

        return Fake()

    return make


def langchain_arguments(text: str) -> Make:
    """A model of LangChain that streams the arguments of one call."""

    def chunks() -> Iterator[list[dict[str, Any]]]:
        yield [{"index": 0, "id": "call_0", "name": TOOL, "args": ""}]
        for piece in _pieces(text):
            yield [{"index": 0, "id": None, "name": None, "args": piece}]

    return _langchain(chunks)


def langchain_calls(count: int) -> Make:
    """A model of LangChain that streams so many calls in one chunk."""
    return _langchain(lambda: iter([_calls(count)]))


def _llama(responses: Callable[[], Iterator[list[dict[str, Any]]]]) -> Make:
    def make(_: str) -> Any:
        from llama_index.core.base.llms.types import (
            ChatMessage,
            ChatResponse,
            ChatResponseGen,
            LLMMetadata,
            ToolCallBlock,
        )
        from llama_index.core.llms import CustomLLM
        from llama_index.core.llms.callbacks import llm_chat_callback

        class Fake(CustomLLM):
            @property
            def metadata(self) -> LLMMetadata:
                return LLMMetadata(is_chat_model=True)

            def complete(self, *_: Any, **__: Any) -> Any:
                raise NotImplementedError

            def stream_complete(self, *_: Any, **__: Any) -> Any:
                raise NotImplementedError

            @llm_chat_callback()
            def stream_chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponseGen:
                return self._responses()

            def _responses(self) -> ChatResponseGen:
                for calls in responses():
                    blocks = [
                        ToolCallBlock(tool_call_id=call["id"], tool_name=TOOL, tool_kwargs=call["args"])
                        for call in calls
                    ]
                    yield ChatResponse(message=ChatMessage(role="assistant", blocks=blocks), delta="")

        return Fake()

    return make


def llama_arguments(text: str) -> Make:
    """A model of LlamaIndex that streams the arguments of one call: each response has all so far."""

    def responses() -> Iterator[list[dict[str, Any]]]:
        written = ""
        for piece in _pieces(text):
            written += piece
            yield [{"id": "call_0", "args": written}]

    return _llama(responses)


def llama_calls(count: int) -> Make:
    """A model of LlamaIndex that streams so many calls in one response."""
    return _llama(lambda: iter([_calls(count)]))
