"""What an answer says about the documentation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from melious.errors import (
    APIStatusError,
    AuthenticationError,
    InsufficientBalanceError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from melious.probe.asking import Seen

_NO_SUCH_METHOD = frozenset({405, 501})
_LONGEST = 160


class Verdict(StrEnum):
    """What an answer fits, or why there is none."""

    G1 = "G1"
    """As the older documentation says."""
    G2 = "G2"
    """As the newer documentation says."""
    LIVE = "LIVE"
    """As callers have measured."""
    NEW = "new"
    """As no source says."""
    UNCLEAR = "unclear"
    """The answer does not decide it."""
    ABSENT = "not there"
    """The service has no such endpoint."""
    FORBIDDEN = "not allowed"
    """The key may not ask."""
    UNREACHABLE = "not reachable"
    """No answer came."""
    NOT_ASKED = "not asked"
    """The question was not asked."""


G1, G2, LIVE, NEW, UNCLEAR = Verdict.G1, Verdict.G2, Verdict.LIVE, Verdict.NEW, Verdict.UNCLEAR


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdicts on a question, and what was seen, for people."""

    verdicts: tuple[Verdict, ...]
    said: str


def found(said: str, *verdicts: Verdict) -> Finding:
    """A finding."""
    return Finding(verdicts, said)


def not_asked(why: str) -> Finding:
    """A finding on a question that was not asked."""
    return Finding((Verdict.NOT_ASKED,), why)


def obstacle(answers: Sequence[Seen], takes: Collection[int] = ()) -> Finding | None:
    """What kept a question from its answer; None if every answer can be judged.

    Args:
        answers: The answers to the question.
        takes: The statuses of refusals that are themselves an answer to the question.
    """
    for seen in answers:
        if seen.status is None:
            return found(seen.failure, Verdict.UNREACHABLE)
        if seen.refusal is not None and seen.status not in takes:
            return _refused(seen, seen.refusal)
        if seen.is_something_else:
            return found(_something_else(seen), NEW)
    return None


def _something_else(seen: Seen) -> str:
    """What came in place of an answer."""
    if seen.fields:
        return f"{seen.status} without {seen.ask.proof}; fields: {', '.join(sorted(seen.fields))}"
    lacks = f" without {seen.ask.proof}" if seen.ask.proof else ""
    return f"{seen.status}, {seen.kind or 'no media type'}{lacks}, in place of an answer"


def short(seen: Seen) -> str:
    """A refusal in a few words: status, code and message."""
    error = seen.refusal
    if error is None:
        return str(seen.status)
    said = error.message
    shown = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
    return " ".join(part for part in (str(seen.status), error.code, f"“{shown}”") if part)


def _refused(seen: Seen, error: APIStatusError) -> Finding:
    said = short(seen)
    if isinstance(error, InsufficientBalanceError):
        return not_asked(f"the balance is used up: {said}")
    if isinstance(error, AuthenticationError):
        return found(f"the key was refused: {said}", Verdict.FORBIDDEN)
    if isinstance(error, PermissionDeniedError):
        return found(said, Verdict.FORBIDDEN)
    elsewhere = isinstance(error, NotFoundError) and not isinstance(error, ModelNotFoundError)
    if elsewhere or seen.status in _NO_SUCH_METHOD:
        return found(f"not there ({seen.status})", Verdict.ABSENT)
    if isinstance(error, RateLimitError):
        return not_asked(f"the rate limit was reached: {said}")
    if isinstance(error, ServerError):  # with any status: in a stream it comes under 200
        return found(said, UNCLEAR)
    return found(f"refused: {said}", NEW)
