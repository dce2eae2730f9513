"""Estimates for requests that reported nothing, from earlier reports."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from melious.impact.totals import Entry, Estimate, token_counts

MAX_KEYS = 4096
_Key: TypeAlias = tuple[str, str, str | None]


@dataclass(slots=True)
class _Rate:
    """The sum of one figure over the requests that reported it."""

    amount: float = 0.0
    requests: int = 0
    amount_by_token: float = 0.0
    tokens: int = 0

    def learn(self, amount: float, tokens: int | None) -> None:
        self.amount += amount
        self.requests += 1
        if tokens:
            self.amount_by_token += amount
            self.tokens += tokens

    def of(self, tokens: int | None) -> float:
        if tokens is not None and self.tokens:
            return self.amount_by_token / self.tokens * tokens
        return self.amount / self.requests


@dataclass(slots=True)
class Estimator:
    """Estimates what requests did not report from what others did.

    The estimate is the mean of earlier requests to the same endpoint, model and
    provider: per token (input and output) if the tokens are known, else per
    request. If the provider is unknown, or never reported, all providers of the
    model count. Without earlier reports there is no estimate.

    Not thread-safe. Memory is bounded: the first 4096 combinations are kept.

    Examples:
        >>> from melious.impact import EnvironmentImpact, Entry
        >>> estimator = Estimator()
        >>> known = EnvironmentImpact(carbon_g_co2=2)
        >>> estimator.learn(Entry("chat", "glm-4.7", usage={"prompt_tokens": 100}, impact=known))
        >>> estimator.estimate(Entry("chat", "glm-4.7", usage={"prompt_tokens": 50})).carbon_g_co2
        1.0
    """

    _rates: dict[_Key, dict[str, _Rate]] = field(default_factory=dict)

    def copy(self) -> Estimator:
        """A copy, which learns by itself."""
        return deepcopy(self)

    def learn(self, entry: Entry) -> None:
        """Learn from what a request reported."""
        figures = {
            name: float(value) for name in Estimate._fields if (value := entry.reported(name)) is not None
        }
        if not figures:
            return
        tokens = _all_tokens(entry)
        for key in _keys(entry):
            rates = self._rates.get(key)
            if rates is None:
                if len(self._rates) >= MAX_KEYS:
                    continue
                rates = self._rates[key] = {}
            for name, figure in figures.items():
                rates.setdefault(name, _Rate()).learn(figure, tokens)

    def estimate(self, entry: Entry) -> Estimate | None:
        """Estimate the figures that an answered request did not report.

        Returns:
            The missing figures, each None without earlier reports; None if there are none to estimate.
        """
        if not entry.answered:
            return None
        tokens = _all_tokens(entry)
        found: dict[str, float] = {}
        for name in Estimate._fields:
            if entry.reported(name) is None and not (name == "eur" and entry.cost is not None):
                rate = self._rate(entry, name)
                if rate is not None:
                    found[name] = rate.of(tokens)
        if not found:
            return None
        eur = found.pop("eur", None)
        return Estimate(**found, eur=None if eur is None else Decimal(f"{eur:.6g}"))

    def _rate(self, entry: Entry, name: str) -> _Rate | None:
        for key in _keys(entry):
            rate = self._rates.get(key, {}).get(name)
            if rate is not None:
                return rate
        return None


def _keys(entry: Entry) -> tuple[_Key, ...]:
    """From the most specific to the least."""
    provider = entry.impact.provider_id if entry.impact else None
    whole: _Key = (entry.endpoint, entry.model, None)
    return (whole,) if provider is None else ((entry.endpoint, entry.model, provider), whole)


def _all_tokens(entry: Entry) -> int | None:
    if not entry.usage:
        return None
    counts = token_counts(entry.usage)
    known = [count for count in (counts["input_tokens"], counts["output_tokens"]) if count is not None]
    return sum(known) if known else None
