"""Checks the columns of a batch: their names must differ, and no data of the caller may be lost."""

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
"""The classes of pandas' own missing values."""
_RECORDED = re.compile(r"[A-Za-z]+Error: ")
_NOT_NUMBERS = frozenset({"str", "bytes", "bool"})
_ADVICE = "Clear the cell (null) to have its text embedded, or choose another output_column"
_TEXT_ADVICE = (
    "Something turned the vectors into text and shortened them, as Dask's from_pandas does: read them with "
    'dd.read_parquet, or first set dask.config.set({"dataframe.convert-string": False}). '
    "To have them embedded again, drop the column, or choose another output_column"
)


def check_names(columns: Mapping[str, str | None]) -> None:
    """Refuse invalid and equal column names; None is a column that is not wanted."""
    seen: dict[str, str] = {}
    for argument, name in columns.items():
        if name is None:
            continue
        if not isinstance(name, str) or not name:
            raise InvalidArgumentError(f"{argument}: must be the name of a column, not {name!r}")
        if name in seen:
            raise InvalidArgumentError(f"{argument}: {name!r} is also {seen[name]}; column names must differ")
        seen[name] = argument


def check_unique(names: Sequence[str]) -> None:
    """Refuse a batch with several columns of one name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidArgumentError(f"batch: has several columns {name!r}; rename or drop all but one")
        seen.add(name)


def is_missing(value: Any) -> bool:
    """Whether a cell is missing, in any of the ways that tables have for it.

    Examples:
        >>> is_missing(None), is_missing(float("nan")), is_missing("")
        (True, True, False)
    """
    return (
        value is None or type(value).__name__ in _MISSING or (isinstance(value, float) and math.isnan(value))
    )


def check_vectors(column: str, vectors: Sequence[Any], dimensions: int | None) -> list[bool]:
    """Find the cells of the output column that already have a vector; the others are to be embedded.

    Raises:
        InvalidArgumentError: A cell has something else, or a vector of another length. Embedding its text
            again would cost money and overwrite it.
    """
    filled = [False] * len(vectors)
    length, first = dimensions, None
    for row, vector in enumerate(vectors):
        if is_missing(vector):
            continue
        wrong, size = _wrong_with(vector)
        if wrong is not None:
            is_text = isinstance(vector, str) and vector.lstrip().startswith(("[", "array("))
            raise InvalidArgumentError(
                f"{column}[{row}]: {wrong}", advice=_TEXT_ADVICE if is_text else _ADVICE
            )
        if not size:
            continue
        if length is None:
            length, first = size, row
        elif size != length:
            other = f"that of row {first} has {length}" if first is not None else f"dimensions is {length}"
            raise InvalidArgumentError(
                f"{column}[{row}]: the vector has {size} numbers, but {other}", advice=_ADVICE
            )
        filled[row] = True
    return filled


def _wrong_with(vector: Any) -> tuple[str | None, int]:
    """Why a cell is not a vector, or None; and how many numbers it has."""
    if isinstance(vector, str | bytes | Mapping | AbstractSet) or not hasattr(vector, "__len__"):
        return f"must be a vector, not {_shown(vector)}", 0
    values = vector.tolist() if hasattr(vector, "tolist") else list(vector)
    try:
        numbers = None if {type(value).__name__ for value in values} & _NOT_NUMBERS else array("d", values)
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None:
        return f"must be a vector of numbers, not {_shown(vector)}", 0
    # The sum is quick, and finite unless a number is NaN, infinite or enormous.
    if not math.isfinite(sum(numbers)) and not all(map(math.isfinite, numbers)):
        return "the vector must not contain NaN or infinity", 0
    return None, len(numbers)


def check_lengths(column: str, resumed: Sequence[bool], vectors: Sequence[Any]) -> None:
    """Refuse new vectors that differ in length from those of an earlier run, made with another model."""
    old = next((row for row, filled in enumerate(resumed) if filled), None)
    new = next((row for row, filled in enumerate(resumed) if not filled and vectors[row] is not None), None)
    if old is None or new is None or len(vectors[old]) == len(vectors[new]):
        return
    raise InvalidArgumentError(
        f"{column}[{old}]: the vector has {len(vectors[old])} numbers, but the model gives "
        f"{len(vectors[new])}; it was made with another model or other dimensions",
        advice=_ADVICE,
    )


def check_errors(column: str, errors: Sequence[Any]) -> None:
    """Refuse an error column that has other data, which would be lost."""
    for row, error in enumerate(errors):
        if is_missing(error) or (isinstance(error, str) and (not error or _RECORDED.match(error))):
            continue
        raise InvalidArgumentError(
            f"{column}[{row}]: {_shown(error)} is not an error of an earlier run and would be lost",
            advice="Choose another error_column",
        )


def check_reports(column: str, reports: Sequence[Any]) -> list[str | None]:
    """Read a column of reports; refuse one that has other data, which would be lost."""
    for row, report in enumerate(reports):
        if not is_missing(report) and report != "" and not _is_report(report):
            raise InvalidArgumentError(
                f"{column}[{row}]: {_shown(report)} is not a report of an earlier run and would be lost",
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
