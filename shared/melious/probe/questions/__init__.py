"""The questions of the probe: one entry each, in the order in which they are asked."""

from __future__ import annotations

from melious.probe.questions import account, answers, features, kit
from melious.probe.questions.account import SCOPE
from melious.probe.questions.question import Question

__all__ = ["QUESTIONS", "SCOPE", "Question"]

QUESTIONS: tuple[Question, ...] = (
    *account.QUESTIONS,
    *answers.QUESTIONS,
    *features.QUESTIONS,
    *kit.QUESTIONS,
)
