"""Conversations as strict servers want them: tool calls and results in pairs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from melious.wire import codec
from melious.wire.schemas import wire_name

_NO_RESULT = "No result of this call was recorded."
_LEGACY_ID = "call_{name}"
_NAMELESS = "unnamed"


def consistent(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pair tool calls with their results.

    Calls without an id of their own get one, and so do their results, in order. A call without a result
    is answered with words that say so. A result without a call, as when older messages were dropped,
    becomes words of the user. What came between calls and their results goes after those. OpenAI's old
    `function_call` and its `function` messages become tool calls and results. Names that models made up
    are sent in the characters that servers take.

    Args:
        messages: Messages in the wire's form, oldest first. They do not change.

    Examples:
        >>> lost = {"role": "tool", "tool_call_id": "a", "content": "12 degrees"}
        >>> consistent([lost])
        [{'role': 'user', 'content': 'Result of an earlier tool call: 12 degrees'}]
    """
    if not any(_is_about_tools(message) for message in messages):
        return list(messages)
    out: list[dict[str, Any]] = []
    waiting: list[_Waiting] = []
    held: list[dict[str, Any]] = []
    for message in messages:
        role = message.get("role")
        if role in ("tool", "function"):
            call = _call_of(message, waiting)
            if call is None:
                (held if waiting else out).append({"role": "user", "content": _in_words(message)})
                continue
            waiting.remove(call)
            out.append(_result_of(message, call))
        elif waiting and role != "assistant":
            held.append(message)
        else:
            out += map(_without_result, waiting)
            waiting = []
            out += held
            held = []
            if role == "assistant" and (message.get("tool_calls") or message.get("function_call")):
                message = _with_ids(message, waiting)  # noqa: PLW2901 - the same message, made regular
            out.append(message)
        if not waiting:
            out += held
            held = []
    return [*out, *map(_without_result, waiting), *held]


def object_text(arguments: Any) -> str:
    r"""The arguments of a call as text of a JSON object, which templates want; others become a part of one.

    Examples:
        >>> object_text('{"a": 1}'), object_text('{"a": ')
        ('{"a": 1}', '{"invalid_arguments":"{\\"a\\": "}')
    """
    if arguments is None or arguments == "":
        return "{}"
    if isinstance(arguments, str) and codec.is_object(arguments):
        return arguments
    whole = arguments if isinstance(arguments, dict) else {"invalid_arguments": arguments}
    return codec.dumps(whole).decode()


_Waiting = tuple[str, str, str]
"""A call that has no result yet: the id it is sent with, the id it was given, and its function."""


def _is_about_tools(message: dict[str, Any]) -> bool:
    return (
        message.get("role") in ("tool", "function") or "tool_calls" in message or "function_call" in message
    )


def _with_ids(message: dict[str, Any], waiting: list[_Waiting]) -> dict[str, Any]:
    """An assistant's message whose calls have ids of their own; they wait for results."""
    message = dict(message)
    legacy = message.pop("function_call", None)
    calls = message.get("tool_calls") or ()
    if not calls and isinstance(legacy, dict):
        call_id = _LEGACY_ID.format(name=legacy.get("name"))
        function = {**legacy, "arguments": object_text(legacy.get("arguments"))}
        calls = ({"id": call_id, "type": "function", "function": function},)
    made = []
    for place, call in enumerate(calls):
        given, name = call.get("id") or "", str((call.get("function") or {}).get("name") or "")
        call_id = given
        taken = {one for one, _, _ in waiting}
        while not call_id or call_id in taken:
            call_id = f"{given or 'call'}_{place}" if not call_id else f"{call_id}_"
        waiting.append((call_id, given, name))
        sent = wire_name(name) if name.strip() else _NAMELESS
        if (call_id, sent) != (given, name):
            call = {**call, "id": call_id, "function": {**(call.get("function") or {}), "name": sent}}  # noqa: PLW2901 - the same call, made regular
        made.append(call)
    message["tool_calls"] = made
    return message


def _result_of(message: dict[str, Any], call: _Waiting) -> dict[str, Any]:
    """A result as the tool message that answers a call."""
    kept = {key: value for key, value in message.items() if key != "name"}
    return {**kept, "role": "tool", "tool_call_id": call[0]}


def _call_of(message: dict[str, Any], waiting: list[_Waiting]) -> _Waiting | None:
    """The call that a result belongs to: by id, by the function's name, or the first that was given no id."""
    given, name = message.get("tool_call_id") or "", message.get("name") or ""
    if not given and not name:
        return waiting[0] if waiting else None
    by_id = [call for call in waiting if given and given in (call[1], call[0])]
    by_name = [call for call in waiting if call[2] and call[2] in (given, name)]
    without_id = [call for call in waiting if not call[1]]
    return next(iter([*by_id, *by_name, *without_id]), None)


def _without_result(call: _Waiting) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call[0], "content": _NO_RESULT}


def _in_words(message: dict[str, Any]) -> Any:
    name = message.get("name")
    what = f"Result of an earlier call of the tool {name}:" if name else "Result of an earlier tool call:"
    content = message.get("content")
    if isinstance(content, list):
        return [{"type": "text", "text": what}, *content]
    return f"{what} {content or ''}"
