"""Runs the batches of a call with threads, some at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from melious.endpoints.batching import Batch, BatchPlan
from melious.errors import APIStatusError
from melious.results import Result
from melious.transport.callbacks import no_coroutine
from melious.transport.reporting import Report
from melious.transport.request import Request, Response

R = TypeVar("R", bound=Result)


def run_batches(plan: BatchPlan[R], send: Callable[[Request], Response]) -> R:
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


def _run(plan: BatchPlan[R], waiting: deque[Batch], send: Callable[[Request], Response]) -> None:
    if len(waiting) <= 1 or plan.max_concurrency == 1:
        while waiting:
            batch = waiting.popleft()
            request = plan.request(batch)
            _take(plan, batch, request, partial(send, request), waiting)
        return
    running: dict[Future[Response], tuple[Batch, Request]] = {}
    with ThreadPoolExecutor(min(plan.max_concurrency, len(waiting)), f"melious-{plan.name}") as pool:
        try:
            while waiting or running:
                while waiting and len(running) < plan.max_concurrency:
                    batch = waiting.popleft()
                    request = plan.request(batch)
                    running[pool.submit(copy_context().run, send, request)] = (batch, request)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    batch, request = running.pop(future)
                    _take(plan, batch, request, future.result, waiting)
        finally:
            for future in running:
                future.cancel()


def _take(
    plan: BatchPlan[R],
    batch: Batch,
    request: Request,
    answer: Callable[[], Response],
    waiting: deque[Batch],
) -> None:
    try:
        response = answer()
    except APIStatusError as error:
        waiting.extendleft(reversed(plan.reject(batch, error)))
        return
    Report(request).whole(plan.accept(batch, response))
    _tell(plan)


def _tell(plan: BatchPlan[R]) -> None:
    no_coroutine("on_progress", plan.progress())
