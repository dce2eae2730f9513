"""Learns the size and length of rate-limit windows where headers do not give them."""

from __future__ import annotations

_GROWTH = 4
"""A window used up without a refusal grows by one part in this many."""
_COOLDOWN = 8
"""Windows after a refusal before growing or shortening again."""
_SHORTER = 0.8
"""Factor by which a shorter period is tried."""
_SHORTEST = 1.0
"""Seconds; the shortest period tried, and the shortest a header can name."""
_DECAY = 0.9
"""Factor applied to the longest wait whenever another one is requested."""
_ROUNDED = 8.0
"""Seconds; for longer waits rounding hardly matters."""


class Allowance:
    """Learns from each window how many requests the next one lets through.

    Attributes:
        proven: Requests that passed in a window; None while unknown.
        tried: Requests to try in the next one: the same, or a few more.

    Examples:
        >>> allowance = Allowance()
        >>> allowance.learn(sent=400, refused=380)
        >>> allowance.proven, allowance.tried
        (20, 20)
    """

    def __init__(self) -> None:
        self.proven: int | None = None
        self.tried: int | None = None
        self._cooldown = 0

    def learn(self, sent: int, refused: int) -> None:
        """Learn from a window that is over, by the requests sent and refused in it."""
        passed = sent - refused
        if passed <= 0:
            return
        if refused:
            self.proven = passed if self.proven is None else min(self.proven, passed)
            self.tried = passed
            self._cooldown = _COOLDOWN
        elif self.tried is not None and passed >= self.tried:
            self.proven = passed
            self._cooldown -= 1
            self.tried = passed + (max(1, passed // _GROWTH) if self._cooldown <= 0 else 0)


class Period:
    """Learns how long to wait for a new window.

    Attributes:
        seconds: The wait requested, or proved enough; 0.0 while unknown.
        tried: The wait to try next: the same, or a little less.
        longest: The longest wait requested lately.
        proven: Whether a window has begun after `seconds`.

    Examples:
        >>> period = Period()
        >>> period.requested(2.0)
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
        self._cooldown = 0

    def requested(self, seconds: float) -> None:
        """Note the wait that a refusal asked for."""
        self.proven = self.proven and seconds <= self.seconds
        self.seconds = self.tried = seconds
        self.longest = max(seconds, _DECAY * self.longest)

    def passed(self, after: float) -> None:
        """Note that a window had begun after so many seconds."""
        self.seconds, self.proven = min(self.tried, after), True
        self.tried = self.seconds
        self._cooldown -= 1
        shorter = max(_SHORTEST, self.seconds * _SHORTER)
        if self._cooldown <= 0 and shorter < self.seconds <= _ROUNDED:
            self.tried = shorter

    def refused(self, seconds: float, after: float) -> None:
        """Note that no window had begun after so long, and the new wait requested."""
        if self.tried < self.seconds:
            self.tried, self._cooldown = self.seconds, _COOLDOWN
        else:
            self.requested(max(seconds, self.seconds / _SHORTER))
        self.longest = max(self.longest, seconds + min(after, 2.0 * seconds))
