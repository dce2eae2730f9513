"""Two ledgers side by side: this route against that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any, TypeAlias

from melious._figures import UNREPORTED, counted, figure
from melious._text_table import text_table
from melious.errors import InvalidArgumentError
from melious.impact.totals import Totals
from melious.impact.units import Unit, Units
from melious.impact.views.source import LedgerLike

_Number: TypeAlias = float | Decimal
_KINDS = (
    ("energy", "energy_kwh"),
    ("carbon", "carbon_g_co2"),
    ("water", "water_liters"),
    ("cost", "eur"),
)


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """What one request cost on average in two ledgers.

    A mean is taken over the requests that reported the figure; `left_out` says how many did not.

    Attributes:
        names: What the two are called.
        totals: The sums of both.
    """

    names: tuple[str, str]
    totals: tuple[Totals, Totals]

    def means(self, figure: str) -> tuple[_Number | None, _Number | None]:
        """The means of a figure by its name in `Totals`, such as `carbon_g_co2`; None if unreported."""
        first, second = (_mean(sums, figure) for sums in self.totals)
        return first, second

    def change(self, figure: str) -> float | None:
        """How much more the second takes than the first, as a share: -0.25 is a quarter less."""
        first, second = self.means(figure)
        return None if not first or second is None else float(second) / float(first) - 1

    @property
    def left_out(self) -> list[str]:
        """Which requests have no part in the means, in sentences."""
        return [
            f"{name}: left out {counted(count, 'request')} that reported no {what}."
            for name, sums in zip(self.names, self.totals, strict=True)
            for what, count in (("impact", sums.without_impact), ("cost", sums.without_cost))
            if count
        ]

    @property
    def notes(self) -> list[str]:
        """What is left out, and what is simulated."""
        simulated = [
            f"{name}: the figures are simulated by the sandbox."
            for name, sums in zip(self.names, self.totals, strict=True)
            if sums.simulated
        ]
        return [*simulated, *self.left_out]

    def to_dict(self) -> dict[str, Any]:
        """Means, changes and counts as plain values."""
        return {
            "names": list(self.names),
            "requests": [sums.requests for sums in self.totals],
            **{name: {"means": list(self.means(name)), "change": self.change(name)} for _, name in _KINDS},
            "notes": self.notes,
        }

    def to_markdown(self) -> str:
        """The table as Markdown, and the notes."""
        lines = [f"| per request | {' | '.join(self.names)} | change |", "| --- | ---: | ---: | ---: |"]
        lines += [f"| {' | '.join(row)} |" for row in self._rows()]
        return "\n".join([*lines, *(f"\n*{note}*" for note in self.notes)]) + "\n"

    def __repr__(self) -> str:
        requests = tuple(sums.requests for sums in self.totals)
        return f"Comparison(names={self.names}, requests={requests})"

    def __str__(self) -> str:
        table = text_table(["per request", *self.names, "change"], self._rows(), right=[1, 2, 3], rule="─")
        return "\n".join([*table, *([""] if self.notes else []), *self.notes])

    def _repr_html_(self) -> str:
        """The HTML that notebooks show."""
        head = "".join(f"<th>{escape(each)}</th>" for each in ("per request", *self.names, "change"))
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self._rows()
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"

    def _rows(self) -> Iterator[list[str]]:
        yield ["requests", *(f"{sums.requests:,}" for sums in self.totals), ""]
        units = self._units()
        for kind, name in _KINDS:
            unit, factor = units[kind]
            means = self.means(name)
            change = self.change(name)
            yield [
                f"{kind}, {unit}",
                *(figure(None if mean is None else float(mean), factor) for mean in means),
                UNREPORTED
                if change is None
                else f"{change:+.0%}"
                if change < 1
                else f"{change + 1:.3g} times",
            ]

    def _units(self) -> dict[str, Unit]:
        both: list[Totals] = []
        for place in (0, 1):
            sums = Totals()
            for _, name in _KINDS:
                setattr(sums, name, self.means(name)[place])
            both.append(sums)
        units = Units.of(*both)
        return {"energy": units.energy, "carbon": units.carbon, "water": units.water, "cost": units.money}


def compare(
    first: LedgerLike, second: LedgerLike, names: tuple[str, str] = ("first", "second")
) -> Comparison:
    """Compare what a request cost on average in two ledgers: this route against that.

    Args:
        first: A ledger.
        second: Another ledger; changes are from the first to this one.
        names: What to call them.

    Returns:
        A table that prints, that notebooks show, and that gives Markdown and plain values.

    Raises:
        InvalidArgumentError: `names` are not two.

    Examples:
        >>> from melious import EnvironmentImpact, ImpactLedger
        >>> from melious.impact import Entry, compare
        >>> eco, speed = ImpactLedger(), ImpactLedger()
        >>> eco.record(Entry("chat", "glm-4.7", "eco", impact=EnvironmentImpact(carbon_g_co2=0.2)))
        >>> speed.record(Entry("chat", "glm-4.7", "speed", impact=EnvironmentImpact(carbon_g_co2=0.5)))
        >>> compare(eco, speed, ("eco", "speed")).change("carbon_g_co2")
        1.5
    """
    if len(names) != 2:  # noqa: PLR2004
        raise InvalidArgumentError(f"names: must be two names, not {names!r:.80}", param="names")
    return Comparison((names[0], names[1]), (first.total, second.total))


def _mean(sums: Totals, figure: str) -> _Number | None:
    value: _Number | None = getattr(sums, figure)
    count = sums.with_cost if figure == "eur" else sums.with_impact
    return None if value is None or not count else value / count
