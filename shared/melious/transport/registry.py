"""Pools shared by everyone who leads to the same place: per process for threads, per event loop for asyncio.

Clients, and the framework objects around them, are made by the thousand and
dropped; what they share here makes that cheap. Nothing is made before the
first request. A pool is closed when its last holder closes it; holders that
are merely dropped leave it warm, until the interpreter or the event loop ends
or somebody sweeps it away after it has been cold for a while.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from collections.abc import AsyncGenerator
from typing import TypeAlias

from melious.transport import ratelimit
from melious.transport.async_pool import AsyncPool
from melious.transport.client_sender import AiohttpPool
from melious.transport.lanes import Origin
from melious.transport.library import KEEPALIVE_EXPIRY
from melious.transport.sync_pool import SyncPool

AnyAsyncPool: TypeAlias = AsyncPool | AiohttpPool


class SyncHold:
    """A share in a pool for threads."""

    def __init__(self, pool: SyncPool, generation: int) -> None:
        self.pool = pool
        self.generation = generation
        self.holders = 0
        self.unheld_since = 0.0


class AsyncHold:
    """A share in an event loop's pool; a generator of the loop's closes the pool when the loop ends."""

    def __init__(self, pool: AnyAsyncPool, loop: asyncio.AbstractEventLoop, generation: int) -> None:
        self.pool = pool
        self.loop = loop
        self.generation = generation
        self.holders = 0
        self.guard = self._guard()

    async def _guard(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.pool.aclose()


_lock = threading.Lock()
_sync: dict[Origin, SyncHold] = {}
_async: dict[tuple[int, Origin], AsyncHold] = {}
_abandoned: list[AsyncHold] = []
_generation = 0


def generation() -> int:
    """Changes in the child of a fork: what was held before belongs to the parent."""
    return _generation


def hold_sync(origin: Origin) -> SyncHold:
    """Take a share in the process's pool for an origin."""
    with _lock:
        cold = [entry for entry in _sync.values() if _is_cold(entry)]
        for entry in cold:
            del _sync[entry.pool.origin]
        found = _sync.get(origin)
        if found is None:
            found = _sync[origin] = SyncHold(SyncPool(origin), _generation)
        found.holders += 1
    for entry in cold:
        entry.pool.close()
    return found


def _is_cold(entry: SyncHold) -> bool:
    return not entry.holders and time.monotonic() - entry.unheld_since > KEEPALIVE_EXPIRY


def drop_sync(hold: SyncHold) -> None:
    """Give a share back without closing anything: the holder is gone."""
    hold.holders -= 1
    hold.unheld_since = time.monotonic()


def close_sync(hold: SyncHold) -> None:
    """Give a share back, and close the pool if it was the last."""
    with _lock:
        drop_sync(hold)
        last = hold.holders <= 0 and _sync.get(hold.pool.origin) is hold
        if last:
            del _sync[hold.pool.origin]
    if last:
        hold.pool.close()


async def hold_async(origin: Origin) -> AsyncHold:
    """Take a share in the running loop's pool for an origin."""
    loop = asyncio.get_running_loop()
    key = (id(loop), origin)
    with _lock:
        for dead in [key for key, entry in _async.items() if entry.loop.is_closed()]:
            del _async[dead]
        found = _async.get(key)
        if found is not None:
            found.holders += 1
            return found
    if origin.scheme == "https" and origin.transport == "httpx":
        # Loading the certificates takes some 25 ms, which would hold up everything else on the loop.
        pool: AnyAsyncPool = await loop.run_in_executor(None, AsyncPool, origin)
    else:
        pool = AiohttpPool(origin) if origin.transport == "aiohttp" else AsyncPool(origin)
    made = AsyncHold(pool, loop, _generation)
    with _lock:
        found = _async.setdefault(key, made)
        found.holders += 1
    if found is made:
        await anext(made.guard)
    return found


def drop_async(hold: AsyncHold) -> None:
    """Give a share back without closing anything: the holder is gone, or its loop is."""
    hold.holders -= 1


async def close_async(hold: AsyncHold) -> None:
    """Give a share back, and close the pool if it was the last and its loop is the running one."""
    with _lock:
        drop_async(hold)
        key = (id(hold.loop), hold.pool.origin)
        last = hold.holders <= 0 and _async.get(key) is hold and hold.loop is asyncio.get_running_loop()
        if last:
            del _async[key]
    if last:
        await hold.guard.aclose()


def _close_all() -> None:
    for hold in list(_sync.values()):
        hold.pool.close()
    _sync.clear()


def _after_fork_in_child() -> None:
    """Forget the parent's pools: sockets are closed here without a word to the other side.

    The async ones are only put aside: to close them would reach into the
    event loop's poller, which the parent shares.
    """
    global _lock, _generation  # noqa: PLW0603
    _lock = threading.Lock()
    _generation += 1
    for hold in _sync.values():
        for lane in hold.pool.shelf.all:
            lane.abandon()
    _abandoned.extend(_async.values())
    _sync.clear()
    _async.clear()
    ratelimit.forget_gates()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
