"""A stream whose first chunk has arrived: it is not retried any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from melious.errors import APITimeoutError, Attempt, MeliousError, StreamTruncatedError
from melious.exchange.effects import Failure
from melious.exchange.request import CallSummary
from melious.wire.chunk import ChatChunk
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head


@dataclass(slots=True)
class OpenStream:
    """A stream whose first chunk has arrived.

    Attributes:
        parser: Parses further reads.
        first: The chunks that have arrived, to be iterated once.
        head: Status and headers.
        call: Attempts and limits; `elapsed` is 0.
        started: Monotonic time at which the call began.
        history: The failed attempts before it.
    """

    parser: ChatStreamParser
    first: Iterable[ChatChunk]
    head: Head
    call: CallSummary
    started: float
    history: tuple[Attempt, ...] = ()


def lost(opened: OpenStream, failure: Failure) -> list[ChatChunk]:
    """The remaining chunks of a failed connection; the parser has the error, if the answer was cut."""
    error = failure.error or (APITimeoutError if failure.timed_out else StreamTruncatedError)(failure.message)
    error.__cause__ = failure.cause
    return opened.parser.lost(error)


def stream_error(opened: OpenStream, now: float) -> MeliousError | None:
    """The error to raise after the last chunk of a stream, if any."""
    error = opened.parser.error
    return (
        None
        if error is None
        else with_history(error, opened.call.attempts, now - opened.started, opened.history)
    )


def with_history(
    error: MeliousError, attempts: int, elapsed: float, history: tuple[Attempt, ...]
) -> MeliousError:
    """Set attempts, time and history of the call on an error."""
    error.attempts, error.elapsed, error.history = attempts, elapsed, history
    for attempt in history:
        error.add_note(f"An attempt failed {attempt.at:.2f} s into the call: {attempt.outcome}")
    return error
