"""Cost and CO₂ as they add up, as pictures that stretch to any width."""

from collections.abc import Callable, Sequence

from melious.impact.units import euro
from melious_sandbox.page import figures
from melious_sandbox.service.records import Totals

_WIDTH, _HEIGHT = 600, 60
_PICTURE = (
    '<figure><figcaption>{name} <b>{total}</b></figcaption><svg viewBox="0 0 {width} {height}" role="img" '
    'preserveAspectRatio="none" aria-label="{name} over {count} requests, {total} in all">'
    '<path class="area" d="{line}V{height}Z"/><path class="line" d="{line}"/></svg>'
    '<p class="axis"><span>0</span><span>{count} requests</span></p></figure>'
)


def charts(growth: Sequence[tuple[int, Totals]]) -> str:
    """Draw what has been paid and emitted after each request that is over; nothing where nothing was."""
    last = growth[-1][1]
    cost = (
        _chart("Cost", growth, lambda sums: float(sums.euros), euro(last.euros))
        if last.euros or not last.energy
        else _chart(
            "Cost", growth, lambda sums: float(sums.energy), f"{figures.significant(last.energy)} energy"
        )
    )
    return cost + _chart("CO₂", growth, lambda sums: sums.carbon_g, figures.carbon(last.carbon_g))


def _chart(
    name: str, growth: Sequence[tuple[int, Totals]], value: Callable[[Totals], float], total: str
) -> str:
    count, last = growth[-1][0], value(growth[-1][1])
    if not last:
        return ""
    line = f"M0 {_HEIGHT}"
    for requests, sums in growth:
        # A step for each request; a little room for the line's own width at the top.
        line += f"V{_HEIGHT - value(sums) / last * (_HEIGHT - 2):.1f}H{requests / count * _WIDTH:.1f}"
    return _PICTURE.format(
        name=name, total=total, width=_WIDTH, height=_HEIGHT, count=f"{count:,}", line=line
    )
