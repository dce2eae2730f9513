"""Pools shared by all clients of one origin: per process for threads, per event loop for asyncio.

Clients, and the framework objects around them, are made by the thousand and
dropped; sharing makes that cheap. Nothing is made before the first request,
and nobody counts who uses a pool. A client that is closed closes the idle
connections of its pool; another client of the same origin connects anew. A
pool that has been cold for a while is swept away when a new one is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from melious import forks


class Pool(Protocol):
    """What is asked of a pool of either kind."""

    def is_cold(self, now: float) -> bool:
        """Whether no connection is in use, and none that is idle can be used again."""

    def abandon(self) -> None:
        """Let go of the sockets, in the child of a fork."""


K = TypeVar("K", bound=Hashable)
P = TypeVar("P", bound=Pool)


class PoolsBase(Generic[K, P]):
    """The pools of a process or of its event loops, by what must be the same to share one.

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

        They are kept: a socket that is collected complains of not being closed, and what an event
        loop's pool ends with would reach into the parent's loop.
        """
        for pool in self._pools.values():
            pool.abandon()
        self._abandoned.extend(self._pools.values())
        self._pools.clear()
