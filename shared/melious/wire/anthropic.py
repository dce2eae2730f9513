"""Conversations in Anthropic's form, made from those in OpenAI's. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from melious.wire import codec
from melious.wire.hosted_tools import schema_of
from melious.wire.stand_ins import stand_in

Block = dict[str, Any]

_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^,]*)?;base64,(.*)", re.DOTALL)
_SYSTEM = ("system", "developer")
_RESULTS = ("tool", "function")
_NAMES = {"image_url": "image", "input_audio": "audio", "video_url": "video"}


def conversation(messages: Sequence[Mapping[str, Any]]) -> tuple[list[Block], list[dict[str, Any]]]:
    """System blocks, and the turns of user and assistant.

    Tool calls become `tool_use` blocks and their results `tool_result` blocks of the user. A recording or
    a video, which Anthropic's form cannot carry, becomes words. Blocks of other types, such as
    Anthropic's own, stay as they are.

    Examples:
        >>> conversation([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
        ([{'type': 'text', 'text': 'Be brief.'}], [{'role': 'user', 'content': 'Hi'}])
    """
    system: list[Block] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = message.get("role")
        if role in _SYSTEM:
            system += blocks(message.get("content"))
        elif role in _RESULTS:
            result = _result(message)
            before = turns[-1] if turns else {}
            if (
                before.get("role") == "user"
                and isinstance(before.get("content"), list)
                and _holds_results(before)
            ):
                before["content"].append(result)
            else:
                turns.append({"role": "user", "content": [result]})
        elif role == "assistant" and (message.get("tool_calls") or message.get("function_call")):
            turns.append({"role": role, "content": [*blocks(message.get("content")), *_calls(message)]})
        else:
            content = message.get("content")
            turns.append({"role": role, "content": content if isinstance(content, str) else blocks(content)})
    return system, turns


def blocks(content: Any) -> list[Block]:
    """The content of a message as blocks.

    Examples:
        >>> blocks([{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}])[0]["source"]
        {'type': 'base64', 'media_type': 'image/png', 'data': 'aGk='}
    """
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_block(part) for part in content]


def tool(form: Mapping[str, Any]) -> dict[str, Any]:
    """A tool in Anthropic's form, from one in OpenAI's; any other stays as it is.

    Examples:
        >>> tool({"type": "function", "function": {"name": "now"}})
        {'name': 'now', 'input_schema': {'type': 'object', 'properties': {}}}
    """
    function = form.get("function")
    if not isinstance(function, Mapping):
        return dict(form)
    said = {name: function[name] for name in ("name", "description") if function.get(name)}
    return {**said, "input_schema": schema_of(function.get("parameters"))}


def _block(part: Any) -> Block:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.get("type")
    if kind == "image_url":
        return _image(part["image_url"])
    if kind in _NAMES:
        return {"type": "text", "text": stand_in(_NAMES[kind])}
    return dict(part)


def _image(given: Any) -> Block:
    url = str(given.get("url", "")) if isinstance(given, Mapping) else str(given)
    found = _DATA_URL.fullmatch(url)
    if found is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    source = {"type": "base64", "media_type": found[1] or "image/png", "data": found[2]}
    return {"type": "image", "source": source}


def _calls(message: Mapping[str, Any]) -> Iterator[Block]:
    old = message.get("function_call")
    for call in message.get("tool_calls") or [{"function": old}]:
        function = call.get("function") or {}
        name = str(function.get("name", ""))
        given = _arguments(function.get("arguments"))
        yield {"type": "tool_use", "id": call.get("id") or name, "name": name, "input": given}


def _arguments(given: Any) -> Mapping[str, Any]:
    if isinstance(given, str):
        try:
            given = codec.loads(given.encode("utf-8", "surrogatepass"))
        except ValueError:
            return {"arguments": given}
    return given if isinstance(given, Mapping) else {}


def _result(message: Mapping[str, Any]) -> Block:
    content = message.get("content")
    shown = content if isinstance(content, str) else blocks(content)
    call = message.get("tool_call_id") or message.get("name") or ""
    return {"type": "tool_result", "tool_use_id": call, "content": shown}


def _holds_results(turn: Mapping[str, Any]) -> bool:
    return all(block.get("type") == "tool_result" for block in turn["content"])
