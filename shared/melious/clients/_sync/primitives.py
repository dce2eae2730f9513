"""What threads do differently from asyncio, for the endpoints that are written once for both."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, ParamSpec, TypeVar

__all__ = ["call_in_thread", "current_loop", "wait_for"]

P = ParamSpec("P")
T = TypeVar("T")


def current_loop() -> object:
    """None: no event loop runs blocking code."""
    return None


def call_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call something here: this is a thread."""
    return function(*args, **kwargs)


def wait_for(future: Future[Any], seconds: float) -> None:
    """Wait until a future is done, at most so long."""
    wait([future], seconds)
