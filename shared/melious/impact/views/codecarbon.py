"""A ledger as rows of CodeCarbon's `emissions.csv`, which its dashboard, carbonboard, reads."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from melious._figures import counted
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_path, check_text
from melious.impact.sums import Key, Sums
from melious.impact.times import month_name, month_of
from melious.impact.totals import DIMENSIONS, Totals

COLUMNS = (
    *("timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "emissions_rate"),
    *("cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy"),
    *("energy_consumed", "water_consumed", "country_name", "country_iso_code", "region", "cloud_provider"),
    *("cloud_region", "os", "python_version", "codecarbon_version", "cpu_count", "cpu_model", "gpu_count"),
    *("gpu_model", "longitude", "latitude", "ram_total_size", "tracking_mode", "cpu_utilization_percent"),
    *("gpu_utilization_percent", "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue"),
)
"""The columns of CodeCarbon 3, in its order."""
_NEEDED = ("timestamp", "project_name", "run_id", "emissions", "energy_consumed", "country_iso_code")
"""Columns without which a file is not one of CodeCarbon."""
_UNKNOWN_COUNTRY = "ZZZ"  # carbonboard fails where there is no code
_PROVIDER, _COUNTRY = DIMENSIONS.index("provider"), DIMENSIONS.index("country")


class _Place(NamedTuple):
    provider: str
    country: str
    month: int


class Written(NamedTuple):
    """What was written.

    Attributes:
        rows: Rows written, new or in place of earlier ones of the same ledger.
        requests: Requests that are part of them.
        left_out: Requests that are not, since they did not report energy and carbon.
    """

    rows: int
    requests: int
    left_out: int


def write(
    ledger: Sums, path: str | PathLike[str], project_name: str, run: str | None, last: datetime | None
) -> Written:
    """Write a row for each provider, country and month, in place of earlier ones of the same run.

    Args:
        ledger: The sums.
        path: The file, which is made, or to which rows are added.
        project_name: The name of the project in carbonboard.
        run: What the run is known again by; None if that is unknown.
        last: When the last request ended, if that is known.
    """
    check_text("project_name", project_name)
    file = Path(check_path("path", path))
    places = dict(_places(ledger))
    if places and run is None:
        raise InvalidArgumentError(
            "run_id: must be given, since this ledger does not know when its first request ended: rows that "
            "are written again replace those of the same run",
            param="run_id",
        )
    columns, before = _read(file)
    rows = [_row(place, totals, project_name, str(run), last) for place, totals in places.items()]
    ours = {row["run_id"] for row in rows}
    kept = [row for row in before if row["run_id"] not in ours]
    if len(kept) < len(before) or not before:
        _replace(file, columns, [*kept, *rows])
    else:
        _append(file, columns, rows)
    requests = sum(totals.reported("carbon_g_co2") for totals in places.values())
    return Written(len(rows), requests, ledger.total.requests - requests)


def _read(file: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and rows of a file; those of CodeCarbon, and none, if there is no file yet."""
    if not file.exists() or not file.stat().st_size:
        return list(COLUMNS), []
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, restval="")
        columns = list(reader.fieldnames or ())
        missing = [column for column in _NEEDED if column not in columns]
        rows = list(reader)
    if missing:
        raise InvalidArgumentError(
            f"path: {file} is not a file of CodeCarbon: it has no column {missing[0]!r}", param="path"
        )
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise InvalidArgumentError(f"path: {file}: row {number} has too many cells", param="path")
    return columns, rows


def _replace(file: Path, columns: list[str], rows: Iterable[dict[str, str]]) -> None:
    """Write a file anew, or leave it as it is."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        partial.write_text(
            _csv(columns, rows, header=True), encoding="utf-8", errors="backslashreplace", newline=""
        )
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _append(file: Path, columns: list[str], rows: Iterable[dict[str, str]]) -> None:
    with file.open("r+", encoding="utf-8", errors="backslashreplace", newline="") as out:
        text = out.read()  # as far as the end, where writing begins
        out.write(("" if text.endswith("\n") else "\n") + _csv(columns, rows, header=False))


def _csv(columns: list[str], rows: Iterable[dict[str, str]], *, header: bool) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _places(ledger: Sums) -> Iterator[tuple[_Place, Totals]]:
    """The sums by place and month, where energy and carbon are known."""
    merged: dict[_Place, Totals] = {}
    for key, totals in ledger.keyed():
        merged.setdefault(_place(key), Totals()).merge(totals)
    for place, totals in sorted(merged.items(), key=lambda each: (each[0].month, each[0])):
        if totals.energy_kwh is not None and totals.carbon_g_co2 is not None:
            yield place, totals


def _place(key: Key) -> _Place:
    return _Place(key.cell[_PROVIDER] or "", key.cell[_COUNTRY] or "", key.month)


def _row(place: _Place, totals: Totals, project_name: str, run: str, last: datetime | None) -> dict[str, str]:
    from melious.routing.countries import code3_of, name_of  # noqa: PLC0415 - a long table

    assert totals.energy_kwh is not None  # noqa: S101 - as `_places` promises
    assert totals.carbon_g_co2 is not None  # noqa: S101 - as `_places` promises
    identity = "/".join((run, project_name, place.provider, place.country, month_name(place.month)))
    return {
        "timestamp": f"{_time_in(place.month, last):%Y-%m-%dT%H:%M:%S}",
        "project_name": project_name,
        "run_id": str(uuid5(NAMESPACE_URL, f"melious:{identity}")),
        "emissions": repr(totals.carbon_g_co2 / 1000),
        "energy_consumed": repr(totals.energy_kwh),
        "water_consumed": "" if totals.water_liters is None else repr(totals.water_liters),
        "country_name": name_of(place.country) or "Unknown country",
        "country_iso_code": code3_of(place.country) or _UNKNOWN_COUNTRY,
        "cloud_provider": place.provider,
        "tracking_mode": _source(totals),
        "on_cloud": "N",
    }


def _time_in(month: int, last: datetime | None) -> datetime:
    """The time of the last request, if it was in the month, or else the last second of the month."""
    if last is not None and month_of(last) == month:
        return last
    year, index = divmod(month + 1, 12)
    return datetime(year, index + 1, 1, tzinfo=UTC) - timedelta(seconds=1)


def _source(totals: Totals) -> str:
    requests = f"{totals.reported('carbon_g_co2'):,} of {counted(totals.requests, 'request')}"
    if 0 < totals.simulated < totals.requests:
        return f"reported by Melious: {requests}; {totals.simulated:,} simulated by the Melious sandbox"
    if totals.simulated:
        return f"simulated by the Melious sandbox: {requests}"
    return f"reported by Melious: {requests}"
