"""Which tool to call, and with what: the one whose words the request shares most."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from melious_sandbox.brain.instances import fill
from melious_sandbox.brain.mentions import numbers
from melious_sandbox.brain.prompts import last_user, read, turn_text
from melious_sandbox.brain.schemas import kind_of, merged
from melious_sandbox.brain.words import content_stems

__all__ = ["choose"]

Call = tuple[str, dict[str, Any]]

_FORCING = ("required", "any")
_LONGEST = 8192
_NAME_WORD, _DESCRIPTION_WORD = 2, 1
_ENOUGH = 2  # a word of the name, or two of the description
_PARTS_OF_A_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def choose(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    tool_choice: str | Mapping[str, Any] | None = None,
) -> Call | None:
    """Choose the tool call of the next assistant message.

    The tool that shares most words with the last user message is called; words of its name count double. Its
    required fields are filled from the message and from the results since. Each tool is called once a turn,
    so that a loop ends. Where calling is left to the model, one word of the name or two of the description
    must be shared, and all the numbers that the tool requires must be there.

    Args:
        messages: The request's messages, oldest first.
        tools: Function tools as the request has them.
        tool_choice: ``none``, ``auto`` (also None), ``required`` (also ``any``), or an object that names a
            function.

    Returns:
        Name and arguments; None where text should answer.
    """
    functions = [_Function.of(tool["function"]) for tool in tools]
    named = _named(tool_choice)
    if named is not None:
        functions = [function for function in functions if function.name == named]
    called = _called_since(messages[last_user(messages) + 1 :])
    functions = [function for function in functions if function.name not in called]
    if tool_choice == "none" or not functions:
        return None
    text = turn_text(messages)[-_LONGEST:]
    asked = read(messages).question[:_LONGEST]
    forced = named is not None or tool_choice in _FORCING
    words = frozenset(content_stems(text if forced else asked))
    best = max(functions, key=lambda function: function.fit(words))
    if not forced:
        given = len(numbers(text))
        able = [function for function in functions if function.required_numbers <= given]
        best = max(able, key=lambda function: function.fit(words), default=best)
        if best not in able or best.fit(words) < _ENOUGH:
            return None
    arguments = fill(best.parameters, text, asked or text)
    return best.name, arguments if isinstance(arguments, dict) else {}


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    parameters: Mapping[str, Any]
    name_words: frozenset[str]
    description_words: frozenset[str]

    @classmethod
    def of(cls, function: Mapping[str, Any]) -> "_Function":
        name = str(function["name"])
        spelt = " ".join(_PARTS_OF_A_NAME.findall(name)).lower()
        description = str(function.get("description") or "")
        return cls(
            name,
            function.get("parameters") or {"type": "object"},
            frozenset(content_stems(spelt)),
            frozenset(content_stems(description)),
        )

    @property
    def required_numbers(self) -> int:
        properties = self.parameters.get("properties") or {}
        parts = (properties.get(name) or {} for name in self.parameters.get("required") or ())
        return sum(kind_of(merged(part, self.parameters)) in ("integer", "number") for part in parts)

    def fit(self, words: frozenset[str]) -> int:
        described = self.description_words - self.name_words
        return _NAME_WORD * len(self.name_words & words) + _DESCRIPTION_WORD * len(described & words)


def _named(tool_choice: str | Mapping[str, Any] | None) -> str | None:
    if not isinstance(tool_choice, Mapping):
        return None
    function = tool_choice.get("function")
    return str(function.get("name")) if isinstance(function, Mapping) else str(tool_choice.get("name"))


def _called_since(messages: Sequence[Mapping[str, Any]]) -> set[str]:
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    return {str(call["function"]["name"]) for call in calls}
