"""An entry for one request, and sums over many."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Context, Decimal
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from melious._figures import whole_count
from melious.impact.facts import BillingCost, EnvironmentImpact, intensity

Verification: TypeAlias = Literal["verified", "unverified", "outside"]
"""Whether an answer came from the requested countries; `unverified` if unknown."""

Dimension: TypeAlias = Literal["endpoint", "model", "provider", "country", "routing"]
DIMENSIONS: tuple[Dimension, ...] = ("endpoint", "model", "provider", "country", "routing")
Cell: TypeAlias = tuple[str | None, ...]
"""A combination of names, one per dimension."""

Tags: TypeAlias = tuple[tuple[str, str], ...]
"""Tags by name and value, in the order of the names."""

OTHER = "other"
MAX_BALANCES = 16
_EXACT = Context(prec=100, traps=[])  # independent of the caller's decimal context


class Entry(NamedTuple):
    """One request, for a ledger or a budget.

    Attributes:
        endpoint: `chat`, `embeddings`, ...
        model: The requested model, without a flavor.
        routing: The requested preset or flavor, if any.
        usage: The usage object of the wire, if reported.
        impact: The impact, if reported.
        cost: The cost, if reported.
        answered: Whether an answer arrived, at least in part.
        failed: Whether it ended in an error.
        relaxed: The filters that were relaxed to find a provider.
        residency: Whether it was served in the requested countries; None if that was not verified.
        tags: Its tags as pairs of name and value, in the order of the names.
        seconds: How long the whole answer took, with retries; None for streams and failures.
        from_sandbox: Whether the sandbox answered, by the headers of the answer.

    Examples:
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
    tags: Tags = ()
    seconds: float | None = None
    from_sandbox: bool = False

    @property
    def simulated(self) -> bool:
        """Whether the sandbox answered: the headers or the figures say so."""
        return (
            self.from_sandbox
            or (self.impact is not None and self.impact.simulated)
            or (self.cost is not None and self.cost.simulated)
        )

    @property
    def cell(self) -> Cell:
        """The combination of names under which a ledger adds it up."""
        impact = self.impact
        if impact is None:
            return (self.endpoint, self.model, None, None, self.routing)
        return (self.endpoint, self.model, impact.provider_id, impact.location, self.routing)

    def reported(self, figure: str) -> Any:
        """A figure by its name in `Totals`, such as `eur`; None if not reported."""
        if figure == "eur":
            return None if self.cost is None else self.cost.eur
        return None if self.impact is None else getattr(self.impact, figure)


class UsageSink(Protocol):
    """Records every request that was sent: a ledger, or a budget."""

    def record(self, entry: Entry) -> None:
        """Add one request."""


