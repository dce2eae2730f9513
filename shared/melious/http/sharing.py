"""Pools shared by everyone who leads to the same place: per process for threads, per event loop for asyncio.

Clients, and the framework objects around them, are made by the thousand and
dropped; what they share here makes that cheap. Nothing is made before the
first request. A pool is closed when its last holder closes it; holders that
are merely dropped leave it warm, until the interpreter or the event loop ends
or somebody sweeps it away after it has been cold for a while.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Generic, TypeVar

from melious import forks
from melious.http.library import KEEPALIVE_EXPIRY

P = TypeVar("P")


class Hold(Generic[P]):
    """A pool and how many hold a share in it.

    Attributes:
        pool: The pool.
        generation: The process it belongs to, as `forks` counts them.
        holders: How many hold a share, apart from drops that were not settled yet.
    """

    def __init__(self, pool: P) -> None:
        self.pool = pool
        self.generation = forks.generation()
        self.holders = 0
        self._unheld_since = 0.0

    def give_back(self) -> None:
        """Count a share that was given back."""
        self.holders -= 1
        self._unheld_since = time.monotonic()

    def is_cold(self) -> bool:
        """Whether nobody has held it for so long that its connections are of no use."""
        return self.holders <= 0 and time.monotonic() - self._unheld_since > KEEPALIVE_EXPIRY


H = TypeVar("H", bound=Hold[Any])


class Drops(Generic[H]):
    """Shares whose holders are gone.

    `add` is called by finalizers: at any moment and in any thread, even one
    that is inside a registry's lock. So it only takes note; `settle`, under
    the lock, counts.
    """

    def __init__(self) -> None:
        self._dropped: deque[H] = deque()

    def add(self, hold: H) -> None:
        """Give a share back without closing anything."""
        self._dropped.append(hold)

    def settle(self) -> None:
        """Count the shares that were dropped since."""
        while self._dropped:
            self._dropped.popleft().give_back()

    def clear(self) -> None:
        """Forget them all."""
        self._dropped.clear()
