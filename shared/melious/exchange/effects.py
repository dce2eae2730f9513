"""What an exchange asks of its driver, and how that reports a failure."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from melious.errors import APIConnectionError, APITimeoutError, MeliousError, RetryEvent
from melious.exchange.request import Otherwise
from melious.exchange.retry import Phase


class Send(NamedTuple):
    """Send the request; the result is a `Head` or a `Failure`.

    Attributes:
        headers: Headers of this attempt, beside the request's own.
        until: Monotonic deadline for the head, if any.
    """

    headers: tuple[tuple[str, str], ...]
    until: float | None


class ReadBody(NamedTuple):
    """Read the whole body; the result is bytes or a `Failure`.

    Attributes:
        limit: The largest body, in bytes.
        until: Monotonic deadline for the body, if any.
        cut: Cut a larger body instead of failing.
    """

    limit: int
    until: float | None
    cut: bool = False


class ReadSome:
    """Read from a stream; the result is bytes, b"" at its end, or a `Failure`."""


class Sleep(NamedTuple):
    """Wait; the result is None."""

    seconds: float


class Notify(NamedTuple):
    """Report a retry to the log and the caller's `on_retry`; the result is None."""

    event: RetryEvent


Effect: TypeAlias = Send | ReadBody | ReadSome | Sleep | Notify | Otherwise
"""What a driver performs. After an `Otherwise`, which is logged, it sends that request."""


class Failure(NamedTuple):
    """A transport failure.

    Attributes:
        phase: How far the attempt had come.
        timed_out: It timed out; else the connection broke.
        message: What happened, for people: phase, host and cause.
        final: Whether a retry is pointless.
        error: The error to raise, where it is not a connection error.
        cause: The underlying exception.
    """

    phase: Phase
    timed_out: bool
    message: str
    final: bool = False
    error: MeliousError | None = None
    cause: BaseException | None = None

    def as_error(self) -> MeliousError:
        """The error to raise for it."""
        error: MeliousError
        if self.timed_out:
            error = APITimeoutError(self.message)
        else:
            error = self.error or APIConnectionError(self.message)
        error.__cause__ = self.cause
        return error