class Estimate(NamedTuple):
    """Estimates of unreported figures; None without a basis.

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
    """Sums over requests. A sum is None until a request has reported it; estimates are kept apart.

    Attributes:
        requests: Requests that were answered, at least in part.
        failed: Requests that were sent and failed or were cancelled, and may have been billed. Those
            without an answer are not in `requests`; broken streams are.
        relaxed: Requests answered only after filters were relaxed.
        verified: Requests served in the requested countries.
        unverified: Requests without a location.
        outside: Requests served in other countries.
        with_usage: Requests that reported tokens.
        with_impact: Requests that reported an impact.
        with_cost: Requests that reported a cost.
        simulated: Requests that the sandbox answered; their figures are made up.
        input_tokens: Input tokens.
        output_tokens: Output tokens, including reasoning.
        cached_tokens: Input tokens from the provider's cache, part of `input_tokens`.
        reasoning_tokens: Reasoning tokens, part of `output_tokens`.
        energy_kwh: Energy in kWh.
        carbon_g_co2: Grams of CO2.
        water_liters: Litres of water.
        eur: Euro.
        charged: Amounts debited, by balance (`energy`, `credits`).
        partial: By figure, how many of the reported impacts and costs lack it.
        estimated: Requests with estimates for figures that they did not report.
        estimated_energy_kwh: Estimated energy in kWh.
        estimated_carbon_g_co2: Estimated grams of CO2.
        estimated_water_liters: Estimated litres of water.
        estimated_eur: Estimated euro.

    Examples:
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
    simulated: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    energy_kwh: float | None = None
    carbon_g_co2: float | None = None
    water_liters: float | None = None
    eur: Decimal | None = None
    charged: dict[str, Decimal] = field(default_factory=dict)
    partial: dict[str, int] = field(default_factory=dict)
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

    @property
    def grid_g_per_kwh(self) -> float | None:
        """Carbon divided by energy; None if some requests reported only one of the two."""
        only_one = self.partial.get("energy_kwh") or self.partial.get("carbon_g_co2")
        return None if only_one else intensity(self.carbon_g_co2, self.energy_kwh)

    def add(self, entry: Entry, estimate: Estimate | None = None) -> None:
        """Add one request, and estimates for what it did not report."""
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
        if entry.impact is not None:
            self.with_impact += 1
            self._add_impact(entry.impact)
        if entry.cost is not None:
            self.with_cost += 1
            self._add_cost(entry.cost)
        if entry.simulated:
            self.simulated += 1
        if estimate is not None:
            self.estimated += 1
            for name in Estimate._fields:
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

    def _add_impact(self, impact: EnvironmentImpact) -> None:
        if impact.energy_kwh is not None:
            self.energy_kwh = (self.energy_kwh or 0.0) + impact.energy_kwh
        else:
            self._add_partial("energy_kwh", 1)
        if impact.carbon_g_co2 is not None:
            self.carbon_g_co2 = (self.carbon_g_co2 or 0.0) + impact.carbon_g_co2
        else:
            self._add_partial("carbon_g_co2", 1)
        if impact.water_liters is not None:
            self.water_liters = (self.water_liters or 0.0) + impact.water_liters
        else:
            self._add_partial("water_liters", 1)

    def _add_cost(self, cost: BillingCost) -> None:
        eur, charged, balance = cost.eur, cost.charged, cost.paid_with
        if eur is None:
            self._add_partial("eur", 1)
        else:
            self.eur = eur if self.eur is None else _EXACT.add(self.eur, eur)
        if charged is not None and balance:
            self._add_charged(balance, charged)

    def _add_charged(self, balance: str, amount: Decimal) -> None:
        known = self.charged
        if balance not in known and len(known) >= MAX_BALANCES:
            balance = OTHER
        known[balance] = _EXACT.add(known.get(balance, Decimal(0)), amount)

    def _add_partial(self, figure: str, count: int) -> None:
        self.partial[figure] = self.partial.get(figure, 0) + count

    def without(self, figure: str) -> int:
        """How many requests did not report a figure, by its name, such as `eur`."""
        whole = self.without_cost if figure == "eur" else self.without_impact
        return whole + self.partial.get(figure, 0)

    def reported(self, figure: str) -> int:
        """How many requests reported a figure, by its name, such as `carbon_g_co2`."""
        whole = self.with_cost if figure == "eur" else self.with_impact
        return whole - self.partial.get(figure, 0)

    def merge(self, other: Totals) -> None:
        """Add other sums."""
        for name in SUMS:
            self._sum(name, getattr(other, name))
        for figure, count in other.partial.items():
            self._add_partial(figure, count)
        for balance, amount in other.charged.items():
            self._add_charged(balance, amount)

    def copy(self) -> Totals:
        """A copy of the sums."""
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
            "charged": dict(self.charged),
            "partial": dict(self.partial),
        }


SUMS = tuple(item.name for item in fields(Totals) if item.name not in ("charged", "partial"))
"""The sums that are a number."""


def token_counts(usage: dict[str, Any]) -> dict[str, int | None]:
    """The token counts of a usage object, however servers nest the details."""
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
    """The `Verification` for whether a location is allowed; None means unknown."""
    if allowed is None:
        return "unverified"
    return "verified" if allowed else "outside"
