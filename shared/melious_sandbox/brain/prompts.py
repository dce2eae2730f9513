"""Reading a conversation: what is asked, which passages were given with it, which tools have answered.

A prompt of a retrieval framework is a question and its context in one text. The question is what is labelled
so ("Question:"), else the paragraph that asks; the context is what is left, or the system message.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from melious_sandbox.brain.words import sentences

__all__ = ["Passage", "Prompt", "ToolResult", "last_user", "read", "text_of", "turn_text"]

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


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back."""

    name: str
    content: str


@dataclass(slots=True)
class Prompt:
    """A conversation as the sandbox understands it.

    Attributes:
        question: What the last user message asks, without the passages around it.
        passages: Context from the last user message, else from the system messages.
        marked: Whether a label, a rule or a marker says that the passages are context.
        cites: Whether the prompt wants sources named.
        results: Tool results since the last user message.
        media: Parts of the last user message that are not text.
    """

    question: str = ""
    passages: list[Passage] = field(default_factory=list)
    marked: bool = False
    cites: bool = False
    results: list[ToolResult] = field(default_factory=list)
    media: list[Mapping[str, Any]] = field(default_factory=list)


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
    prompt = Prompt(results=_results(messages[turn + 1 :]))
    system = "\n\n".join(text_of(message) for message in messages if message.get("role") == "system")
    asked = ""
    if turn >= 0:
        asked = text_of(messages[turn])
        content = messages[turn].get("content")
        parts = content if isinstance(content, list) else ()
        prompt.media = [part for part in parts if isinstance(part, dict) and part.get("type") != "text"]
    prompt.question, rest = _apart(asked)
    context = rest if len(rest) >= _LONG or _is_marked(rest) else system
    prompt.marked = _is_marked(context)
    prompt.passages = list(_passages(context))
    prompt.cites = any(passage.marker for passage in prompt.passages) and bool(
        _CITES.search(_instructions(f"{system}\n{asked}", prompt.passages))
    )
    return prompt


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


def _instructions(text: str, passages: Sequence[Passage]) -> str:
    for passage in passages:
        text = text.replace(passage.text, "") if passage.marker else text
    return text


def _results(turn: Sequence[Message]) -> list[ToolResult]:
    names = {
        call.get("id"): call.get("function", {}).get("name", "")
        for message in turn
        for call in message.get("tool_calls") or ()
    }
    return [
        ToolResult(
            str(message.get("name") or names.get(message.get("tool_call_id")) or "tool"), text_of(message)
        )
        for message in turn
        if message.get("role") in _TOOL_ROLES
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
    """Leave a paragraph as it is, unless one of its sentences tells the model what to do."""
    told = sentences(paragraph)
    kept = [sentence for sentence in told if not _INSTRUCTION.match(sentence)]
    return paragraph.strip() if len(kept) == len(told) else " ".join(kept)
