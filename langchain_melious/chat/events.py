"""Streamed answers of the core converted to events of LangChain's stream protocol, without message chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from langchain_melious.chat.calls import CUT_OFF, calls_from_wire
from langchain_melious.chat.results import ReadOptions
from langchain_melious.chat.streams import DeltaReader, Piece
from langchain_melious.provider import PROVIDER

if TYPE_CHECKING:
    from langchain_protocol.protocol import MessagesData

    from melious.clients.streams import StreamBase


class EventWriter(DeltaReader):
    """Converts the chunks of one stream to protocol events.

    A block starts with its first part; all blocks finish at the end, in the
    order in which they started.
    """

    def __init__(self, read_options: ReadOptions, *, message_id: str = "") -> None:
        """Start with an empty answer.

        Args:
            read_options: How to read the answer.
            message_id: The id of the message that the events form.
        """
        super().__init__(read_options)
        self._message_id = message_id
        self._begun = False
        self._blocks: dict[str, tuple[int, dict[str, Any], list[str]]] = {}
        self._extra: dict[str, list[str]] = {}

    def read(self, chunk: Mapping[str, Any]) -> list[MessagesData]:
        """The events for a chunk."""
        piece = self._piece(chunk)
        if piece is None:
            return []
        events: list[Any] = [] if self._begun else [self._begin(chunk.get("model"))]
        self._write(piece, events)
        return events

    def end(self, stream: StreamBase) -> list[MessagesData]:
        """The events that finish the blocks and the message.

        Raises:
            ModelRefusalError: A filter withheld or cut the answer. Nobody reads on after the last event.
        """
        self.check(stream)
        piece, metadata, usage = self._end(stream)
        events: list[Any] = [] if self._begun else [self._begin(metadata.get("model_name"))]
        self._write(piece, events)
        is_cut_off = stream.partial.finish_reason in CUT_OFF
        last = max(self._calls, default=None)
        for key, (index, block, parts) in self._blocks.items():
            finished = _finished(block, parts, cut_off=is_cut_off and key == f"call {last}")
            events.append({"event": "content-block-finish", "index": index, "content": finished})
        finish: dict[str, Any] = {"event": "message-finish"}
        if usage is not None:
            finish["usage"] = usage
        finish["metadata"] = metadata
        if self._extra:
            finish["additional_kwargs"] = {name: "".join(parts) for name, parts in self._extra.items()}
        events.append(finish)
        return events

    def _begin(self, model: str | None) -> MessagesData:
        self._begun = True
        metadata = {"provider": PROVIDER} | ({"model": model} if model else {})
        start = {"event": "message-start", "role": "ai", "id": self._message_id, "metadata": metadata}
        return cast("MessagesData", start)

    def _write(self, piece: Piece, events: list[Any]) -> None:
        content, extra, calls = piece
        for name, text in extra.items():
            self._extra.setdefault(name, []).append(text)
        reasoning = extra.get("reasoning_content")
        if reasoning:
            self._add("reasoning", {"type": "reasoning", "reasoning": ""}, reasoning, events)
        if content:
            self._add("text", {"type": "text", "text": ""}, content, events)
        for call in calls:
            function = call["function"]
            began = {
                "type": "tool_call_chunk",
                "id": call.get("id"),
                "name": function.get("name"),
                "args": "",
            }
            self._add(f"call {call['index']}", began, function["arguments"], events)

    def _add(self, key: str, began: dict[str, Any], text: str, events: list[Any]) -> None:
        found = self._blocks.get(key)
        if found is None:
            found = self._blocks[key] = len(self._blocks), began, []
            events.append({"event": "content-block-start", "index": found[0], "content": dict(began)})
        index, block, parts = found
        if block["type"] == "tool_call_chunk":
            block["id"], block["name"] = block["id"] or began["id"], block["name"] or began["name"]
        if text:
            parts.append(text)
            events.append(
                {"event": "content-block-delta", "index": index, "delta": _DELTAS[block["type"]](text)}
            )


_DELTAS: Mapping[str, Any] = {
    "text": lambda text: {"type": "text-delta", "text": text},
    "reasoning": lambda text: {"type": "reasoning-delta", "reasoning": text},
    "tool_call_chunk": lambda text: {"type": "tool-call-delta", "args": text},
}


def _finished(block: Mapping[str, Any], parts: list[str], *, cut_off: bool) -> dict[str, Any]:
    """A complete block: a tool call with its arguments, or an invalid one with their text."""
    text = "".join(parts)
    if block["type"] != "tool_call_chunk":
        return {**block, block["type"]: text}
    function = {"name": block["name"], "arguments": text}
    valid, invalid = calls_from_wire([{"id": block["id"], "function": function}], cut_off=cut_off)
    if valid:
        return {"type": "tool_call", **valid[0], "id": block["id"] or ""}
    return {"type": "invalid_tool_call", **invalid[0]}
