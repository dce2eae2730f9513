"""Reading a conversation: what is asked, which passages were given with it, which tools have answered.

Retrieval frameworks write question and passages into one text, each in its own way. The shapes told apart
here: text between ruled lines, labelled sections ("Context:", "Question:"), XML tags, numbered sources, and
passages that simply stand before or after a question.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from melious_sandbox.brain.words import sentences

__all__ = ["Passage", "Reading", "ToolResult", "read", "text_of", "turn_text"]

Message = Mapping[str, Any]


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
class Reading:
    """A conversation as the sandbox understands it.

    Attributes:
        question: What the last user message asks, without the passages around it.
        passages: Context from the last user message, else from the system messages.
        cites: Whether the prompt wants sources named.
        results: Tool results since the last user message.
        media: Parts of the last user message that are not text.
        said: Earlier messages of the user, oldest first.
        system: All system text.
        surmised: Whether nothing marks the passages as context: they stand in a long system message.
    """

    question: str = ""
    passages: list[Passage] = field(default_factory=list)
    cites: bool = False
    results: list[ToolResult] = field(default_factory=list)
    media: list[Mapping[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    system: str = ""
    surmised: bool = False


def text_of(message: Message) -> str:
    """The text of a message, its text parts joined by line breaks."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") if isinstance(part, dict) else part for part in content)
    return "\n".join(part for part in parts if isinstance(part, str))


def turn_text(messages: Sequence[Message]) -> str:
    """The last user message, with what tools have answered since before it."""
    turn = max((i for i, message in enumerate(messages) if message.get("role") == "user"), default=-1)
    results = [text_of(message) for message in messages[turn + 1 :] if message.get("role") in _TOOL_ROLES]
    asked = text_of(messages[turn]) if turn >= 0 else ""
    return "\n\n".join(part for part in (*results, asked) if part)


def read(messages: Sequence[Message]) -> Reading:
    """Read ``messages``, oldest first."""
    turn = max((i for i, message in enumerate(messages) if message.get("role") == "user"), default=-1)
    reading = Reading(system="\n\n".join(text_of(m) for m in messages if m.get("role") == "system"))
    reading.said = [text_of(message) for message in messages[: max(turn, 0)] if message.get("role") == "user"]
    reading.results = _results(messages[turn + 1 :])
    asked = ""
    if turn >= 0:
        asked = text_of(messages[turn])
        content = messages[turn].get("content")
        if isinstance(content, list):
            reading.media = [
                p for p in content if isinstance(p, dict) and p.get("type") not in (None, "text")
            ]
    reading.question, context = _apart(asked)
    if not context and reading.question:
        context = _context_of_system(reading.system)
    if not context and reading.question:
        context = _notes_of_system(reading.system)
        reading.surmised = bool(context)
    reading.passages = [passage for part in context for passage in _passages(part)]
    instructions = f"{reading.system}\n{asked}"
    for part in context:
        instructions = instructions.replace(part, "")
    reading.cites = _CITES.search(instructions) is not None and any(
        passage.marker for passage in reading.passages
    )
    return reading


_CITES = re.compile(r"\b(?:cit(?:e|es|ing|ation|ations)|sources?|references?|footnotes?)\b", re.IGNORECASE)


def _results(turn: Sequence[Message]) -> list[ToolResult]:
    names = {
        call.get("id"): call.get("function", {}).get("name", "")
        for message in turn
        for call in message.get("tool_calls") or ()
        if isinstance(call, Mapping)
    }
    return [
        ToolResult(
            str(message.get("name") or names.get(message.get("tool_call_id")) or "tool"), text_of(message)
        )
        for message in turn
        if message.get("role") in _TOOL_ROLES
    ]


_TOOL_ROLES = {"tool", "function"}
_TURN = re.compile(r"now it'?s your turn\.?|let'?s try this now:?", re.IGNORECASE)
_RULED = re.compile(r"^[ \t]*(?:-{5,}|={5,}|\*{5,}|#{5,}|`{3,}\w*|\"{3,})[ \t]*$", re.MULTILINE)
_TAGGED = re.compile(
    r"<(context|documents?|sources?|passages?|articles?)\b[^>]*>(.*)</\1>", re.DOTALL | re.IGNORECASE
)
_ASKED_TAG = re.compile(r"<(question|query|user_query|input)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_QUESTION = re.compile(
    r"^[ \t#*]*(?:the )?(?:(?:user|human|original|input)(?:'s)? )?(?:question|query)"
    r"(?: is as follows)?[ *]*:[ *]*",
    re.IGNORECASE | re.MULTILINE,
)
_CONTEXT = re.compile(
    r"(?:^[ \t#*]*|(?<=[.!?] ))(?:(?:the|new|retrieved|relevant|additional|following) )*"
    r"(?:context(?: information)?|documents|sources|passages|excerpts|search results)[ *]*:[ *]*",
    re.IGNORECASE | re.MULTILINE,
)
_EXISTING = re.compile(
    r"^[ \t#*]*(?:original answer|existing answer|we have provided an existing answer)[ *]*:"
    r"(.*?)(?=^[\w ]+:|^we have the opportunity|below are several|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_END = re.compile(
    r"^[ \t#*]*(?:(?:new|original|existing|refined|helpful|final|your|concise) )*"
    r"(?:answer|response|assistant|ai)[ *]*:",
    re.IGNORECASE | re.MULTILINE,
)


