"""How many requests pass in a window, and how long it is, where no header says so, or not exactly."""

from __future__ import annotations

_GROWTH = 4
"""A window that was used up without a refusal is followed by one that is larger by this part of it."""
_REST = 8
"""Windows after a refusal in which nothing more is tried."""
_SHORTER = 0.8
"""The part of a period that is tried next."""
_LEAST = 1.0
"""Seconds; nothing shorter is tried than what the smallest whole number names."""
_FORGOTTEN = 0.9
"""The part that is left of the longest wait when another one is named."""
_ROUNDED = 8.0
"""Seconds; in longer waits it matters little that they are rounded up."""


class Allowance:
    """Learns from each window what the next one will let through.

    Attributes:
        proven: Requests that passed in a window; None as long as nothing is known.
        tried: Requests to try in the next one: what is proven, and now and then a few more.

    Example:
        >>> allowance = Allowance()
        >>> allowance.learn(sent=400, refused=380)
        >>> allowance.proven, allowance.tried
        (20, 20)
    """

    def __init__(self) -> None:
        self.proven: int | None = None
        self.tried: int | None = None
        self._rest = 0

    def learn(self, sent: int, refused: int) -> None:
        """A window is over.

        One in which nothing passed had not opened yet, and says nothing about its size.

        Args:
            sent: Requests that were sent in it.
            refused: Those of them that were refused.
        """
        passed = sent - refused
        if passed <= 0:
            return
        if refused:
            self.proven = passed if self.proven is None else min(self.proven, passed)
            self.tried = passed
            self._rest = _REST
        elif self.tried is not None and passed >= self.tried:
            self.proven = passed
            self._rest -= 1
            self.tried = passed + (max(1, passed // _GROWTH) if self._rest <= 0 else 0)


class Period:
    """Learns after how long a new window can be tried, where the service says whole seconds or nothing.

    Attributes:
        seconds: What was named, or has proved enough; 0.0 as long as nothing is known.
        tried: What to try next: the same, and now and then a little less.
        longest: Of the waits that were named lately; what comes after it should pass.
        proven: A window began after `seconds`.

    Example:
        >>> period = Period()
        >>> period.name(2.0)
        >>> period.passed(after=2.1)
        >>> period.seconds, period.tried
        (2.0, 1.6)
        >>> period.refused(2.0, after=1.7)
        >>> period.tried
        2.0
    """

    def __init__(self) -> None:
        self.seconds = self.tried = self.longest = 0.0
        self.proven = False
        self._rest = 0

    def name(self, seconds: float) -> None:
        """A refusal asked to wait so long."""
        self.proven = self.proven and seconds <= self.seconds
        self.seconds = self.tried = seconds
        self.longest = max(seconds, _FORGOTTEN * self.longest)

    def passed(self, after: float) -> None:
        """A window had begun after so long."""
        self.seconds, self.proven = min(self.tried, after), True
        self.tried = self.seconds
        self._rest -= 1
        shorter = max(_LEAST, self.seconds * _SHORTER)
        if self._rest <= 0 and shorter < self.seconds <= _ROUNDED:
            self.tried = shorter

    def refused(self, seconds: float, after: float) -> None:
        """No window had begun after so long, and the service asks to wait so many seconds from now."""
        if self.tried < self.seconds:
            self.tried, self._rest = self.seconds, _REST
        else:
            self.name(max(seconds, self.seconds / _SHORTER))
        self.longest = max(self.longest, seconds + min(after, 2.0 * seconds))
