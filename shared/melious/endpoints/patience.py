"""How long to wait between two looks at a batch, and when to give up. Pure."""

from __future__ import annotations

from collections.abc import Callable

from melious.answers.batches import Batch
from melious.errors import DeadlineExceededError, InvalidArgumentError, MeliousError, ResponseDecodeError
from melious.errors.checks import check_seconds

FIRST, GROWTH, LONGEST = 1.0, 1.5, 60.0
"""Seconds before the second look, by what each wait is longer than the one before, and the longest."""
MOST_FAILURES = 10
"""How many looks in a row may fail with transient errors."""
UNKNOWN_SECONDS = 900.0
"""How long to wait for a batch whose status is a word that nobody knows."""

_GOES_ON = "The batch goes on: wait again, or resume it by its id, also in another process"


class Patience:
    """Decides the waits of one `wait`.

    Args:
        poll: Seconds between two status requests; None for waits that grow from one second to a minute.
        timeout: Seconds to wait at most; None for no limit, 0 to look once.
        clock: A monotonic clock.

    Raises:
        InvalidArgumentError: A number is wrong.
    """

    def __init__(self, poll: float | None, timeout: float | None, clock: Callable[[], float]) -> None:
        if poll is not None:
            check_seconds("poll", poll)
        if timeout is not None:
            check_seconds("timeout", timeout, zero=True)
        if not callable(clock):
            raise InvalidArgumentError(f"clock: must be callable, not {clock!r:.80}", param="clock")
        self._poll = poll
        self._timeout = timeout
        self._clock = clock
        self._began = clock()
        self._next = FIRST
        self._failures = 0
        self._unknown_since: float | None = None

    def failed(self, error: MeliousError) -> None:
        """A look failed; raises its error where it is not transient, or the last of too many."""
        self._failures += 1
        if not error.is_retryable or self._failures >= MOST_FAILURES:
            raise error

    def looked(self, batches: list[Batch]) -> None:
        """A look succeeded.

        Raises:
            ResponseDecodeError: A status was unknown for too long.
        """
        self._failures = 0
        unknown = next((batch for batch in batches if not batch.done and not batch.known), None)
        if unknown is None:
            self._unknown_since = None
            return
        now = self._clock()
        if self._unknown_since is None:
            self._unknown_since = now
        elif now - self._unknown_since >= UNKNOWN_SECONDS:
            raise ResponseDecodeError(
                f"the status of {unknown.id} is {unknown.status!r:.80}, which is neither an end nor known to "
                f"lead to one",
                body=unknown.raw,
                advice="Read the results if the service's page says that it has ended, or wait again",
            )

    def pause(self) -> float:
        """Seconds until the next look.

        Raises:
            DeadlineExceededError: The time is over.
        """
        seconds = self._next if self._poll is None else self._poll
        self._next = min(LONGEST, self._next * GROWTH)
        if self._timeout is None:
            return seconds
        left = self._timeout - (self._clock() - self._began)
        if left <= 0:
            raise DeadlineExceededError(
                f"the batch has not ended within {self._timeout:g} s", advice=_GOES_ON
            )
        return min(seconds, left)
