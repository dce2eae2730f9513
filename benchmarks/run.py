"""A run of the suite: the server, the effort, and who takes part in the measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import startup
from benchmarks.contenders import HTTPX2, present, raw
from benchmarks.measure import AsyncContender, Effort, SyncContender, Table, WaitFor, compare, compare_async
from benchmarks.startup import Start


@dataclass(frozen=True)
class Run:
    """What the parts of the suite measure with.

    Attributes:
        url: The server's base URL.
        effort: How thoroughly.
        missing: The contenders that cannot run here.
        wait_for: Runs a coroutine.
    """

    url: str
    effort: Effort
    missing: Mapping[str, str]
    wait_for: WaitFor

    def blocking(
        self,
        table: Table,
        contenders: Mapping[str, SyncContender],
        expected: Any,
        *,
        times: int = 1,
        rounds: int | None = None,
        parts: float = 1e-6,
    ) -> Table:
        """Measure blocking operations side by side. See `measure.compare`."""
        here = present(contenders, self.missing)
        rounds = rounds or self.effort.rounds
        return compare(table, here, self.url, expected, times=times, rounds=rounds, parts=parts)

    def asynchronous(
        self,
        table: Table,
        contenders: Mapping[str, AsyncContender],
        expected: Any,
        *,
        times: int = 1,
        rounds: int | None = None,
        parts: float = 1e-6,
        at_a_time: int = 1,
    ) -> Table:
        """Measure asyncio operations side by side. See `measure.compare_async`."""
        here = present(contenders, self.missing)
        return compare_async(
            table,
            here,
            self.url,
            expected,
            self.wait_for,
            times=times,
            rounds=rounds or self.effort.rounds,
            parts=parts,
            at_a_time=at_a_time,
        )

    def starts(self, what: str, floor: str, starts: Mapping[str, Start]) -> Iterator[Table]:
        """Measure imports and first answers. See `startup.measure`.

        Fresh interpreters take httpx2, so on httpx there is nothing to measure.
        """
        if raw() != HTTPX2:
            return
        yield from startup.measure(what, floor, present(starts, self.missing), self.url, self.effort.starts)
