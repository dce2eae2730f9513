"""Reading a conversation: what is asked, which passages were given with it, which tools have answered.

A prompt of a retrieval framework is a question and its context in one text. The question is what is labelled
so ("Question:"), else the paragraph that asks; the context is what is left, or the system message.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from melious_sandbox.brain.words import sentences

Message = Mapping[str, Any]

_TOOL_ROLES = {"tool", "function"}
_CITES = re.compile(r"\b(?:cit(?:e|es|ing|ation|ations)|sources?|references?|footnotes?)\b", re.IGNORECASE)
_RULE = re.compile(r"^[ \t]*(?:-{5,}|={5,}|\*{5,}|#{5,}|`{3,}\w*|\"{3,})[ \t]*$", re.MULTILINE)
_TAG = re.compile(
    r"</?(?:context|documents?|sources?|passages?|articles?|question|query)\b[^>]*>", re.IGNORECASE
)
_QUESTION = re.compile(
    r"(?:^|(?<=[.!?] ))[ \t#*]*(?:the )?(?:(?:user|human|original|input)(?:'s)? )?(?:question|query)"
    r"(?: is as follows)?[ *]*:[ *]*(?P<asked>.+)",
    re.IGNORECASE | re.MULTILINE,
)
_CONTEXT = re.compile(
    r"(?:^|(?<=[.!?] ))[ \t#*]*(?:\w+ )*"
    r"(?:context|documents|sources|passages|excerpts|search results|existing answer|original answer)\b"
    r"(?: information)?(?: is below\.$|[^:.\n]{0,40}:[ *]*)",
    re.IGNORECASE | re.MULTILINE,
)
_EXAMPLE_END = re.compile(r"now it'?s your turn\.?", re.IGNORECASE)
_INSTRUCTION = re.compile(
    r"^\W*(?:you|your|always|never|do|don't|answer|use|if|please|respond|reply|be|when|keep|given)\b"
    r"|^[^.\n]{0,60}:$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"^[ \t]*(?:\[(?P<marker>[^\]\n]{1,48})\]|(?:source|document|passage|doc|context|excerpt)[ \t]*\#?"
    r"(?P<number>\d+)[ \t]*[:.)\-]|\((?P<round>\d+)\))[ \t:]*",
    re.IGNORECASE | re.MULTILINE,
)
_LONG = 120


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of context and the marker it was given under, if any: ``1`` for "[1] ..."."""

    text: str
    marker: str | None = None


class ToolResult(NamedTuple):
    """What a tool gave back."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation as the sandbox understands it."""

    question: str
    passages: list[Passage]
    marked: bool
    cites: bool
    results: list[ToolResult]
    media: list[Mapping[str, Any]]


