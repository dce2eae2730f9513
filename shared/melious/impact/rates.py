"""What models have reported so far, per token and per request, to judge by it what was left unreported."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Self

from melious.impact.totals import Entry, token_counts


class Estimate(NamedTuple):
    """What a request may have cost; None where nothing is known to judge by.

    Attributes:
        energy_kwh: Energy in kWh.
        carbon_g_co2: Grams of CO2.
        water_liters: Litres of water.
        eur: Euro.
    """

    energy_kwh: float | None = None
    carbon_g_co2: float | None = None
    water_liters: float | None = None
    eur: Decimal | None = None


@dataclass(slots=True)
class _Rate:
    """Sums of one figure: over the answers with tokens, and over all."""

    by_tokens: Any = 0
    tokens: int = 0
    whole: Any = 0
    count: int = 0

    def add(self, value: Any, tokens: int | None) -> None:
        self.whole += value
        self.count += 1
        if tokens:
            self.by_tokens += value
            self.tokens += tokens

    def of(self, tokens: int | None) -> Any:
        if tokens is not None and self.tokens:
            return self.by_tokens * tokens / self.tokens
        return self.whole / self.count


class Rates:
    """What models have reported, per token and per request.

    Not safe to use from several threads; its owner has a lock.

    Example:
        >>> from melious import EnvironmentImpact
        >>> rates = Rates()
        >>> usage = {"prompt_tokens": 10, "completion_tokens": 30}
        >>> rates.learn(Entry("chat", "glm-4.7", usage=usage, impact=EnvironmentImpact(carbon_g_co2=0.2)))
        >>> rates.estimate(Entry("chat", "glm-4.7", usage={"prompt_tokens": 20})).carbon_g_co2
        0.1
    """

    def __init__(self) -> None:
        self._rates: dict[tuple[str, str | None, str], _Rate] = {}

    def learn(self, entry: Entry) -> None:
        """Take note of what an answer reported."""
        tokens = _tokens(entry)
        for figure in Estimate._fields:
            value = reported(entry, figure)
            if value is not None:
                for provider in {_provider(entry), None}:
                    self._rates.setdefault((entry.model, provider, figure), _Rate()).add(value, tokens)

    def estimate(self, entry: Entry) -> Estimate:
        """Judge by its model, its provider if that is known, and its tokens what a request cost."""
        tokens, provider = _tokens(entry), _provider(entry)

        def judged(figure: str) -> Any:
            rate = self._rates.get((entry.model, provider, figure)) or self._rates.get(
                (entry.model, None, figure)
            )
            return None if rate is None else rate.of(tokens)

        return Estimate(*map(judged, Estimate._fields))

    def copy(self) -> Self:
        """The same, to go on by itself."""
        return copy.deepcopy(self)


def reported(entry: Entry, figure: str) -> Any:
    """A figure of `Estimate` as an answer reported it, or None."""
    if figure == "eur":
        return None if entry.cost is None else entry.cost.eur
    return None if entry.impact is None else getattr(entry.impact, figure)


def _provider(entry: Entry) -> str | None:
    return None if entry.impact is None else entry.impact.provider_id


def _tokens(entry: Entry) -> int | None:
    counts = token_counts(entry.usage) if entry.usage else {}
    known = [tokens for name in ("input_tokens", "output_tokens") if (tokens := counts.get(name)) is not None]
    return sum(known) if known else None
