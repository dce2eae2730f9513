"""A ledger as a picture: carbon and cost by model and by country."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from melious._figures import counted
from melious._figures import figure as shown
from melious.impact.totals import Dimension, LedgerLike, Totals
from melious.impact.views.sections import TITLES, Row, Units, folded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 8
_INK, _SOFT, _LINE = "#1c2320", "#5d6b64", "#dfe5e2"
_NAME = 28


@dataclass(frozen=True, slots=True)
class _Measure:
    title: str
    colour: str
    reported: Callable[[Totals], float | None]
    estimated: Callable[[Totals], float | None]
    unreported: Callable[[Totals], int]
    label: Callable[[float], str]


def figure(ledger: LedgerLike) -> Figure:
    """Draw a ledger.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
        from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError("plot() needs matplotlib: pip install 'melious[plot]'") from error

    class Shown(Figure):
        """A figure that notebooks show, although it is not pyplot's."""

        def _repr_png_(self) -> bytes:
            out = io.BytesIO()
            self.savefig(out, format="png", dpi=110)
            return out.getvalue()

    total = ledger.total
    units = Units.of(total)
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    dimensions: tuple[Dimension, ...] = ("model", "country")
    rows = [_rows(ledger, each) for each in dimensions]
    heights = [max(2, len(each)) + 1.5 for each in rows]
    drawn = Shown(figsize=(10.5, 1.1 + 0.36 * sum(heights)), layout=layout, facecolor="white")
    FigureCanvasAgg(drawn)
    axes = drawn.subplots(2, 2, height_ratios=heights, squeeze=False)
    for line, dimension, found in zip(axes, dimensions, rows, strict=True):
        for ax, measure in zip(line, _measures(units), strict=True):
            _bars(ax, measure, dimension, found)
        line[1].set_yticklabels([])
    drawn.suptitle(_title(total, units), x=0.012, ha="left", color=_INK, fontsize=13, fontweight="bold")
    if total.estimated:
        guessed = counted(total.estimated, "request")
        foot = f"Hatched: estimates for {guessed} without a report; the reported sums do not include them."
        drawn.supxlabel(foot, x=0.012, ha="left", color=_SOFT, fontsize=9)
    return drawn


def _measures(units: Units) -> tuple[_Measure, _Measure]:
    unit, factor = units.carbon
    return (
        _Measure(
            f"Carbon, {unit.removesuffix(' CO2')} CO₂",
            "#2f8f63",
            lambda sums: _float(sums.carbon_g_co2, factor),
            lambda sums: _float(sums.estimated_carbon_g_co2, factor),
            lambda sums: sums.without_impact,
            shown,
        ),
        _Measure(
            "Cost, EUR",
            "#3b6fb6",
            lambda sums: _float(sums.eur),
            lambda sums: _float(sums.estimated_eur),
            lambda sums: sums.without_cost,
            lambda value: units.eur(Decimal(value)),
        ),
    )


def _bars(ax: Axes, measure: _Measure, dimension: Dimension, rows: Sequence[Row]) -> None:
    """Bars for what was reported, hatched bars for estimates, and labels."""
    places = range(len(rows))
    reported = [measure.reported(sums) for _, sums in rows]
    guessed = [measure.estimated(sums) for _, sums in rows]
    ax.barh(places, [value or 0.0 for value in reported], color=measure.colour, height=0.62)
    known = [place for place in places if guessed[place] is not None]
    ax.barh(
        known,
        [guessed[place] or 0.0 for place in known],
        left=[reported[place] or 0.0 for place in known],
        facecolor="white",
        edgecolor=measure.colour,
        hatch="////",
        linewidth=0.8,
        height=0.62,
    )
    both = [(one or 0.0) + (other or 0.0) for one, other in zip(reported, guessed, strict=True)]
    longest = max(both, default=0.0)
    for place, (_, sums) in enumerate(rows):
        one, other = reported[place], guessed[place]
        ax.annotate(
            _words(measure, sums, one, other),
            (both[place], place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=_SOFT if one is None else _INK,
        )
    ax.set_xlim(0, longest * 2.0 or 1.0)
    if longest:
        ax.locator_params(axis="x", nbins=4)
    else:
        ax.set_xticks([])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_yticks(places, [_short(name) for name, _ in rows], fontsize=9.5, color=_INK)
    ax.tick_params(length=0)
    ax.tick_params(axis="x", labelsize=8, labelcolor=_SOFT)
    ax.grid(axis="x", color=_LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[:].set_visible(False)
    title = f"{measure.title} by {TITLES[dimension]}"
    ax.set_title(title, loc="left", fontsize=10.5, color=_INK, fontweight="bold")


def _words(measure: _Measure, sums: Totals, reported: float | None, guessed: float | None) -> str:
    words = [] if reported is None else [measure.label(reported)]
    if guessed is not None:
        words.append(f"~{measure.label(guessed)} est.")
    unreported = measure.unreported(sums)
    if unreported and guessed is None:
        words.append(f"{unreported:,} unreported")
    elif reported is None and not unreported:
        words.append("failed" if sums.failed else "unreported")
    return "  +  ".join(words)


def _title(total: Totals, units: Units) -> str:
    parts = [counted(total.requests, "request")]
    if total.carbon_g_co2 is not None:
        parts.append(f"{shown(total.carbon_g_co2, units.carbon[1])} {units.carbon[0].replace('CO2', 'CO₂')}")
    if total.energy_kwh is not None:
        parts.append(f"{shown(total.energy_kwh, units.energy[1])} {units.energy[0]}")
    if total.eur is not None:
        parts.append(f"{units.eur(total.eur)} EUR")
    return "   ·   ".join(parts)


def _rows(ledger: LedgerLike, dimension: Dimension) -> list[Row]:
    """The largest rows, the rest in one, and what was not reported."""
    parts = ledger.by(dimension)
    nameless = parts.pop(None, None)
    rows = sorted(((str(name), sums) for name, sums in parts.items()), key=lambda row: -_size(row[1]))
    rows = folded(rows, _MOST)
    return rows if nameless is None else [*rows, ("not reported", nameless)]


def _size(sums: Totals) -> float:
    return (sums.carbon_g_co2 or 0.0) + (sums.estimated_carbon_g_co2 or 0.0)


def _float(value: float | Decimal | None, factor: float = 1.0) -> float | None:
    return None if value is None else float(value) * factor


def _short(name: str) -> str:
    """A label for the axis: the end of a long name is kept, and $ is escaped."""
    short = name if len(name) <= _NAME else f"{name[:11]}…{name[-(_NAME - 12) :]}"
    return short.replace("$", r"\$")
