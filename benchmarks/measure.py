"""How a figure comes about: the CPU time of this process, the least of several interleaved blocks.

The contenders take turns, so that a slow minute of the machine falls on all of
them, and of each the best block counts: what disturbs a block only ever adds.
Garbage is collected before each block and not during it; what the set-up has
left is put out of the collector's sight, or it would go through all of the
frameworks each time.

Where things lie in memory matters too. CPython keeps frames in chunks of 16 KB; calls that cross
the end of one map memory, and unmap it when they return: up to 40 page faults a request, for whoever
happens to stand there. So each block begins at another depth of the stack, and several processes
measure, one after the other.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

SyncContender = Callable[[str], AbstractContextManager[Callable[[], Any]]]
"""Opens a client for a base URL and gives the operation: what it returns is checked once."""
WaitFor = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine, always on the same event loop: some peers do not work on a second one."""
AsyncContender = Callable[[str], AbstractAsyncContextManager[Callable[[], Any]]]


@dataclass(frozen=True)
class Effort:
    """How thoroughly to measure.

    Attributes:
        requests: Requests in a block.
        words: Content chunks in a stream.
        fragments: Chunks of streamed tool arguments and of streamed JSON.
        texts: Texts in an embeddings request.
        documents: Documents to put in order.
        rounds: Blocks of each contender.
        starts: Fresh interpreters for each contender.
    """

    requests: int = 320
    words: int = 5000
    fragments: int = 1000
    texts: int = 2048
    documents: int = 100
    rounds: int = 3
    starts: int = 2


FULL = Effort()
QUICK = Effort(requests=8, words=50, fragments=20, texts=8, documents=8, rounds=1, starts=1)


@dataclass
class Table:
    """One measurement: a figure for each contender.

    Attributes:
        title: What was measured.
        unit: Of the figures.
        baseline: The contender that ratios refer to.
        figures: By contender, the least of all blocks.
    """

    title: str
    unit: str
    baseline: str
    figures: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, figure: float) -> None:
        """Take a figure, if it is the least so far."""
        self.figures[name] = min(figure, self.figures.get(name, figure))

    def ratio(self, name: str, to: str) -> float | None:
        """One figure by another; None where either is missing."""
        if name in self.figures and to in self.figures:
            return self.figures[name] / self.figures[to]
        return None


def compare(
    table: Table,
    contenders: dict[str, SyncContender],
    url: str,
    expected: Any,
    *,
    times: int,
    rounds: int,
    parts: float = 1e-6,
) -> Table:
    """Measure blocking operations side by side.

    Args:
        table: Where the figures go.
        contenders: By name.
        url: The server's base URL.
        expected: What every operation must return.
        times: Operations in a block.
        rounds: Blocks of each contender.
        parts: What of the table's units one operation makes, in seconds: a
            microsecond, or that times the chunks of a stream.
    """
    with ExitStack() as stack:
        operations = {name: stack.enter_context(contender(url)) for name, contender in contenders.items()}
        for name, operation in operations.items():
            _check(name, operation(), expected)
        gc.freeze()
        for number in range(rounds):
            for name, operation in operations.items():
                seconds = deeper(depth(number), partial(_block, operation, times))
                table.note(name, seconds / times / parts)
    return table


def _block(operation: Callable[[], Any], times: int) -> float:
    with Stopwatch() as watch:
        for _ in range(times):
            operation()
    return watch.seconds


def compare_async(
    table: Table,
    contenders: dict[str, AsyncContender],
    url: str,
    expected: Any,
    wait_for: WaitFor,
    *,
    times: int,
    rounds: int,
    parts: float = 1e-6,
    at_a_time: int = 1,
) -> Table:
    """Measure asyncio operations side by side; `at_a_time` of them run at once. See `compare`.

    `wait_for` runs a coroutine, always on the same event loop.
    """
    turns = max(1, times // at_a_time)
    stack = AsyncExitStack()

    async def opened() -> dict[str, Callable[[], Any]]:
        operations = {
            name: await stack.enter_async_context(contender(url)) for name, contender in contenders.items()
        }
        for name, operation in operations.items():
            _check(name, await operation(), expected)
            await block(operation)  # opens the connections
        return operations

    async def work(operation: Callable[[], Any]) -> None:
        for _ in range(turns):
            await operation()

    async def block(operation: Callable[[], Any]) -> float:
        with Stopwatch() as watch:
            await asyncio.gather(*(work(operation) for _ in range(at_a_time)))
        return watch.seconds

    try:
        operations = wait_for(opened())
        gc.freeze()
        for number in range(rounds):
            for name, operation in operations.items():
                seconds = deeper(depth(number), lambda operation=operation: wait_for(block(operation)))
                table.note(name, seconds / (turns * at_a_time) / parts)
    finally:
        wait_for(stack.aclose())
    return table


_DEPTH = random.randrange(100)


def depth(number: int) -> int:
    """How many frames down the stack a block begins: another depth in each process, and for each block."""
    return (_DEPTH + 17 * number) % 100


def deeper(frames: int, function: Callable[[], Any]) -> Any:
    """Call a function from so many frames further down the stack."""
    return deeper(frames - 1, function) if frames else function()


def _check(name: str, got: Any, expected: Any) -> None:
    if got != expected:
        raise RuntimeError(f"{name} came to another result: {got!r:.200} instead of {expected!r:.200}")


class Stopwatch:
    """CPU time of this process, with the collector out of the way."""

    seconds = 0.0

    def __enter__(self) -> Self:
        gc.collect()
        gc.disable()
        self._began = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._began
        gc.enable()
