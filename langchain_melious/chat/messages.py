"""Converts LangChain messages to and from messages of the wire. Pure.

Messages of other providers' models are reduced to what this wire supports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import UsageMetadata
from pydantic_core import to_json

from langchain_melious.chat.calls import calls_from_wire
from langchain_melious.chat.content import REASONING, Reader, is_content, part_of, words_for
from langchain_melious.errors import InvalidArgumentError
from langchain_melious.provider import PROVIDER
from melious.wire import codec
from melious.wire.arguments import Tools
from melious.wire.history import consistent, object_text
from melious.wire.schemas import wire_name
from melious.wire.thinking import split_thinking, thought_in_details

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "function": "function",
    "tool": "tool",
}
_TEXT_ONLY = Reader("", image=False, audio=False, video=False)
_RESULT_FOLLOWS = "The result is in the next message."


# --- to the wire -------------------------------------------------------------------------------------


def messages_to_wire(
    messages: Sequence[BaseMessage],
    reader: Reader,
    *,
    null_content: bool = False,
    tool_images: bool = False,
) -> list[dict[str, Any]]:
    """Convert a conversation, oldest first, to the `messages` of a request.

    What cannot be sent in a tool's result or an older turn becomes words, so that the conversation can go
    on; in a fresh message of the user it is an error.

    Args:
        messages: The conversation, oldest first.
        reader: What the model reads.
        null_content: Send null instead of "" as the text of a message that only calls tools.
        tool_images: Whether the model takes images in tool results; otherwise they go
            into a user message after the results.

    Raises:
        InvalidArgumentError: A message, or a block of the user's last one, cannot be sent.
    """
    wire: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    conversation = list(_with_tool_messages(messages))
    fresh = _fresh(conversation)
    for message in conversation:
        if images and not isinstance(message, ToolMessage):
            wire.append({"role": "user", "content": images})
            images = []
        out = message_to_wire(message, reader, in_words=message is not fresh)
        if null_content and "tool_calls" in out and not out["content"]:
            out["content"] = None
        if not tool_images and isinstance(message, ToolMessage) and isinstance(out["content"], list):
            texts = [part["text"] for part in out["content"] if part["type"] == "text"]
            images += [part for part in out["content"] if part["type"] != "text"]
            out["content"] = "\n".join(texts) or _RESULT_FOLLOWS
        wire.append(out)
    if images:
        wire.append({"role": "user", "content": images})
    return consistent(wire)


def _fresh(messages: Sequence[BaseMessage]) -> BaseMessage | None:
    """The last message of the user, if the model has not answered it yet."""
    for message in reversed(messages):
        if isinstance(message, HumanMessage | ChatMessage):
            return message
        if isinstance(message, AIMessage):
            return None
    return None


def _with_tool_messages(messages: Iterable[BaseMessage]) -> Iterator[BaseMessage]:
    """Turn tool results in user messages, Anthropic's form, into tool messages."""
    for message in messages:
        if not isinstance(message, HumanMessage) or isinstance(message.content, str):
            yield message
            continue
        rest = []
        for block in message.content:
            if isinstance(block, dict) and block.get("type") == "tool_result":
                yield ToolMessage(block.get("content") or "", tool_call_id=block.get("tool_use_id") or "")
            else:
                rest.append(block)
        if rest or not message.content:
            yield message if len(rest) == len(message.content) else HumanMessage(rest, name=message.name)


