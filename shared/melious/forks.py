"""Fork safety: in the child, locks are open and shared state is dropped."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

_generation = 0
_locks: weakref.WeakSet[Any] = weakref.WeakSet()
_callbacks: list[Callable[[], None]] = []


def generation() -> int:
    """A number that changes in the child of a fork."""
    return _generation


def new_lock() -> threading.Lock:
    """A lock that is open in the child of a fork, even if another thread held it."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


def in_child(callback: Callable[[], None]) -> None:
    """Call a function in the child of every fork, after the locks are opened."""
    _callbacks.append(callback)


def _after_fork_in_child() -> None:
    global _generation  # noqa: PLW0603
    _generation += 1
    for lock in list(_locks):
        # As the standard library does. `release` may fail: a thread may just have taken the lock without
        # having marked it as locked.
        lock._at_fork_reinit()  # noqa: SLF001
    for callback in _callbacks:
        callback()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
