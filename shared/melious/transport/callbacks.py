"""What callers' callbacks give back: an asyncio client awaits it, a blocking one cannot."""

from __future__ import annotations

from inspect import isawaitable, iscoroutine

from melious.errors import InvalidArgumentError


async def awaited(told: object) -> None:
    """Wait for what a callback gave, if it can be waited for."""
    if told is not None and isawaitable(told):
        await told


def no_coroutine(name: str, told: object) -> None:
    """Refuse a callback that would never run.

    Args:
        name: The argument that the callback came as.
        told: What it gave.

    Raises:
        InvalidArgumentError: A coroutine.
    """
    if told is not None and iscoroutine(told):
        told.close()
        raise InvalidArgumentError(f"{name}: an async function needs an AsyncMeliousClient")
