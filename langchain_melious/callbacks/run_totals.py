"""The costs of runs, by outermost run and by tag."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from melious import forks
from melious.impact import Entry, Totals
from melious.impact.totals import Tags

MAX_RUNS = 1000
MAX_TAGS = 256
MAX_TRACED = 10_000
OTHER = "other"


@dataclass(frozen=True, slots=True)
class RunTotals:
    """The costs of one outermost run, including all runs under it.

    Attributes:
        name: The name of the run: that of the chain, agent or model.
        tags: Its tags.
        totals: The sums.
    """

    name: str
    tags: tuple[str, ...] = ()
    totals: Totals = field(default_factory=Totals)


class RequestedModel(NamedTuple):
    """The model of a chat request, without its flavor, and its routing: the flavor, or else the preset."""

    model: str = ""
    routing: str | None = None


@dataclass(frozen=True, slots=True)
class _Traced:
    root: UUID
    name: str
    tags: tuple[str, ...]
    requested: RequestedModel | None
    named: Tags


class RunTracker:
    """Groups runs by outermost run and adds up their costs. Bounded and thread-safe.

    It keeps the latest 1000 outermost runs with costs and the first 256 tags;
    further tags count as `other`.
    """

    def __init__(self) -> None:
        self._lock = forks.new_lock()
        self._traced: OrderedDict[UUID, _Traced] = OrderedDict()
        self._runs: OrderedDict[UUID, RunTotals] = OrderedDict()
        self._tags: dict[str, Totals] = {}

    def begin(
        self,
        run_id: UUID,
        parent_run_id: UUID | None,
        name: str,
        tags: Iterable[str] | None,
        requested: RequestedModel | None = None,
        named: Tags = (),
    ) -> None:
        """Record a run under the outermost run seen above it; `named` are the tags of its requests."""
        with self._lock:
            above = None if parent_run_id is None else self._touched(parent_run_id)
            root = above.root if above else run_id
            self._traced[run_id] = _Traced(root, name, tuple(tags or ()), requested, named)
            if len(self._traced) > MAX_TRACED:
                self._traced.popitem(last=False)

    def knows(self, run_id: UUID) -> bool:
        """Whether a run was recorded."""
        with self._lock:
            return run_id in self._traced

    def requested_by(self, run_id: UUID) -> RequestedModel | None:
        """The model that a run requests, if it is a chat model of Melious."""
        with self._lock:
            traced = self._traced.get(run_id)
            return traced.requested if traced else None

    def named_tags_of(self, run_id: UUID) -> Tags:
        """The tags for the requests of a run."""
        with self._lock:
            traced = self._traced.get(run_id)
            return traced.named if traced else ()

    def count(self, run_id: UUID | None, tags: Iterable[str] | None, entry: Entry) -> None:
        """Add one request to its run and its tags."""
        with self._lock:
            traced = None if run_id is None else self._touched(run_id)
            if traced is not None:
                self._run(traced).totals.add(entry)
            for tag in set(traced.tags if tags is None and traced else tags or ()):
                known = tag if tag in self._tags or len(self._tags) < MAX_TAGS else OTHER
                self._tags.setdefault(known, Totals()).add(entry)

    def by_run(self) -> dict[UUID, RunTotals]:
        """Copies, oldest first."""
        with self._lock:
            return {
                run_id: RunTotals(run.name, run.tags, run.totals.copy()) for run_id, run in self._runs.items()
            }

    def by_tag(self) -> dict[str, Totals]:
        """Copies."""
        with self._lock:
            return {tag: totals.copy() for tag, totals in self._tags.items()}

    def _touched(self, run_id: UUID) -> _Traced | None:
        traced = self._traced.get(run_id)
        if traced is not None:
            self._traced.move_to_end(run_id)
            if traced.root in self._traced:
                self._traced.move_to_end(traced.root)
        return traced

    def _run(self, traced: _Traced) -> RunTotals:
        run = self._runs.get(traced.root)
        if run is None:
            root = self._traced.get(traced.root, traced)
            run = self._runs[traced.root] = RunTotals(root.name, root.tags)
            if len(self._runs) > MAX_RUNS:
                self._runs.popitem(last=False)
        return run
