"""What waits for requests: faults and replies, each for some requests and a number of times."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Entry(Generic[T]):
    item: T
    matches: Callable[..., bool]
    left: int | None
    skip: int


class WaitingList(Generic[T]):
    """A thread-safe list of items that wait; the first that matches a request is given, and counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[_Entry[T]] = []

    def clear(self) -> None:
        """Drop everything that has not happened yet."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _add(self, item: T, times: int | None, matches: Callable[..., bool], after: int = 0) -> None:
        with self._lock:
            self._entries.append(_Entry(item, matches, times, after))

    def take(self, *request: Any) -> T | None:
        """Give the item for a request, and count it."""
        # Only the server's one loop takes; a predicate may look at the sandbox, so it runs without the lock.
        for entry in tuple(self._entries):
            if not entry.matches(*request):
                continue
            if entry.skip:
                entry.skip -= 1
                continue
            with self._lock:
                if entry.left is not None and entry in self._entries:
                    entry.left -= 1
                    if not entry.left:
                        self._entries.remove(entry)
            return entry.item
        return None
