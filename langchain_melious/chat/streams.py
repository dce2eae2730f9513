"""Streamed answers of the core converted to message chunks; only the last one has the finish reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk, ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_melious.chat.calls import CUT_OFF, StreamedCall, invalidating_end
from langchain_melious.chat.messages import usage_from_wire
from langchain_melious.chat.results import ReadOptions, withheld
from langchain_melious.provider import PROVIDER
from melious.wire.thinking import ThinkSplitter

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

    from melious.clients.streams import StreamBase

Piece = tuple[str, dict[str, Any], list[dict[str, Any]]]
"""What one chunk adds: text, additional kwargs (reasoning, refusal), parts of tool calls."""


class DeltaReader:
    """Reads the chunks of one stream, and keeps facts about the whole answer for its end."""

    def __init__(self, read_options: ReadOptions) -> None:
        """Start with an empty answer."""
        self._read_options = read_options
        self._splitter = ThinkSplitter() if read_options.think_tags else None
        self._logprobs: dict[str, list[Any]] = {}
        self._calls: dict[int, StreamedCall] = {}

    def _piece(self, chunk: Mapping[str, Any]) -> Piece | None:
        """What a chunk adds to the first answer, or None."""
        for choice in chunk["choices"]:
            if choice.get("index"):
                continue
            if choice.get("logprobs"):
                self._keep(choice["logprobs"])
            delta = choice["delta"]
            content = delta.get("content") or ""
            extra: dict[str, Any] = {}
            for name in ("reasoning_content", "refusal"):
                if delta.get(name):
                    extra[name] = delta[name]
            if content and self._splitter is not None:
                content = self._split(content, extra)
            calls = delta.get("tool_calls")
            if calls:
                self._open(calls)
            if content or extra or calls:
                return content, extra, calls or []
        return None

    def _end(self, stream: StreamBase) -> tuple[Piece, dict[str, Any], UsageMetadata | None]:
        """The text still held back, the metadata and the usage of a finished answer."""
        partial = stream.partial
        raw = {
            **partial.top_level,
            "usage": partial.usage,
            "environment_impact": partial.environment_impact,
            "billing_cost": partial.billing_cost,
        }
        headers = stream.headers if self._read_options.response_headers else None
        metadata = self._read_options.metadata(
            raw,
            partial.finish_reason,
            stream.request_id,
            headers,
            stream.relaxed,
            stream.converted_documents,
        )
        if self._logprobs:
            metadata["logprobs"] = self._logprobs
        thought, text = self._splitter.flush() if self._splitter else ("", "")
        extra = {"reasoning_content": thought} if thought else {}
        rests = [
            {"index": index, "function": {"arguments": rest}}
            for index, call in self._calls.items()
            if (rest := call.rest())
        ]
        return (text, extra, rests), metadata, usage_from_wire(partial.usage)

    def check(self, stream: StreamBase) -> None:
        """Refuse an answer that a content filter withheld or cut, once it has been read.

        Raises:
            ModelRefusalError: A filter did so.
        """
        if self._read_options.raise_refusals and stream.partial.finish_reason == "content_filter":
            message = AIMessage(
                stream.partial.text,
                response_metadata={"finish_reason": "content_filter", "request_id": stream.request_id},
            )
            raise withheld(message)

    def _open(self, pieces: list[dict[str, Any]]) -> None:
        """Open what models wrote as JSON inside strings of arguments."""
        for piece in pieces:
            index, function = piece["index"], piece["function"]
            call = self._calls.get(index)
            if call is None:
                call = StreamedCall(piece.get("id"), function.get("name"), self._read_options.tools)
                self._calls[index] = call
            elif call.name is None and function.get("name"):
                call.name = function["name"]
            if function["arguments"]:
                function["arguments"] = call.feed(function["arguments"])

    def _split(self, content: str, extra: dict[str, Any]) -> str:
        """Move thinking from the text to the reasoning, and return the rest."""
        assert self._splitter is not None  # noqa: S101 - narrows the type for the checker
        thought, text = self._splitter.split(content)
        if thought:
            extra["reasoning_content"] = extra.get("reasoning_content", "") + thought
        if self._splitter.done:
            self._splitter = None
        return text

    def _keep(self, logprobs: Mapping[str, Any]) -> None:
        for name, items in logprobs.items():
            if isinstance(items, list):
                self._logprobs.setdefault(name, []).extend(items)


class ChunkReader(DeltaReader):
    """Converts the chunks of one stream to message chunks."""

    def read(self, chunk: Mapping[str, Any]) -> list[ChatGenerationChunk]:
        """The message chunk for a chunk, if it adds anything."""
        piece = self._piece(chunk)
        if piece is None:
            return []
        content, extra, calls = piece
        if not calls:
            return _text_chunk(content, extra)
        message = AIMessageChunk(
            content=content,
            additional_kwargs=extra,
            tool_call_chunks=[_call_chunk(call) for call in calls],
            response_metadata={"model_provider": PROVIDER},
        )
        return [ChatGenerationChunk(message=message)]

    def end(self, stream: StreamBase) -> list[ChatGenerationChunk]:
        """The text still held back, if any, and the last message chunk, with finish reason and usage."""
        (content, extra, rests), metadata, usage = self._end(stream)
        ends = [_call_chunk(rest) for rest in rests]
        if self._calls:
            calls = dict(sorted(self._calls.items()))
            cut_off = stream.partial.finish_reason in CUT_OFF
            for index, end in zip(calls, invalidating_end(calls.values(), cut_off=cut_off), strict=True):
                if end:
                    ends.append(_call_chunk({"index": index, "function": {"arguments": end}}))
        last = AIMessageChunk(
            content="",
            tool_call_chunks=ends,
            response_metadata=metadata,
            usage_metadata=usage,
            chunk_position="last",
        )
        held_back = _text_chunk(content, extra) if content or extra else []
        return [*held_back, ChatGenerationChunk(message=last)]


def _text_chunk(content: str, extra: dict[str, Any]) -> list[ChatGenerationChunk]:
    message = AIMessageChunk(content=content, response_metadata={"model_provider": PROVIDER})
    if extra:
        message.additional_kwargs = extra
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
