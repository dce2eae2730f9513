"""A ledger as a picture: a panel for each kind and dimension."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from melious._figures import counted
from melious._figures import figure as shown
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_one_of
from melious.impact.totals import DIMENSIONS, Dimension, Totals
from melious.impact.units import Units
from melious.impact.views.bars import bars, ranked
from melious.impact.views.measures import KINDS, Kind, measure
from melious.impact.views.source import LedgerLike
from melious.impact.views.timeline import timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT = "#1c2320", "#5d6b64"


def figure(
    ledger: LedgerLike,
    by: Dimension | Sequence[Dimension] = ("model", "country"),
    kind: Kind | Sequence[Kind] = ("carbon", "cost"),
    over: str | None = None,
) -> Figure:
    """Draw a ledger.

    Raises:
        ImportError: matplotlib is not installed.
        InvalidArgumentError: An argument is not one of the known words, or no rows are kept.
    """
    dimensions = _listed("by", by, DIMENSIONS)
    kinds = _listed("kind", kind, KINDS)
    if over is not None:
        check_one_of("over", over, ("time",))
        if not ledger.rows:
            raise InvalidArgumentError(
                "over: no rows are kept; use track_impact(keep_rows=10_000), or ImpactLedger.from_rows(file)",
                param="over",
            )
    units = Units.of(ledger.total)
    rows = [ranked(ledger, each) for each in dimensions]
    heights = [6.5 if over else max(2, len(each)) + 1.5 for each in rows]
    drawn = _empty((10.5 if len(kinds) > 1 else 6.5, 1.1 + 0.36 * sum(heights)))
    axes = drawn.subplots(len(dimensions), len(kinds), height_ratios=heights, squeeze=False)
    for line, dimension, found in zip(axes, dimensions, rows, strict=True):
        for ax, name in zip(line, kinds, strict=True):
            if over:
                timeline(ax, measure(name, units), dimension, ledger, [name for name, _, _ in found])
            else:
                bars(ax, measure(name, units), dimension, found)
        for ax in [] if over else line[1:]:
            ax.set_yticklabels([])
    drawn.suptitle(_title(ledger.total, units), x=0.012, ha="left", color=INK, fontsize=13, fontweight="bold")
    foot = _foot(ledger.total, hatched=not over)
    if foot:
        drawn.supxlabel(foot, x=0.012, ha="left", color=SOFT, fontsize=9)
    return drawn


def _listed(name: str, words: Any, known: Sequence[str]) -> list[Any]:
    listed = [words] if isinstance(words, str) else list(words)
    if not listed:
        raise InvalidArgumentError(f"{name}: must not be empty", param=name)
    for word in listed:
        check_one_of(name, word, known)
    return listed


def _empty(size: tuple[float, float]) -> Figure:
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

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    drawn = Shown(figsize=size, layout=layout, facecolor="white")
    FigureCanvasAgg(drawn)
    return drawn


def _title(total: Totals, units: Units) -> str:
    parts = [counted(total.requests, "request")]
    if total.carbon_g_co2 is not None:
        parts.append(f"{shown(total.carbon_g_co2, units.carbon[1])} {units.carbon[0]}")
    if total.energy_kwh is not None:
        parts.append(f"{shown(total.energy_kwh, units.energy[1])} {units.energy[0]}")
    if total.eur is not None:
        parts.append(f"{units.amount(total.eur)} {units.money[0]}")
    return "   ·   ".join(parts)


def _foot(total: Totals, *, hatched: bool) -> str:
    parts = []
    if total.simulated:
        parts.append(
            f"Simulated: the figures of {counted(total.simulated, 'request')} were made up by the sandbox."
        )
    if total.estimated and hatched:
        guessed = counted(total.estimated, "request")
        parts.append(f"Hatched: estimates for {guessed} without a report, not part of the reported sums.")
    return "  ".join(parts)
