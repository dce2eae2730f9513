"""The regular form of what servers send in a chat answer: what cannot be of use is None, or refused. Pure."""

from __future__ import annotations

from typing import Any

from melious._figures import whole_count
from melious.wire import codec

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def list_or_empty(value: Any, name: str) -> list[Any]:
    """A list as it is; nothing, however it is written, as none.

    Raises:
        TypeError: It is something, and no list.
    """
    if type(value) is list:
        return value
    if value:
        raise TypeError(f"{name} is {type(value).__name__}, not a list")
    return []


def object_or_empty(value: Any, name: str) -> dict[str, Any]:
    """An object as it is; nothing, however it is written, as an empty one.

    Raises:
        TypeError: It is something, and no object.
    """
    if type(value) is dict:
        return value
    if value:
        raise TypeError(f"{name} is {type(value).__name__}, not an object")
    return {}


def delta_of(choice: Any) -> dict[str, Any]:
    """What a choice brings: its delta, or the message of one that came whole.

    Raises:
        TypeError: The choice, or what it brings, is no object.
    """
    if type(choice) is not dict:
        raise TypeError(f"a choice is {type(choice).__name__}, not an object")
    return object_or_empty(choice.get("delta") or choice.get("message"), "the delta of a choice")


def drop_non_text(fields: dict[str, Any], *names: str) -> None:
    """Take away what stands where text should and is none."""
    for name in names:
        if name in fields and type(fields[name]) is not str:
            fields[name] = None


def normalized_usage(usage: Any) -> dict[str, Any] | None:
    """Token counts as numbers; a count that cannot be one is left out, and so is all that is no object."""
    if type(usage) is not dict:
        return None
    for name in _COUNTS:
        if name in usage and type(usage[name]) is not int:
            usage[name] = whole_count(usage[name])
    return usage


def normalize_tool_call(call: dict[str, Any]) -> None:
    """Bring a whole tool call to the form that streams have: a function whose arguments are text."""
    function = call.get("function")
    if type(function) is not dict:
        call["function"] = {"name": "", "arguments": ""}
    elif function.get("arguments") is not None and type(function["arguments"]) is not str:
        function["arguments"] = codec.dumps(function["arguments"]).decode()
