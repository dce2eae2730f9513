"""What a ledger is told of one request, and sums over many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from decimal import Context, Decimal
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from melious._figures import whole_count
from melious.impact.facts import BillingCost, EnvironmentImpact

Verification: TypeAlias = Literal["verified", "unverified", "outside"]
"""Whether an answer was made in the countries asked for; `unverified` if it does not say where."""

Dimension: TypeAlias = Literal["endpoint", "model", "provider", "country", "routing"]
DIMENSIONS: tuple[Dimension, ...] = ("endpoint", "model", "provider", "country", "routing")
Cell: TypeAlias = tuple[str | None, ...]
"""A combination of names, one for each dimension."""

OTHER = "other"
MAX_BALANCES = 16
_EXACT = Context(prec=100, traps=[])  # neither rounded nor refused because of what callers set for themselves


class Entry(NamedTuple):
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
        residency: Whether it was served in the countries asked for; None if that was not to be verified.

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
    residency: Verification | None = None


class UsageSink(Protocol):
    """Takes an entry for every request that was sent: a ledger, or a budget."""

    def record(self, entry: Entry) -> None:
        """Add one request."""


class Sums(Protocol):
    """What a view shows: sums over requests, in total and by each dimension."""

    estimates: bool

    @property
    def total(self) -> Totals:
        """The sums over all requests."""

    def by(self, dimension: Dimension) -> dict[str | None, Totals]:
        """The sums by one dimension."""

    def cells(self) -> Iterator[tuple[Cell, Totals]]:
        """The sums of every combination."""


class Estimate(NamedTuple):
    """What a request that reported no figure may have cost; None where nothing is known to go by.

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
class Totals:
    """Sums over requests; a sum is None until one request reported it.

    Estimates are in columns of their own, and in no other.

    Attributes:
        requests: How many requests were answered, at least in part.
        failed: How many were sent and ended in an error or were cancelled: those without an answer,
            which are not in `requests`, and streams that broke, which are. They may have been billed
            all the same.
        relaxed: How many were answered only after wishes for routing were given up.
        verified: How many were served in the countries asked for, where that was to be verified.
        unverified: How many did not say where they were served.
        outside: How many were served elsewhere.
        with_usage: How many of the requests reported tokens.
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
        estimated: For how many requests a figure that was not reported was estimated.
        estimated_energy_kwh: The estimates of energy in kWh.
        estimated_carbon_g_co2: The estimates of carbon in grams of CO2.
        estimated_water_liters: The estimates of water in litres.
        estimated_eur: The estimates of cost in euro.

    Example:
        >>> totals = Totals()
        >>> totals.add(Entry("chat", "glm-4.7", usage={"prompt_tokens": 9}))
        >>> totals.input_tokens, totals.eur
        (9, None)
    """

    requests: int = 0
    failed: int = 0
    relaxed: int = 0
    verified: int = 0
    unverified: int = 0
    outside: int = 0
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
    estimated: int = 0
    estimated_energy_kwh: float | None = None
    estimated_carbon_g_co2: float | None = None
    estimated_water_liters: float | None = None
    estimated_eur: Decimal | None = None

    @property
    def without_impact(self) -> int:
        """How many requests reported no impact."""
        return self.requests - self.with_impact

    @property
    def without_cost(self) -> int:
        """How many requests reported no cost."""
        return self.requests - self.with_cost

    def add(self, entry: Entry, estimate: Estimate | None = None) -> None:
        """Add one request, and what it may have cost where it did not say so."""
        self.requests += entry.answered
        if entry.failed:
            self.failed += 1
        if entry.relaxed:
            self.relaxed += 1
        if entry.residency is not None:
            self._sum(entry.residency, 1)
        if entry.usage:
            self.with_usage += 1
            self._add_tokens(entry.usage)
        impact = entry.impact
        if impact is not None:
            self.with_impact += 1
            if impact.energy_kwh is not None:
                self.energy_kwh = (self.energy_kwh or 0.0) + impact.energy_kwh
            if impact.carbon_g_co2 is not None:
                self.carbon_g_co2 = (self.carbon_g_co2 or 0.0) + impact.carbon_g_co2
            if impact.water_liters is not None:
                self.water_liters = (self.water_liters or 0.0) + impact.water_liters
        if entry.cost is not None:
            self.with_cost += 1
            self._add_cost(entry.cost)
        if estimate is not None:
            self.estimated += 1
            for name in ("energy_kwh", "carbon_g_co2", "water_liters", "eur"):
                self._sum(f"estimated_{name}", getattr(estimate, name))

    def _add_tokens(self, usage: dict[str, Any]) -> None:
        read, written, cached, thought = _tokens(usage)
        if read is not None:
            self.input_tokens = (self.input_tokens or 0) + read
        if written is not None:
            self.output_tokens = (self.output_tokens or 0) + written
        if cached is not None:
            self.cached_tokens = (self.cached_tokens or 0) + cached
        if thought is not None:
            self.reasoning_tokens = (self.reasoning_tokens or 0) + thought

    def _add_cost(self, cost: BillingCost) -> None:
        eur, charged, balance = cost.eur, cost.charged, cost.paid_with
        if eur is not None:
            self.eur = eur if self.eur is None else _EXACT.add(self.eur, eur)
        if charged is not None and balance:
            self._add_charged(balance, charged)

    def _add_charged(self, balance: str, amount: Decimal) -> None:
        known = self.charged
        if balance not in known and len(known) >= MAX_BALANCES:
            balance = OTHER
        known[balance] = _EXACT.add(known.get(balance, Decimal(0)), amount)

    def merge(self, other: Totals) -> None:
        """Add the sums of others."""
        for name in _SUMS:
            self._sum(name, getattr(other, name))
        for balance, amount in other.charged.items():
            self._add_charged(balance, amount)

    def copy(self) -> Totals:
        """The sums as they are now."""
        copied = Totals()
        copied.merge(self)
        return copied

    def _sum(self, name: str, value: Any) -> None:
        if value is None:
            return
        before = getattr(self, name)
        if before is not None:
            value = _EXACT.add(before, value) if isinstance(value, Decimal) else before + value
        setattr(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """The sums as plain values; decimals stay decimals."""
        return {name: getattr(self, name) for name in (item.name for item in fields(self))} | {
            "charged": dict(self.charged)
        }


_SUMS = tuple(item.name for item in fields(Totals) if item.name != "charged")


def token_counts(usage: dict[str, Any]) -> dict[str, int | None]:
    """The token counts of a usage object, wherever servers put the details."""
    names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    return dict(zip(names, _tokens(usage), strict=True))


def _tokens(usage: dict[str, Any]) -> tuple[int | None, int | None, int | None, int | None]:
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    details, more = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    cached = whole_count(details.get("cached_tokens")) if isinstance(details, dict) else None
    if cached is None and "cached_tokens" in usage:
        cached = whole_count(usage["cached_tokens"])
    return (
        None if read is None else whole_count(read),
        None if written is None else whole_count(written),
        cached,
        whole_count(more.get("reasoning_tokens")) if isinstance(more, dict) else None,
    )


def verification(allowed: bool | None) -> Verification:  # noqa: FBT001 - one of three answers
    """The word for whether the location of an answer is allowed; None where it is not known."""
    if allowed is None:
        return "unverified"
    return "verified" if allowed else "outside"
