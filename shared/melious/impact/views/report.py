"""A report on a period: what requests cost, by month, place, model and project, and how it is known."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args, overload

from melious.errors import InvalidArgumentError
from melious.errors.checks import check_one_of, check_path, check_text
from melious.impact.periods import Period, PeriodArgument
from melious.impact.rows import Row, read_rows
from melious.impact.sums import Sums
from melious.impact.times import month_of
from melious.impact.totals import Totals
from melious.impact.views.export import csv_cells
from melious.impact.views.report_facts import ACCOUNTING, METHOD, SCOPE
from melious.impact.views.sci import SCI, sci
from melious.impact.views.sections import notes

Format: TypeAlias = Literal["markdown", "html", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[str, Format] = {".md": "markdown", ".html": "html", ".csv": "csv", ".json": "json"}
FIGURES = ("energy_kwh", "carbon_g_co2", "water_liters", "eur")


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What requests cost in a period. It prints as Markdown, and notebooks show it.

    Attributes:
        title: Its heading.
        period: The period.
        sums: The sums of the requests that ended in it.
        tag: The tag of one of its tables, such as `project`.
    """

    title: str
    period: Period
    sums: Sums
    tag: str

    @property
    def total(self) -> Totals:
        """The sums over all requests of the period."""
        return self.sums.total

    @property
    def sci(self) -> SCI:
        """The Software Carbon Intensity, without embodied emissions."""
        return sci(self.sums)

    @property
    def notes(self) -> list[str]:
        """What is simulated, missing or estimated, in sentences."""
        return (
            notes(self.sums) if self.total.requests or self.total.failed else ["No request in this period."]
        )

    def tables(self) -> dict[str, dict[str | None, Totals]]:
        """The sums by `month`, `country`, `provider`, `model` and, if there are such tags, by the tag.

        A tag that has the name of another table has `tag` before it: `tag model`.
        """
        found: dict[str, dict[str | None, Totals]] = {"month": dict(self.sums.by_month().items())}
        for dimension in ("country", "provider", "model"):
            found[dimension] = _ranked(self.sums.by(dimension))
        if self.tag in self.sums.tag_names:
            name = f"tag {self.tag}" if self.tag in (*found, "total") else self.tag
            found[name] = _ranked(self.sums.by_tag(self.tag))
        return found

    def to_markdown(self) -> str:
        """The report as Markdown."""
        from melious.impact.views.report_pages import markdown  # noqa: PLC0415 - one of several

        return markdown(self)

    def to_html(self) -> str:
        """The report as a page that needs nothing else; for light and dark themes, and for printing."""
        from melious.impact.views.report_pages import page  # noqa: PLC0415 - one of several

        return page(self)

    def to_csv(self) -> str:
        """A row for the total and for each row of each table, in kWh, grams, litres and euro.

        The column `table` says which table a row belongs to; each table but `total` adds up to the total.
        """
        out = io.StringIO(newline="")
        rows = [_row("total", "", self.total)]
        rows += [
            _row(table, name or "", sums) for table, of in self.tables().items() for name, sums in of.items()
        ]
        common = {
            "period_begin": _text_of(self.period.begin),
            "period_end": _text_of(self.period.end),
            "scope": SCOPE,
            "accounting": ACCOUNTING,
        }
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*common, *rows[0]])
        writer.writerows(csv_cells([*common.values(), *row.values()]) for row in rows)
        return out.getvalue()

    def to_dict(self, *, json: bool = False) -> dict[str, Any]:
        """The report as plain values, in kWh, grams, litres and euro.

        Args:
            json: Give money as decimal text, which `json.dumps` takes; by default it is `Decimal`.
        """

        def plain(sums: Totals) -> dict[str, Any]:
            return {
                name: f"{value:f}" if json and isinstance(value, Decimal) else value
                for name, value in _figures(sums).items()
            }

        return {
            "title": self.title,
            "period": {
                "name": self.period.name,
                "begin": _text_of(self.period.begin) or None,
                "end": _text_of(self.period.end) or None,
                "time_zone": "UTC",
            },
            "scope": SCOPE,
            "accounting": ACCOUNTING,
            "method": list(METHOD),
            "notes": self.notes,
            "simulated": bool(self.total.simulated),
            "total": plain(self.total),
            "tables": {
                table: [{"name": name, **plain(sums)} for name, sums in of.items()]
                for table, of in self.tables().items()
            },
            "sci": self.sci.to_dict(),
        }

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(self.to_dict(json=True), indent=2, ensure_ascii=False) + "\n"

    def to(self, format: Format) -> str:  # noqa: A002 - the word for it
        """The report as text.

        Args:
            format: `markdown`, `html`, `csv` or `json`.

        Raises:
            InvalidArgumentError: The format is another one.
        """
        check_one_of("format", format, FORMATS)
        writers: dict[Format, Callable[[], str]] = {
            "markdown": self.to_markdown,
            "html": self.to_html,
            "csv": self.to_csv,
            "json": self.to_json,
        }
        return writers[format]()

    def save(self, path: str | PathLike[str]) -> None:
        """Write the report to a file, in the format of its suffix: `.md`, `.html`, `.csv` or `.json`.

        Raises:
            InvalidArgumentError: The suffix is another one.
        """
        suffix = Path(check_path("path", path)).suffix.lower()
        if suffix not in SUFFIXES:
            raise InvalidArgumentError(
                f"path: the suffix must be one of {', '.join(SUFFIXES)}, not {suffix!r:.20}", param="path"
            )
        Path(path).write_text(
            self.to(SUFFIXES[suffix]), encoding="utf-8", errors="backslashreplace", newline=""
        )

    def __str__(self) -> str:
        return self.to_markdown()

    def __repr__(self) -> str:
        return f"Report({self.title!r}, requests={self.total.requests})"

    def _repr_html_(self) -> str:
        """The HTML that notebooks show."""
        from melious.impact.views.report_pages import html  # noqa: PLC0415 - one of several

        return html(self)