def _apart(asked: str) -> tuple[str, list[str]]:
    """Split the text of a user message into its question and its context."""
    if example := _TURN.search(asked):
        asked = asked[example.end() :]
    if tagged := _TAGGED.search(asked):
        return _asked_in(asked[: tagged.start()], asked[tagged.end() :]), [tagged.group(2)]
    fences = _fences(asked)
    label = _CONTEXT.search(asked)
    if fences and not (label and asked[label.end() : fences[0].start()].strip()):
        before, after = asked[: fences[0].start()], asked[fences[-1].end() :]
        context = asked[fences[0].end() : fences[-1].start()]
        return _asked_in(before, after), [*_existing(before, after), context]
    if label:
        return _labelled(asked, label)
    return _unlabelled(asked)


def _fences(text: str) -> list[re.Match[str]]:
    """A ruled line and the last one like it; headings that are underlined are left aside. Else empty."""
    rules = list(_RULED.finditer(text))
    for rule in rules:
        end = max(rule.start() - 1, 0)
        line_before = text[text.rfind("\n", 0, end) + 1 : end]
        if len(line_before.rstrip()) == len(rule.group().rstrip()):
            continue
        alike = [other for other in rules if other.group().strip() == rule.group().strip()]
        return [rule, alike[-1]] if alike[-1] is not rule else []
    return []


def _labelled(asked: str, label: re.Match[str]) -> tuple[str, list[str]]:
    """Split where "Context:" stands; the question stands before it, after it or without a label."""
    before, after = asked[: label.start()], asked[label.end() :]
    if questions := list(_QUESTION.finditer(after)):
        context, tail = after[: questions[-1].start()], after[questions[-1].start() :]
        return _asked_in("", tail), [*_existing(tail), context]
    ends = list(_END.finditer(after))
    context = after[: ends[-1].start()] if ends else after
    if _QUESTION.search(before):
        return _asked_in(before, ""), [*_existing(before), context]
    body, _, last = context.rstrip().rpartition("\n\n")
    if body and last.rstrip().endswith("?"):
        return last.strip(), [body]
    return before.strip(), [context]


def _existing(*texts: str) -> list[str]:
    return [
        found.group(1).strip()
        for text in texts
        for found in _EXISTING.finditer(text)
        if found.group(1).strip()
    ]


def _asked_in(before: str, after: str) -> str:
    """The question in the text around a context: tagged, labelled, quoted, or the paragraph that asks."""
    for text in (after, before):
        if tagged := _ASKED_TAG.search(text):
            return tagged.group(2).strip()
        if labels := list(_QUESTION.finditer(text)):
            body = text[labels[-1].end() :]
            end = _END.search(body) or _EXISTING.search(body)
            return body[: end.start() if end else None].strip().split("\n\n")[0].strip()
    around = f"{before}\n\n{after}"
    if quoted := re.search(r"question:? '(.+?)'", around):
        return quoted.group(1)
    paragraphs = [part.strip() for part in around.split("\n\n") if part.strip() and not _END.match(part)]
    asking = [part for part in paragraphs if part.endswith("?")]
    return (asking or paragraphs or [""])[-1]


_LONG = 240
_NUMBERED = re.compile(
    r"^[ \t]*(?:\[(?P<marker>[^\]\n]{1,48})\]|(?:source|document|passage|doc|context|excerpt)[ \t]*\#?"
    r"(?P<number>\d+)[ \t]*[:.)\-]|\((?P<round>\d+)\))[ \t:]*",
    re.IGNORECASE | re.MULTILINE,
)


def _unlabelled(asked: str) -> tuple[str, list[str]]:
    paragraphs = [part.strip() for part in re.split(r"\n[ \t]*\n", asked) if part.strip()]
    if len(paragraphs) > 1 and len(asked) > _LONG:
        asking = [part for part in (paragraphs[0], paragraphs[-1]) if part.endswith("?")]
        question = asking[-1] if asking else min(paragraphs[0], paragraphs[-1], key=len)
        others = [part for part in paragraphs if part is not question]
        if sum(map(len, others)) > len(question):
            return question, ["\n\n".join(others)]
    first, colon, rest = asked.partition(":\n")
    if colon and len(rest) > _LONG > len(first):
        return first.strip(), [rest]
    return asked.strip(), []


def _context_of_system(system: str) -> list[str]:
    if tagged := _TAGGED.search(system):
        return [tagged.group(2)]
    if label := _CONTEXT.search(system):
        return [system[label.end() :]]
    if fences := _fences(system):
        return [system[fences[0].end() : fences[-1].start()]]
    if numbered := next(_markers(system), None):
        return [system[numbered.start() :]]
    return []


_INSTRUCTION = re.compile(
    r"^\W*(?:you|your|always|never|do|don't|answer|use|if|please|respond|reply|be|when|keep)\b", re.IGNORECASE
)


def _notes_of_system(system: str) -> list[str]:
    """What a long system message tells besides instructions."""
    told = [part for part in sentences(system) if not _INSTRUCTION.match(part)]
    notes = "\n\n".join(told)
    return [notes] if len(notes) > _LONG // 2 else []


def _markers(text: str) -> Iterator[re.Match[str]]:
    """Markers of sources in ``text``. Numbers must go up one by one, or they are footnotes of a passage."""
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


_INNER_TAG = re.compile(r"</?(?:document|source|passage|article)\b[^>]*>", re.IGNORECASE)


def _passages(context: str) -> list[Passage]:
    context = _INNER_TAG.sub("\n\n", context)
    marks = list(_markers(context))
    if not marks:
        return [Passage(context.strip())] if context.strip() else []
    found = []
    if lead := context[: marks[0].start()].strip():
        found.append(Passage(lead))
    for position, mark in enumerate(marks):
        stop = marks[position + 1].start() if position + 1 < len(marks) else len(context)
        marker = mark["marker"] or mark["number"] or mark["round"]
        if text := context[mark.end() : stop].strip():
            found.append(Passage(text, marker))
    return found
