"""What the sandbox says: sentences of the context that fit the question, results of tools, or what it is."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from melious_sandbox.brain.media import picture_or_sound
from melious_sandbox.brain.prompts import Passage, Reading, read
from melious_sandbox.brain.relevance import scores
from melious_sandbox.brain.words import content_stems, sentences, stem

__all__ = ["answer", "reasoning"]

_MOST_SENTENCES = 3
_NEAR_BEST = 0.62  # share of the best score a sentence needs to stand beside it
_WHOLE_RESULT = 700  # characters of a tool result that are given back as they are
_SHOWN = 300


def answer(messages: Sequence[Mapping[str, Any]]) -> str:
    r"""Answer the last user message from what the conversation holds.

    Args:
        messages: The request's messages, oldest first.

    Returns:
        With tool results: the results. With context: the sentences that fit the question best, in their
        order, with the markers of their sources where the prompt asks for them. Else: that this is the
        sandbox, and what it understood.

    >>> prompt = "Context: Ada was born in 1815. Bo has a cat.\nQuestion: When was Ada born?"
    >>> answer([{"role": "user", "content": prompt}])
    'Ada was born in 1815.'
    """
    reading = read(messages)
    if reading.results:
        return _from_results(reading)
    if reading.passages:
        found = _from_passages(reading.question, reading.passages, cites=reading.cites)
        if found or not reading.surmised:
            return found or _nothing_about(reading.question)
    if remembered := _from_memory(reading):
        return remembered
    return _plainly(reading)


def reasoning(messages: Sequence[Mapping[str, Any]], effort: str | None = None) -> str:
    """Plain text of what :func:`answer` looks at; the longer, the higher the effort.

    Args:
        messages: The request's messages, oldest first.
        effort: ``none`` gives an empty text; ``minimal`` one line; ``low``, ``medium`` (default) and ``high``
            add to it. Any other word counts as ``medium``.
    """
    steps = {"none": 0, "minimal": 1, "low": 2, "high": 5}.get(effort or "medium", 3)
    if not steps:
        return ""
    reading = read(messages)
    lines = [f"The user asks: {_shortened(reading.question)}"]
    if steps > 1:
        lines.append(f"The words that matter: {', '.join(_subjects(reading.question)) or 'none'}.")
        lines.append(_stock(reading))
    candidates = _candidates(reading.passages, reading.question) if steps > 2 else []  # noqa: PLR2004
    best = sorted(candidates, key=lambda found: -found.score)[: 2 * steps]
    lines += [f"Fit {found.score:.2f}: {_shortened(found.text)}" for found in best]
    if steps > 2:  # noqa: PLR2004
        lines.append("I weigh how many of these words each sentence has, the rare ones more.")
    if steps > 3:  # noqa: PLR2004
        lines += [
            f"Check: {_shortened(found.text)} It has {', '.join(found.shared) or 'none'} of them."
            for found in best
        ]
        lines.append(
            "I keep the order in which the sentences were given, so that the answer reads as a whole."
        )
    return "\n".join(lines)


def _stock(reading: Reading) -> str:
    sources = f"{len(reading.passages)} passages" if reading.passages else "no passages"
    results = f"{len(reading.results)} tool results" if reading.results else "no tool results"
    return f"I have {sources} and {results} to answer from."


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    marker: str | None
    score: float
    shared: tuple[str, ...]


def _nothing_about(question: str) -> str:
    return f"The context that was given says nothing about {' and '.join(_subjects(question)) or 'this'}."


def _from_passages(question: str, passages: Sequence[Passage], *, cites: bool) -> str:
    if _SUMMARY.search(question):
        question = _gist(passages)
    candidates = _candidates(passages, question)
    best = max((found.score for found in candidates), default=0.0)
    if best <= 0:
        return ""
    ranked = sorted(candidates, key=lambda found: -found.score)
    chosen: list[_Candidate] = []
    for found in ranked:
        if found.score < _NEAR_BEST * best or len(chosen) == _MOST_SENTENCES:
            break
        if found.text not in {other.text for other in chosen}:
            chosen.append(found)
    in_order = [found for found in candidates if found in chosen]
    return " ".join(dict.fromkeys(_cited(found) if cites else found.text for found in in_order))


_SUMMARY = re.compile(r"\b(?:summar\w+|tl;?dr|condense|key points|main points|gist)\b", re.IGNORECASE)


def _gist(passages: Sequence[Passage]) -> str:
    """The words the passages use most."""
    used = Counter(found for passage in passages for found in content_stems(passage.text))
    return " ".join(word for word, _ in used.most_common(12))


def _cited(found: _Candidate) -> str:
    return f"{found.text} [{found.marker}]" if found.marker else found.text


def _candidates(passages: Sequence[Passage], question: str) -> list[_Candidate]:
    """Every sentence of the passages with its fit.

    The words of the sentence count most; then those of its passage and of the heading it stands under, and if
    it comes first there, as the sentence that tells what a thing is need not repeat its name.
    """
    parts = [_parts(passage.text) for passage in passages]
    numbered = list(enumerate(told for _, told in parts))
    spread = [(text, index, place) for index, told in numbered for place, text in enumerate(told)]
    if not spread:
        return []
    asked = frozenset(content_stems(question))
    own = scores(question, [text for text, _, _ in spread])
    around = scores(question, [passage.text for passage in passages])
    headed = scores(question, [heading for heading, _ in parts])
    found = []
    for (text, index, place), score, before in zip(spread, own, [0.0, *own[:-1]], strict=True):
        shared = tuple(dict.fromkeys(word for word in content_stems(text) if word in asked))
        whole = score + _OF_THE_NAME * before if place and _PRONOUN.match(text) else score
        fit = whole * (1.0 + 0.5 * around[index]) + _defines(text, asked)
        fit += headed[index] * (_UNDER_HEADING if place else _FIRST_UNDER_HEADING)
        if not shared and not (headed[index] and place == 0):
            fit = 0.0
        found.append(_Candidate(text, passages[index].marker, fit * _completeness(text), shared))
    return found


_PRONOUN = re.compile(r"(?:It|Its|He|His|She|Her|They|Their)\b")
_OF_THE_NAME = 0.5  # what a sentence about "it" gets of the score of the one before, which names it
_UNDER_HEADING, _FIRST_UNDER_HEADING = 0.1, 0.6


_ENTRY = re.compile(r"\*\*[^*]+\*\* - ")  # of a list of references


def _completeness(sentence: str) -> float:
    """Less for what introduces a listing, and for what is no sentence."""
    if _ENTRY.match(sentence):
        return 0.62
    closed = sentence.rstrip("\"')]\u201d\u2019*")[-1:]
    return {".": 1.0, "!": 1.0, "?": 0.8, ":": 0.7}.get(closed, 0.5)


_DEFINING = re.compile(r"\b(?:is|are|was|were|means|used to|refers to|creates?|guarantees?|specif\w+)\b")


def _defines(sentence: str, asked: frozenset[str]) -> float:
    """A bonus for sentences that open with what is asked about and say what it is."""
    verb = _DEFINING.search(sentence)
    if not verb or not asked:
        return 0.0
    opening = frozenset(content_stems(sentence[: verb.start()]))
    return 0.2 * len(opening & asked) / len(asked) if len(opening) < 6 else 0.0  # noqa: PLR2004


_METADATA = re.compile(r"^[\w \-]{1,24}:\s*\S+$")
_UNDERLINE = re.compile(r"^\s*([*=\-~^\"#+])\1{2,}\s*$")
_CODE = re.compile(
    r"::=|^\s*(?:>>>|\.\.\. )|^\s{3,}[\w.]+(?:\(.*\))? = |^\s*(?:def|class|async def|return)\b.*[:)]$"
)
_SHORTEST = 3


def _parts(text: str) -> tuple[str, list[str]]:
    """Headings and sentences of a passage, without metadata lines, code and grammar."""
    headings: list[str] = []
    kept: list[str] = []
    lines = text.expandtabs().split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if _UNDERLINE.match(line):
            kept.append("")
        elif (line.strip() and _UNDERLINE.match(following)) or line.startswith("# ") or _METADATA.match(line):
            headings.append(line.strip("# "))
            kept.append("")
        else:
            kept.append("" if _CODE.search(line) else line)
    found = sentences("\n".join(kept))
    whole = [part for part in found if len(part.split()) >= _SHORTEST and _completeness(part) > _COMPLETE]
    return " ".join(headings), whole or found


_COMPLETE = 0.6


def _from_results(reading: Reading) -> str:
    parts = []
    for result in reading.results:
        text = _unquoted(result.content.strip())
        if len(text) > _WHOLE_RESULT:
            fitting = _from_passages(reading.question, [Passage(text)], cites=False)
            text = fitting or f"{text[:_WHOLE_RESULT]}…"
        parts.append(f"{result.name}: {text or 'nothing'}")
    return "\n".join(parts)


def _unquoted(text: str) -> str:
    """A result that is one JSON string is that string."""
    if text[:1] == text[-1:] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def _from_memory(reading: Reading) -> str:
    """A sentence the user said earlier that holds most of the words of the question."""
    asked = set(content_stems(reading.question))
    said = [sentence for text in reading.said for sentence in sentences(text) if not sentence.endswith("?")]
    if not asked or not said:
        return ""
    best = max(said, key=lambda sentence: len(asked.intersection(content_stems(sentence))))
    return f"You said: {best}" if 2 * len(asked.intersection(content_stems(best))) > len(asked) else ""


def _plainly(reading: Reading) -> str:
    lines = ["This is the Melious sandbox, not a model: it answers from the context and tools it is given."]
    if reading.question:
        lines.append(f'You wrote: "{_shortened(reading.question)}"')
        if subjects := _subjects(reading.question):
            lines.append(f"It is about: {', '.join(subjects)}.")
    lines += [f"It came with {picture_or_sound(part)}." for part in reading.media]
    if not reading.question and not reading.media:
        lines.append("There was no user message to answer.")
    return "\n".join(lines)


def _subjects(question: str) -> list[str]:
    """The words that matter, as they were written, at most eight."""
    wanted = set(content_stems(question))
    written = re.findall(r"[\w'\u2019\-]+", question)
    found: dict[str, str] = {}
    for word in written:
        if (base := stem(word.lower())) in wanted:
            found.setdefault(base, word)
    return list(found.values())[:8]


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1].rstrip() + "…"