def message_to_wire(message: BaseMessage, reader: Reader, *, in_words: bool = False) -> dict[str, Any]:
    """Convert one message, with all its reasoning.

    Args:
        message: The message.
        reader: What the model reads.
        in_words: Put what cannot be sent into words.

    Raises:
        InvalidArgumentError: The message or one of its blocks cannot be sent.

    Examples:
        >>> message_to_wire(HumanMessage("Hello!"), Reader("glm-4.7"))
        {'role': 'user', 'content': 'Hello!'}
    """
    if isinstance(message, AIMessage):
        return _assistant(message)
    content = _content(message.content, reader, in_words=in_words)
    text = _joined(content, "\n")
    out: dict[str, Any]
    if isinstance(message, ToolMessage):
        out = {"role": "tool", "content": text, "tool_call_id": message.tool_call_id}
        return out | ({"name": message.name} if message.name else {})
    if isinstance(message, HumanMessage):
        out = {"role": "user", "content": content}
    elif isinstance(message, SystemMessage):
        out = {"role": "system", "content": text}
    elif isinstance(message, FunctionMessage):
        out = {"role": "function", "content": text}
    elif isinstance(message, ChatMessage) and message.role in _ROLES:
        out = {"role": _ROLES[message.role], "content": content}
    else:
        kind = f"role {message.role!r}" if isinstance(message, ChatMessage) else type(message).__name__
        raise InvalidArgumentError(
            f"messages: a message of {kind} cannot be sent; the roles are system, user, assistant and tool"
        )
    if message.name:
        out["name"] = message.name if isinstance(message, FunctionMessage) else wire_name(message.name)
    return out


def _assistant(message: AIMessage) -> dict[str, Any]:
    blocks = message.content
    if isinstance(blocks, list):
        blocks = [block for block in blocks if is_content(block)]
    content = _joined(_content(blocks, _TEXT_ONLY, in_words=True), "")
    if not content and isinstance(message.additional_kwargs.get("refusal"), str):
        content = message.additional_kwargs["refusal"]
    # The service requires `content` beside tool calls, even if empty.
    out: dict[str, Any] = {"role": "assistant", "content": content}
    if message.name:
        out["name"] = wire_name(message.name)
    calls = [_call_to_wire(call, _json_of(call["args"])) for call in message.tool_calls]
    calls += [_call_to_wire(call, object_text(call.get("args"))) for call in message.invalid_tool_calls]
    legacy = message.additional_kwargs.get("function_call")
    if not calls and isinstance(legacy, Mapping):
        out["function_call"] = dict(legacy)
    if calls:
        out["tool_calls"] = calls
    reasoning = reasoning_of(message)
    if reasoning:
        out["reasoning_content"] = reasoning
    return out


def _call_to_wire(call: Mapping[str, Any], arguments: str) -> dict[str, Any]:
    function = {"name": call.get("name") or "", "arguments": arguments}
    return {"id": call.get("id") or "", "type": "function", "function": function}


def _json_of(arguments: Any) -> str:
    """Arguments as strict JSON: NaN and infinities become null."""
    try:
        return codec.dumps(arguments, finite=True).decode()
    except ValueError:
        return to_json(arguments, inf_nan_mode="null").decode()


def _content(
    content: str | Iterable[str | dict[str, Any]], reader: Reader, *, in_words: bool
) -> str | list[dict[str, Any]]:
    """Content as text if it is a single text, else as parts."""
    if isinstance(content, str):
        return content
    found = (_part(block, reader, in_words=in_words) for block in content)
    parts = [part for part in found if part is not None]
    if not parts:
        return ""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return str(parts[0]["text"])
    return parts


def _part(block: str | dict[str, Any], reader: Reader, *, in_words: bool) -> dict[str, Any] | None:
    try:
        return part_of(block, reader)
    except InvalidArgumentError:
        if not in_words or isinstance(block, str):
            raise
        return words_for(block)


def _joined(content: str | list[dict[str, Any]], separator: str) -> str | list[dict[str, Any]]:
    """Texts joined, for roles whose templates require text; content with other parts stays as it is."""
    if isinstance(content, str) or any(part["type"] != "text" for part in content):
        return content
    return separator.join(part["text"] for part in content)