def text_of(message: Message) -> str:
    """Give the text of a message, its text parts joined by line breaks."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") if isinstance(part, dict) else part for part in content)
    return "\n".join(part for part in parts if isinstance(part, str))


def last_user(messages: Sequence[Message]) -> int:
    """Give the position of the last user message; -1 where there is none."""
    return max((i for i, message in enumerate(messages) if message.get("role") == "user"), default=-1)


def turn_text(messages: Sequence[Message]) -> str:
    """Give the last user message, with what tools have answered since before it."""
    turn = last_user(messages)
    results = [text_of(message) for message in messages[turn + 1 :] if message.get("role") in _TOOL_ROLES]
    asked = text_of(messages[turn]) if turn >= 0 else ""
    return "\n\n".join(part for part in (*results, asked) if part)


def read(messages: Sequence[Message]) -> Prompt:
    """Read messages, oldest first."""
    turn = last_user(messages)
    last: Message = messages[turn] if turn >= 0 else {}
    system = "\n\n".join(text_of(message) for message in messages if message.get("role") == "system")
    asked = text_of(last)
    question, rest = _apart(asked)
    context = rest if len(rest) >= _LONG or _is_marked(rest) else system
    passages = list(_passages(context))
    instructions = f"{system}\n{asked}"
    for passage in passages:
        instructions = instructions.replace(passage.text, "") if passage.marker else instructions
    parts = last.get("content") if isinstance(last.get("content"), list) else ()
    return Prompt(
        question=question,
        passages=passages,
        marked=_is_marked(context),
        cites=any(passage.marker for passage in passages) and bool(_CITES.search(instructions)),
        results=_results(messages[turn + 1 :]),
        media=[part for part in parts or () if isinstance(part, dict) and part.get("type") != "text"],
    )


def _apart(asked: str) -> tuple[str, str]:
    """Split a user message into its question and the rest, without an example before "Now it's your turn"."""
    if example := _EXAMPLE_END.search(asked):
        asked = asked[example.end() :]
    if labelled := list(_QUESTION.finditer(asked)):
        last = labelled[-1]
        return _TAG.sub("", last["asked"]).strip(), f"{asked[: last.start()]}\n\n{asked[last.end() :]}"
    paragraphs = [part.strip() for part in re.split(r"\n[ \t]*\n", asked) if part.strip()]
    if len(paragraphs) < 2:  # noqa: PLR2004 - nothing to split
        first, colon, rest = asked.partition(":\n")
        return (first.strip(), rest) if colon and len(rest) > _LONG > len(first) else (asked.strip(), "")
    asking = [part for part in (paragraphs[0], paragraphs[-1]) if part.endswith("?")]
    question = asking[-1] if asking else min(paragraphs[0], paragraphs[-1], key=len)
    if len(question) > len(asked) // 2:
        return asked.strip(), ""
    return _TAG.sub("", question).strip(), "\n\n".join(part for part in paragraphs if part is not question)


def _is_marked(text: str) -> bool:
    return bool(
        _RULE.search(text) or _TAG.search(text) or _CONTEXT.search(text) or next(_markers(text), None)
    )


def _results(turn: Sequence[Message]) -> list[ToolResult]:
    calls = [call for message in turn for call in message.get("tool_calls") or ()]
    names = {call.get("id"): call.get("function", {}).get("name", "") for call in calls}
    answers = [message for message in turn if message.get("role") in _TOOL_ROLES]
    return [
        ToolResult(
            str(message.get("name") or names.get(message.get("tool_call_id")) or "tool"), text_of(message)
        )
        for message in answers
    ]


def _markers(text: str) -> Iterator[re.Match[str]]:
    """Markers of sources in a text. Numbers must go up one by one, or they are footnotes of a passage."""
    last = 0
    for found in _NUMBERED.finditer(text):
        marker = found["marker"] or found["number"] or found["round"]
        if marker.isdigit():
            if int(marker) != last + 1:
                continue
            last += 1
        elif last:
            continue
        yield found


def _passages(context: str) -> Iterator[Passage]:
    """Give the passages of a context without rules, tags, labels and instructions."""
    context = _CONTEXT.sub("", _TAG.sub("\n\n", _RULE.sub("\n", context)))
    marks = list(_markers(context))
    lead = context[: marks[0].start()] if marks else context
    kept = "\n\n".join(
        paragraph for part in re.split(r"\n[ \t]*\n", lead) if (paragraph := _without_instructions(part))
    )
    if kept:
        yield Passage(kept)
    for position, mark in enumerate(marks):
        stop = marks[position + 1].start() if position + 1 < len(marks) else len(context)
        if text := context[mark.end() : stop].strip():
            yield Passage(text, mark["marker"] or mark["number"] or mark["round"])


def _without_instructions(paragraph: str) -> str:
    """Drop the sentences of a paragraph that instruct the model."""
    found = sentences(paragraph)
    kept = [sentence for sentence in found if not _INSTRUCTION.match(sentence)]
    return paragraph.strip() if len(kept) == len(found) else " ".join(kept)
