"""Conversations as strict servers want them: tool calls and results in pairs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_NO_RESULT = "No result of this call was recorded."
_LEGACY_ID = "call_{name}"


def consistent(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pair tool calls with their results.

    Calls without an id of their own get one, and so do their results, in order. A call without a result
    is answered with words that say so. A result without a call, as when older messages were dropped,
    becomes words of the user. OpenAI's old `function_call` and its `function` messages become tool calls
    and results.

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
    for message in messages:
        role = message.get("role")
        if role in ("tool", "function"):
            _answer(message, waiting, out)
            continue
        out += [_without_result(call_id) for call_id, _, _ in waiting]
        waiting = []
        if role == "assistant" and (message.get("tool_calls") or message.get("function_call")):
            message = _with_ids(message, waiting)  # noqa: PLW2901 - the same message, made regular
        out.append(message)
    return out + [_without_result(call_id) for call_id, _, _ in waiting]


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
        calls = ({"id": call_id, "type": "function", "function": legacy},)
    made = []
    for place, call in enumerate(calls):
        given, name = call.get("id") or "", str((call.get("function") or {}).get("name") or "")
        call_id = given
        taken = {one for one, _, _ in waiting}
        while not call_id or call_id in taken:
            call_id = f"{given or 'call'}_{place}" if not call_id else f"{call_id}_"
        waiting.append((call_id, given, name))
        made.append(call if call_id == given else {**call, "id": call_id})
    message["tool_calls"] = made
    return message


def _answer(message: dict[str, Any], waiting: list[_Waiting], out: list[dict[str, Any]]) -> None:
    """Put a result after its call, or make words of it."""
    call = _call_of(message, waiting)
    if call is not None:
        waiting.remove(call)
        kept = {key: value for key, value in message.items() if key != "name"}
        out.append({**kept, "role": "tool", "tool_call_id": call[0]})
        return
    out += [_without_result(call_id) for call_id, _, _ in waiting]
    waiting.clear()
    out.append({"role": "user", "content": _in_words(message)})


def _call_of(message: dict[str, Any], waiting: list[_Waiting]) -> _Waiting | None:
    """The call that a result belongs to: by id, by the function's name, or the first that was given no id."""
    given, name = message.get("tool_call_id") or "", message.get("name") or ""
    if not given and not name:
        return waiting[0] if waiting else None
    by_id = [call for call in waiting if given and given in (call[1], call[0])]
    by_name = [call for call in waiting if call[2] and call[2] in (given, name)]
    without_id = [call for call in waiting if not call[1]]
    return next(iter([*by_id, *by_name, *without_id]), None)


def _without_result(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": _NO_RESULT}


def _in_words(message: dict[str, Any]) -> Any:
    name = message.get("name")
    what = f"Result of an earlier call of the tool {name}:" if name else "Result of an earlier tool call:"
    content = message.get("content")
    if isinstance(content, list):
        return [{"type": "text", "text": what}, *content]
    return f"{what} {content or ''}"