Source: TypeAlias = Sums | Iterable[Row] | str | PathLike[str]


@overload
def report(source: Source, period: PeriodArgument = None, *, tag: str = "project") -> Report: ...
@overload
def report(
    source: Source,
    period: PeriodArgument = None,
    format: Format = ...,
    *,
    tag: str = "project",
) -> str: ...
def report(
    source: Source,
    period: PeriodArgument = None,
    format: Format | None = None,  # noqa: A002 - the word for it
    *,
    tag: str = "project",
) -> Report | str:
    """A report on what requests cost in a period, with how it is known. Its times are in UTC.

    Energy, location-based CO2 (Scope 3, category 1), water and cost, in total and by month, country,
    provider, model and project; how many requests reported each; the method as the service states it; and
    the Software Carbon Intensity. Figures that were not reported are missing, not zero.

    Args:
        source: A ledger, rows of a ledger, or the path of a `rows_file`, which is read row by row.
        period: A month (`2026-11`), a quarter (`2026-Q4`), a year (`2026`), or a pair (from, to) of days or
            times. A day as the end includes the day; a time as the end does not belong to the period. By
            default everything.
        format: `markdown`, `html`, `csv` or `json` gives text; by default the result is a `Report`.
        tag: The tag of the last table; see `track_impact`.

    Returns:
        A report that prints, that notebooks show and that can be saved; with `format`, its text.

    Raises:
        InvalidArgumentError: An argument is wrong, or the ledger has no rows for a period of days.
        ValueError: A line of the file is not a row.
        OSError: The file cannot be read.

    Examples:
        >>> from melious import EnvironmentImpact, ImpactLedger
        >>> from melious.impact import Entry, report
        >>> ledger = ImpactLedger()
        >>> ledger.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(carbon_g_co2=0.5)))
        >>> report(ledger).total.carbon_g_co2
        0.5
        >>> report(ledger, "2020-Q1").total.requests
        0
    """
    within = Period.of(period)
    check_text("tag", tag)
    if format is not None:
        check_one_of("format", format, FORMATS)
    sums = _of_ledger(source, within) if isinstance(source, Sums) else _of_rows(_rows(source), within)
    made = Report(f"Impact of AI requests: {within.name}", within, sums, tag)
    return made if format is None else made.to(format)


def _rows(source: Iterable[Row] | str | PathLike[str]) -> Iterable[Row]:
    if isinstance(source, str | PathLike):
        return read_rows(check_path("source", source))
    if isinstance(source, Iterable):
        return source
    raise InvalidArgumentError(
        f"source: must be a ledger, rows, or the path of a file of rows, not {source!r:.80}", param="source"
    )


def _of_rows(rows: Iterable[Row], period: Period) -> Sums:
    sums = Sums()
    for row in rows:
        if not isinstance(row, Row):
            raise InvalidArgumentError(f"source: must be rows of a ledger, not {row!r:.80}", param="source")
        if period.has(row.time):
            sums.add(row.entry, row.time)
    return sums


def _of_ledger(ledger: Sums, period: Period) -> Sums:
    months = period.months
    if months is not None:
        sums = Sums(estimates=ledger.estimates)
        sums.add_sums((key, each) for key, each in ledger.keyed() if months[0] <= key.month < months[1])
        return sums
    ledger = copy(ledger)  # rows and sums of the same moment, though requests end meanwhile
    rows = ledger.rows
    first = None if period.begin is None else month_of(period.begin)
    last = None if period.end is None else month_of(period.end)

    def touches(month: int) -> bool:
        return (first is None or month >= first) and (last is None or month <= last)

    summed: Counter[str] = Counter()
    for key, totals in ledger.keyed():
        if touches(key.month):
            summed += _counts(totals)
    of_rows = _of_rows((row for row in rows if touches(month_of(row.time))), Period()).total
    if summed != _counts(of_rows):
        raise InvalidArgumentError(
            "period: the ledger has sums by month, but not a row for every request of these days. Report "
            "whole months, or keep the rows: track_impact(keep_rows=..., rows_file=...)",
            param="period",
        )
    return _of_rows(rows, period)


def _counts(sums: Totals) -> Counter[str]:
    return +Counter(requests=sums.requests, failed=sums.failed)


def _ranked(sums: dict[str | None, Totals]) -> dict[str | None, Totals]:
    """The most requests first; those without a name last."""

    def rank(row: tuple[str | None, Totals]) -> tuple[bool, int, int, str]:
        name, each = row
        return not name, -each.requests, -each.failed, name or ""

    return dict(sorted(sums.items(), key=rank))


def _figures(sums: Totals) -> dict[str, Any]:
    reported = {f"reported_{name}": sums.reported(name) for name in FIGURES}
    estimated = {f"estimated_{name}": getattr(sums, f"estimated_{name}") for name in FIGURES}
    return {
        "requests": sums.requests,
        "failed": sums.failed,
        "simulated": sums.simulated,
        **reported,
        "share_reported": None if not sums.requests else sums.reported("carbon_g_co2") / sums.requests,
        **{name: getattr(sums, name) for name in FIGURES},
        "grid_g_per_kwh": sums.grid_g_per_kwh,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "estimated": sums.estimated,
        **estimated,
    }


def _row(table: str, name: str, sums: Totals) -> dict[str, Any]:
    return {"table": table, "name": name, **_figures(sums)}


def _text_of(time: Any) -> str:
    return "" if time is None else time.isoformat()
