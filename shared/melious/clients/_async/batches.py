"""Runs the batches of a call with tasks, some at a time; nothing is decided here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeAlias, TypeVar

from melious.answers.results import Result
from melious.clients.batches import BatchRun, Sending
from melious.endpoints.batching import Batch, BatchPlan
from melious.exchange.request import Request, Response
from melious.http.asyncio_only import running_loop
from melious.http.callbacks import awaited

R = TypeVar("R", bound=Result)
_Send: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


async def run_batches(plan: BatchPlan[R], send: _Send) -> R:
    """Run a plan with tasks; a single batch runs in the caller's own."""
    run = BatchRun(plan)
    try:
        running_loop()
        waiting = plan.batches()
        await awaited(plan.progress())
        while waiting or plan.awaited():
            await _run(run, waiting, send)
            # Shielded: others wait for the same vectors, and this call alone may be cancelled.
            await asyncio.gather(*(asyncio.shield(asyncio.wrap_future(each)) for each in plan.awaited()))
            waiting = plan.settle()
            await awaited(plan.progress())
        return plan.result()
    except BaseException as error:
        run.fail(error)
        raise
    finally:
        run.close()


async def _run(run: BatchRun[R], waiting: Iterable[Batch], send: _Send) -> None:
    run.start(waiting)
    if run.at_a_time > 1:
        await _run_in_tasks(run, send)
    else:
        while (sending := run.next()) is not None:
            await _take(run, sending, send(sending.request))
    run.check()


async def _run_in_tasks(run: BatchRun[R], send: _Send) -> None:
    under_way: dict[asyncio.Task[Response], Sending] = {}
    ended: asyncio.Queue[asyncio.Task[Response]] = asyncio.Queue()
    try:
        while True:
            while (sending := run.next()) is not None:
                task = asyncio.create_task(send(sending.request))
                under_way[task] = sending
                task.add_done_callback(ended.put_nowait)
            if not under_way:
                return
            task = await ended.get()
            await _take(run, under_way.pop(task), task)
    except BaseException as error:  # most likely cancelled, and so is what is under way
        run.fail(error)
        for task in under_way:
            task.cancel()
        answers = await asyncio.gather(*under_way, return_exceptions=True)
        for sending, answer in zip(under_way.values(), answers, strict=True):
            run.ended(sending, answer)
        raise


async def _take(run: BatchRun[R], sending: Sending, answer: Awaitable[Response]) -> None:
    try:
        came: Response | Exception = await answer
    except Exception as error:  # noqa: BLE001 - the plan decides what becomes of it
        came = error
    result = run.ended(sending, came)
    if result is None:
        return
    try:
        await awaited(run.plan.tell(result))
        await awaited(run.progress())
    except Exception as error:  # noqa: BLE001 - raised once what is under way has ended
        run.fail(error)
