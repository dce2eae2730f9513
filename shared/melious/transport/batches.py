"""Runs the batches of an embeddings call, some at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from melious.endpoints.embeddings import Batch, EmbeddingsPlan
from melious.errors import APIStatusError
from melious.results import EmbeddingsResult
from melious.transport.reporting import Report
from melious.transport.request import Request, Response


def run_batches(plan: EmbeddingsPlan, send: Callable[[Request], Response]) -> EmbeddingsResult:
    """Run a plan with threads; a plan of one batch runs in the caller's own."""
    waiting = deque(plan.batches())
    if len(waiting) <= 1 or plan.max_concurrency == 1:
        while waiting:
            batch = waiting.popleft()
            request = plan.request(batch)
            try:
                response = send(request)
            except APIStatusError as error:
                waiting.extendleft(reversed(plan.reject(batch, error)))
                continue
            Report(request).whole(plan.accept(batch, response))
        return plan.result()
    running: dict[Future[Response], tuple[Batch, Request]] = {}
    with ThreadPoolExecutor(min(plan.max_concurrency, len(waiting)), "melious-embeddings") as pool:
        try:
            while waiting or running:
                while waiting and len(running) < plan.max_concurrency:
                    batch = waiting.popleft()
                    request = plan.request(batch)
                    running[pool.submit(send, request)] = (batch, request)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    batch, request = running.pop(future)
                    try:
                        response = future.result()
                    except APIStatusError as error:
                        waiting.extend(plan.reject(batch, error))
                        continue
                    Report(request).whole(plan.accept(batch, response))
        finally:
            for future in running:
                future.cancel()
    return plan.result()


async def run_batches_async(
    plan: EmbeddingsPlan, send: Callable[[Request], Awaitable[Response]]
) -> EmbeddingsResult:
    """Run a plan with tasks."""
    waiting = deque(plan.batches())

    async def worker() -> None:
        while waiting:
            batch = waiting.popleft()
            request = plan.request(batch)
            try:
                response = await send(request)
            except APIStatusError as error:
                waiting.extend(plan.reject(batch, error))
                continue
            Report(request).whole(plan.accept(batch, response))

    if len(waiting) <= 1:
        await worker()
        return plan.result()
    workers = [asyncio.ensure_future(worker()) for _ in range(min(plan.max_concurrency, len(waiting)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return plan.result()
