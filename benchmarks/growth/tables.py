"""Panels as tables for people."""

from __future__ import annotations

from benchmarks.growth.curves import MOST, Panel


def text(panel: Panel) -> str:
    """A panel, ready to print."""
    level = {name: panel.level(name) for name in panel.curves}
    sizes = sorted({size for points in level.values() for size in points})
    lines = [
        f"{panel.title}: {caption(panel.law, panel.quantity, panel.unit, panel.piece)}",
        f"  {'':<34}" + "".join(f"{size:>12,}" for size in sizes) + f"{'growth':>9}",
    ]
    for name, points in level.items():
        cells = "".join(f"{figure(points.get(size)):>12}" for size in sizes)
        growth = panel.growth(name)
        lines.append(
            f"  {name:<34}{cells}{'-' if growth is None else f'{growth:.2f}':>9}  {panel.verdict(name)}"
        )
    if panel.left_out:
        lines.append(f"  left out: {panel.left_out}")
    return "\n".join(lines) + "\n"


def caption(law: str, quantity: str, unit: str, piece: str) -> str:
    """What the figures of a panel are."""
    if law == "flat":
        return f"{quantity} in {unit}, by the number of {piece}s"
    return f"{quantity} in {unit} of each further {piece}, up to this many"


def figure(number: float | None) -> str:
    """A figure with about three digits."""
    if number is None:
        return ""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


RULE = (
    f"A curve holds if its last figure is at most {MOST:g} times the median of the others, "
    "or grows no more than the framework under it does."
)
