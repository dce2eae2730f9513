"""What a request cost, in energy, carbon, water and money, and the ledger that adds it up.

Missing is not zero: a figure that the service did not report stays None, and a
ledger counts how many requests reported what.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, field_validator

from melious.transport import forks


def _known(value: Any) -> Any:
    """A figure from the wire; what cannot be one (negative, no number, true or false) is unknown."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def whole_count(value: Any) -> int | None:
    """A count from the wire; what cannot be one is unknown."""
    number = _known(value)
    return int(number) if number is not None and number.is_integer() else None


def _known_amount(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


class EnvironmentImpact(BaseModel):
    """The environmental cost of one request, as the service reports it. Any figure may be missing.

    Attributes:
        energy_kwh: Energy in kWh, the overhead of the data centre (PUE) included.
        carbon_g_co2: Grams of CO2: the energy times the grid's intensity at that time.
        water_liters: Litres of cooling water.
        renewable_percent: Renewable share of the grid's mix, 0 to 100.
        pue: Power usage effectiveness of the data centre, 1 or more.
        provider_id: Who served the request.
        location: Where, as an ISO 3166 alpha-2 country code.

    Example:
        >>> EnvironmentImpact(carbon_g_co2=0.06, location="NL").water_liters is None
        True
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    energy_kwh: float | None = None
    carbon_g_co2: float | None = None
    water_liters: float | None = None
    renewable_percent: float | None = None
    pue: float | None = None
    provider_id: str | None = None
    location: str | None = None

    @field_validator("energy_kwh", "carbon_g_co2", "water_liters", "renewable_percent", "pue", mode="before")
    @classmethod
    def _figure(cls, value: Any) -> Any:
        return _known(value)

    @field_validator("provider_id", "location", mode="before")
    @classmethod
    def _name(cls, value: Any) -> Any:
        return value if isinstance(value, str) and value else None


class BillingCost(BaseModel):
    """What one request was billed. Amounts are exact decimals; do not add `energy` and `credits`.

    Two rules are in use: older documentation fills only the amount that was
    charged, the service fills both and `paid_with` names the balance debited.

    Attributes:
        energy: The amount in energy units.
        credits: The amount in credits, which are euro.
        paid_with: `energy` or `credits`: which of the two was taken.

    Example:
        >>> cost = BillingCost(credits="0.0000144", energy="0.144", paid_with="credits")
        >>> cost.eur
        Decimal('0.0000144')
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    energy: Decimal | None = None
    credits: Decimal | None = None
    paid_with: str | None = None

    @field_validator("energy", "credits", mode="before")
    @classmethod
    def _amount(cls, value: Any) -> Any:
        return _known_amount(value)

    @field_validator("paid_with", mode="before")
    @classmethod
    def _balance(cls, value: Any) -> Any:
        return value if isinstance(value, str) and value else None

    @property
    def charged(self) -> Decimal | None:
        """The amount taken from the balance that `paid_with` names; None if that is not known."""
        if self.paid_with == "energy":
            return self.energy
        return self.credits if self.paid_with == "credits" else None

    @property
    def eur(self) -> Decimal | None:
        """The cost in euro, where reported; a zero beside a charge in energy only says "not charged here"."""
        if self.paid_with == "energy" and not self.credits and self.energy:
            return None
        return self.credits


Dimension: TypeAlias = Literal["endpoint", "model", "provider", "country", "routing"]
_DIMENSIONS: tuple[Dimension, ...] = ("endpoint", "model", "provider", "country", "routing")
_PROVIDER, _COUNTRY = _DIMENSIONS.index("provider"), _DIMENSIONS.index("country")
_Cell: TypeAlias = tuple[str, str, str | None, str | None, str | None]
K = TypeVar("K")


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


@dataclass(slots=True)
class Totals:
    """Sums over requests; a sum is None until one request reported it.

    Attributes:
        requests: How many requests there were.
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
        self.requests += 1
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


class ImpactLedger:
    """Adds up what requests cost, in total and by endpoint, model, provider, country and routing.

    Safe to use from several threads. Its memory grows with the number of
    different combinations, not with the number of requests.

    Example:
        >>> from melious import ImpactLedger
        >>> ledger = ImpactLedger()
        >>> ledger.total.requests, ledger.total.carbon_g_co2
        (0, None)
    """

    def __init__(self) -> None:
        self._lock = forks.new_lock()
        self._cells: dict[_Cell, Totals] = {}

    def record(self, entry: Entry) -> None:
        """Add one request."""
        impact = entry.impact
        key = (
            entry.endpoint,
            entry.model,
            impact.provider_id if impact else None,
            impact.location if impact else None,
            entry.routing,
        )
        with self._lock:
            self._cells.setdefault(key, Totals()).add(entry)

    def merge(self, other: ImpactLedger) -> None:
        """Add what another ledger has recorded."""
        with other._lock:
            cells = [(key, totals.copy()) for key, totals in other._cells.items()]
        with self._lock:
            for key, totals in cells:
                self._cells.setdefault(key, Totals()).merge(totals)

    @property
    def total(self) -> Totals:
        """The sums over all requests."""
        return self._merged(lambda _: None).get(None, Totals())

    def by(self, dimension: Dimension) -> dict[str | None, Totals]:
        """The sums by one dimension; None stands for requests that did not report it.

        Args:
            dimension: `endpoint`, `model`, `provider`, `country` or `routing`.
        """
        place = _DIMENSIONS.index(dimension)
        return self._merged(lambda key: key[place])

    def by_place(self) -> dict[tuple[str | None, str | None], Totals]:
        """The sums by provider and country together."""
        return self._merged(lambda key: (key[_PROVIDER], key[_COUNTRY]))

    def _merged(self, name_of: Callable[[_Cell], K]) -> dict[K, Totals]:
        merged: dict[K, Totals] = {}
        with self._lock:
            for key, totals in self._cells.items():
                merged.setdefault(name_of(key), Totals()).merge(totals)
        return merged

    def to_dict(self) -> dict[str, Any]:
        """Total and breakdowns as plain values."""
        return {
            "total": self.total.to_dict(),
            **{
                f"by_{dimension}": {name: totals.to_dict() for name, totals in self.by(dimension).items()}
                for dimension in _DIMENSIONS
            },
        }

    def __repr__(self) -> str:
        total = self.total
        return f"ImpactLedger(requests={total.requests}, carbon_g_co2={total.carbon_g_co2}, eur={total.eur})"


_active: ContextVar[tuple[ImpactLedger, ...]] = ContextVar("melious_ledgers", default=())


@contextmanager
def track_impact() -> Iterator[ImpactLedger]:
    """Collect what every request made inside the block costs, through the core or either framework.

    Blocks may be nested; the outer one also sees what the inner one sees. The
    block follows the context: tasks started in it belong to it, and so do
    threads that copy the context.

    Yields:
        The ledger, which goes on growing until the block ends.

    Example:
        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     pass  # client.chat.create(...), chain.invoke(...), query_engine.query(...)
        >>> ledger.total.requests
        0
    """
    ledger = ImpactLedger()
    token = _active.set((*_active.get(), ledger))
    try:
        yield ledger
    finally:
        _active.reset(token)


def active_ledgers() -> tuple[ImpactLedger, ...]:
    """The ledgers that the running code reports to."""
    return _active.get()
