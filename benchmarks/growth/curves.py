"""What a measurement of growth gives: cost by size, and whether it is linear or flat.

A cost is linear if every further piece costs the same. That is read from steps:
what the pieces between two neighbouring sizes cost each, so that what a request
costs in any case does not count. The last step may be at most `MOST` times the
median of the others. A cost is flat if it is at most `MOST` times the median of
the other sizes at the largest. Where a framework's own part grows, a class on
top of it may grow as much, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, Literal, TypeAlias

MOST = 1.5

Law: TypeAlias = Literal["linear", "flat"]
Points: TypeAlias = dict[int, float]
"""The cost of one operation by size."""


@dataclass
class Panel:
    """One kind of work, done in several sizes by several contenders.

    Attributes:
        title: What grows.
        piece: What a size counts, in the singular.
        quantity: What was measured, of one operation.
        unit: Of the figures.
        law: What the cost should be.
        curves: By contender, the least of all blocks.
        floors: By contender, the one that is the framework alone, or the HTTP library.
        references: Contenders that are shown and not judged.
        left_out: Sizes that could not be measured here, and why.
    """

    title: str
    piece: str
    law: Law = "linear"
    quantity: str = "CPU"
    unit: str = "us"
    floors: dict[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    curves: dict[str, Points] = field(default_factory=dict)
    left_out: str = ""

    def note(self, name: str, size: int, cost: float) -> None:
        """Take a figure, if it is the least so far."""
        points = self.curves.setdefault(name, {})
        points[size] = min(cost, points.get(size, cost))

    @property
    def sizes(self) -> list[int]:
        """All sizes that were measured."""
        return sorted({size for points in self.curves.values() for size in points})

    def level(self, name: str) -> Points:
        """What should be the same at every size: the steps of a linear cost, a flat cost itself."""
        points = sorted(self.curves[name].items())
        if self.law == "flat":
            return dict(points)
        steps = pairwise(points)
        return {size: (cost - before) / (size - smaller) for (smaller, before), (size, cost) in steps}

    def usual(self, name: str) -> float:
        """The median of these without the last; 0 if there is none, or noise hides them."""
        *others, _ = self.level(name).values()
        return max(0.0, median(others)) if others else 0.0

    def growth(self, name: str) -> float | None:
        """The last of these by the usual one; None if noise hides them."""
        usual = self.usual(name)
        return [*self.level(name).values()][-1] / usual if usual else None

    def holds(self, name: str) -> bool | None:
        """Whether the cost follows its law; None if it is not judged."""
        growth = self.growth(name)
        if growth is None or name in self.references or name in self.floors.values():
            return None
        if growth <= MOST:
            return True
        floor = self.floors.get(name)
        allowed = self.growth(floor) if floor in self.curves else None
        return allowed is not None and growth <= MOST * max(1.0, allowed)

    def verdict(self, name: str) -> str:
        """The same in a word or two."""
        holds, growth = self.holds(name), self.growth(name)
        if holds is None:
            return "-"
        if not holds:
            return "GROWS"
        return self.law if growth is not None and growth <= MOST else f"as {self.floors[name]}"

    def as_json(self) -> dict[str, Any]:
        """The panel, for programs."""
        facts = ("title", "piece", "law", "quantity", "unit", "left_out")
        curves = {
            name: {
                "points": sorted(points.items()),
                "level": sorted(self.level(name).items()),
                "usual": self.usual(name),
                "growth": self.growth(name),
                "holds": self.holds(name),
                "verdict": self.verdict(name),
            }
            for name, points in self.curves.items()
        }
        return {name: getattr(self, name) for name in facts} | {"curves": curves}
