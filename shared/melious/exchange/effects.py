"""What an exchange asks its driver to do, and what the driver has to say of a transport that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from melious.errors import MeliousError, RetryEvent
from melious.exchange.request import Otherwise
from melious.exchange.retry import Phase


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request and give a `Head` or a `Failure`.

    Attributes:
        headers: Headers of this attempt, beside the request's own.
        until: The monotonic moment by which the head must be there, or None.
    """

    headers: tuple[tuple[str, str], ...]
    until: float | None


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Read the answer to its end and give bytes or a `Failure`.

    Attributes:
        limit: The most bytes that it may have.
        until: The monotonic moment by which it must be there, or None.
        cut: Give the first `limit` bytes of one that is larger, where else that is a `Failure`.
    """

    limit: int
    until: float | None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class ReadSome:
    """Give the next bytes of the answer as they come, b"" at its end, or a `Failure`."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait, and give None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Notify:
    """Report to the log, and to the caller's `on_retry`, that another attempt follows, and give None."""

    event: RetryEvent


Effect: TypeAlias = Send | ReadBody | ReadSome | Sleep | Notify | Otherwise
"""What a driver performs. `Otherwise` is noted and logged: what is sent from then on is its request."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with the transport.

    Attributes:
        phase: How far the attempt had come.
        timed_out: A wait was too long, as against a broken connection.
        message: What happened, for people: phase, host and cause.
        final: No further attempt can go better.
        error: What to raise, where the connection is not to blame.
        cause: The exception underneath.
    """

    phase: Phase
    timed_out: bool
    message: str
    final: bool = False
    error: MeliousError | None = None
    cause: BaseException | None = None
