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


def wait_for(future: Future[Any], seconds: float | None) -> None:
    """Wait until a future is done, at most so long; None is for ever."""
    wait([future], seconds)


class Workers(Generic[K, T]):
    """Runs functions in threads and gives what came of each, in the order in which they end."""

    def __init__(self, most: int, name: str) -> None:
        self._under_way: set[K] = set()
        self._done: SimpleQueue[tuple[K, T | BaseException]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(most, name)

    def __bool__(self) -> bool:
        return bool(self._under_way)

    def start(self, key: K, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call a function in a thread, with the caller's context variables."""
        # Ctrl-C may come between any two of these steps: the thread itself hands over what came of it.
        self._under_way.add(key)
        self._threads.submit(copy_context().run, self._run, key, partial(function, *args, **kwargs))

    def _run(self, key: K, function: Callable[[], T]) -> None:
        try:
            outcome: T | BaseException = function()
        except BaseException as error:  # noqa: BLE001 - handed over to whoever waits
            outcome = error
        self._done.put((key, outcome))

    def next_done(self) -> tuple[K, T | BaseException]:
        """Wait for one to end; gives its key, and its result or error."""
        key, outcome = self._done.get()
        self._under_way.discard(key)
        return key, outcome

    def cancel(self) -> None:
        """Wait for what is under way, since a request in a thread cannot be interrupted."""
        self._threads.shutdown(wait=True)
        ended = [self._done.get() for _ in range(self._done.qsize())]
        self._under_way = {key for key, _ in ended}
        for each in ended:
            self._done.put(each)

    def close(self) -> None:
        """Let the threads end; wait for them unless something is still under way."""
        self._threads.shutdown(wait=not self._under_way)
