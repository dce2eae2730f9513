"""Questions to each chosen chat model: which fields it takes, and what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from melious._figures import whole_count
from melious.probe.asking import Ask, Seen, object_in
from melious.probe.models import Choice
from melious.probe.questions.question import REFUSED, Question
from melious.probe.questions.requests import one, to_chat
from melious.probe.verdicts import G1, G2, LIVE, NEW, UNCLEAR, Finding, found, not_asked, short

_TOPIC = "Features of models"
_MOST_TOKENS = 8
_EFFORTS = ("none", "high")
_ROOM = 200
_TEXT = "Give the capital of France and its country as JSON with the fields city and country."
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}
_TOOL = {
    "type": "function",
    "function": {"name": "save_city", "description": "Save a city.", "parameters": _SCHEMA},
}
_NAMED = {"type": "function", "function": {"name": "save_city"}}


def _room(choice: Choice) -> dict[str, Any]:
    """More tokens than the usual few, for a model that does not reason."""
    return {} if one(choice.chat).reasons else {"max_tokens": _ROOM}


def _schema(choice: Choice, *, strict: bool) -> tuple[Ask, ...]:
    described = {"name": "city", "schema": _SCHEMA, "strict": strict}
    form = {"type": "json_schema", "json_schema": described}
    name = "strict json_schema" if strict else "json_schema"
    return (to_chat(name, one(choice.chat), _TEXT, response_format=form, **_room(choice)),)


def _tool(choice: Choice, name: str, tool_choice: Any, *, strict: bool = False) -> tuple[Ask, ...]:
    function = _TOOL["function"] | {"strict": True} if strict else _TOOL["function"]  # type: ignore[operator]
    tools = [{"type": "function", "function": function}]
    text = "Save the capital of France."
    return (to_chat(name, one(choice.chat), text, tools=tools, tool_choice=tool_choice, **_room(choice)),)


def _object(answers: Sequence[Seen]) -> Finding:
    """Judge whether the text is an object of the schema."""
    seen = answers[0]
    if seen.refusal is not None:
        return found(f"refused: {short(seen)}", LIVE)
    content = seen.message.get("content")
    answered = object_in(content)
    if answered is not None and all(isinstance(answered.get(name), str) for name in ("city", "country")):
        more = sorted(set(answered) - {"city", "country"})
        return found("an object as asked" + (f", and {', '.join(more)}" if more else ""), G2)
    if seen.is_cut or not content:
        return found("cut before an answer", UNCLEAR)
    return found("answered with something else" if answered is None else "an object of other fields", NEW)


def _any_object(answers: Sequence[Seen]) -> Finding:
    """Judge whether the text is an object; JSON mode promises no fields."""
    seen = answers[0]
    content = seen.message.get("content")
    answered = object_in(content)
    if answered is not None:
        return found(f"an object of {', '.join(sorted(answered)) or 'nothing'}", G2)
    if seen.is_cut or not content:
        return found("cut before an answer", UNCLEAR)
    return found("answered with something else", NEW)


def _call(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    if seen.refusal is not None:
        return found(f"refused: {short(seen)}", NEW)
    calls = seen.message.get("tool_calls")
    if isinstance(calls, list) and calls and isinstance(calls[0], dict):
        function = calls[0].get("function")
        arguments = object_in(function.get("arguments")) if isinstance(function, dict) else None
        if arguments is None:
            return found("a call whose arguments are not JSON", NEW)
        return found(f"a call with {', '.join(sorted(arguments)) or 'no arguments'}", G2)
    text = str(seen.message.get("content") or "")
    if "DSML" in text:
        return found("text in DSML in place of a call", LIVE)
    return found("cut before a call", UNCLEAR) if seen.is_cut else found("text in place of a call", NEW)


def _developer(answers: Sequence[Seen]) -> Finding:
    seen = answers[0]
    return found(f"refused: {short(seen)}", LIVE) if seen.refusal else found("accepted", NEW)


def _most_tokens(answers: Sequence[Seen]) -> Finding:
    if not answers:
        return not_asked("the model may reason at length before it answers")
    seen = answers[0]
    if seen.refusal is not None:
        return found(f"refused: {short(seen)}", NEW)
    written = whole_count(seen.usage.get("completion_tokens"))
    if written is None:
        return found("the answer counts no tokens", UNCLEAR)
    if written <= _MOST_TOKENS:
        return found(f"kept: {written} tokens", LIVE)
    return found(f"ignored: {written} tokens", G1, G2)


def _efforts(choice: Choice) -> tuple[Ask, ...]:
    card = one(choice.chat)
    if not card.reasons:
        return ()
    return tuple(to_chat(f"reasoning_effort {effort}", card, reasoning_effort=effort) for effort in _EFFORTS)


def _effort(answers: Sequence[Seen]) -> Finding:
    if not answers:
        return not_asked("the model is not known to reason")
    parts = []
    for effort, seen in zip(_EFFORTS, answers, strict=True):
        details = seen.usage.get("completion_tokens_details")
        thought = details.get("reasoning_tokens") if isinstance(details, dict) else None
        counted = "not counted" if thought is None else f"{thought} reasoning tokens"
        fields = [name for name in ("reasoning_content", "reasoning") if seen.message.get(name)]
        shown = f", shown in {' and '.join(fields)}" if fields else ", not shown"
        parts.append(f"{effort}: {short(seen) if seen.refusal else counted + shown}")
    none, high = (seen.refusal is None for seen in answers)
    return found("; ".join(parts), *((G1, G2) if high and not none else (LIVE,)))


def _bounded(choice: Choice) -> tuple[Ask, ...]:
    card = one(choice.chat)
    if card.reasoning is not False:
        return ()
    asked = {"max_tokens": None, "max_completion_tokens": _MOST_TOKENS}
    return (to_chat("max_completion_tokens", card, "Count from 1 to 30.", **asked),)


QUESTIONS = (
    Question(
        name="json_object",
        topic=_TOPIC,
        asks="Does JSON mode give an object?",
        sends=lambda choice: (
            to_chat(
                "json_object",
                one(choice.chat),
                _TEXT,
                response_format={"type": "json_object"},
                **_room(choice),
            ),
        ),
        judge=_any_object,
        each_model=True,
    ),
    Question(
        name="json_schema",
        topic=_TOPIC,
        asks="Does json_schema give an object of the schema?",
        sends=lambda choice: _schema(choice, strict=False),
        judge=_object,
        takes=REFUSED,
        each_model=True,
    ),
    Question(
        name="strict json_schema",
        topic=_TOPIC,
        asks="Does json_schema take strict?",
        sends=lambda choice: _schema(choice, strict=True),
        judge=_object,
        takes=REFUSED,
        each_model=True,
    ),
    Question(
        name="named tool",
        topic=_TOPIC,
        asks="Is a tool called that tool_choice names?",
        sends=lambda choice: _tool(choice, "named tool", _NAMED),
        judge=_call,
        takes=REFUSED,
        each_model=True,
    ),
    Question(
        name="required tool",
        topic=_TOPIC,
        asks="Is a tool called under tool_choice required?",
        sends=lambda choice: _tool(choice, "required tool", "required"),
        judge=_call,
        takes=REFUSED,
        each_model=True,
    ),
    Question(
        name="strict tool",
        topic=_TOPIC,
        asks="Does a tool take strict?",
        sends=lambda choice: _tool(choice, "strict tool", "auto", strict=True),
        judge=_call,
        takes=REFUSED,
        each_model=True,
    ),
    Question(
        name="developer role",
        topic=_TOPIC,
        asks="Is the role developer taken?",
        sends=lambda choice: (
            to_chat(
                "developer role",
                one(choice.chat),
                messages=[
                    {"role": "developer", "content": "Be brief."},
                    {"role": "user", "content": "Say OK."},
                ],
            ),
        ),
        judge=_developer,
        takes=REFUSED,
        each_model=True,
    ),
    Question(
        name="max_completion_tokens",
        topic=_TOPIC,
        asks="Is max_completion_tokens kept?",
        sends=_bounded,
        judge=_most_tokens,
        takes=REFUSED,
        each_model=True,
    ),
    Question(
        name="reasoning_effort",
        topic=_TOPIC,
        asks="Are the efforts none and high taken, and what do they change?",
        sends=_efforts,
        judge=_effort,
        takes=REFUSED,
        each_model=True,
    ),
)
