"""Converts tool calls of the wire to those of LangChain: valid ones, and ones that must not run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.utils.json import parse_partial_json

from melious.wire import codec
from melious.wire.arguments import ArgumentStream, Tools, opened, parameters_of

CUT_OFF = frozenset({"length", "content_filter", None})
"""Reasons of the end of an answer, or none at all, after which its last call may be incomplete."""

_MARKS = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}


def calls_from_wire(
    calls: Any, tools: Tools = (), *, cut_off: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Convert tool calls to valid and invalid ones.

    A call is invalid if its arguments are not a JSON object, if it has no name, or if the answer was cut
    off before its arguments began.

    Args:
        calls: The `tool_calls` of a message.
        tools: The tools of the request. Arguments that the model wrote as JSON inside a string are
            opened where the tool's schema wants an object, a list or a number.
        cut_off: Whether the answer ended before the model was done.
    """
    valid: list[dict[str, Any]] = []
    invalid: list[dict[str, Any]] = []
    known = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    for place, call in enumerate(known):
        function = call.get("function")
        function = function if isinstance(function, Mapping) else {}
        name, given = str(function.get("name") or ""), function.get("arguments")
        call_id = None if call.get("id") is None else str(call["id"])
        arguments: dict[str, Any] | None = None
        problem = "" if name.strip() else "the call has no name"
        if cut_off and place == len(known) - 1 and _is_empty(given):
            problem = "the answer was cut off before the arguments"
        try:
            arguments = _parsed(given)
        except ValueError as error:
            problem = problem or str(error)
        if problem or arguments is None:
            text = given if isinstance(given, str) else codec.dumps(given).decode()
            invalid.append({"name": name or None, "args": text, "id": call_id, "error": problem})
        else:
            arguments = opened(arguments, parameters_of(tools, name))
            valid.append({"name": name, "args": arguments, "id": call_id})
    return valid, invalid


def _is_empty(given: Any) -> bool:
    return given is None or (isinstance(given, str) and not given.strip())


def _parsed(given: Any) -> dict[str, Any]:
    """Arguments as a dict: empty if there are none, decoded twice if they were encoded twice."""
    if _is_empty(given):
        return {}
    parsed = codec.loads_leniently(given) if isinstance(given, str) else given
    if isinstance(parsed, str):
        parsed = codec.loads_leniently(parsed)
    if parsed is None:
        return {}
    if not isinstance(parsed, dict):
        raise ValueError(f"the arguments are not a JSON object but {type(parsed).__name__}")  # noqa: TRY004
    return parsed


class StreamedCall:
    """One tool call while its pieces come in."""

    __slots__ = ("_opener", "call_id", "name", "text")

    def __init__(self, call_id: str | None, name: str | None, tools: Tools) -> None:
        """Start before the first piece of the arguments.

        Args:
            call_id: The id of the call.
            name: The name of the function.
            tools: The tools of the request.
        """
        self.call_id: str | None = call_id
        self.name: str | None = name
        self.text: list[str] = []
        self._opener = ArgumentStream(parameters_of(tools, name))

    def feed(self, arguments: str) -> str:
        """Take a piece of the arguments, and give what LangChain may see of it."""
        seen = self._opener.feed(arguments)
        self.text.append(seen)
        return seen

    def rest(self) -> str:
        """What was held back when the answer ended."""
        rest = self._opener.rest()
        self.text.append(rest)
        return rest

    def on_wire(self) -> dict[str, Any]:
        """The call as a message of the wire carries it."""
        return {"id": self.call_id, "function": {"name": self.name, "arguments": "".join(self.text)}}


def invalidating_end(calls: Iterable[StreamedCall], *, cut_off: bool) -> list[str]:
    """What to add to the arguments of each streamed call so that LangChain does not run an invalid one.

    LangChain completes unfinished JSON, and would run half a call. A bracket that closes nothing is the one
    thing that it does not repair.

    Args:
        calls: All calls of the answer, in order.
        cut_off: Whether the answer ended before the model was done.
    """
    known = list(calls)
    ends = []
    for place, call in enumerate(known):
        is_last = place == len(known) - 1
        valid, _ = calls_from_wire([call.on_wire()], cut_off=cut_off and is_last)
        text = "".join(call.text)
        ends.append(_mismatch(text) if not valid and _would_run(text) else "")
    return ends


def _would_run(arguments: str) -> bool:
    """Whether LangChain makes a valid call of arguments, complete or not."""
    try:
        return not arguments or isinstance(parse_partial_json(arguments), dict)
    except (ValueError, RecursionError):
        return False


def _mismatch(text: str) -> str:
    """A bracket that does not close what is open at the end of a text, after the end of its string."""
    opened_by: list[str] = []
    in_string = False
    for mark in _MARKS.findall(text):
        if mark == '"':
            in_string = not in_string
        elif in_string or mark[0] == "\\":
            continue
        elif mark in _CLOSING:
            opened_by.append(mark)
        elif opened_by:
            opened_by.pop()
    bracket = "}" if opened_by and opened_by[-1] == "[" else "]"
    half_escape = in_string and (len(text) - len(text.rstrip("\\"))) % 2
    return ("\\" if half_escape else "") + ('"' if in_string else "") + bracket
