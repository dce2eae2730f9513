"""The pools for asyncio: one for each origin and event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

from melious import forks
from melious.http._async.aiohttp_pool import AiohttpPool
from melious.http._async.pool import AsyncPool
from melious.http.asyncio_only import running_loop
from melious.http.origin import Origin
from melious.http.sharing import PoolsBase

AnyAsyncPool: TypeAlias = AsyncPool | AiohttpPool


class LoopPool:
    """A pool of an event loop; an async generator closes it when the loop shuts down."""

    def __init__(self, pool: AnyAsyncPool, loop: asyncio.AbstractEventLoop) -> None:
        self.pool = pool
        self.loop = loop
        self.guard = self._guard()
        self._is_ending = False

    async def _guard(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._is_ending = True
            # Under nest_asyncio a loop ends without its shutdown, and Python ends this later.
            if self.loop.is_closed():
                self.pool.abandon()
            else:
                await self.pool.aclose()

    async def aclose(self) -> None:
        """Close the pool and its generator, unless the loop is closing the generator right now."""
        await self.pool.aclose()
        if not self._is_ending:
            await self.guard.aclose()

    def is_cold(self, now: float) -> bool:
        """Whether no connection is in use, and every idle one has expired."""
        return self.pool.is_cold(now)

    def abandon(self) -> None:
        """Abandon the sockets."""
        self.pool.abandon()


class AsyncPools(PoolsBase[tuple[asyncio.AbstractEventLoop, Origin], LoopPool]):
    """The pools of all event loops, by loop and origin."""

    async def get(self, origin: Origin) -> AnyAsyncPool:
        """The running loop's pool for an origin."""
        loop = running_loop()
        found = self._pools.get((loop, origin))
        return await self._made(origin, loop) if found is None else found.pool

    async def _made(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> AnyAsyncPool:
        for unused in self._swept(loop):
            if unused.loop is loop:
                await unused.aclose()
            else:
                unused.abandon()  # its loop was closed without a shutdown: nothing can be awaited
        with_aiohttp = origin.transport == "aiohttp"
        make: Callable[[Origin], AnyAsyncPool] = AiohttpPool if with_aiohttp else AsyncPool
        if origin.scheme == "https" or with_aiohttp:
            # Loading certificates or aiohttp takes long enough to block the loop noticeably.
            pool = await loop.run_in_executor(None, make, origin)
        else:
            pool = make(origin)
        made = LoopPool(pool, loop)
        with self._lock:
            found = self._pools.setdefault((loop, origin), made)
        if found is made:
            await anext(made.guard)  # from now on the loop closes it
        return found.pool

    def _swept(self, loop: asyncio.AbstractEventLoop) -> list[LoopPool]:
        """Take out the pools of closed loops, and the cold ones of this loop."""
        with self._lock:
            now = self._clock()
            unused = [
                key
                for key, one in self._pools.items()
                if one.loop.is_closed() or (one.loop is loop and one.is_cold(now))
            ]
            return [self._pools.pop(key) for key in unused]

    async def close_idle(self, origin: Origin) -> None:
        """Close the running loop's idle connections to an origin."""
        found = self._pools.get((running_loop(), origin))
        if found is not None:
            await found.pool.close_idle()


shared = AsyncPools()
forks.in_child(shared.abandon)
