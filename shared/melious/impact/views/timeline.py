"""Sums as they grew, one line for each name of a dimension."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from melious.impact.totals import DIMENSIONS, Dimension, Totals
from melious.impact.views.bars import short
from melious.impact.views.measures import Measure
from melious.impact.views.sections import label
from melious.impact.views.source import LedgerLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#2f8f63", "#3b6fb6", "#c08a1e", "#a8504f", "#7a6aa8", "#2b8fa8", "#8a8f3c", "#6b7780", "#b0679a")
_INK, _SOFT, _LINE = "#1c2320", "#5d6b64", "#dfe5e2"
_REST = "others"


def timeline(
    ax: Axes, measure: Measure, dimension: Dimension, ledger: LedgerLike, names: Sequence[str | None]
) -> None:
    """Draw the growing sums of one measure; requests that did not report it are counted in the legend."""
    from matplotlib.dates import date2num  # noqa: PLC0415 - an extra

    place = DIMENSIONS.index(dimension)
    shown = {name for name in names if name is not None} | {None}
    sums: dict[str | None, Totals] = defaultdict(Totals)
    lines: dict[str | None, list[tuple[datetime, float]]] = defaultdict(list)
    for row in ledger.rows:
        name = row.entry.cell[place]
        name = name if name in shown else _REST
        sums[name].add(row.entry)
        value = measure.reported(sums[name])
        if value is not None:
            lines[name].append((row.time, value))
    times = [row.time for row in ledger.rows]
    for number, (name, totals) in enumerate(sums.items()):
        points = lines[name]
        legend = short(name if name == _REST else label(dimension, name))
        unreported = measure.unreported(totals)
        if unreported:
            legend += f" ({unreported:,} unreported)"
        if points:
            points = [(times[0], 0.0), *points, (times[-1], points[-1][1])]
        ax.step(
            date2num([time for time, _ in points]),  # type: ignore[no-untyped-call]
            [value for _, value in points],
            where="post",
            color=_COLOURS[number % len(_COLOURS)],
            linewidth=1.8,
            label=legend,
        )
    _frame(ax)
    ax.set_title(
        f"{measure.title} by {dimension}, added up", loc="left", fontsize=10.5, color=_INK, fontweight="bold"
    )


def _frame(ax: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - an extra

    locator = AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.xaxis_date()
    ax.set_ylim(bottom=0)
    ax.tick_params(length=0, labelsize=8, labelcolor=_SOFT)
    ax.grid(axis="y", color=_LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[:].set_visible(False)
    ax.legend(loc="best", frameon=False, fontsize=8.5, labelcolor=_INK)
