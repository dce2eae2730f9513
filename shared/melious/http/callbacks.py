"""What callers' callbacks give back: an asyncio client awaits it, a blocking one cannot."""

from __future__ import annotations

from inspect import isawaitable, iscoroutine

from melious.errors import InvalidArgumentError


async def awaited(given: object) -> None:
    """Wait for what a callback gave back, if it can be waited for."""
    if given is not None and isawaitable(given):
        await given


def no_coroutine(name: str, given: object) -> None:
    """Refuse a callback that would never run.

    Args:
        name: The argument that the callback came as.
        given: What it gave back.

    Raises:
        InvalidArgumentError: A coroutine.
    """
    if given is not None and iscoroutine(given):
        given.close()
        raise InvalidArgumentError(f"{name}: an async function needs an AsyncMeliousClient")
