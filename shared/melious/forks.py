"""What a fork leaves behind, put right in the child: locks are open, what was shared is forgotten."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

_generation = 0
_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_forgetful: list[Callable[[], None]] = []


def generation() -> int:
    """Changes in the child of a fork: what was held before belongs to the parent."""
    return _generation


def new_lock() -> threading.Lock:
    """Make a lock that is open in the child of a fork, even if a thread that is not there held it."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def in_child(forget: Callable[[], None]) -> None:
    """Call a function in the child of every fork, once the locks are open."""
    _forgetful.append(forget)


def _after_fork_in_child() -> None:
    global _generation  # noqa: PLW0603
    _generation += 1
    for lock in list(_locks):
        # As the standard library opens its own. `release` would not do: at the moment of the fork a thread
        # may have got the lock and not yet come to note that it is locked.
        lock._at_fork_reinit()  # noqa: SLF001
    for forget in _forgetful:
        forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
