"""The panels as one figure, small multiples: where a line is level, the cost is linear, or flat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import contenders as names
from benchmarks.growth.documents import SCALE
from benchmarks.growth.history import BARE_LANGCHAIN, BARE_LLAMA
from benchmarks.growth.tables import caption

_COLUMNS = 3
_INK, _SOFT = "#1c2320", "#5d6b64"
_DASHED = (names.HTTPX2, names.LANGCHAIN_FAKE, names.LLAMA_FAKE, BARE_LANGCHAIN, BARE_LLAMA)
"""What is not ours."""
_COLOURS = {
    names.CORE: "#00695c",
    names.CORE_AIOHTTP: "#4db6ac",
    names.LANGCHAIN_MELIOUS: "#c05621",
    names.LLAMA_MELIOUS: "#5a4fcf",
    SCALE: "#8a6d00",
    names.HTTPX2: "#9aa5a0",
    names.LANGCHAIN_FAKE: "#e3b596",
    names.LLAMA_FAKE: "#b9b4e8",
    BARE_LANGCHAIN: "#e3b596",
    BARE_LLAMA: "#b9b4e8",
}


def draw(panels: Sequence[Mapping[str, Any]], to: Path) -> None:
    """Draw what a run measured.

    Args:
        panels: As in its JSON.
        to: A file; its suffix says in which format.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "growth"  # the same figures give the same file
    mpl.rcParams["svg.fonttype"] = "none"
    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(4.4 * _COLUMNS, 2.7 * rows + 0.5), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for ax, panel in zip(axes, panels, strict=False):
        _panel(ax, panel)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    shown = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(
        shown.values(), shown.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=9
    )
    figure.savefig(to, metadata={"Date": None} if to.suffix == ".svg" else None, dpi=110)


def _panel(ax: Any, panel: Mapping[str, Any]) -> None:
    for name, curve in panel["curves"].items():
        sizes, figures = zip(*curve["level"], strict=True)
        dashes = "--" if name in _DASHED else "-"
        ax.plot(sizes, figures, dashes, marker="o", ms=3, lw=1.4, color=_COLOURS.get(name), label=name)
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter("")
    # The first step is between small sizes, and mostly noise.
    top = max(figure for curve in panel["curves"].values() for _, figure in curve["level"][-3:])
    ax.set_ylim(0, 1.25 * top if top > 0 else None)
    ax.set_title(panel["title"], loc="left", fontsize=10, color=_INK, fontweight="bold")
    said = caption(panel["law"], panel["quantity"], panel["unit"].replace("us", "µs"), panel["piece"])
    ax.set_xlabel(said, fontsize=7.5, color=_SOFT, loc="left")
    ax.tick_params(labelsize=8, colors=_SOFT)
    ax.grid(axis="y", color="#e6eae8", lw=0.6)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
