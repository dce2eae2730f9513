"""The questions of the probe: one entry each, in the order in which they are asked."""

from __future__ import annotations

from melious.probe.questions import account, answers, chance, features, kit
from melious.probe.questions.question import Question

__all__ = ["BY_CHANCE", "QUESTIONS", "Question"]

BY_CHANCE = chance.QUESTIONS

QUESTIONS: tuple[Question, ...] = (
    *account.QUESTIONS,
    *answers.QUESTIONS,
    *features.QUESTIONS,
    *kit.QUESTIONS,
)
