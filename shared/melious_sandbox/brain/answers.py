"""What the sandbox says: sentences of the context that fit the question, results of tools, or what it is."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from melious_sandbox.brain.media import picture_or_sound
from melious_sandbox.brain.prompts import Passage, Prompt, read
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
    prompt = read(messages)
    if prompt.results:
        return _from_results(prompt)
    if prompt.passages:
        found = _from_passages(prompt.question, prompt.passages, cites=prompt.cites)
        if found or prompt.marked:
            return found or _nothing_about(prompt.question)
    return _plainly(prompt)


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
    prompt = read(messages)
    lines = [f"The user asks: {_shortened(prompt.question)}"]
    if steps > 1:
        lines.append(f"The words that matter: {', '.join(_subjects(prompt.question)) or 'none'}.")
        lines.append(_stock(prompt))
    if steps > 2:  # noqa: PLR2004
        lines.append("I weigh how many of these words each sentence has, the rare ones more.")
    best = sorted(_candidates(prompt.passages, prompt.question), key=lambda found: -found.score)
    lines += [f"Fit {found.score:.2f}: {_shortened(found.text)}" for found in best[: 2 * (steps - 1)]]
    if steps > 3:  # noqa: PLR2004
        lines.append("I keep the order in which the sentences were given, so that the answer reads well.")
        lines.append(f"Nothing else was asked than this: {_shortened(prompt.question)}")
    return "\n".join(lines)


def _stock(prompt: Prompt) -> str:
    sources = f"{len(prompt.passages)} passages" if prompt.passages else "no passages"
    results = f"{len(prompt.results)} tool results" if prompt.results else "no tool results"
    return f"I have {sources} and {results} to answer from."


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    marker: str | None
    score: float


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
    """Every sentence of the passages with its fit: its own words count most, then those of its passage."""
    spread = [(text, place) for place, passage in enumerate(passages) for text in _prose(passage.text)]
    own = scores(question, [text for text, _ in spread])
    around = scores(question, [passage.text for passage in passages])
    asked = frozenset(content_stems(question))
    found = []
    for (text, place), score in zip(spread, own, strict=True):
        fit = score * (1.0 + 0.5 * around[place]) + _defines(text, asked) if score else 0.0
        found.append(_Candidate(text, passages[place].marker, fit * (1.0 if _ENDED.search(text) else 0.5)))
    return found


_ENDED = re.compile(r"[.!?][\"')\]\u201d\u2019*]*$")
_DEFINING = re.compile(r"\b(?:is|are|was|were|means|used to|refers to|creates?)\b")
_OPENING = 6  # words


def _defines(sentence: str, asked: frozenset[str]) -> float:
    """A bonus for sentences that open with what is asked about and say what it is."""
    verb = _DEFINING.search(sentence)
    if not verb or not asked:
        return 0.0
    opening = frozenset(content_stems(sentence[: verb.start()]))
    return 0.2 * len(opening & asked) / len(asked) if len(opening) < _OPENING else 0.0


_NO_PROSE = re.compile(
    r"^[\w \-]{1,24}:\s*\S+$|^\s*([*=\-~^\"#+])\1{2,}\s*$|::=|^\s*(?:>>>|\.\.\. )|^\s{3,}[\w.]+(?:\(.*\))? = "
    r"|^\s*(?:def|class|async def|return)\b.*[:)]$"
)
_SHORTEST = 3


def _prose(text: str) -> list[str]:
    """Sentences of a passage, without headings, metadata lines, code and grammar."""
    lines = ["" if _NO_PROSE.search(line) else line for line in text.expandtabs().split("\n")]
    found = sentences("\n".join(lines))
    return [part for part in found if len(part.split()) >= _SHORTEST] or found


def _from_results(prompt: Prompt) -> str:
    parts = []
    for result in prompt.results:
        text = _unquoted(result.content.strip())
        if len(text) > _WHOLE_RESULT:
            fitting = _from_passages(prompt.question, [Passage(text)], cites=False)
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


def _plainly(prompt: Prompt) -> str:
    lines = ["This is the Melious sandbox, not a model: it answers from the context and tools it is given."]
    if prompt.question:
        lines.append(f'You wrote: "{_shortened(prompt.question)}"')
        if subjects := _subjects(prompt.question):
            lines.append(f"It is about: {', '.join(subjects)}.")
    lines += [f"It came with {picture_or_sound(part)}." for part in prompt.media]
    if not prompt.question and not prompt.media:
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
