"""Normalizes chat answers: unusable values become None, or are refused. Pure."""

from __future__ import annotations

from typing import Any

from melious._figures import whole_count
from melious.wire import codec

_OTHER_NAMES = (
    ("prompt_tokens", "input_tokens"),
    ("completion_tokens", "output_tokens"),
    ("prompt_tokens_details", "input_tokens_details"),
    ("completion_tokens_details", "output_tokens_details"),
)
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def list_or_empty(value: Any, name: str) -> list[Any]:
    """A list; an empty one for any empty value.

    Raises:
        TypeError: It is something else.
    """
    if type(value) is list:
        return value
    if value:
        raise TypeError(f"{name} is {type(value).__name__}, not a list")
    return []


def object_or_empty(value: Any, name: str) -> dict[str, Any]:
    """An object; an empty one for any empty value.

    Raises:
        TypeError: It is something else.
    """
    if type(value) is dict:
        return value
    if value:
        raise TypeError(f"{name} is {type(value).__name__}, not an object")
    return {}


def delta_of(choice: Any) -> dict[str, Any]:
    """The delta of a choice, or the message of one that was not streamed.

    Raises:
        TypeError: The choice or its delta is not an object.
    """
    if type(choice) is not dict:
        raise TypeError(f"a choice is {type(choice).__name__}, not an object")
    return object_or_empty(choice.get("delta") or choice.get("message"), "the delta of a choice")


def drop_non_text(fields: dict[str, Any], *names: str) -> None:
    """Replace fields that should be text, and are not, by None."""
    for name in names:
        if name in fields and type(fields[name]) is not str:
            fields[name] = None


def name_counts(usage: dict[str, Any]) -> None:
    """Give token counts that a server names as Anthropic or the Responses API does the names of this wire."""
    for name, other in _OTHER_NAMES:
        if usage.get(name) is None and usage.get(other) is not None:
            usage[name] = usage[other]


def normalized_usage(usage: Any) -> dict[str, Any] | None:
    """Usage with token counts as integers or None; None if it is not an object."""
    if type(usage) is not dict:
        return None
    name_counts(usage)
    for name in _COUNTS:
        if name in usage and type(usage[name]) is not int:
            usage[name] = whole_count(usage[name])
    return usage


def normalize_tool_call(call: dict[str, Any]) -> None:
    """Normalize a whole tool call: its function is an object, its arguments are text."""
    function = call.get("function")
    if type(function) is not dict:
        call["function"] = {"name": "", "arguments": ""}
    elif function.get("arguments") is not None and type(function["arguments"]) is not str:
        function["arguments"] = codec.dumps(function["arguments"]).decode()
