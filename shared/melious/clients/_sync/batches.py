"""Runs the batches of a call with threads, some at a time; nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias, TypeVar

from melious.answers.results import Result
from melious.clients.batches import BatchRun, Sending
from melious.endpoints.batching import Batch, BatchPlan
from melious.exchange.request import Request, Response
from melious.http.callbacks import no_coroutine

R = TypeVar("R", bound=Result)
_Send: TypeAlias = Callable[[Request], Response]


def run_batches(plan: BatchPlan[R], send: _Send) -> R:
    """Run a plan with threads; a single batch runs in the caller's own."""
    run = BatchRun(plan)
    try:
        waiting = plan.batches()
        no_coroutine("on_progress", plan.progress())
        while waiting or plan.awaited():
            _run(run, waiting, send)
            wait(plan.awaited())
            waiting = plan.settle()
            no_coroutine("on_progress", plan.progress())
        return plan.result()
    except BaseException as error:
        run.fail(error)
        raise
    finally:
        run.close()


def _run(run: BatchRun[R], waiting: Iterable[Batch], send: _Send) -> None:
    run.start(waiting)
    if run.at_a_time > 1:
        _run_in_threads(run, send)
    else:
        while (sending := run.next()) is not None:
            _take(run, sending, partial(send, sending.request))
    run.check()


def _run_in_threads(run: BatchRun[R], send: _Send) -> None:
    under_way: dict[Future[Response], Sending] = {}
    ended: SimpleQueue[Future[Response]] = SimpleQueue()
    pool = ThreadPoolExecutor(run.at_a_time, f"melious-{run.plan.name}")
    try:
        while True:
            while (sending := run.next()) is not None:
                future = pool.submit(copy_context().run, send, sending.request)
                under_way[future] = sending
                future.add_done_callback(ended.put)
            if not under_way:
                return
            future = ended.get()
            _take(run, under_way.pop(future), future.result)
    except BaseException as error:  # most likely Ctrl-C, which no request hears
        run.fail(error)
        while under_way:
            future = ended.get()
            _take(run, under_way.pop(future), future.result)
        raise
    finally:
        pool.shutdown(wait=not under_way)


def _take(run: BatchRun[R], sending: Sending, answer: Callable[[], Response]) -> None:
    try:
        came: Response | Exception = answer()
    except Exception as error:  # noqa: BLE001 - the plan decides what becomes of it
        came = error
    result = run.ended(sending, came)
    if result is None:
        return
    try:
        no_coroutine("on_answer", run.plan.tell(result))
        no_coroutine("on_progress", run.progress())
    except Exception as error:  # noqa: BLE001 - raised once what is under way has ended
        run.fail(error)
