"""One row for each request, with its time: kept in memory, or in a file that grows on disk."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from melious._figures import counted
from melious.errors.checks import check_whole
from melious.impact.facts import BillingCost, EnvironmentImpact
from melious.impact.totals import Entry, token_counts

_LOG = logging.getLogger("melious.impact")


class Row(NamedTuple):
    """One request and when it ended.

    Attributes:
        time: When it ended, in UTC.
        entry: What it cost.
    """

    time: datetime
    entry: Entry

    def to_json(self) -> dict[str, Any]:
        """The row as values of JSON; what was not reported is left out.

        Examples:
            >>> Row(datetime(2026, 1, 1, tzinfo=UTC), Entry("chat", "glm-4.7")).to_json()
            {'time': '2026-01-01T00:00:00+00:00', 'endpoint': 'chat', 'model': 'glm-4.7'}
        """
        entry = self.entry
        found: dict[str, Any] = {
            "time": self.time.isoformat(),
            "endpoint": entry.endpoint,
            "model": entry.model,
        }
        found |= {
            name: value
            for name, value in (
                ("routing", entry.routing),
                ("usage", entry.usage),
                ("environment_impact", _reported(entry.impact)),
                ("billing_cost", _reported(entry.cost)),
                ("relaxed", list(entry.relaxed)),
                ("residency", entry.residency),
                ("failed", entry.failed),
            )
            if value
        }
        return found if entry.answered else found | {"answered": False}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Row:
        """The row that `to_json` wrote.

        Raises:
            KeyError: There is no `time`, `endpoint` or `model`.
            ValueError: `time` is not a date and time.
        """
        impact, cost = values.get("environment_impact"), values.get("billing_cost")
        return cls(
            datetime.fromisoformat(values["time"]),
            Entry(
                values["endpoint"],
                values["model"],
                values.get("routing"),
                values.get("usage"),
                EnvironmentImpact.model_validate(impact) if impact else None,
                BillingCost.model_validate(cost) if cost else None,
                answered=values.get("answered", True),
                failed=values.get("failed", False),
                relaxed=tuple(values.get("relaxed", ())),
                residency=values.get("residency"),
            ),
        )


class Journal:
    """Keeps the last rows in memory, and writes every row to a file.

    Args:
        keep: How many rows to keep; 0 keeps none.
        file: The file to which rows are added as lines of JSON; None for no file.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, keep: int, file: str | PathLike[str] | None) -> None:
        check_whole("keep_rows", keep)
        self.kept: deque[Row] = deque(maxlen=keep)
        self._file = None if file is None else Path(file)
        self._unwritten = 0
        if self._file is not None:
            self._file.open("a", encoding="utf-8").close()  # a wrong path is an error before anything is paid

    def add(self, entry: Entry) -> None:
        """Add a request that has just ended."""
        usage = None if entry.usage is None else _counted_tokens(entry.usage)
        row = Row(datetime.now(UTC), entry._replace(usage=usage))
        self.kept.append(row)
        if self._file is not None:
            self._write(self._file, row)

    def _write(self, file: Path, row: Row) -> None:
        try:
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row.to_json(), separators=(",", ":")) + "\n")
        except OSError as error:
            # The request is paid: its answer must reach the caller.
            self._unwritten += 1
            _LOG.error(
                "%s could not be written to %s: %s", counted(self._unwritten, "row"), file, error.strerror
            )


def read_rows(file: str | PathLike[str]) -> Iterator[Row]:
    """The rows of a file of JSON lines, one at a time.

    Raises:
        ValueError: A line is not a row; its number is named.
    """
    with Path(file).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield Row.from_json(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise ValueError(f"{file}: line {number} is not a row of a ledger") from error


def _reported(facts: EnvironmentImpact | BillingCost | None) -> dict[str, Any] | None:
    return None if facts is None else facts.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def _counted_tokens(usage: dict[str, Any]) -> dict[str, Any]:
    """A usage object with nothing but its counts, so that a row is small."""
    counts = token_counts(usage)
    shown: dict[str, Any] = {
        "prompt_tokens": counts["input_tokens"],
        "completion_tokens": counts["output_tokens"],
        "prompt_tokens_details": _given(cached_tokens=counts["cached_tokens"]),
        "completion_tokens_details": _given(reasoning_tokens=counts["reasoning_tokens"]),
    }
    return {name: value for name, value in shown.items() if value is not None and value != {}}


def _given(**counts: int | None) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count is not None}
