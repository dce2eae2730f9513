"""Runs the batches of a call, several at a time; `BatchRun` and the plan decide."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias, TypeVar

from melious.answers.results import Result
from melious.clients._async.primitives import Workers, wait_for_all
from melious.clients.splitting import BatchRun, Sending
from melious.endpoints.splitting import Batch, BatchPlan
from melious.exchange.request import Request, Response
from melious.http._async.primitives import callback_result, check_runtime

R = TypeVar("R", bound=Result)
_Send: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


async def run_batches(plan: BatchPlan[R], send: _Send) -> R:
    """Run a plan with tasks; a single batch runs in the caller's own."""
    run = BatchRun(plan)
    try:
        check_runtime()
        waiting = plan.batches()
        await callback_result("on_progress", plan.progress())
        while waiting or plan.pending():
            await _run(run, waiting, send)
            await wait_for_all(plan.pending())
            waiting = plan.settle()
            await callback_result("on_progress", plan.progress())
        return plan.result()
    except BaseException as error:
        run.fail(error)
        raise
    finally:
        run.close()


async def _run(run: BatchRun[R], waiting: Iterable[Batch], send: _Send) -> None:
    run.start(waiting)
    if run.at_a_time > 1:
        await _run_at_a_time(run, send)
    else:
        while (sending := run.next()) is not None:
            await _take(run, sending, await _answer_to(sending, send))
    run.check()


async def _run_at_a_time(run: BatchRun[R], send: _Send) -> None:
    workers: Workers[Sending, Response] = Workers(run.at_a_time, f"melious-{run.plan.name}")
    try:
        while True:
            while (sending := run.next()) is not None:
                workers.start(sending, send, sending.request)
            if not workers:
                return
            await _take(run, *await workers.next_done())
    except BaseException as error:  # a cancellation, or Ctrl-C
        run.fail(error)
        await workers.cancel()
        while workers:
            await _take(run, *await workers.next_done())
        raise
    finally:
        workers.close()


async def _answer_to(sending: Sending, send: _Send) -> Response | Exception:
    try:
        return await send(sending.request)
    except Exception as error:  # noqa: BLE001 - the plan decides what becomes of it
        return error


async def _take(run: BatchRun[R], sending: Sending, answer: Response | BaseException) -> None:
    result = run.ended(sending, answer)
    if result is None:
        return
    try:
        await callback_result("on_answer", run.plan.report(result))
        await callback_result("on_progress", run.progress())
    except Exception as error:  # noqa: BLE001 - raised once what is under way has ended
        run.fail(error)
