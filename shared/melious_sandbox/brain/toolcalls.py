"""Which tools to call, and with what: by the words of the request and of the tools' definitions."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from melious_sandbox.brain.answers import answer
from melious_sandbox.brain.extract import Words
from melious_sandbox.brain.lexicon import ASKING, GENERIC, LOOKUP, SMALL_TALK, SYNONYMS
from melious_sandbox.brain.prompts import read, text_of, turn_text
from melious_sandbox.brain.schema import Filler
from melious_sandbox.brain.words import content_stems, stem, words

__all__ = ["choose"]

Call = tuple[str, dict[str, Any]]


def choose(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    tool_choice: str | Mapping[str, Any] | None = None,
    parallel: bool | None = None,  # noqa: FBT001 - the wire's own name and form
) -> list[Call]:
    """Decide on the tool calls of the next assistant message.

    The last user message is read clause by clause; each may want another tool, or the same one with
    another value. Calls the conversation already holds since that message are not made again, so a loop ends;
    where a call is required, the tools that were not called yet come next, each once, filled from the results
    too. That is how an agent's tool for its final answer gets its turn.

    Args:
        messages: The request's messages, oldest first.
        tools: Function tools as the request has them.
        tool_choice: ``none``, ``auto`` (also None), ``required`` (also ``any``), or an object that
            names a function.
        parallel: False gives at most one call at a time.

    Returns:
        Names with arguments; empty where text should answer.
    """
    functions = [_Function.of(tool) for tool in tools if tool.get("type", "function") == "function"]
    named = _named(tool_choice)
    if named is not None:
        functions = [function for function in functions if function.name == named]
    if tool_choice == "none" or not functions:
        return []
    turn = max((i for i, message in enumerate(messages) if message.get("role") == "user"), default=-1)
    after = messages[turn + 1 :]
    if named is not None or tool_choice in _FORCING:
        planned = _forced(text_of(messages[turn]) if turn >= 0 else "", functions, after, named=named)
    else:
        asked = read(messages).question[:_LONGEST]
        planned = _planned(asked, functions, after) or _followed_up(
            asked, messages[: max(turn, 0)], functions
        )
        planned = planned or _looked_up(asked, functions)
    left = _not_made(planned, after)
    if not left and tool_choice in _FORCING:
        left = _next_unused(messages, functions, after)
    return left[:1] if parallel is False else left


_LONGEST = 8192  # characters of a request that are read
_FORCING = ("required", "any")


def _named(tool_choice: str | Mapping[str, Any] | None) -> str | None:
    if not isinstance(tool_choice, Mapping):
        return None
    function = tool_choice.get("function")
    return str(function.get("name")) if isinstance(function, Mapping) else str(tool_choice.get("name"))


@dataclass(frozen=True, slots=True)
class _Function:
    """A tool, and how much each stem says that it is meant."""

    name: str
    parameters: Mapping[str, Any]
    weights: Mapping[str, float]
    title: frozenset[str]  # the stems of its name and its description

    @classmethod
    def of(cls, tool: Mapping[str, Any]) -> "_Function":
        function = tool.get("function") or {}
        name, parameters = str(function.get("name", "")), function.get("parameters") or {}
        weights: dict[str, float] = {}
        properties = (parameters.get("properties") or {}).items()
        about = " ".join(f"{_spelt(key)} {part.get('description', '')}" for key, part in properties)
        options = " ".join(str(option) for _, part in properties for option in part.get("enum") or ())
        for text, weight in (
            (about, 0.5),
            (_spelt(options), 1.0),
            (str(function.get("description", "")), 1.0),
            (_spelt(name), 2.0),
        ):
            for found in content_stems(text):
                if found not in GENERIC:
                    weights[found] = max(weight, weights.get(found, 0.0))
        title = content_stems(f"{_spelt(name)} {function.get('description', '')}")
        return cls(name, parameters, weights, frozenset(title) - GENERIC)

    @property
    def required(self) -> list[str]:
        return list(self.parameters.get("required") or ())

    @property
    def numbers(self) -> list[str]:
        """Names of the numbers a call needs."""
        properties = self.parameters.get("properties") or {}
        kinds = {name: properties.get(name, {}).get("type") for name in self.required}
        return [name for name, kind in kinds.items() if kind in {"integer", "number"}]

    @property
    def takes_several(self) -> bool:
        """Whether one call takes a list of what is asked for."""
        properties = self.parameters.get("properties") or {}
        return any(properties.get(name, {}).get("type") == "array" for name in self.required)

    @property
    def looks_up(self) -> bool:
        """Whether it searches: it takes any question that no other tool is for."""
        properties = self.parameters.get("properties") or {}
        text = any(properties.get(name, {}).get("type") == "string" for name in self.required)
        return text and bool(LOOKUP & self.weights.keys())


def _spelt(name: str) -> str:
    return " ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)).lower()


_ENOUGH = 1.5  # a word of the name, or two of the description
_KIN = 0.8  # what a synonym counts
_SIGN = 2.0  # what an operator between numbers counts
_SIGN_WORDS = (
    (r"\d\s*[*x\u00d7]\s*[-(]?\d", "multiply"),
    (r"\d\s*\+\s*[-(]?\d", "add"),
    (r"\d\s*[-\u2212]\s*[(]?\d", "subtract"),
    (r"\d\s*[/\u00f7:]\s*[-(]?\d", "divide"),
)


def _best(clause: str, functions: Sequence[_Function], *, enough: float = _ENOUGH) -> _Function | None:
    """The function whose words fit the clause; None where none fits well enough."""
    said = dict.fromkeys(content_stems(clause), 1.0)
    said |= {stem(word): _SIGN for pattern, word in _SIGN_WORDS if re.search(pattern, clause)}
    for group in SYNONYMS:
        if group & said.keys():
            said |= {kin: _KIN for kin in group if kin not in said}
    spread = Counter(found for function in functions for found in function.weights)
    has_numbers = re.search(r"\d", clause) is not None or bool(Words(clause).of("number"))
    best, most = None, 0.0
    for function in functions:
        fit = sum(
            weight * said[found] * (1.0 + math.log(len(functions) / spread[found]))
            for found, weight in function.weights.items()
            if found in said
        )
        if function.numbers and not has_numbers:
            fit *= 0.5
        if fit >= enough and fit > most:
            best, most = function, fit
    return best


_JOINT = re.compile(
    r"(?<=[.!?;])\s+|\n+|,?\s+(?:and|then|also|plus)(?:\s+(?:then|also|after that))?,?\s+|,\s+", re.IGNORECASE
)


def _clauses(asked: str, functions: Sequence[_Function]) -> list[tuple[_Function, str]]:
    """Cut a request where another tool begins; what no tool fits stays with the clause before it."""
    starts = [0, *(joint.end() for joint in _JOINT.finditer(asked))]
    found: list[tuple[_Function, int]] = []
    for start, stop in zip(starts, [*starts[1:], len(asked)], strict=True):
        function = _best(asked[start:stop], functions)
        if function and not (found and found[-1][0] is function and _only_adds(function, asked[start:stop])):
            found.append((function, start if found else 0))
    stops = [*(start for _, start in found[1:]), len(asked)][: len(found)]
    return [(function, asked[start:stop]) for (function, start), stop in zip(found, stops, strict=True)]


def _only_adds(function: _Function, clause: str) -> bool:
    """Whether the clause is no call of its own, but says more about the one before."""
    filler = Filler(function.parameters, Words(clause))
    filler.fill()
    if function.required and filler.guessed.issuperset(function.required):
        return True
    told = bool(filler.words.taken) and not function.takes_several
    return not told and function.title.isdisjoint(content_stems(clause))


def _planned(
    asked: str,
    functions: Sequence[_Function],
    after: Sequence[Mapping[str, Any]],
) -> list[Call]:
    """All calls a request wants, up to one that has to wait for the result of another."""
    clauses = _clauses(asked, functions)
    if not clauses and (single := _best(asked, functions)):
        clauses = [(single, asked)]
    planned: list[Call] = []
    results = [text_of(message) for message in after if message.get("role") in {"tool", "function"}]
    for function, clause in clauses:
        filler = Filler(function.parameters, Words(clause))
        arguments = _arguments(filler)
        _put_in_order(arguments, function, clause)
        if not _completed(arguments, filler.guessed, function, clause, planned, results):
            break
        planned += [(function.name, made) for made in _repeated(arguments, filler, function)]
    return planned


def _looked_up(asked: str, functions: Sequence[_Function]) -> list[Call]:
    """A search for a question no tool is made for; none for small talk."""
    asks = "?" in asked or set(words(asked)[:3]) & ASKING
    function = next((function for function in functions if function.looks_up), None)
    if function is None or not asks or SMALL_TALK.issuperset(content_stems(asked)):
        return []
    return [(function.name, _arguments(Filler(function.parameters, Words(asked))))]


def _arguments(filler: Filler) -> dict[str, Any]:
    made = filler.fill()
    return made if isinstance(made, dict) else {}


def _completed(
    arguments: dict[str, Any],
    guessed: set[str],
    function: _Function,
    clause: str,
    planned: Sequence[Call],
    results: Sequence[str],
) -> bool:
    """Fill guessed arguments from the calls before ("the time there") or from their results ("then add 5").

    Returns:
        False where the result that is needed is not there yet.
    """
    if not planned:
        return True
    for name in [name for name in function.required if name in guessed]:
        earlier = next((made[name] for _, made in reversed(planned) if name in made), None)
        if name in function.numbers:
            if len(results) < len(planned):
                return False
            if numbers := re.findall(r"-?\d+(?:\.\d+)?", results[len(planned) - 1]):
                _with_result(arguments, function, guessed, float(numbers[-1]), clause)
            break
        if earlier is not None:
            arguments[name] = earlier
    return True


_TAKEN_FROM = re.compile(r"\b(?:subtract|take|minus|deduct)\b.{0,60}?\bfrom\b\s+[-\d(]", re.IGNORECASE)


def _put_in_order(arguments: dict[str, Any], function: _Function, clause: str) -> None:
    """Turn "subtract 5 from 12" round, which names what is taken off first."""
    if len(function.numbers) == 2 and _TAKEN_FROM.search(clause):  # noqa: PLR2004
        first, second = function.numbers
        arguments[first], arguments[second] = arguments[second], arguments[first]


_RESULT_LAST = re.compile(r"\bby (?:it|that|the result)\b|\b(?:it|that|the result) from\b", re.IGNORECASE)


def _with_result(
    arguments: dict[str, Any], function: _Function, guessed: set[str], result: float, clause: str
) -> None:
    """Put an earlier result before the numbers of the clause; behind them in "divide 100 by it"."""
    given = [arguments[name] for name in function.numbers if name not in guessed]
    value = int(result) if result.is_integer() else result
    ordered = [*given, value] if _RESULT_LAST.search(clause) else [value, *given]
    arguments.update(zip(function.numbers, ordered, strict=False))


def _repeated(arguments: dict[str, Any], filler: Filler, function: _Function) -> list[dict[str, Any]]:
    """One call for each of "Paris, Rome and Berlin", where the tool takes one at a time."""
    made = [arguments]
    for mention in list(filler.words.taken):
        name = next((key for key, value in arguments.items() if value == mention.value), None)
        others = [m for m in filler.words.listed(mention) if m not in filler.words.taken]
        if name in (function.parameters.get("properties") or {}) and others:
            made += [{**arguments, str(name): other.value} for other in others]
            break
    return made


def _forced(
    asked: str, functions: Sequence[_Function], after: Sequence[Mapping[str, Any]], *, named: str | None
) -> list[Call]:
    """At least one call; exactly one, from the whole text, where a function is named."""
    if named is None and (planned := _planned(asked, functions, after)):
        return planned
    function = _best(asked, functions, enough=0.0) or functions[0]
    return [(function.name, _arguments(Filler(function.parameters, Words(asked))))]


def _next_unused(
    messages: Sequence[Mapping[str, Any]],
    functions: Sequence[_Function],
    after: Sequence[Mapping[str, Any]],
) -> list[Call]:
    """The tool, of those not called since the question, that fits it and the results best, else the last."""
    called = {call.get("function", {}).get("name") for message in after for call in _calls(message)}
    unused = [function for function in functions if function.name not in called]
    if not unused:
        return []
    text = turn_text(messages)
    function = _best(text, unused, enough=0.0) or unused[-1]
    return [(function.name, _arguments(Filler(function.parameters, Words(text), answer(messages))))]


def _followed_up(
    asked: str, before: Sequence[Mapping[str, Any]], functions: Sequence[_Function]
) -> list[Call]:
    """A short follow-up ("And in Rome?") that gives all a tool needs which an earlier message asked for."""
    if len(words(asked)) > _SHORT_FOLLOW_UP:
        return []
    for message in reversed(before):
        if message.get("role") == "user" and (function := _best(text_of(message), functions)):
            filler = Filler(function.parameters, Words(asked))
            arguments = _arguments(filler)
            fits = function.required and not filler.guessed and filler.words.taken
            return [(function.name, arguments)] if fits else []
    return []


_SHORT_FOLLOW_UP = 8


def _not_made(planned: Sequence[Call], after: Sequence[Mapping[str, Any]]) -> list[Call]:
    """The planned calls without those the assistant already made: the same ones first, then by name."""
    left = list(planned)
    for message in after:
        for call in _calls(message):
            function = call.get("function") or {}
            same = (function.get("name"), _parsed(function.get("arguments")))
            match = next((one for one in left if one == same), None)
            match = match or next((one for one in left if one[0] == same[0]), None)
            if match is not None:
                left.remove(match)
    return left


def _calls(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return message.get("tool_calls") or ()


def _parsed(arguments: Any) -> Any:
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return None