def reasoning_of(message: AIMessage) -> str:
    """The reasoning of a message, from its additional kwargs or its content blocks."""
    thought = message.additional_kwargs.get("reasoning_content")
    if isinstance(thought, str) and thought:
        return thought
    if isinstance(message.content, str):
        return ""
    blocks = [
        block for block in message.content if isinstance(block, dict) and block.get("type") in REASONING
    ]
    return "".join(
        _text_in(block.get("reasoning") or block.get("thinking") or block.get("reasoning_content"))
        for block in blocks
    )


def _text_in(thought: Any) -> str:
    """The text of a reasoning block, which some providers wrap or split."""
    if isinstance(thought, list):
        return "".join(map(_text_in, thought))
    if isinstance(thought, Mapping):
        thought = thought.get("text")
    return thought if isinstance(thought, str) else ""


# --- from the wire -----------------------------------------------------------------------------------


def message_from_wire(
    message: Mapping[str, Any],
    *,
    think_tags: bool = True,
    tools: Tools = (),
    cut_off: bool = False,
    metadata: dict[str, Any] | None = None,
    usage: UsageMetadata | None = None,
) -> AIMessage:
    """Convert the message of a choice.

    Args:
        message: The message.
        think_tags: Treat a leading `<think>` part of the text as reasoning.
        tools: The tools of the request.
        cut_off: Whether the answer ended before the model was done.
        metadata: The `response_metadata`; by default only who made it.
        usage: The token counts.

    Examples:
        >>> message_from_wire({"role": "assistant", "content": "Hello!"}).content
        'Hello!'
    """
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(
            part if isinstance(part, str) else part.get("text") or ""
            for part in content
            if isinstance(part, str | dict)
        )
    extra = _extra(message)
    if think_tags and content:
        thought, content = split_thinking(content)
        if thought:
            extra["reasoning_content"] = extra.get("reasoning_content", "") + thought.strip()
    valid, invalid = calls_from_wire(message.get("tool_calls"), tools, cut_off=cut_off)
    return AIMessage(
        content=content or "",
        additional_kwargs=extra,
        tool_calls=valid,
        invalid_tool_calls=invalid,
        response_metadata={"model_provider": PROVIDER} if metadata is None else metadata,
        usage_metadata=usage,
    )


def _extra(message: Mapping[str, Any]) -> dict[str, Any]:
    """Reasoning, under any of the names that servers use, and refusal."""
    extra: dict[str, Any] = {}
    details = message.get("reasoning_details")
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if not reasoning:
        reasoning = thought_in_details(details)
    if isinstance(reasoning, str) and reasoning:
        extra["reasoning_content"] = reasoning
    if details:
        extra["reasoning_details"] = details
    if message.get("refusal"):
        extra["refusal"] = str(message["refusal"])
    return extra


_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS = ("prompt_tokens_details", "completion_tokens_details")


def usage_from_wire(usage: Any) -> UsageMetadata | None:
    """Convert token counts to LangChain's usage; None if a count is missing or not an integer."""
    if not isinstance(usage, dict):
        return None
    read, written, total = map(_whole, map(usage.get, _COUNTS))
    if read is None and total is not None and written is not None:
        read = total - written
    if written is None and total is not None and read is not None:
        written = total - read
    if read is None or written is None:
        return None
    made = UsageMetadata(
        input_tokens=read, output_tokens=written, total_tokens=read + written if total is None else total
    )
    before, after = map(_mapping, map(usage.get, _DETAILS))
    cached = _whole(before.get("cached_tokens"))
    input_details = {
        "cache_read": _whole(usage.get("cached_tokens")) if cached is None else cached,
        "audio": _whole(before.get("audio_tokens")),
    }
    output_details = {
        "reasoning": _whole(after.get("reasoning_tokens")),
        "audio": _whole(after.get("audio_tokens")),
    }
    if known := {name: count for name, count in input_details.items() if count is not None}:
        made["input_token_details"] = known  # type: ignore[typeddict-item]
    if known := {name: count for name, count in output_details.items() if count is not None}:
        made["output_token_details"] = known  # type: ignore[typeddict-item]
    return made


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None
