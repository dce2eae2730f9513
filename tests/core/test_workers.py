"""The workers of batches: tasks and threads give what came of each in the order in which they end."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from melious.clients._async.primitives import Workers as Tasks
from melious.clients._sync.primitives import Workers as Threads

WHO: ContextVar[str] = ContextVar("who", default="nobody")


def test_threads_give_results_in_the_order_in_which_they_end() -> None:
    workers: Threads[str, str] = Threads(2, "test")
    gates = {name: threading.Event() for name in ("first", "second")}

    def work(name: str) -> str:
        gates[name].wait()
        return name.upper()

    assert not workers
    for name in gates:
        workers.start(name, work, name)
    assert workers
    gates["second"].set()
    assert workers.next_done() == ("second", "SECOND")
    gates["first"].set()
    assert workers.next_done() == ("first", "FIRST")
    assert not workers
    workers.close()


async def test_tasks_give_results_in_the_order_in_which_they_end() -> None:
    workers: Tasks[str, str] = Tasks(2, "test")
    gates = {name: asyncio.Event() for name in ("first", "second")}

    async def work(name: str) -> str:
        await gates[name].wait()
        return name.upper()

    assert not workers
    for name in gates:
        workers.start(name, work, name)
    assert workers
    gates["second"].set()
    assert await workers.next_done() == ("second", "SECOND")
    gates["first"].set()
    assert await workers.next_done() == ("first", "FIRST")
    assert not workers


def test_an_error_in_a_thread_comes_with_its_key() -> None:
    workers: Threads[int, None] = Threads(1, "test")
    error = ValueError("wrong")

    def fail() -> None:
        raise error

    workers.start(7, fail)
    assert workers.next_done() == (7, error)
    workers.close()


async def test_an_error_in_a_task_comes_with_its_key() -> None:
    workers: Tasks[int, None] = Tasks(1, "test")
    error = ValueError("wrong")

    async def fail() -> None:
        raise error

    workers.start(7, fail)
    assert await workers.next_done() == (7, error)


async def test_cancelled_tasks_have_ended_when_cancel_returns() -> None:
    workers: Tasks[int, str] = Tasks(3, "test")
    ended: list[int] = []

    async def work(number: int) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)
        return "never"

    async def quick() -> str:
        return "in time"

    workers.start(0, quick)
    for number in (1, 2):
        workers.start(number, work, number)
    await asyncio.sleep(0)
    await workers.cancel()
    assert sorted(ended) == [1, 2]
    outcomes = dict([await workers.next_done() for _ in range(3)])
    assert not workers
    assert outcomes[0] == "in time"
    assert all(isinstance(outcomes[number], asyncio.CancelledError) for number in (1, 2))


def test_threads_see_the_callers_context() -> None:
    workers: Threads[str, str] = Threads(1, "test")
    token = WHO.set("the caller")
    try:
        workers.start("who", WHO.get)
    finally:
        WHO.reset(token)
    assert workers.next_done() == ("who", "the caller")
    workers.close()


@pytest.mark.parametrize("count", [1, 4])
def test_closing_waits_for_threads_that_have_nothing_left_to_do(count: int) -> None:
    workers: Threads[int, int] = Threads(count, "melious-closing")
    for number in range(count):
        workers.start(number, abs, -number)
    assert sorted(workers.next_done()[0] for _ in range(count)) == list(range(count))
    workers.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("melious-closing")]
