"""The lines of batches in ledgers and budgets: each once, however often its result is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from melious import forks
from melious.answers.batches import BatchResult
from melious.answers.location import verification_of
from melious.endpoints.batch_results import LineReader, answered
from melious.endpoints.common import budgets_of
from melious.impact import active_ledgers
from melious.impact.tags import current_tags
from melious.impact.totals import Entry, UsageSink
from melious.settings.config import ClientConfig

_lock = forks.new_lock()
_counted: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()
"""For each ledger and budget, how many lines of each file it has counted: files are read from their start."""


class LineLedger:
    """Records what the lines of one file cost, with the ledgers and budgets that are active now.

    Args:
        config: The client's settings.
        reader: Reads the lines.
        file: Tells the file apart from others.
    """

    def __init__(self, config: ClientConfig, reader: LineReader, file: str) -> None:
        self._sinks: tuple[UsageSink, ...] = (*active_ledgers(), *budgets_of(config))
        self._reader = reader
        self._file = f"{config.base_url} {file}"
        self._place = 0

    def record(self, result: BatchResult) -> None:
        """Record the next line, where it was not recorded before."""
        place, self._place = self._place, self._place + 1
        if not self._sinks:
            return
        new = list(_new_to(self._sinks, self._file, place))
        if new:
            entry = _entry_of(result, self._reader)
            for sink in new:
                sink.record(entry)


def _new_to(sinks: Iterable[UsageSink], file: str, place: int) -> Iterable[UsageSink]:
    with _lock:
        for sink in sinks:
            counted = _counted.setdefault(sink, {})
            if counted.get(file, 0) == place:
                counted[file] = place + 1
                yield sink


def _entry_of(result: BatchResult, reader: LineReader) -> Entry:
    """What a ledger records of a line; the figures that its answer does not report stay unreported."""
    answer, terms = answered(result), reader.facts.terms
    if answer is None:
        return Entry(
            reader.endpoint,
            terms.model,
            terms.preference,
            answered=False,
            failed=True,
            tags=current_tags(),
        )
    raw = answer.raw if isinstance(answer.raw, dict) else {}
    usage, model = raw.get("usage"), raw.get("model")
    return Entry(
        reader.endpoint,
        terms.model or (model if isinstance(model, str) else ""),
        terms.preference,
        usage if isinstance(usage, dict) else None,
        answer.environment_impact,
        answer.billing_cost,
        residency=verification_of(answer),
        tags=current_tags(),
    )
