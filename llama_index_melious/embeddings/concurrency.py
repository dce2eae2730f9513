"""How many requests of a model run at the same time on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from melious.http.asyncio_only import running_loop


class ConcurrencyLimit:
    """Limits concurrent requests on each event loop. Copies and pickles start afresh."""

    def __init__(self) -> None:
        self._in_use: dict[tuple[asyncio.AbstractEventLoop, int], list[Any]] = {}

    @asynccontextmanager
    async def of(self, limit: int | None) -> AsyncIterator[None]:
        """Wait for a place among `limit` on this event loop, and hold it; None is no limit."""
        if limit is None:
            yield
            return
        key = running_loop(), limit
        semaphore = self._in_use.setdefault(key, [asyncio.Semaphore(limit), 0])
        semaphore[1] += 1
        try:
            async with semaphore[0]:
                yield
        finally:
            semaphore[1] -= 1
            if not semaphore[1]:  # an idle one would keep a closed loop alive
                del self._in_use[key]

    def __reduce__(self) -> tuple[type[ConcurrencyLimit], tuple[()]]:
        return ConcurrencyLimit, ()
