"""Anthropic's form of chat requests and answers."""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from melious_sandbox.chat.completion import Choice
from melious_sandbox.service.errors import SandboxError, invalid
from melious_sandbox.service.responses import json_bytes

_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_MODELS = (("opus", "glm-4.7"), ("sonnet", "deepseek-v3.2"), ("haiku", "gpt-oss-20b"))
"""The last pair is the sandbox's own: no page says what stands for Haiku."""
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_PLAIN = ("max_tokens", "temperature", "top_p", "top_k", "stream")


def _model_of(name: Any) -> Any:
    """The model that serves a name of Claude's; any other name is its own."""
    if not isinstance(name, str) or "claude" not in name:
        return name
    return next((model for part, model in _MODELS if part in name), name)


def to_openai(body: Mapping[str, Any]) -> dict[str, Any]:
    """Give a request in OpenAI's form."""
    found: dict[str, Any] = {name: body[name] for name in _PLAIN if body.get(name) is not None}
    found |= {"model": _model_of(body.get("model")), "messages": messages(body)}
    if body.get("stop_sequences"):
        found["stop"] = body["stop_sequences"]
    if body.get("tools") is not None:
        found["tools"] = [_tool(tool, position) for position, tool in enumerate(_list(body, "tools"))]
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        named = {"type": "function", "function": {"name": choice.get("name")}}
        found["tool_choice"] = named if choice.get("type") == "tool" else _CHOICES.get(choice.get("type", ""))
    return found


def messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give system prompt and turns as OpenAI's messages."""
    found: list[dict[str, Any]] = []
    if body.get("system"):
        found.append({"role": "system", "content": _content(body["system"], "system")})
    for position, turn in enumerate(_list(body, "messages")):
        where = f"messages[{position}]"
        role = turn.get("role") if isinstance(turn, dict) else None
        if role not in ("user", "assistant"):
            raise invalid(f"{where}.role", "must be 'user' or 'assistant'.")
        content = turn.get("content")
        blocks = content if isinstance(content, list) else []
        found += [_result(block, where) for block in blocks if _kind(block) == "tool_result"]
        calls = [_call(block) for block in blocks if _kind(block) == "tool_use"]
        rest = [block for block in blocks if _kind(block) not in ("tool_result", "tool_use")]
        if calls:
            found.append({"role": role, "content": _content(rest, where) or "", "tool_calls": calls})
        elif rest or not blocks:
            found.append({"role": role, "content": _content(rest or content, where)})
    return found


def whole(head: Mapping[str, Any], choice: Choice, usage: Mapping[str, int]) -> dict[str, Any]:
    """Give a whole answer."""
    content: list[dict[str, Any]] = []
    if choice.content:
        content.append({"type": "text", "text": "".join(choice.content)})
    for call in choice.tool_calls:
        function = call["function"]
        content.append(
            {
                "type": "tool_use",
                "id": call["id"],
                "name": function["name"],
                "input": _json(function["arguments"]),
            }
        )
    stop = _FINISH.get(choice.finish_reason, "end_turn")
    return {**head, "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def head_of(model: Any) -> dict[str, Any]:
    """Give the fields with which an answer begins; it names the model that was asked for."""
    return {"id": f"msg_{uuid.uuid4().hex}", "type": "message", "role": "assistant", "model": model}


def stream(head: Mapping[str, Any], choice: Choice, usage: Mapping[str, int]) -> Iterator[bytes]:
    """Give the events of a streamed answer."""
    start = {**head, "content": [], "stop_reason": None, "stop_sequence": None}
    start["usage"] = {**usage, "output_tokens": 0}
    yield _event("message_start", {"message": start})
    index = 0
    if choice.content:
        yield _event("content_block_start", {"index": index, "content_block": {"type": "text", "text": ""}})
        for piece in choice.content:
            yield _event(
                "content_block_delta", {"index": index, "delta": {"type": "text_delta", "text": piece}}
            )
        yield _event("content_block_stop", {"index": index})
        index += 1
    for call in choice.tool_calls:
        function = call["function"]
        block = {"type": "tool_use", "id": call["id"], "name": function["name"], "input": {}}
        yield _event("content_block_start", {"index": index, "content_block": block})
        delta = {"type": "input_json_delta", "partial_json": function["arguments"]}
        yield _event("content_block_delta", {"index": index, "delta": delta})
        yield _event("content_block_stop", {"index": index})
        index += 1
    stop = {"stop_reason": _FINISH.get(choice.finish_reason, "end_turn"), "stop_sequence": None}
    yield _event("message_delta", {"delta": stop, "usage": usage})
    yield _event("message_stop", {})


def _event(kind: str, fields: Mapping[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + json_bytes({"type": kind, **fields}) + b"\n\n"


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if not isinstance(value, list) or not value:
        raise invalid(name, "must be an array that is not empty.")
    return value


def _kind(block: Any) -> Any:
    return block.get("type") if isinstance(block, dict) else None


def _content(content: Any, where: str) -> Any:
    if not isinstance(content, list):
        return content
    parts = [_part(block, where) for block in content]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(texts) if len(texts) == len(parts) else parts


def _part(block: Any, where: str) -> dict[str, Any]:
    if _kind(block) == "text":
        return {"type": "text", "text": str(block.get("text", ""))}
    source = block.get("source") if _kind(block) == "image" else None
    if isinstance(source, dict):
        url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
        return {"type": "image_url", "image_url": {"url": url}}
    raise SandboxError("malformed", f"'{where}' holds a block of type '{_kind(block)}'.", param=where)


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
    return {
        "id": block.get("id"),
        "type": "function",
        "function": {"name": block.get("name"), "arguments": arguments},
    }


def _result(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    content = _content(block.get("content") or "", where)
    return {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": content}


def _tool(tool: Any, position: int) -> dict[str, Any]:
    if not isinstance(tool, dict) or not isinstance(tool.get("input_schema"), dict):
        # Tools that Anthropic's servers run, such as web search, are refused.
        raise SandboxError(
            "malformed", f"'tools[{position}]' must have a name and an input_schema.", param="tools"
        )
    function = {"name": tool.get("name"), "parameters": tool["input_schema"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _json(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return {}
