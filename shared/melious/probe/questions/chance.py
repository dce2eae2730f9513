"""Questions to which no request can force an answer; any answer of the run may settle them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from melious.errors import (
    APIStatusError,
    InsufficientBalanceError,
    PermissionDeniedError,
    RateLimitError,
)
from melious.probe.asking import Seen
from melious.probe.judging import Judge, refused
from melious.probe.questions.account import REFUSALS
from melious.probe.questions.question import Question
from melious.probe.verdicts import Finding, not_asked


def _first(fits: Callable[[APIStatusError], bool], judge: Judge, otherwise: str) -> Judge:
    """Judge the first refusal of a kind."""

    def judged(answers: Sequence[Seen]) -> Finding:
        for seen in answers:
            if seen.refusal is not None and fits(seen.refusal):
                return judge([seen])
        return not_asked(otherwise)

    return judged


def _is_scope(error: APIStatusError) -> bool:
    return isinstance(error, PermissionDeniedError) and not isinstance(error, InsufficientBalanceError)


QUESTIONS = (
    Question(
        name="missing scope",
        topic=REFUSALS,
        asks="Which code does a missing scope get?",
        sends=lambda _: (),
        judge=_first(
            _is_scope,
            refused("403 AUTH_INSUFFICIENT_PERMISSIONS", "403 AUTH_1015", "403 insufficient_permissions"),
            "this key may use everything that was asked; one with fewer scopes answers it",
        ),
    ),
    Question(
        name="rate limit reached",
        topic=REFUSALS,
        asks="Which code does a request over the rate limit get?",
        sends=lambda _: (),
        judge=_first(
            lambda error: isinstance(error, RateLimitError),
            refused("429", "429 AUTH_1028", "429"),
            "the limit was not reached",
        ),
    ),
    Question(
        name="empty balance",
        topic=REFUSALS,
        asks="Which code does an empty balance get?",
        sends=lambda _: (),
        judge=_first(
            lambda error: isinstance(error, InsufficientBalanceError),
            refused("403 BILLING_INSUFFICIENT_ENERGY", "402", "429 insufficient_quota"),
            "no request was refused for it",
        ),
    ),
)
"""They are judged at the end, with all answers of the run."""
