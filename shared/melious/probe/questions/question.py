"""One question of the probe: what it sends, and how the answer is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from melious.probe.asking import Ask, Seen
from melious.probe.judging import Judge
from melious.probe.models import Choice

REFUSED = frozenset({400, 404, 413, 415, 422})
"""Statuses that refuse a request for its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question, and one line of the report; of a question for each model, a line each.

    Attributes:
        name: Its name in the report.
        topic: The part of the report that it belongs to.
        asks: The question, for people.
        sends: Gives the requests. Requests of the same name are sent once for all questions.
        judge: Judges their answers; where nothing was sent, it says why.
        takes: The statuses of refusals that are themselves an answer.
        needs: The model of the choice that it goes to, if any.
        each_model: Whether each of the chosen chat models is asked.
        follows: Gives one more request, after the first ones were answered.
    """

    name: str
    topic: str
    asks: str
    sends: Callable[[Choice], Sequence[Ask]]
    judge: Judge
    takes: frozenset[int] = frozenset()
    needs: Literal["", "chat", "embeddings", "narrow", "rerank", "audio"] = ""
    each_model: bool = False
    follows: Callable[[Sequence[Seen]], Ask | None] | None = None
