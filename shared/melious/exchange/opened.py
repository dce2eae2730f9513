"""A stream whose first chunk has come: nothing of it is asked for again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from melious.errors import APITimeoutError, Attempt, MeliousError, StreamTruncatedError
from melious.exchange.effects import Failure
from melious.exchange.request import CallOrigin
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head


@dataclass(slots=True)
class OpenStream:
    """A stream whose first chunk has come.

    Attributes:
        parser: Where further reads go.
        first: The chunks that are already there, to be gone through once.
        head: Status and headers.
        origin: What it took to get the first chunk; its `elapsed` is not known.
        started: The monotonic moment at which the call began.
        history: The attempts that failed before.
    """

    parser: ChatStreamParser
    first: Iterable[dict[str, Any]]
    head: Head
    origin: CallOrigin
    started: float
    history: tuple[Attempt, ...] = ()


def lost(opened: OpenStream, failure: Failure) -> list[dict[str, Any]]:
    """An open stream's connection failed: give what is left; the parser knows whether the answer is whole."""
    error = failure.error or (APITimeoutError if failure.timed_out else StreamTruncatedError)(failure.message)
    error.__cause__ = failure.cause
    return opened.parser.lost(error)


def stream_error(opened: OpenStream, now: float) -> MeliousError | None:
    """What to raise after the last chunk of a stream, if anything."""
    error = opened.parser.error
    return (
        None
        if error is None
        else with_history(error, opened.origin.attempts, now - opened.started, opened.history)
    )


def with_history(
    error: MeliousError, attempts: int, elapsed: float, history: tuple[Attempt, ...]
) -> MeliousError:
    """Write on an error what its call had been through."""
    error.attempts, error.elapsed, error.history = attempts, elapsed, history
    for attempt in history:
        error.add_note(f"An attempt {attempt.at:.2f} s into the call: {attempt.outcome}")
    return error
