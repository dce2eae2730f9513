"""How many requests pass in a window, where no header says so."""

from __future__ import annotations

_GROWTH = 4
"""A window that was used up without a refusal is followed by one that is larger by this part of it."""
_REST = 8
"""Windows after a refusal in which nothing more is tried."""


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
            self.proven = self.tried = passed
            self._rest = _REST
        elif self.tried is not None and passed >= self.tried:
            self.proven = passed
            self._rest -= 1
            self.tried = passed + (max(1, passed // _GROWTH) if self._rest <= 0 else 0)
