"""The columns of a batch: their names differ, and nothing of the caller's in them is lost."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from melious.errors import InvalidArgumentError

_MISSING = frozenset({"NAType", "NaTType"})
"""The classes of pandas' other missing values."""
_TOLD = re.compile(r"[A-Za-z]+Error: ")
_NO_NUMBERS = frozenset({"str", "bytes", "bool"})
_CLEAR_IT = "Clear the cell (null) to have its text embedded, or choose another output_column"


def check_names(columns: Mapping[str, str | None]) -> None:
    """Refuse columns that are not named, or share a name.

    Args:
        columns: The name of each column, by the argument that gives it; None for one that is not wanted.

    Raises:
        InvalidArgumentError: One is wrong; the argument is named.
    """
    seen: dict[str, str] = {}
    for argument, name in columns.items():
        if name is None:
            continue
        if not isinstance(name, str) or not name:
            raise InvalidArgumentError(f"{argument}: {name!r} is not the name of a column")
        if name in seen:
            raise InvalidArgumentError(
                f"{argument}: {name!r} is {seen[name]} too; columns need names that differ"
            )
        seen[name] = argument


def check_unique(names: Sequence[str]) -> None:
    """Refuse a batch with several columns of one name.

    Raises:
        InvalidArgumentError: There are; the name is told.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidArgumentError(f"batch: has more than one column {name!r}; rename or drop the others")
        seen.add(name)


def is_missing(value: Any) -> bool:
    """Whether a cell is empty in one of the ways that tables have for it.

    Example:
        >>> is_missing(None), is_missing(float("nan")), is_missing("")
        (True, True, False)
    """
    return (
        value is None or type(value).__name__ in _MISSING or (isinstance(value, float) and math.isnan(value))
    )


def check_vectors(column: str, vectors: Sequence[Any], dimensions: int | None) -> list[bool]:
    """See which cells of the output column hold a vector already.

    Args:
        column: The column's name.
        vectors: Its cells.
        dimensions: The length that vectors were asked for in, if they were.

    Returns:
        For each row, whether it has a vector; rows that have none are to be embedded.

    Raises:
        InvalidArgumentError: A cell holds something else, or a vector of another length; it and the row
            are named. To embed its text again would cost money and overwrite what is there.
    """
    filled = [False] * len(vectors)
    length, first = dimensions, None
    for row, vector in enumerate(vectors):
        if is_missing(vector):
            continue
        wrong, size = _wrong_with(vector)
        if wrong is not None:
            raise InvalidArgumentError(f"{column}[{row}]: {wrong}", advice=_CLEAR_IT)
        if not size:
            continue
        if length is None:
            length, first = size, row
        elif size != length:
            other = f"that of row {first} has {length}" if first is not None else f"dimensions is {length}"
            raise InvalidArgumentError(
                f"{column}[{row}]: holds a vector of {size} numbers, and {other}", advice=_CLEAR_IT
            )
        filled[row] = True
    return filled


def _wrong_with(vector: Any) -> tuple[str | None, int]:
    """Why a cell is not a vector, if it is not; and how many numbers it holds."""
    if isinstance(vector, str | bytes | Mapping | AbstractSet) or not hasattr(vector, "__len__"):
        return f"holds {_shown(vector)}, not a vector", 0
    values = vector.tolist() if hasattr(vector, "tolist") else list(vector)
    try:
        numbers = None if {type(value).__name__ for value in values} & _NO_NUMBERS else array("d", values)
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None:
        return f"holds {_shown(vector)}, not a vector of numbers", 0
    # The sum is quick, and finite unless there is NaN or infinity among the numbers or they are enormous.
    if not math.isfinite(sum(numbers)) and not all(map(math.isfinite, numbers)):
        return "holds a vector with NaN or infinity in it", 0
    return None, len(numbers)


def check_lengths(column: str, resumed: Sequence[bool], vectors: Sequence[Any]) -> None:
    """Refuse vectors that differ in length from those of an earlier run: another model made these.

    Args:
        column: The column's name.
        resumed: For each row, whether its vector is of an earlier run.
        vectors: The vectors, or None.

    Raises:
        InvalidArgumentError: They differ; the column and the row of an old one are named.
    """
    old = next((row for row, filled in enumerate(resumed) if filled), None)
    new = next((row for row, filled in enumerate(resumed) if not filled and vectors[row] is not None), None)
    if old is None or new is None or len(vectors[old]) == len(vectors[new]):
        return
    raise InvalidArgumentError(
        f"{column}[{old}]: holds a vector of {len(vectors[old])} numbers, and the model gives "
        f"{len(vectors[new])}; it was made with another model or other dimensions",
        advice=_CLEAR_IT,
    )


def check_errors(column: str, errors: Sequence[Any]) -> None:
    """Refuse a column for errors that holds something else, which would be lost.

    Raises:
        InvalidArgumentError: It does; the column and the row are named.
    """
    for row, error in enumerate(errors):
        if is_missing(error) or (isinstance(error, str) and (not error or _TOLD.match(error))):
            continue
        raise InvalidArgumentError(
            f"{column}[{row}]: holds {_shown(error)}, which is not an error of an earlier run and "
            "would be lost",
            advice="Choose another error_column",
        )


def check_reports(column: str, reports: Sequence[Any]) -> list[str | None]:
    """Read a column of reports.

    Raises:
        InvalidArgumentError: It holds something else, which would be lost; the column and the row are named.
    """
    for row, report in enumerate(reports):
        if not is_missing(report) and report != "" and not _is_report(report):
            raise InvalidArgumentError(
                f"{column}[{row}]: holds {_shown(report)}, which is not a report of an earlier run and "
                "would be lost",
                advice="Choose another report_column",
            )
    return [report if isinstance(report, str) and report else None for report in reports]


def _is_report(report: Any) -> bool:
    try:
        return isinstance(report, str) and isinstance(json.loads(report), list)
    except ValueError:
        return False


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}" if isinstance(value, str) else type(value).__name__
