"""What asyncio does differently from threads, for the code that is written once for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, Generic, ParamSpec, TypeVar

from melious.http.asyncio_only import running_loop

__all__ = ["Workers", "call_in_thread", "current_loop", "wait_for", "wait_for_all"]

K = TypeVar("K")
P = ParamSpec("P")
T = TypeVar("T")


def current_loop() -> asyncio.AbstractEventLoop:
    """The running event loop.

    Raises:
        ConfigurationError: There is none.
    """
    return running_loop()


async def call_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that may be slow without blocking the event loop."""
    running_loop()
    return await asyncio.to_thread(function, *args, **kwargs)


async def wait_for(future: Future[Any], seconds: float | None) -> None:
    """Wait until a future is done, at most so long; None is for ever."""
    waiting = asyncio.wrap_future(future)
    try:
        await asyncio.wait([waiting], timeout=seconds)
    finally:
        waiting.cancel()


async def wait_for_all(futures: Iterable[Future[Any]]) -> None:
    """Wait until all futures are done; cancelling the wait does not cancel them, since others wait too."""
    await asyncio.gather(*(asyncio.shield(asyncio.wrap_future(each)) for each in futures))


class Workers(Generic[K, T]):
    """Runs functions in tasks and gives what came of each, in the order in which they end."""

    def __init__(self, most: int, name: str) -> None:  # noqa: ARG002 - threads are counted and named
        self._keys: dict[asyncio.Task[T], K] = {}
        self._done: asyncio.Queue[asyncio.Task[T]] = asyncio.Queue()

    def __bool__(self) -> bool:
        return bool(self._keys)

    def start(
        self, key: K, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Call a function in a task."""
        task = asyncio.create_task(function(*args, **kwargs))
        self._keys[task] = key
        task.add_done_callback(self._done.put_nowait)

    async def next_done(self) -> tuple[K, T | BaseException]:
        """Wait for one to end; gives its key, and its result or error."""
        task = await self._done.get()
        key = self._keys.pop(task)
        if task.cancelled():
            return key, asyncio.CancelledError()
        return key, task.exception() or task.result()

    async def cancel(self) -> None:
        """Cancel what is under way and wait for it to end."""
        for task in self._keys:
            task.cancel()
        await asyncio.gather(*self._keys, return_exceptions=True)

    def close(self) -> None:
        """Do nothing: tasks need no pool."""
