"""What a ledger shows: as text, pages, tables, data and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, overload

from melious.errors.checks import check_text
from melious.impact.sums import Sums
from melious.impact.totals import Dimension

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from melious.impact.periods import PeriodArgument
    from melious.impact.views.codecarbon import Written
    from melious.impact.views.measures import Kind
    from melious.impact.views.report import Format, Report
    from melious.impact.views.sci import SCI

_TITLE = "Impact of AI requests"


class ShownLedger(Sums):
    """Sums, and the ways to show them.

    Attributes:
        first: When the first request ended, in UTC; None if unknown.
        last: When the last request ended, in UTC; None if unknown.
    """

    first: datetime | None = None
    last: datetime | None = None

    def summary(self, *, width: int = 100) -> str:
        """A text for terminals: the total, and a table for each dimension.

        It says what was not reported; estimates are in a separate table.

        Args:
            width: The most columns that a line may take, at least 50; narrow tables show fewer figures.

        Examples:
            >>> from melious import EnvironmentImpact, ImpactLedger
            >>> from melious.impact import Entry
            >>> ledger = ImpactLedger()
            >>> ledger.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(carbon_g_co2=0.5)))
            >>> print(ledger.summary().splitlines()[0])
            1 request
        """
        from melious.impact.views.table import text  # noqa: PLC0415 - rarely needed

        return text(self, width)

    def _repr_html_(self) -> str:
        """The HTML that notebooks show."""
        from melious.impact.views.html import html  # noqa: PLC0415 - rarely needed

        return html(self)

    @overload
    def to_html(self, to: None = None, *, title: str = _TITLE) -> str: ...
    @overload
    def to_html(self, to: str | PathLike[str], *, title: str = _TITLE) -> None: ...
    def to_html(self, to: str | PathLike[str] | None = None, *, title: str = _TITLE) -> str | None:
        """A page with the total and the tables, which needs nothing else; for light and dark themes.

        Args:
            to: A path; None returns the page.
            title: The heading.

        Returns:
            The page, if `to` is None.
        """
        from melious.impact.views.html import page  # noqa: PLC0415 - rarely needed

        return _written(page(self, title), to)

    @overload
    def to_markdown(self, to: None = None) -> str: ...
    @overload
    def to_markdown(self, to: str | PathLike[str]) -> None: ...
    def to_markdown(self, to: str | PathLike[str] | None = None) -> str | None:
        """The total and the tables as Markdown.

        Args:
            to: A path; None returns the text.

        Returns:
            The text, if `to` is None.

        Examples:
            >>> from melious import ImpactLedger
            >>> ImpactLedger().to_markdown().strip()
            '**0 requests**'
        """
        from melious.impact.views.markdown import markdown  # noqa: PLC0415 - rarely needed

        return _written(markdown(self), to)

    def to_dict(self, *, json: bool = False) -> dict[str, Any]:
        """Total, breakdowns and the rows that are kept, as plain values.

        Args:
            json: Give values that `json.dumps` takes: money as decimal text, times as ISO 8601. By
                default money is `Decimal`.
        """
        from melious.impact.views.export import plain  # noqa: PLC0415 - rarely needed

        return plain(self, json=json)

    def save(self, path: str | PathLike[str], *, title: str = _TITLE) -> None:
        """Write the ledger to a file, in the format of its suffix.

        Args:
            path: `.html`, `.md`, `.txt`, `.json`, `.csv`, `.jsonl` (the rows that are kept), or `.png`,
                `.svg`, `.pdf` (the plot).
            title: The heading of a page.

        Raises:
            InvalidArgumentError: The suffix is another one.
        """
        from melious.impact.views.files import save  # noqa: PLC0415 - rarely needed

        save(self, path, title)

    def to_pandas(self, *, rows: bool = False, exact: bool = False) -> pd.DataFrame:
        """A frame with a row for each combination of endpoint, model, provider, country and routing.

        Args:
            rows: Give a row for each request that is kept (`keep_rows`) instead, with its `time`.
            exact: Keep amounts of money as `Decimal`; by default they are floats.

        Returns:
            The dimensions and the columns of `Totals`, with a column for each balance charged
            (`charged_credits`, `charged_energy`), and `grid_g_per_kwh`, which is carbon divided by energy.
            Rows of requests also have `seconds` and a column for each tag (`tag_project`). What was not
            reported is missing, not 0.

        Raises:
            ImportError: pandas is not installed (extra `pandas`).

        Examples:
            >>> from melious import ImpactLedger
            >>> from melious.impact import Entry
            >>> ledger = ImpactLedger()
            >>> ledger.record(Entry("chat", "glm-4.7"))
            >>> ledger.to_pandas().groupby("model")["requests"].sum()["glm-4.7"]  # doctest: +SKIP
            1
        """
        from melious.impact.views.export import frame  # noqa: PLC0415 - imports pandas

        return frame(self, rows=rows, exact=exact)

    @overload
    def to_csv(self, to: None = None, *, rows: bool = False) -> str: ...
    @overload
    def to_csv(self, to: str | PathLike[str] | TextIO, *, rows: bool = False) -> None: ...
    def to_csv(self, to: str | PathLike[str] | TextIO | None = None, *, rows: bool = False) -> str | None:
        """The rows of `to_pandas` as CSV; what was not reported is empty.

        Args:
            to: A path or an open text file; None returns the text.
            rows: Give a row for each request that is kept, with its `time`.

        Returns:
            The text, if `to` is None.

        Examples:
            >>> from melious import ImpactLedger
            >>> ImpactLedger().to_csv().split(",")[:3]
            ['endpoint', 'model', 'provider']
        """
        from melious.impact.views.export import csv_of  # noqa: PLC0415 - rarely needed

        return csv_of(self, to, rows=rows)

    @overload
    def report(self, period: PeriodArgument = None, *, tag: str = "project") -> Report: ...
    @overload
    def report(
        self,
        period: PeriodArgument = None,
        format: Format = ...,
        *,
        tag: str = "project",
    ) -> str: ...
    def report(
        self,
        period: PeriodArgument = None,
        format: Format | None = None,  # noqa: A002 - the word for it
        *,
        tag: str = "project",
    ) -> Report | str:
        """A report on a period, for an auditor; see `melious.impact.report`.

        A ledger knows the month of each request. Periods of days need the rows (`keep_rows`), or
        `ImpactLedger.from_rows(file)`.

        Args:
            period: `2026-11`, `2026-Q4`, `2026`, or a pair (from, to); by default everything. In UTC.
            format: `markdown`, `html`, `csv` or `json` gives text; by default the result is a `Report`.
            tag: The tag of the last table.

        Raises:
            InvalidArgumentError: An argument is wrong, or there are no rows for a period of days.

        Examples:
            >>> from melious import ImpactLedger
            >>> print(ImpactLedger().report("2026-11", "markdown").splitlines()[0])
            # Impact of AI requests: November 2026
        """
        from melious.impact.views.report import report  # noqa: PLC0415 - rarely needed

        return report(self, period, tag=tag) if format is None else report(self, period, format, tag=tag)

    def to_codecarbon(
        self,
        path: str | PathLike[str],
        *,
        project_name: str = "melious",
        run_id: str | None = None,
    ) -> Written:
        """Write rows that CodeCarbon's dashboard, carbonboard, reads, beside those of your own machine.

        One row for each provider, country and month. Emissions are in kg of CO2, energy in kWh, water in
        litres; the columns about a measured machine are empty, and `tracking_mode` says where the figures
        come from. Requests that did not report both energy and carbon have no row.

        A file that exists keeps its other rows. Nothing is counted twice if you write the same ledger
        again: its rows replace the earlier ones. Ledgers of blocks inside each other, and a ledger and the
        rows file of several, hold the same requests: write one of them. Times are in UTC.

        Args:
            path: The file, such as `emissions.csv`.
            project_name: The project that carbonboard shows the rows under.
            run_id: What the rows are known again by; by default when the first request ended.

        Returns:
            How many rows were written, for how many requests, and how many requests are left out.

        Raises:
            InvalidArgumentError: The file is not one of CodeCarbon, or `run_id` is missing and needed.
            OSError: The file cannot be read or written.
        """
        from melious.impact.views.codecarbon import write  # noqa: PLC0415 - rarely needed

        if run_id is not None:
            check_text("run_id", run_id)
        run = None if self.first is None else self.first.isoformat()
        return write(self, path, project_name, run_id or run, self.last)

    @overload
    def to_ecologits(self, *, typed: Literal[False] = False) -> dict[str, Any]: ...
    @overload
    def to_ecologits(self, *, typed: Literal[True]) -> Any: ...
    def to_ecologits(self, *, typed: bool = False) -> Any:
        """The total in the shape of EcoLogits' impacts: of the usage phase, as the service reports it.

        `energy` in kWh, `gwp` in kg of CO2 and `wcf` in litres, each only if reported. `adpe`, `pe` and
        `embodied` are absent, and never 0. EcoLogits models embodied impacts: do not add the two.

        Args:
            typed: Give an `ImpactsOutput` of ecologits, whose `usage` has only what is reported.

        Raises:
            ImportError: `typed`, and ecologits is not installed.

        Examples:
            >>> from melious import EnvironmentImpact, ImpactLedger
            >>> from melious.impact import Entry
            >>> ledger = ImpactLedger()
            >>> ledger.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(carbon_g_co2=500)))
            >>> ledger.to_ecologits()["usage"]["gwp"]["value"]
            0.5
        """
        from melious.impact.views import ecologits  # noqa: PLC0415 - rarely needed

        return ecologits.typed(self.total) if typed else ecologits.plain(self.total)

    def sci(self, *, runs: int = 1) -> SCI:
        """The Software Carbon Intensity, M excluded: grams of CO2 per request, per 1,000 tokens and per run.

        The service reports E x I, and nothing of M, the embodied emissions.

        Args:
            runs: How many runs the ledger has counted.

        Raises:
            InvalidArgumentError: `runs` is not a whole number of at least 1.

        Examples:
            >>> from melious import EnvironmentImpact, ImpactLedger
            >>> from melious.impact import Entry
            >>> ledger = ImpactLedger()
            >>> ledger.record(Entry("chat", "glm-4.7", impact=EnvironmentImpact(carbon_g_co2=0.5)))
            >>> ledger.sci().per_request
            0.5
        """
        from melious.impact.views.sci import sci  # noqa: PLC0415 - rarely needed

        return sci(self, runs)

    def plot(
        self,
        *,
        by: Dimension | Sequence[Dimension] = ("model", "country"),
        kind: Kind | Sequence[Kind] = ("carbon", "cost"),
        over: Literal["time"] | None = None,
    ) -> Figure:
        """Draw what requests cost; estimates are hatched.

        Args:
            by: One dimension or several: a row of panels each.
            kind: `carbon`, `cost`, `energy`, `water`, `tokens` or `requests`, or several: a column each.
            over: `time` draws the sums as they grew, from the rows that are kept (`keep_rows`).

        Returns:
            A matplotlib figure outside pyplot, which notebooks show.

        Raises:
            ImportError: matplotlib is not installed (extra `plot`).
            InvalidArgumentError: An argument is not one of these, or no rows are kept.

        Examples:
            >>> from melious import ImpactLedger
            >>> ImpactLedger().plot(kind="energy").savefig("impact.png")  # doctest: +SKIP
        """
        from melious.impact.views.plots import figure  # noqa: PLC0415 - imports matplotlib

        return figure(self, by, kind, over)


def _written(text: str, to: str | PathLike[str] | None) -> str | None:
    if to is None:
        return text
    Path(to).write_text(text, encoding="utf-8")
    return None
