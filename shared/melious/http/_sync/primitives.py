"""What threads do differently from asyncio, for the code that is written once for both."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from time import sleep

from melious.forks import new_lock
from melious.http.callbacks import no_coroutine
from melious.http.connections import PooledConnection
from melious.settings.config import ClientConfig
from melious.wire.compression import decoded

__all__ = [
    "Slots",
    "callback_result",
    "check_runtime",
    "close_each",
    "decoded",
    "new_lock",
    "sleep",
    "transport_of",
]

callback_result = no_coroutine


class Slots:
    """Limits the number of concurrent requests; the others wait.

    Attributes:
        taken: How many slots are taken.
    """

    def __init__(self, count: int) -> None:
        self.taken = 0
        self._count = count
        self._freed = threading.Condition(new_lock())

    def acquire(self, seconds: float | None) -> bool:
        """Take a slot; False if none is free for so many seconds."""
        with self._freed:
            if self.taken >= self._count and not self._freed.wait_for(self._is_free, seconds):
                return False
            self.taken += 1
        return True

    def _is_free(self) -> bool:
        return self.taken < self._count

    def release(self) -> None:
        """Give a slot back."""
        with self._freed:
            self.taken -= 1
            self._freed.notify()


def close_each(connections: Iterable[PooledConnection]) -> None:
    """Close connections."""
    for pooled in connections:
        pooled.connection.close()


def check_runtime() -> None:
    """Do nothing: blocking calls can be made anywhere."""


def transport_of(config: ClientConfig) -> str:  # noqa: ARG001 - the asyncio twin has a choice
    """The transport of a client without an injected one."""
    return "httpx"
