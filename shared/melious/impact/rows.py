"""One row for each request, with its time: kept in memory, or in a file that grows on disk."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args

from melious._figures import counted
from melious.errors.checks import check_path
from melious.impact.facts import BillingCost, EnvironmentImpact
from melious.impact.times import in_utc
from melious.impact.totals import Entry, Tags, Verification, token_counts

_LOG = logging.getLogger("melious.impact")
_START = b'{"time":'
_TYPES: dict[str, type | UnionType] = {
    "time": str,
    "endpoint": str,
    "model": str,
    "routing": str | None,
    "usage": dict | None,
    "environment_impact": dict | None,
    "billing_cost": dict | None,
    "relaxed": list | None,
    "answered": bool | None,
    "failed": bool | None,
    "tags": dict | None,
    "seconds": float | int | None,
    "from_sandbox": bool | None,
}


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
            >>> from datetime import UTC
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
                ("tags", dict(entry.tags)),
                ("seconds", entry.seconds),
                ("from_sandbox", entry.from_sandbox),
            )
            if value
        }
        return found if entry.answered else found | {"answered": False}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Row:
        """The row that `to_json` wrote.

        Raises:
            KeyError: There is no `time`, `endpoint` or `model`.
            TypeError: A value is of another type.
            ValueError: `time` is not a date and time.
        """
        for name, kinds in _TYPES.items():
            if not isinstance(values.get(name), kinds):
                raise TypeError(name)
        if values.get("residency") not in (None, *get_args(Verification)):
            raise ValueError("residency")
        impact, cost = values.get("environment_impact"), values.get("billing_cost")
        return cls(
            in_utc(datetime.fromisoformat(values["time"])),
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
                tags=_tags(values.get("tags") or {}),
                seconds=values.get("seconds"),
                from_sandbox=values.get("from_sandbox", False),
            ),
        )


class Journal:
    """Keeps the last rows in memory, and writes every row to a file.

    Args:
        keep: How many rows to keep; 0 keeps none, None keeps all.
        file: The file to which rows are added as lines of JSON; None for no file.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, keep: int | None, file: str | PathLike[str] | None) -> None:
        self.kept: deque[Row] = deque(maxlen=None if keep is None else min(keep, sys.maxsize))
        self._file = None if file is None else Path(check_path("rows_file", file))
        self._unwritten = 0
        if self._file is not None:
            _begin(self._file)  # a wrong path is an error before anything is paid

    def add(self, entry: Entry, time: datetime) -> None:
        """Add a request, and when it ended."""
        usage = None if entry.usage is None else _counted_tokens(entry.usage)
        row = Row(time, entry._replace(usage=usage))
        self.kept.append(row)
        if self._file is not None:
            self._write(self._file, row)

    def extend(self, rows: Sequence[Row]) -> None:
        """Keep further rows, in the order of their times."""
        self.kept.extend(rows)
        self.kept = deque(sorted(self.kept, key=lambda row: row.time), self.kept.maxlen)

    def without_file(self) -> Journal:
        """A copy with the rows that are kept, which writes to no file."""
        copied = Journal(self.kept.maxlen, None)
        copied.kept.extend(self.kept)
        return copied

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

    A row that was cut off while it was written, by a crash or a full disk, is skipped; a warning is logged.

    Raises:
        ValueError: A line is not a row; its number is named.
    """
    with Path(file).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    yield Row.from_json(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    if not _is_cut(line):
                        raise ValueError(f"{file}: line {number} is not a row of a ledger") from error
                    _LOG.warning("%s: line %d was skipped: it was cut off while it was written", file, number)


def _begin(file: Path) -> None:
    """Make a file ready for rows: after a line that was cut off, a new one begins.

    Raises:
        OSError: The file cannot be written.
    """
    with file.open("ab") as out:
        if file.is_file() and out.tell():
            with file.open("rb") as written:
                written.seek(-1, os.SEEK_END)
                cut = written.read() != b"\n"
            if cut:
                out.write(b"\n")


def _is_cut(line: bytes) -> bool:
    """Whether a line begins as a row does, but is not whole JSON."""
    try:
        json.loads(line)
    except ValueError:
        return line.startswith(_START) or _START.startswith(line.strip())
    return False


def _tags(values: dict[str, Any]) -> Tags:
    if not all(isinstance(value, str) for value in values.values()):
        raise TypeError("tags")
    return tuple(sorted(values.items()))


def _reported(facts: EnvironmentImpact | BillingCost | None) -> dict[str, Any] | None:
    """The known figures; further fields may be large, or anything."""
    if facts is None:
        return None
    known = set(type(facts).model_fields)
    return facts.model_dump(mode="json", include=known, exclude_none=True, exclude_defaults=True)


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
