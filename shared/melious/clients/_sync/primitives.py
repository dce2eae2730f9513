"""What threads do differently from asyncio, for the code that is written once for both."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

__all__ = ["Workers", "call_in_thread", "current_loop", "wait_for", "wait_for_all"]

K = TypeVar("K")
P = ParamSpec("P")
T = TypeVar("T")

wait_for_all = wait


def current_loop() -> object:
    """None: blocking code has no event loop."""
    return None


def call_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function here: this is a thread."""
    return function(*args, **kwargs)


def wait_for(future: Future[Any], seconds: float) -> None:
    """Wait until a future is done, at most so long."""
    wait([future], seconds)


class Workers(Generic[K, T]):
    """Runs functions in threads and gives what came of each, in the order in which they end."""

    def __init__(self, most: int, name: str) -> None:
        self._keys: dict[Future[T], K] = {}
        self._done: SimpleQueue[Future[T]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(most, name)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def start(self, key: K, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call a function in a thread, with the caller's context variables."""
        future = self._threads.submit(copy_context().run, partial(function, *args, **kwargs))
        self._keys[future] = key
        future.add_done_callback(self._done.put)

    def next_done(self) -> tuple[K, T | BaseException]:
        """Wait for one to end; gives its key, and its result or error."""
        future = self._done.get()
        key = self._keys.pop(future)
        return key, future.exception() or future.result()

    def cancel(self) -> None:
        """Do nothing: a request in a thread cannot be interrupted."""

    def close(self) -> None:
        """Let the threads end; wait for them unless something is still under way."""
        self._threads.shutdown(wait=not self._keys)
