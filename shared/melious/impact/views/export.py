"""A ledger as plain values and rows: dicts, CSV, pandas."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from melious.impact.totals import DIMENSIONS, SUMS, Cell, Totals
from melious.impact.views.source import LedgerLike

if TYPE_CHECKING:
    import pandas as pd

_MONEY = ("eur", "estimated_eur")
_FLOATS = tuple(name for name in SUMS if name.endswith(("_kwh", "_co2", "_liters")))
_INTENSITY = "grid_g_per_kwh"
_TAG = "tag_"
_BALANCES = ("credits", "energy")


def plain(ledger: LedgerLike, *, json: bool) -> dict[str, Any]:
    """Total, breakdowns and rows."""
    shown: Callable[[Any], Any] = _for_json if json else lambda value: value
    found = {
        "total": shown(ledger.total.to_dict()),
        **{
            f"by_{dimension}": {
                "null" if json and name is None else name: shown(totals.to_dict())
                for name, totals in ledger.by(dimension).items()
            }
            for dimension in DIMENSIONS
        },
    }
    tags = ledger.tag_names
    if tags:
        found["by_tag"] = {
            name: {
                "null" if json and value is None else value: shown(totals.to_dict())
                for value, totals in ledger.by_tag(name).items()
            }
            for name in tags
        }
    rows = ledger.rows
    return found | ({"rows": [row.to_json() for row in rows]} if rows else {})


def _for_json(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _for_json(value)
        if isinstance(value, dict)
        else f"{value:f}"
        if isinstance(value, Decimal)
        else value
        for name, value in values.items()
    }


def _table(ledger: LedgerLike, *, rows: bool) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns, and a row for each combination or each request."""
    cells = list(_requests(ledger) if rows else ((key, totals, {}) for key, totals in ledger.cells()))
    balances = sorted({*_BALANCES, *(balance for _, totals, _ in cells for balance in totals.charged)})
    place = SUMS.index("eur") + 1
    charged = [f"charged_{balance}" for balance in balances]
    tags = sorted({name for _, _, more in cells for name in more if name.startswith(_TAG)})
    columns = [
        *(["time"] if rows else []),
        *DIMENSIONS,
        *SUMS[:place],
        *charged,
        *SUMS[place:],
        _INTENSITY,
        *(["seconds", *tags] if rows else []),
    ]
    found = [
        {
            **more,
            **dict(zip(DIMENSIONS, key, strict=True)),
            **{name: getattr(totals, name) for name in SUMS},
            **{f"charged_{balance}": totals.charged.get(balance) for balance in balances},
            _INTENSITY: totals.grid_g_per_kwh,
        }
        for key, totals, more in cells
    ]
    return columns, found


def _requests(ledger: LedgerLike) -> Iterator[tuple[Cell, Totals, dict[str, Any]]]:
    for row in ledger.rows:
        totals = Totals()
        totals.add(row.entry)
        tags = {f"{_TAG}{name}": value for name, value in row.entry.tags}
        yield row.entry.cell, totals, {"time": row.time, "seconds": row.entry.seconds, **tags}


def csv_text(ledger: LedgerLike, *, rows: bool = False) -> str:
    """The rows as CSV."""
    out = io.StringIO(newline="")
    _write(ledger, out, rows=rows)
    return out.getvalue()


def csv_of(ledger: LedgerLike, to: str | PathLike[str] | TextIO | None, *, rows: bool) -> str | None:
    """The rows as CSV, into a file or as text."""
    if to is None:
        return csv_text(ledger, rows=rows)
    if isinstance(to, str | PathLike):
        with Path(to).open("w", encoding="utf-8", newline="") as file:
            _write(ledger, file, rows=rows)
    else:
        _write(ledger, to, rows=rows)
    return None


def _write(ledger: LedgerLike, out: TextIO, *, rows: bool) -> None:
    columns, found = _table(ledger, rows=rows)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(csv_cells(row.get(name) for name in columns) for row in found)


def csv_cells(values: Iterable[Any]) -> list[Any]:
    """Cells of CSV: money without an exponent; what a spreadsheet would take for a formula is quoted."""
    return [
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else f"{value:f}"
        if isinstance(value, Decimal)
        else value
        for value in values
    ]


def frame(ledger: LedgerLike, *, rows: bool, exact: bool) -> pd.DataFrame:
    """The rows as a pandas frame."""
    try:
        import pandas as pd  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install 'melious[pandas]'") from error
    columns, found = _table(ledger, rows=rows)
    made = pd.DataFrame(found, columns=columns)
    types: dict[str, str] = {}
    for name in columns:
        if name == "time":
            types[name] = "datetime64[us, UTC]"
        elif name in DIMENSIONS or name.startswith(_TAG):
            types[name] = "object"
        elif name in _MONEY or name.startswith("charged_"):
            types[name] = "object" if exact else "float64"
        else:
            types[name] = "float64" if name in (*_FLOATS, _INTENSITY, "seconds") else "Int64"
    return made.astype(types)
