"""What the core must reach, as ratios and differences of figures of the same run."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contenders import CORE, CORE_AIOHTTP, HTTPX2, OPENAI
from benchmarks.measure import Table
from benchmarks.startup import FLOOR


@dataclass(frozen=True)
class Limit:
    """A limit beside what was reached; None where a contender was missing."""

    what: str
    bound: float
    at_most: bool
    reached: float | None
    unit: str = "x"

    @property
    def holds(self) -> bool | None:
        """Whether it was reached."""
        if self.reached is None:
            return None
        return self.reached <= self.bound if self.at_most else self.reached >= self.bound


def check(tables: dict[str, Table]) -> list[Limit]:
    """Hold the limits beside a run.

    Args:
        tables: By title.
    """

    def at_most(bound: float, title: str, of: str = CORE, to: str = HTTPX2) -> Limit:
        return Limit(f"{title}: {of} / {to}", bound, True, tables[title].ratio(of, to))

    def at_least(bound: float, title: str, of: str = OPENAI, to: str = CORE) -> Limit:
        return Limit(f"{title}: {of} / {to}", bound, False, tables[title].ratio(of, to))

    def beyond_floor(bound: float, title: str) -> Limit:
        figures = tables[title].figures
        return Limit(f"{title}: {CORE} beyond {FLOOR}", bound, True, figures[CORE] - figures[FLOOR], "ms")

    return [
        at_most(1.0, "request, sync"),
        at_most(1.0, "request, async"),
        at_most(1.0, "request, async x64"),
        at_least(3.5, "request, sync"),
        at_least(2.2, "request, async x64"),
        at_least(6.0, "request, async x64", to=CORE_AIOHTTP),
        at_most(1.25, "streamed chunk, sync"),
        at_most(1.25, "streamed chunk, async"),
        at_least(7.0, "streamed chunk, sync"),
        at_least(7.0, "streamed chunk, async"),
        at_most(1.1, "embeddings"),
        beyond_floor(40.0, "import"),
        beyond_floor(40.0, "import, construction and first answer"),
        Limit(
            f"construction, after the first: {CORE}",
            1.0,
            True,
            tables["construction, after the first"].figures[CORE],
            "ms",
        ),
    ]
