"""The pools for threads: one for each origin in this process."""

from __future__ import annotations

import atexit

from melious import forks
from melious.http._sync.pool import SyncPool
from melious.http.origin import Origin
from melious.http.sharing import Drops, Hold


class SyncHold(Hold[SyncPool]):
    """A share in a pool for threads."""


_lock = forks.new_lock()
_holds: dict[Origin, SyncHold] = {}
_drops: Drops[SyncHold] = Drops()
_abandoned: list[SyncHold] = []
drop = _drops.add


def hold(origin: Origin) -> SyncHold:
    """Take a share in the process's pool for an origin."""
    with _lock:
        _drops.settle()
        cold = [entry for entry in _holds.values() if entry.is_cold()]
        for entry in cold:
            del _holds[entry.pool.origin]
        found = _holds.get(origin)
        if found is None:
            found = _holds[origin] = SyncHold(SyncPool(origin))
        found.holders += 1
    for entry in cold:
        entry.pool.close()
    return found


def close(share: SyncHold) -> None:
    """Give a share back, and close the pool if it was the last."""
    with _lock:
        _drops.settle()
        share.give_back()
        last = share.holders <= 0 and _holds.get(share.pool.origin) is share
        if last:
            del _holds[share.pool.origin]
    if last:
        share.pool.close()


def close_all() -> None:
    """Close all pools; who still holds one can go on, but keeps no connection."""
    for entry in list(_holds.values()):
        entry.pool.close()
    _holds.clear()


def _forget() -> None:
    """Forget the parent's pools, but keep them: a socket that nobody holds complains of not being closed."""
    for entry in _holds.values():
        entry.pool.abandon()
    _abandoned.extend(_holds.values())
    _holds.clear()
    _drops.clear()


atexit.register(close_all)
forks.in_child(_forget)
