"""A streamed answer whose first part has arrived: it is not retried any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from melious.errors import APITimeoutError, Attempt, MeliousError, StreamTruncatedError
from melious.exchange.effects import Failure
from melious.exchange.request import CallSummary
from melious.wire.chunk import ChatChunk
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head

T = TypeVar("T")


class StreamParser(Protocol[T]):
    """Parses the reads of a streamed answer: chunks of a chat, or the bytes of a file.

    Attributes:
        ended: No more reads are wanted.
        done: The answer is complete; the rest may be drained but is not parsed.
        error: The error to raise after the last part, if any.
        nothing: An empty part.
    """

    ended: bool
    done: bool
    error: MeliousError | None
    nothing: T

    def feed(self, data: bytes) -> list[T]:
        """Parse one read."""

    def close(self) -> list[T]:
        """End; decides if the answer is complete."""

    def lost(self, error: MeliousError) -> list[T]:
        """End with the error of a failed connection, unless the answer was complete."""

    def resume(self) -> float | None:
        """The caller wants more; gives the time by which it must arrive."""

    def has_content(self, part: T) -> bool:
        """Whether a part holds some of the answer, which rules out a retry."""


@dataclass(slots=True)
class OpenAnswer(Generic[T]):
    """A streamed answer whose first part has arrived.

    Attributes:
        parser: Parses further reads.
        first: The parts that have arrived, to be iterated once.
        head: Status and headers.
        call: Attempts and limits; `elapsed` is 0.
        started: Monotonic time at which the call began.
        history: The failed attempts before it.
    """

    parser: StreamParser[T]
    first: Iterable[T]
    head: Head
    call: CallSummary
    started: float
    history: tuple[Attempt, ...] = ()


class OpenStream(OpenAnswer[ChatChunk]):
    """A chat whose first chunk has arrived."""

    __slots__ = ()
    parser: ChatStreamParser


def lost(opened: OpenAnswer[T], failure: Failure) -> list[T]:
    """The remaining parts of a failed connection; the parser has the error, if the answer was cut."""
    error = failure.error or (APITimeoutError if failure.timed_out else StreamTruncatedError)(failure.message)
    error.__cause__ = failure.cause
    return opened.parser.lost(error)


def stream_error(opened: OpenAnswer[T], now: float) -> MeliousError | None:
    """The error to raise after the last part of a stream, if any."""
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
