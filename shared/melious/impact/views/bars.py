"""Bars for the names of one dimension: what was reported, and hatched what was estimated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from melious.impact.totals import Dimension, Totals
from melious.impact.views.measures import Measure
from melious.impact.views.sections import folded, label
from melious.impact.views.source import LedgerLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 8
_NAME = 28
_INK, _SOFT, _LINE = "#1c2320", "#5d6b64", "#dfe5e2"


class Bar(NamedTuple):
    """A bar.

    Attributes:
        name: The name in the ledger; None for what has no name, and for the sum of the rest.
        label: What stands beside it.
        sums: Its sums.
    """

    name: str | None
    label: str
    sums: Totals


def ranked(ledger: LedgerLike, dimension: Dimension) -> list[Bar]:
    """The largest names, the rest in one, and last what has no name."""
    parts = ledger.by(dimension)
    nameless = parts.pop(None, None)
    named = sorted(((str(name), sums) for name, sums in parts.items()), key=lambda row: -_size(row[1]))
    found = [
        Bar(name if name in parts else None, label(dimension, name), sums)
        for name, sums in folded(named, _MOST)
    ]
    return found if nameless is None else [*found, Bar(None, label(dimension, None), nameless)]


def bars(ax: Axes, measure: Measure, dimension: Dimension, rows: Sequence[Bar]) -> None:
    """Draw the bars of one measure."""
    places = range(len(rows))
    reported = [measure.reported(row.sums) for row in rows]
    guessed = [measure.estimated(row.sums) for row in rows]
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
    words = [_words(measure, row.sums, reported[place], guessed[place]) for place, row in enumerate(rows)]
    for place in places:
        ax.annotate(
            words[place],
            (both[place], place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=_SOFT if reported[place] is None else _INK,
        )
    longest = max(both, default=0.0)
    _frame(ax, len(rows), longest, room=1.08 + 0.035 * max(map(len, words), default=0))
    ax.set_yticks(places, [short(row.label) for row in rows], fontsize=9.5, color=_INK)
    ax.set_title(f"{measure.title} by {dimension}", loc="left", fontsize=10.5, color=_INK, fontweight="bold")


def _frame(ax: Axes, rows: int, longest: float, room: float) -> None:
    ax.set_xlim(0, longest * room or 1.0)
    if longest:
        ax.locator_params(axis="x", nbins=4)
    else:
        ax.set_xticks([])
    ax.set_ylim(rows - 0.4, -0.6)
    ax.tick_params(length=0)
    ax.tick_params(axis="x", labelsize=8, labelcolor=_SOFT)
    ax.grid(axis="x", color=_LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[:].set_visible(False)


def _words(measure: Measure, sums: Totals, reported: float | None, guessed: float | None) -> str:
    words = [] if reported is None else [measure.label(reported)]
    if guessed is not None:
        words.append(f"~{measure.label(guessed)} est.")
    unreported = measure.unreported(sums)
    if unreported and guessed is None:
        words.append(f"{unreported:,} unreported")
    elif reported is None and not unreported:
        words.append("failed" if sums.failed else "unreported")
    return "  +  ".join(words)


def _size(sums: Totals) -> float:
    return (sums.carbon_g_co2 or 0.0) + (sums.estimated_carbon_g_co2 or 0.0)


def short(name: str) -> str:
    """A label for an axis: the end of a long name is kept, and $ is escaped."""
    cut = name if len(name) <= _NAME else f"{name[:11]}…{name[-(_NAME - 12) :]}"
    return cut.replace("$", r"\$")
