"""Which tool to call, and with what: the one that shares most words with the request."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from melious_sandbox.brain.instances import fill
from melious_sandbox.brain.mentions import numbers
from melious_sandbox.brain.prompts import last_user, read, turn_text
from melious_sandbox.brain.schemas import kind_of, merged
from melious_sandbox.brain.words import content_stems

_LONGEST = 8192
_ENOUGH = 2  # a word of the name, or two of the description
_PARTS_OF_A_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

Function = Mapping[str, Any]


def choose(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    tool_choice: str | Mapping[str, Any] | None = None,
) -> tuple[str, dict[str, Any]] | None:
    """Choose the tool call of the next assistant message, or None where text should answer.

    The tool that shares most words with the last user message is called; words of its name count double. Its
    required fields are filled from the message and from the results since. Each tool is called once a turn,
    so that a loop ends. Where the call is optional, the tool must share one word of its name or two of its
    description, and all the numbers that it requires must be there.
    """
    since = messages[last_user(messages) + 1 :]
    called = {call["function"]["name"] for message in since for call in message.get("tool_calls") or ()}
    functions = [tool["function"] for tool in tools if tool["function"]["name"] not in called]
    forced = tool_choice in ("required", "any")
    if isinstance(tool_choice, Mapping):
        named = tool_choice.get("function", tool_choice).get("name")
        functions = [function for function in functions if function["name"] == named]
        forced = True
    text = turn_text(messages)[-_LONGEST:]
    asked = read(messages).question[:_LONGEST]
    if not forced:
        given = len(numbers(text))
        functions = [function for function in functions if _required_numbers(function) <= given]
    if tool_choice == "none" or not functions:
        return None
    words = frozenset(content_stems(text if forced else asked))
    best = max(functions, key=lambda function: _fit(function, words))
    if not forced and _fit(best, words) < _ENOUGH:
        return None
    arguments = fill(_parameters(best), text, asked or text)
    return best["name"], arguments if isinstance(arguments, dict) else {}


def _parameters(function: Function) -> Mapping[str, Any]:
    return function.get("parameters") or {"type": "object"}


def _required_numbers(function: Function) -> int:
    parameters = _parameters(function)
    properties = parameters.get("properties") or {}
    parts = (properties.get(name) or {} for name in parameters.get("required") or ())
    return sum(kind_of(merged(part, parameters)) in ("integer", "number") for part in parts)


def _fit(function: Function, words: frozenset[str]) -> int:
    name = frozenset(content_stems(" ".join(_PARTS_OF_A_NAME.findall(function["name"])).lower()))
    description = frozenset(content_stems(function.get("description") or "")) - name
    return 2 * len(name & words) + len(description & words)
