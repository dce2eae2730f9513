"""Runs the batches of a call with threads, some at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TypeAlias, TypeVar

from melious.endpoints.batching import Batch, BatchPlan
from melious.errors import APIStatusError, MeliousError
from melious.results import Result
from melious.transport.callbacks import no_coroutine
from melious.transport.reporting import Report
from melious.transport.request import Request, Response

R = TypeVar("R", bound=Result)
_Send: TypeAlias = Callable[[Request], Response]


def run_batches(plan: BatchPlan[R], send: _Send) -> R:
    """Run a plan with threads; a single batch runs in the caller's own."""
    try:
        waiting = plan.batches()
        _tell(plan)
        while waiting or plan.awaited():
            _run(plan, deque(waiting), send)
            wait(plan.awaited())
            waiting = plan.settle()
            _tell(plan)
        return plan.result()
    finally:
        plan.release()


def _run(plan: BatchPlan[R], waiting: deque[Batch], send: _Send) -> None:
    if len(waiting) <= 1 or plan.max_concurrency == 1:
        while waiting:
            batch = waiting.popleft()
            request = plan.request(batch)
            report = Report(request)
            _take(plan, batch, report, partial(_sent, report, send, request), waiting)
        return
    running: dict[Future[Response], tuple[Batch, Report]] = {}
    try:
        with ThreadPoolExecutor(min(plan.max_concurrency, len(waiting)), f"melious-{plan.name}") as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < plan.max_concurrency:
                        batch = waiting.popleft()
                        request = plan.request(batch)
                        report = Report(request)
                        running[pool.submit(copy_context().run, _sent, report, send, request)] = batch, report
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        batch, report = running.pop(future)
                        _take(plan, batch, report, future.result, waiting)
            finally:
                for future in running:
                    future.cancel()
    finally:
        _report_unused(plan, running)


def _sent(report: Report, send: _Send, request: Request) -> Response:
    report.begin()
    try:
        return send(request)
    except BaseException as error:
        report.failed(error)
        raise


def _take(
    plan: BatchPlan[R],
    batch: Batch,
    report: Report,
    answer: Callable[[], Response],
    waiting: deque[Batch],
) -> None:
    try:
        response = answer()
    except APIStatusError as error:
        waiting.extendleft(reversed(plan.reject(batch, error)))
        return
    _accept(plan, batch, report, response)
    _tell(plan)


def _accept(plan: BatchPlan[R], batch: Batch, report: Report, response: Response) -> None:
    try:
        result = plan.accept(batch, response)
    except BaseException as error:
        report.failed(error)
        raise
    report.whole(result)
    no_coroutine("on_answer", plan.tell(result))


def _report_unused(plan: BatchPlan[R], left: Mapping[Future[Response], tuple[Batch, Report]]) -> None:
    """Answers that came after another batch had failed are of no use, and were paid for."""
    for future, (batch, report) in left.items():
        if not future.cancelled() and future.exception() is None:
            with suppress(MeliousError):  # that of the other batch is on its way
                _accept(plan, batch, report, future.result())


def _tell(plan: BatchPlan[R]) -> None:
    no_coroutine("on_progress", plan.progress())
