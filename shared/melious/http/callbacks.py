"""Results of callers' callbacks: an asyncio client awaits them, a blocking one cannot."""

from __future__ import annotations

from inspect import isawaitable, iscoroutine

from melious.errors import InvalidArgumentError


async def awaited(given: object) -> None:
    """Await the result of a callback, if it is awaitable."""
    if given is not None and isawaitable(given):
        await given


def no_coroutine(name: str, given: object) -> None:
    """Refuse the coroutine of an async callback, which would never run."""
    if given is not None and iscoroutine(given):
        given.close()
        raise InvalidArgumentError(f"{name}: an async function needs an AsyncMeliousClient")
