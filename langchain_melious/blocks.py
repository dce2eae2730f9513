"""Standard content blocks of answers, registered with LangChain for the provider `melious`.

`AIMessage.content_blocks` uses them, and so do `output_version="v1"` and the v3 event stream.
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
    return [*_text_blocks(message), *_call_blocks(message)]


def translate_content_chunk(message: AIMessageChunk) -> list[types.ContentBlock]:
    """The blocks of a chunk; tool calls stay partial until the last chunk is merged in.

    LangChain joins pieces of equal index, so each kind of text is one block, whatever comes between.
    """
    if message.chunk_position == "last":
        return [*_text_blocks(message), *_call_blocks(message)]
    blocks = [_indexed(block) for block in _text_blocks(message)]
    for piece in message.tool_call_chunks:
        block = types.ToolCallChunk(
            type="tool_call_chunk", id=piece["id"], name=piece["name"], args=piece["args"]
        )
        if piece["index"] is not None:
            block["index"] = f"lc_call_{piece['index']}"
        blocks.append(block)
    return blocks


def _text_blocks(message: AIMessage) -> list[types.ContentBlock]:
    """Text, reasoning and refusal."""
    content = message.content
    extra = message.additional_kwargs
    blocks: list[types.ContentBlock] = []
    if isinstance(content, str):
        reasoning = extra.get("reasoning_content")
        if reasoning:
            blocks.append(types.ReasoningContentBlock(type="reasoning", reasoning=reasoning))
        if content:
            blocks.append(types.TextContentBlock(type="text", text=content))
    else:
        blocks += [_standard(block) for block in content if not _is_call(block)]
    refusal = extra.get("refusal")
    if refusal:
        blocks.append(_standard({"type": "refusal", "refusal": refusal}))
    return blocks


def _indexed(block: types.ContentBlock) -> types.ContentBlock:
    if "index" in block:
        return block
    kind = block["value"].get("type") if block["type"] == "non_standard" else block["type"]
    return cast("types.ContentBlock", {**block, "index": f"lc_{kind}"})


def _standard(block: str | dict[str, Any]) -> types.ContentBlock:
    if isinstance(block, str):
        return types.TextContentBlock(type="text", text=block)
    kind = block.get("type")
    if kind in types.KNOWN_BLOCK_TYPES or (kind == "refusal" and _KNOWS_REFUSALS):
        return cast("types.ContentBlock", block)
    return types.NonStandardContentBlock(type="non_standard", value=block)


def _is_call(block: str | dict[str, Any]) -> bool:
    return isinstance(block, dict) and block.get("type") in ("tool_call", "tool_call_chunk")


def _call_blocks(message: AIMessage) -> list[types.ContentBlock]:
    blocks: list[types.ContentBlock] = [
        types.ToolCall(type="tool_call", id=call["id"], name=call["name"], args=call["args"])
        for call in message.tool_calls
    ]
    blocks += [
        types.InvalidToolCall(
            type="invalid_tool_call",
            id=call["id"],
            name=call["name"],
            args=call["args"],
            error=call["error"],
        )
        for call in message.invalid_tool_calls
    ]
    return blocks


register_translator(PROVIDER, translate_content, translate_content_chunk)
