"""A ledger as rows: CSV and pandas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from melious.impact.totals import DIMENSIONS, LedgerLike, Totals

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = [item.name for item in fields(Totals) if item.name != "charged"]
_MONEY = ("eur", "estimated_eur")
_FLOATS = tuple(name for name in _COLUMNS if name.endswith(("_kwh", "_co2", "_liters")))
_BALANCES = ("credits", "energy")


def rows_of(ledger: LedgerLike) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns, and a row for each combination."""
    cells = list(ledger.cells())
    balances = sorted({*_BALANCES, *(balance for _, totals in cells for balance in totals.charged)})
    place = _COLUMNS.index("eur") + 1
    charged = [f"charged_{balance}" for balance in balances]
    columns = [*DIMENSIONS, *_COLUMNS[:place], *charged, *_COLUMNS[place:]]
    rows = [
        {
            **dict(zip(DIMENSIONS, key, strict=True)),
            **{name: getattr(totals, name) for name in _COLUMNS},
            **{f"charged_{balance}": totals.charged.get(balance) for balance in balances},
        }
        for key, totals in cells
    ]
    return columns, rows


def csv_of(ledger: LedgerLike, to: str | PathLike[str] | TextIO | None) -> str | None:
    """The rows as CSV, into a file or as text."""
    if to is None:
        out = io.StringIO(newline="")
        _write(ledger, out)
        return out.getvalue()
    if isinstance(to, str | PathLike):
        with Path(to).open("w", encoding="utf-8", newline="") as file:
            _write(ledger, file)
    else:
        _write(ledger, to)
    return None


def _write(ledger: LedgerLike, out: TextIO) -> None:
    columns, rows = rows_of(ledger)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(_texts(row[name] for name in columns) for row in rows)


def _texts(values: Iterable[Any]) -> list[Any]:
    """Cells of CSV; what a spreadsheet would take for a formula is quoted."""
    return [
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
        for value in values
    ]


def frame(ledger: LedgerLike, *, exact: bool) -> pd.DataFrame:
    """The rows as a pandas frame."""
    try:
        import pandas as pd  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install 'melious[pandas]'") from error
    columns, rows = rows_of(ledger)
    made = pd.DataFrame(rows, columns=columns)
    types: dict[str, str] = {}
    for name in columns:
        if name in DIMENSIONS:
            types[name] = "object"
        elif name in _MONEY or name.startswith("charged_"):
            types[name] = "object" if exact else "float64"
        else:
            types[name] = "float64" if name in _FLOATS else "Int64"
    return made.astype(types)
