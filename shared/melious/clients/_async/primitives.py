"""What asyncio does differently from threads, for the endpoints that are written once for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from melious.http.asyncio_only import running_loop

__all__ = ["call_in_thread", "current_loop", "wait_for"]

P = ParamSpec("P")
T = TypeVar("T")


def current_loop() -> asyncio.AbstractEventLoop:
    """The event loop that runs.

    Raises:
        ConfigurationError: None does.
    """
    return running_loop()


async def call_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what may be slow without holding up the event loop."""
    running_loop()
    return await asyncio.to_thread(function, *args, **kwargs)


async def wait_for(future: Future[Any], seconds: float) -> None:
    """Wait until a future is done, at most so long."""
    waiting = asyncio.wrap_future(future)
    try:
        await asyncio.wait([waiting], timeout=seconds)
    finally:
        waiting.cancel()
