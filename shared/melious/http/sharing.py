"""Pools shared by all clients of one origin: per process for threads, per event loop for asyncio.

Clients, and the framework objects around them, are made and dropped by the thousand; sharing makes that
cheap. Nothing is made before the first request, and users of a pool are not counted. Closing a client closes
the idle connections of its pool; another client of the same origin connects again. Pools that have been
unused for a while are removed when a new one is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from melious import forks


class Pool(Protocol):
    """A pool of either kind."""

    def is_cold(self, now: float) -> bool:
        """Whether no connection is in use, and every idle one has expired."""

    def abandon(self) -> None:
        """Abandon the sockets, in the child of a fork."""


K = TypeVar("K", bound=Hashable)
P = TypeVar("P", bound=Pool)


class PoolsBase(Generic[K, P]):
    """The pools of a process or of its event loops, by the key that allows sharing.

    Args:
        clock: Gives the monotonic time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = forks.new_lock()
        self._pools: dict[K, P] = {}
        self._abandoned: list[P] = []

    def abandon(self) -> None:
        """Forget the parent's pools, in the child of a fork.

        They are kept: a collected socket warns that it was not closed, and closing the pool of an event
        loop would reach into the parent's loop.
        """
        for pool in self._pools.values():
            pool.abandon()
        self._abandoned.extend(self._pools.values())
        self._pools.clear()
