"""The pools for threads: one for each origin in this process."""

from __future__ import annotations

import atexit

from melious import forks
from melious.http._sync.pool import SyncPool
from melious.http.origin import Origin
from melious.http.sharing import PoolsBase


class SyncPools(PoolsBase[Origin, SyncPool]):
    """The pools of a process, by origin."""

    def get(self, origin: Origin) -> SyncPool:
        """The pool for an origin."""
        return self._pools.get(origin) or self._made(origin)

    def _made(self, origin: Origin) -> SyncPool:
        with self._lock:
            now = self._clock()
            cold = [self._pools.pop(pool.origin) for pool in list(self._pools.values()) if pool.is_cold(now)]
            pool = self._pools.get(origin)
            if pool is None:
                pool = self._pools[origin] = SyncPool(origin)
        for unused in cold:
            unused.close()
        return pool

    def close_idle(self, origin: Origin) -> None:
        """Close the idle connections to an origin."""
        pool = self._pools.get(origin)
        if pool is not None:
            pool.close_idle()

    def close(self) -> None:
        """Close all pools; requests under way end, and keep no connection."""
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.close()


shared = SyncPools()
atexit.register(shared.close)
forks.in_child(shared.abandon)
