"""What the sandbox says: sentences of the context that fit the question, results of tools, or what it is."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from melious_sandbox.brain.media import described
from melious_sandbox.brain.prompts import Passage, Prompt, read
from melious_sandbox.brain.relevance import scores
from melious_sandbox.brain.words import content_stems, sentences, stem

_MOST_SENTENCES = 3
_LEAST = 0.2  # score below which a sentence has to do with something else
_NEAR_BEST = 0.62  # share of the best score that a sentence needs to stand beside it
_WHOLE_RESULT = 700  # characters of a tool result that are given back as they are
_SHOWN = 300
_SHORTEST = 3  # words of a sentence
_OPENING = 6  # words
_EFFORTS = {"none": 0, "minimal": 1, "low": 2, "medium": 3, "high": 5}
_SUMMARY = re.compile(r"\b(?:summar\w+|tl;?dr|condense|key points|main points|gist)\b", re.IGNORECASE)
_ENDED = re.compile(r"[.!?][\"')\]\u201d\u2019*]*$")
_DEFINING = re.compile(r"\b(?:is|are|was|were|means|used to|refers to|creates?)\b")
_NOT_PROSE = re.compile(
    r"^[\w \-]{1,24}:\s*\S+$|^\s*([*=\-~^\"#+])\1{2,}\s*$|::=|^\s*(?:>>>|\.\.\. )|^\s{3,}[\w.]+(?:\(.*\))? = "
    r"|^\s*(?:def|class|async def|return)\b.*[:)]$"
)


def answer(messages: Sequence[Mapping[str, Any]]) -> str:
    r"""Answer the last user message from the tool results or the context, else say that this is the sandbox.

    >>> prompt = "Context: Ada was born in 1815. Bo has a cat.\nQuestion: When was Ada born?"
    >>> answer([{"role": "user", "content": prompt}])
    'Ada was born in 1815.'
    """
    prompt = read(messages)
    if prompt.results:
        return "\n".join(_said(result.name, _result(prompt, result.content)) for result in prompt.results)
    if prompt.passages:
        found = _from_passages(prompt.question, prompt.passages, cites=prompt.cites)
        if found:
            return found
        if prompt.marked:
            subjects = " and ".join(_subjects(prompt.question)) or "this"
            return f"The context that was given says nothing about {subjects}."
    return _plainly(prompt)


def reasoning(messages: Sequence[Mapping[str, Any]], effort: str = "medium") -> str:
    """Say what ``answer`` looks at: one line for ``minimal``, more for a higher effort, "" for ``none``."""
    steps = _EFFORTS.get(effort, _EFFORTS["medium"])
    prompt = read(messages)
    best = sorted(_candidates(prompt.passages, prompt.question), key=lambda found: -found.score)
    lines = [
        f"The user asks: {_shortened(prompt.question)}",
        f"The words that matter: {', '.join(_subjects(prompt.question)) or 'none'}.",
        "I weigh how many of these words each sentence has, the rare ones more.",
        f"I have {len(prompt.passages)} passages and {len(prompt.results)} tool results to answer from.",
        "I keep the order in which the sentences were given.",
    ][:steps]
    lines += [f"Fit {found.score:.2f}: {_shortened(found.text)}" for found in best[: 2 * max(0, steps - 1)]]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    marker: str | None
    score: float


def _from_passages(question: str, passages: Sequence[Passage], *, cites: bool) -> str:
    if _SUMMARY.search(question):
        used = Counter(found for passage in passages for found in content_stems(passage.text))
        question = " ".join(word for word, _ in used.most_common(12))
    candidates = _candidates(passages, question)
    best = max((found.score for found in candidates), default=0.0)
    if best < _LEAST:
        return ""
    near = {found.text: found.score for found in candidates if found.score >= _NEAR_BEST * best}
    chosen = sorted(near, key=lambda text: -near[text])[:_MOST_SENTENCES]
    in_order = [found for found in candidates if found.text in chosen]
    markers = [f" [{found.marker}]" if cites and found.marker else "" for found in in_order]
    texts = [found.text + marker for found, marker in zip(in_order, markers, strict=True)]
    return " ".join(dict.fromkeys(texts))


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


def _defines(sentence: str, asked: frozenset[str]) -> float:
    """A bonus for sentences that open with what is asked about and say what it is."""
    verb = _DEFINING.search(sentence)
    if not verb or not asked:
        return 0.0
    opening = frozenset(content_stems(sentence[: verb.start()]))
    return 0.2 * len(opening & asked) / len(asked) if len(opening) < _OPENING else 0.0


def _prose(text: str) -> list[str]:
    """Sentences of a passage, without headings, metadata lines, code and grammar."""
    lines = ["" if _NOT_PROSE.search(line) else line for line in text.expandtabs().split("\n")]
    found = sentences("\n".join(lines))
    return [part for part in found if len(part.split()) >= _SHORTEST] or found


def _result(prompt: Prompt, content: str) -> str:
    text = content.strip()
    if text[:1] == text[-1:] == '"':
        with suppress(ValueError):  # it may be two strings
            text = str(json.loads(text))
    if len(text) > _WHOLE_RESULT:
        fitting = _from_passages(prompt.question, [Passage(text)], cites=False)
        text = fitting or f"{text[:_WHOLE_RESULT]}…"
    return text or "nothing"


def _said(tool: str, result: str) -> str:
    """Give a result that is a sentence as it is, and anything else with the name of its tool."""
    is_sentence = _ENDED.search(result) and len(result.split()) >= _SHORTEST
    return result if is_sentence else f"{tool}: {result}"


def _plainly(prompt: Prompt) -> str:
    lines = ["This is the Melious sandbox, not a model: it answers from the context and tools it is given."]
    if prompt.question:
        lines.append(f'You wrote: "{_shortened(prompt.question)}"')
        if subjects := _subjects(prompt.question):
            lines.append(f"It is about: {', '.join(subjects)}.")
    lines += [f"It came with {described(part)}." for part in prompt.media]
    if not prompt.question and not prompt.media:
        lines.append("There was no user message to answer.")
    return "\n".join(lines)


def _subjects(question: str) -> list[str]:
    """The words that matter, as they were written, at most eight."""
    wanted = set(content_stems(question))
    found: dict[str, str] = {}
    for word in re.findall(r"[\w'\u2019\-]+", question):
        if (base := stem(word.lower())) in wanted:
            found.setdefault(base, word)
    return list(found.values())[:8]


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1].rstrip() + "…"
