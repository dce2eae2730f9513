"""How the figures of a panel come about: sizes and contenders take turns, and of each the best block counts.

An operation is a call of a contender, as in the other benchmarks; here it has a size. Small ones are
repeated within a block, and large ones have fewer blocks.
"""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias
from urllib.request import Request, urlopen

from benchmarks.growth.curves import Panel
from benchmarks.growth.server import STREAMS
from benchmarks.measure import AsyncContender, Stopwatch, SyncContender

QUICK_SIZES = (1, 2, 4)
_BLOCK = 0.04
"""Seconds of CPU that a block takes at least."""
ENOUGH = 8.0
"""Seconds of CPU after which a point gets no further block."""
_MOST_TIMES = 200
_PATIENCE = 300.0
_SPARE_FILES = 200

Of: TypeAlias = Callable[[int], Mapping[str, SyncContender | AsyncContender]]
"""The contenders at a size."""


@dataclass
class _Point:
    name: str
    size: int
    run: Callable[[int], Any]
    times: int = 1
    spent: float = 0.0


class Lab:
    """What the panels are measured with.

    Attributes:
        address: The server's.
        quick: Only see that it runs.
    """

    def __init__(self, address: str, runner: asyncio.Runner, *, files: int, quick: bool) -> None:
        self.address = address
        self.quick = quick
        self._runner = runner
        self._files = files
        self._rounds = 0 if quick else 4

    def url(self, kind: str, size: int) -> str:
        """The base URL of answers of a kind and size."""
        return f"{self.address}/{kind}/{size}/v1"

    def sizes(self, *sizes: int) -> tuple[int, ...]:
        """The sizes to measure."""
        return QUICK_SIZES if self.quick else sizes

    def with_files(self, panel: Panel, *sizes: int, each: int = 1) -> tuple[int, ...]:
        """The sizes for which there are open files enough, so many each; the panel says what is left out."""
        few = [size for size in sizes if each * size + _SPARE_FILES > self._files]
        if few:
            panel.left_out = f"{', '.join(map(str, few))}: only {self._files} open files (ulimit -Hn)"
        return self.sizes(*(size for size in sizes if size not in few))

    def wait_for(self, operation: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine, always on the same event loop."""
        return self._runner.run(operation)

    def grow(
        self,
        panel: Panel,
        sizes: Sequence[int],
        contenders: Of,
        kind: str,
        expected: Callable[[int], Any],
        most: Mapping[str, int] | None = None,
    ) -> Panel:
        """Measure the CPU time of an operation at every size.

        Args:
            panel: Where the figures go.
            sizes: From small to large.
            contenders: By name, at a size.
            kind: Of the server's answers.
            expected: What an operation of a size must return.
            most: The largest size of some contenders.
        """
        for size in sizes:
            self._render(kind, size)
        for name in contenders(sizes[0]):
            panel.curves.setdefault(name, {})
        with ExitStack() as stack:
            points = [
                _Point(name, size, self._open(stack, contender, self.url(kind, size)))
                for size in sizes
                for name, contender in contenders(size).items()
                if size <= (most or {}).get(name, size)
            ]
            gc.freeze()  # or the collector would go through the frameworks before every block
            for warm_up in {point.name: point for point in reversed(points)}.values():
                warm_up.run(1)
            for point in points:
                self._first(panel, point, expected(point.size))
            for _ in range(self._rounds):
                for point in points:
                    if point.spent < ENOUGH:
                        self._block(panel, point)
        return panel

    def _render(self, kind: str, size: int) -> None:
        """Let the server make a stream ready: that takes longer than clients wait by default."""
        if kind in STREAMS:
            address = self.url(kind, size) + "/chat/completions"
            with urlopen(Request(address, b'{"stream":true}'), timeout=_PATIENCE) as answer:
                answer.read()

    def _open(self, stack: ExitStack, contender: Any, url: str) -> Callable[[int], Any]:
        """Opens a contender; gives what runs its operation so many times."""
        opened = contender(url)
        if not hasattr(opened, "__aenter__"):
            return partial(_repeated, stack.enter_context(opened))
        inner = AsyncExitStack()
        operation = self.wait_for(inner.enter_async_context(opened))
        stack.callback(lambda: self.wait_for(inner.aclose()))
        return lambda times: self.wait_for(_arepeated(operation, times))

    def _first(self, panel: Panel, point: _Point, expected: Any) -> None:
        """Check what an operation comes to, and see how long it takes."""
        with Stopwatch() as watch:
            got = point.run(1)
        if got != expected:
            raise RuntimeError(f"{point.name} came to {got!r:.200} instead of {expected!r:.200}")
        point.spent = watch.seconds
        if not self.quick:
            point.times = max(1, min(_MOST_TIMES, int(_BLOCK / max(watch.seconds, 1e-5))))
        if point.times == 1:
            panel.note(point.name, point.size, watch.seconds * 1e6)

    def _block(self, panel: Panel, point: _Point) -> None:
        with Stopwatch() as watch:
            point.run(point.times)
        point.spent += watch.seconds
        panel.note(point.name, point.size, watch.seconds / point.times * 1e6)


def _repeated(operation: Callable[[], Any], times: int) -> Any:
    for _ in range(times):
        result = operation()
    return result


async def _arepeated(operation: Callable[[], Any], times: int) -> Any:
    for _ in range(times):
        result = await operation()
    return result


def allow_files() -> int:
    """Allow this process and its children as many open files as they may have; gives their number."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
