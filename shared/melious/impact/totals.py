"""What a ledger is told of one request, and sums over many."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from melious.impact.facts import BillingCost, EnvironmentImpact, whole_count


@dataclass(frozen=True, slots=True)
class Entry:
    """What a ledger is told of one request.

    Attributes:
        endpoint: `chat`, `embeddings`, ...
        model: The model that was asked for, without a flavor.
        routing: The preset or flavor that was asked for, if any.
        usage: The usage object of the wire, if it was reported.
        impact: The impact, if it was reported.
        cost: The cost, if it was reported.
        answered: Whether there was an answer, or at least its beginning.
        failed: Whether it ended in an error.
        relaxed: The wishes for routing that were given up to find a provider.

    Example:
        >>> Entry("chat", "glm-4.7", usage={"prompt_tokens": 9}).impact is None
        True
    """

    endpoint: str
    model: str
    routing: str | None = None
    usage: dict[str, Any] | None = None
    impact: EnvironmentImpact | None = None
    cost: BillingCost | None = None
    answered: bool = True
    failed: bool = False
    relaxed: tuple[str, ...] = ()


@dataclass(slots=True)
class Totals:
    """Sums over requests; a sum is None until one request reported it.

    Attributes:
        requests: How many requests were answered, at least in part.
        failed: How many ended in an error: those without an answer, which are not in `requests`,
            and streams that broke, which are. They may have been billed all the same.
        relaxed: How many were answered only after wishes for routing were given up.
        with_usage: How many of them reported tokens.
        with_impact: How many reported an impact.
        with_cost: How many reported a cost.
        input_tokens: Tokens read.
        output_tokens: Tokens written, reasoning included.
        cached_tokens: Tokens read from the cache of the provider, part of `input_tokens`.
        reasoning_tokens: Tokens thought, part of `output_tokens`.
        energy_kwh: Energy in kWh.
        carbon_g_co2: Grams of CO2.
        water_liters: Litres of water.
        eur: Euro.
        charged: Amounts taken, by the balance that paid (`energy`, `credits`).

    Example:
        >>> totals = Totals()
        >>> totals.add(Entry("chat", "glm-4.7", usage={"prompt_tokens": 9}))
        >>> totals.input_tokens, totals.eur
        (9, None)
    """

    requests: int = 0
    failed: int = 0
    relaxed: int = 0
    with_usage: int = 0
    with_impact: int = 0
    with_cost: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    energy_kwh: float | None = None
    carbon_g_co2: float | None = None
    water_liters: float | None = None
    eur: Decimal | None = None
    charged: dict[str, Decimal] = field(default_factory=dict)

    @property
    def without_impact(self) -> int:
        """How many requests reported no impact."""
        return self.requests - self.with_impact

    @property
    def without_cost(self) -> int:
        """How many requests reported no cost."""
        return self.requests - self.with_cost

    def add(self, entry: Entry) -> None:
        """Add one request."""
        self.requests += entry.answered
        self.failed += entry.failed
        self.relaxed += bool(entry.relaxed)
        if entry.usage:
            self.with_usage += 1
            for name, tokens in token_counts(entry.usage).items():
                self._sum(name, tokens)
        if entry.impact is not None:
            self.with_impact += 1
            for name in ("energy_kwh", "carbon_g_co2", "water_liters"):
                self._sum(name, getattr(entry.impact, name))
        if entry.cost is not None:
            self.with_cost += 1
            self._sum("eur", entry.cost.eur)
            charged = entry.cost.charged
            if charged is not None and entry.cost.paid_with:
                self.charged[entry.cost.paid_with] = (
                    self.charged.get(entry.cost.paid_with, Decimal(0)) + charged
                )

    def merge(self, other: Totals) -> None:
        """Add the sums of others."""
        for item in fields(self):
            if item.name == "charged":
                for balance, amount in other.charged.items():
                    self.charged[balance] = self.charged.get(balance, Decimal(0)) + amount
            else:
                self._sum(item.name, getattr(other, item.name))

    def copy(self) -> Totals:
        """The sums as they are now."""
        copied = Totals()
        copied.merge(self)
        return copied

    def _sum(self, name: str, value: Any) -> None:
        if value is not None:
            setattr(self, name, value if getattr(self, name) is None else getattr(self, name) + value)

    def to_dict(self) -> dict[str, Any]:
        """The sums as plain values; decimals stay decimals."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


def token_counts(usage: dict[str, Any]) -> dict[str, int | None]:
    """The token counts of a usage object, wherever servers put the details."""
    cached = whole_count(_detail(usage, "prompt_tokens_details", "cached_tokens"))
    return {
        "input_tokens": whole_count(usage.get("prompt_tokens")),
        "output_tokens": whole_count(usage.get("completion_tokens")),
        "cached_tokens": cached if cached is not None else whole_count(usage.get("cached_tokens")),
        "reasoning_tokens": whole_count(_detail(usage, "completion_tokens_details", "reasoning_tokens")),
    }


def _detail(usage: dict[str, Any], details: str, name: str) -> Any:
    found = usage.get(details)
    return found.get(name) if isinstance(found, dict) else None
