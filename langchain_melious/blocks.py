"""The standard content blocks of answers: registered with LangChain for the provider `melious`.

`AIMessage.content_blocks` and, through it, `output_version="v1"` and the event
stream v3 come here.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator

from langchain_melious.provider import PROVIDER

_KNOWS_REFUSALS = "refusal" in types.KNOWN_BLOCK_TYPES


def translate_content(message: AIMessage) -> list[types.ContentBlock]:
    """The blocks of a whole answer: reasoning, text, refusal, tool calls."""
    return [*_said(message), *_calls(message)]


def translate_content_chunk(message: AIMessageChunk) -> list[types.ContentBlock]:
    """The blocks of a chunk; tool calls stay pieces until the last chunk is part of it."""
    if message.chunk_position == "last":
        return [*_said(message), *_calls(message)]
    blocks = _said(message)
    for piece in message.tool_call_chunks:
        block = types.ToolCallChunk(
            type="tool_call_chunk", id=piece["id"], name=piece["name"], args=piece["args"]
        )
        if piece["index"] is not None:
            # Text and reasoning are counted from 0 too: a word of its own keeps the pieces apart from them.
            block["index"] = f"lc_call_{piece['index']}"
        blocks.append(block)
    return blocks


def _said(message: AIMessage) -> list[types.ContentBlock]:
    """Everything but the tool calls."""
    content = message.content
    beside = message.additional_kwargs
    blocks: list[types.ContentBlock] = []
    if isinstance(content, str):
        reasoning = beside.get("reasoning_content")
        if reasoning:
            blocks.append(types.ReasoningContentBlock(type="reasoning", reasoning=reasoning))
        if content:
            blocks.append(types.TextContentBlock(type="text", text=content))
    else:
        blocks += [_standard(block) for block in content if not _is_call(block)]
    refusal = beside.get("refusal")
    if refusal:
        blocks.append(_standard({"type": "refusal", "refusal": refusal}))
    return blocks


def _standard(block: str | dict[str, Any]) -> types.ContentBlock:
    if isinstance(block, str):
        return types.TextContentBlock(type="text", text=block)
    kind = block.get("type")
    if kind in types.KNOWN_BLOCK_TYPES or (kind == "refusal" and _KNOWS_REFUSALS):
        return cast("types.ContentBlock", block)
    return types.NonStandardContentBlock(type="non_standard", value=block)


def _is_call(block: str | dict[str, Any]) -> bool:
    return isinstance(block, dict) and block.get("type") in ("tool_call", "tool_call_chunk")


def _calls(message: AIMessage) -> list[types.ContentBlock]:
    return [
        types.ToolCall(type="tool_call", id=call["id"], name=call["name"], args=call["args"])
        for call in message.tool_calls
    ]


register_translator(PROVIDER, translate_content, translate_content_chunk)
