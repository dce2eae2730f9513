"""Streamed answers of the core as message chunks; the last one alone says how the answer ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessageChunk, ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_melious.chat.messages import usage_from_wire
from langchain_melious.chat.results import Reading
from langchain_melious.provider import PROVIDER
from melious.wire.thinking import ThinkSplitter

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

    from melious.clients.streams import StreamBase

Piece = tuple[str, dict[str, Any], list[dict[str, Any]]]
"""What one chunk of the wire adds: text, what stands beside it (reasoning, refusal), pieces of tool calls."""


class DeltaReader:
    """Reads the chunks of one stream; what belongs to the answer as a whole is kept for its end."""

    def __init__(self, reading: Reading) -> None:
        """Begin.

        Args:
            reading: How the answer is to be read.
        """
        self._reading = reading
        self._splitter = ThinkSplitter() if reading.think_tags else None
        self._logprobs: dict[str, list[Any]] = {}

    def _piece(self, chunk: Mapping[str, Any]) -> Piece | None:
        """What a chunk adds to the first answer; None where it says nothing new."""
        for choice in chunk["choices"]:
            if choice.get("index"):
                continue
            if choice.get("logprobs"):
                self._keep(choice["logprobs"])
            delta = choice["delta"]
            content = delta.get("content") or ""
            beside = {name: delta[name] for name in ("reasoning_content", "refusal") if delta.get(name)}
            if content and self._splitter is not None:
                content = self._split(content, beside)
            calls = delta.get("tool_calls")
            if content or beside or calls:
                return content, beside, calls or []
        return None

    def _end(self, stream: StreamBase) -> tuple[Piece, dict[str, Any], UsageMetadata | None]:
        """What was held back, the metadata and the usage of an answer that is whole."""
        partial = stream.partial
        raw = {
            **partial.facts,
            "usage": partial.usage,
            "environment_impact": partial.environment_impact,
            "billing_cost": partial.billing_cost,
        }
        headers = stream.headers if self._reading.response_headers else None
        metadata = self._reading.metadata(
            raw, partial.finish_reason, stream.request_id, headers, stream.relaxed
        )
        if self._logprobs:
            metadata["logprobs"] = self._logprobs
        thought, said = self._splitter.rest() if self._splitter else ("", "")
        beside = {"reasoning_content": thought} if thought else {}
        return (said, beside, []), metadata, usage_from_wire(partial.usage)

    def _split(self, content: str, beside: dict[str, Any]) -> str:
        """Move what is thought from the text to the reasoning; give what is said."""
        assert self._splitter is not None  # noqa: S101 - narrows the type for the checker
        thought, said = self._splitter.split(content)
        if thought:
            beside["reasoning_content"] = beside.get("reasoning_content", "") + thought
        if self._splitter.over:
            self._splitter = None
        return said

    def _keep(self, logprobs: Mapping[str, Any]) -> None:
        for name, items in logprobs.items():
            if isinstance(items, list):
                self._logprobs.setdefault(name, []).extend(items)


class ChunkReader(DeltaReader):
    """Makes message chunks of the chunks of one stream."""

    def read(self, chunk: Mapping[str, Any]) -> list[ChatGenerationChunk]:
        """The message chunk for a chunk of the wire, if it says anything new."""
        piece = self._piece(chunk)
        if piece is None:
            return []
        content, beside, calls = piece
        if calls:
            message = AIMessageChunk(
                content=content,
                additional_kwargs=beside,
                tool_call_chunks=[_call_chunk(call) for call in calls],
                response_metadata={"model_provider": PROVIDER},
            )
        else:
            message = AIMessageChunk(
                content=content,
                additional_kwargs=beside,
                response_metadata={"model_provider": PROVIDER},
            )
        return [ChatGenerationChunk(message=message)]

    def end(self, stream: StreamBase) -> list[ChatGenerationChunk]:
        """The one chunk that says how the answer ended and what it cost."""
        (content, beside, _), metadata, usage = self._end(stream)
        message = AIMessageChunk(
            content=content,
            additional_kwargs=beside,
            response_metadata=metadata,
            usage_metadata=usage,
            chunk_position="last",
        )
        return [ChatGenerationChunk(message=message)]


def _call_chunk(call: Mapping[str, Any]) -> ToolCallChunk:
    function = call["function"]
    return {
        "type": "tool_call_chunk",
        "index": call["index"],
        "id": call.get("id"),
        "name": function.get("name"),
        "args": function["arguments"],
    }
