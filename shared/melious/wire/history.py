"""Conversations as strict servers want them: tool calls and results in pairs. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, count
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
    waiting = _Waiting()
    held: list[dict[str, Any]] = []
    for message in messages:
        role = message.get("role")
        if role in ("tool", "function"):
            call = waiting.take(message)
            if call is None:
                (held if waiting else out).append({"role": "user", "content": _in_words(message)})
                continue
            out.append(_result_of(message, call))
        elif waiting and role != "assistant":
            held.append(message)
        else:
            out += map(_without_result, waiting)
            waiting = _Waiting()
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


_Call = tuple[str, str, str]
"""A call: the id it is sent with, the id it was given, and its function."""
_NO_ID = ("no id", "")


class _Waiting:
    """The calls of a message that have no result yet, in order; each is found in constant time."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}
        self._places: dict[tuple[str, str], deque[int]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[_Call]:
        return iter(self._calls.values())

    def add(self, place: int, call: _Call) -> None:
        """Add the call at a place of the message."""
        call_id, given, name = call
        self._calls[place] = call
        for known in {("id", call_id), ("id", given) if given else _NO_ID, ("name", name)}:
            self._places.setdefault(known, deque()).append(place)

    def take(self, result: dict[str, Any]) -> _Call | None:
        """Take the call that a result belongs to: by id, by the function's name, or the first without id."""
        given, name = result.get("tool_call_id") or "", result.get("name") or ""
        if not given and not name:
            first = next(iter(self._calls), None)
            return None if first is None else self._calls.pop(first)
        names = [("name", one) for one in (given, name) if one]
        for wanted in ([("id", given)] if given else [], names, [_NO_ID]):
            places = [place for known in wanted if (place := self._first(known)) is not None]
            if places:
                return self._calls.pop(min(places))
        return None

    def _first(self, known: tuple[str, str]) -> int | None:
        places = self._places.get(known, deque())
        while places and places[0] not in self._calls:
            places.popleft()
        return places[0] if places else None


def _is_about_tools(message: dict[str, Any]) -> bool:
    return (
        message.get("role") in ("tool", "function") or "tool_calls" in message or "function_call" in message
    )


def _with_ids(message: dict[str, Any], waiting: _Waiting) -> dict[str, Any]:
    """An assistant's message whose calls have ids of their own; they wait for results."""
    message = dict(message)
    legacy = message.pop("function_call", None)
    calls = message.get("tool_calls") or ()
    if not calls and isinstance(legacy, dict):
        call_id = _LEGACY_ID.format(name=legacy.get("name"))
        function = {**legacy, "arguments": object_text(legacy.get("arguments"))}
        calls = ({"id": call_id, "type": "function", "function": function},)
    made = []
    taken: set[str] = set()
    for place, call in enumerate(calls):
        given, name = call.get("id") or "", str((call.get("function") or {}).get("name") or "")
        call_id = _free(given or f"call_{place}", place, taken)
        taken.add(call_id)
        waiting.add(place, (call_id, given, name))
        sent = wire_name(name) if name.strip() else _NAMELESS
        if (call_id, sent) != (given, name):
            call = {**call, "id": call_id, "function": {**(call.get("function") or {}), "name": sent}}  # noqa: PLW2901 - the same call, made regular
        made.append(call)
    message["tool_calls"] = made
    return message


def _free(call_id: str, place: int, taken: set[str]) -> str:
    """An id that no earlier call of the message has."""
    if call_id not in taken:
        return call_id
    others = (f"{call_id}_{number}" for number in count(place))
    return next(one for one in chain([f"{call_id}_"], others) if one not in taken)


def _result_of(message: dict[str, Any], call: _Call) -> dict[str, Any]:
    """A result as the tool message that answers a call."""
    kept = {key: value for key, value in message.items() if key != "name"}
    return {**kept, "role": "tool", "tool_call_id": call[0]}


def _without_result(call: _Call) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call[0], "content": _NO_RESULT}


def _in_words(message: dict[str, Any]) -> Any:
    name = message.get("name")
    what = f"Result of an earlier call of the tool {name}:" if name else "Result of an earlier tool call:"
    content = message.get("content")
    if isinstance(content, list):
        return [{"type": "text", "text": what}, *content]
    return f"{what} {content or ''}"
