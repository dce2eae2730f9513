"""The pools for asyncio: one for each origin on each event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeAlias

from melious import forks
from melious.http._async.aiohttp_pool import AiohttpPool
from melious.http._async.pool import AsyncPool
from melious.http.origin import Origin
from melious.http.sharing import Drops, Hold

AnyAsyncPool: TypeAlias = AsyncPool | AiohttpPool


class AsyncHold(Hold[AnyAsyncPool]):
    """A share in an event loop's pool; a generator of the loop's closes the pool when the loop ends."""

    def __init__(self, pool: AnyAsyncPool, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(pool)
        self.loop = loop
        self.guard = self._guard()
        self._guarding = False

    async def _guard(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._guarding = True
            await self.pool.aclose()

    async def aclose(self) -> None:
        """Close the pool; its generator then ends at once, unless the loop is ending it at this moment."""
        await self.pool.aclose()
        if not self._guarding:
            await self.guard.aclose()


_lock = forks.new_lock()
_holds: dict[tuple[int, Origin], AsyncHold] = {}
_drops: Drops[AsyncHold] = Drops()
_abandoned: list[AsyncHold] = []
drop = _drops.add


async def hold(origin: Origin) -> AsyncHold:
    """Take a share in the running loop's pool for an origin."""
    loop = asyncio.get_running_loop()
    for entry in _swept(loop):
        if entry.loop is loop:
            await entry.aclose()
        else:
            entry.pool.abandon()  # its loop was closed without being shut down: nothing can be awaited
    with _lock:
        found = _holds.get((id(loop), origin))
        if found is not None:
            found.holders += 1
    return await _new(origin, loop) if found is None else found


def _swept(loop: asyncio.AbstractEventLoop) -> list[AsyncHold]:
    """Take out what nobody will use: the pools of closed loops, and this loop's cold ones."""
    with _lock:
        _drops.settle()
        useless = [
            key
            for key, entry in _holds.items()
            if entry.loop.is_closed() or (entry.loop is loop and entry.is_cold())
        ]
        return [_holds.pop(key) for key in useless]


async def _new(origin: Origin, loop: asyncio.AbstractEventLoop) -> AsyncHold:
    if origin.scheme == "https" or origin.transport == "aiohttp":
        # Loading certificates, or aiohttp, takes long enough to hold up everything else on the loop.
        kind = AiohttpPool if origin.transport == "aiohttp" else AsyncPool
        made = AsyncHold(await loop.run_in_executor(None, kind, origin), loop)
    else:
        made = AsyncHold(AsyncPool(origin), loop)
    with _lock:
        found = _holds.setdefault((id(loop), origin), made)
        found.holders += 1
    if found is made:
        await anext(made.guard)  # from here on the loop knows it
    return found


async def close(share: AsyncHold) -> None:
    """Give a share back, and close the pool if it was the last and its loop is the running one."""
    with _lock:
        _drops.settle()
        share.give_back()
        key = (id(share.loop), share.pool.origin)
        last = share.holders <= 0 and _holds.get(key) is share and share.loop is asyncio.get_running_loop()
        if last:
            del _holds[key]
    if last:
        await share.aclose()


def _forget() -> None:
    """Forget the parent's pools, but keep them: what they end with would reach into the parent's loop."""
    for entry in _holds.values():
        entry.pool.abandon()
    _abandoned.extend(_holds.values())
    _holds.clear()
    _drops.clear()


forks.in_child(_forget)
