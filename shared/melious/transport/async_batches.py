"""Runs the batches of a call with tasks, some at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from melious.endpoints.batching import Batch, BatchPlan
from melious.errors import APIStatusError, BudgetExceededError
from melious.results import Result
from melious.transport.asyncio_only import running_loop
from melious.transport.callbacks import awaited
from melious.transport.reporting import Report
from melious.transport.request import Request, Response

R = TypeVar("R", bound=Result)


async def run_batches_async(plan: BatchPlan[R], send: Callable[[Request], Awaitable[Response]]) -> R:
    """Run a plan with tasks; a single batch runs in the caller's own."""
    try:
        running_loop()
        waiting = plan.batches()
        await awaited(plan.progress())
        while waiting or plan.awaited():
            await _run_async(plan, deque(waiting), send)
            # Shielded: others wait for the same vectors, and this call alone may be cancelled.
            await asyncio.gather(*(asyncio.shield(asyncio.wrap_future(each)) for each in plan.awaited()))
            waiting = plan.settle()
            await awaited(plan.progress())
        return plan.result()
    finally:
        plan.release()


async def _run_async(
    plan: BatchPlan[R], waiting: deque[Batch], send: Callable[[Request], Awaitable[Response]]
) -> None:
    refused: list[BudgetExceededError] = []

    async def worker() -> None:
        while waiting:
            batch = waiting.popleft()
            request = plan.request(batch)
            report = Report(request).begin()
            try:
                result = plan.accept(batch, await send(request))
            except BudgetExceededError as error:
                # What is under way is paid for: it may end, and be counted.
                report.failed(error)
                refused.append(error)
                waiting.clear()
                return
            except BaseException as error:
                report.failed(error)
                if not isinstance(error, APIStatusError):
                    raise
                waiting.extendleft(reversed(plan.reject(batch, error)))
                continue
            report.whole(result)
            await awaited(plan.tell(result))
            await awaited(plan.progress())

    if len(waiting) <= 1:
        await worker()
    else:
        workers = [asyncio.ensure_future(worker()) for _ in range(min(plan.max_concurrency, len(waiting)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    if refused:
        raise refused[0]
