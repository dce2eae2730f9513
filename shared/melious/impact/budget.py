"""Limits on what requests may cost."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any, Literal, Self, TypeAlias, get_args

from melious import forks
from melious._figures import counted, known_amount
from melious.errors import BudgetExceededError, InvalidArgumentError
from melious.errors.checks import check_number, check_one_of, check_whole
from melious.errors.unknown import refuses_unknown
from melious.impact.estimates import Estimator
from melious.impact.totals import Entry, Totals

OnUnreported: TypeAlias = Literal["ignore", "estimate", "refuse"]

_FIGURES = {
    "max_cost_eur": ("eur", "EUR"),
    "max_carbon_g": ("carbon_g_co2", "g CO2"),
    "max_energy_kwh": ("energy_kwh", "kWh"),
    "max_water_l": ("water_liters", "l of water"),
}
"""For each limit, the sum that it bounds, and its unit."""

_CANNOT_BE_ENFORCED = (
    'Streams report nothing on the live service: pass `stream_impact="buffer"`, or create the budget '
    'with on_unreported="estimate" or "ignore"'
)


@refuses_unknown
class ImpactBudget:
    """Limits on what requests may cost. Once one is reached, further requests are refused.

    A client, an adapter, a `track_impact` block, or several of them can share a budget. Requests
    in flight when a limit is reached are not cancelled, so sums can exceed it by what runs at the
    same time; `max_requests` is exact. A request counts once with its retries, and so does each
    batch of an embeddings or rerank call. The embedding cache and model lists are free.

    Safe to use from several threads and event loops. `copy.copy` and pickles start from what was
    spent and then count separately; `copy.deepcopy` returns the same budget, so that copies of
    an adapter share it.

    Args:
        max_cost_eur: Euro, as a number or decimal text; 0 refuses everything, here and below.
            Requests billed in energy have no price in euro: they count as unreported.
        max_carbon_g: Grams of CO2.
        max_energy_kwh: Energy in kWh.
        max_water_l: Litres of water.
        max_requests: How many requests may start, whether they succeed or not.
        on_unreported: How to count an answer that does not report a limited figure: as nothing
            (`ignore`); by an estimate from what the same model reported before, if it did
            (`estimate`); or refuse all further requests (`refuse`).

    Raises:
        InvalidArgumentError: A limit is not a number of at least 0, or none is given.

    Examples:
        >>> from melious import ImpactBudget, MeliousClient
        >>> budget = ImpactBudget(max_cost_eur="0.05", max_requests=100)
        >>> client = MeliousClient(api_key="sk-mel-...", budget=budget)
        >>> budget
        ImpactBudget(max_cost_eur=0/0.05, max_requests=0/100)
    """

    def __init__(
        self,
        *,
        max_cost_eur: Decimal | float | str | None = None,
        max_carbon_g: float | None = None,
        max_energy_kwh: float | None = None,
        max_water_l: float | None = None,
        max_requests: int | None = None,
        on_unreported: OnUnreported = "ignore",
    ) -> None:
        self.max_cost_eur = _amount("max_cost_eur", max_cost_eur)
        self.max_carbon_g = max_carbon_g
        self.max_energy_kwh = max_energy_kwh
        self.max_water_l = max_water_l
        for name in ("max_carbon_g", "max_energy_kwh", "max_water_l"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name))
        if max_requests is not None:
            check_whole("max_requests", max_requests)
        self.max_requests = max_requests
        check_one_of("on_unreported", on_unreported, get_args(OnUnreported))
        self.on_unreported = on_unreported
        self._bounds = {name: bound for name in _FIGURES if (bound := getattr(self, name)) is not None}
        if not self._bounds and max_requests is None:
            raise InvalidArgumentError(
                f"ImpactBudget: give at least one of {', '.join(_FIGURES)}, max_requests"
            )
        self._lock = forks.new_lock()
        self._requests = 0
        self._spent = Totals()
        self._estimated: dict[str, Any] = {}
        self._unreported: str | None = None
        self._estimator = Estimator() if on_unreported == "estimate" else None

    @property
    def requests(self) -> int:
        """How many requests have started."""
        return self._requests

    @property
    def spent(self) -> Totals:
        """The sums that answers have reported so far."""
        with self._lock:
            return self._spent.copy()

    @property
    def estimated(self) -> dict[str, Any]:
        """What `on_unreported="estimate"` added, by the name of the sum."""
        with self._lock:
            return dict(self._estimated)

    def check(self) -> None:
        """Check whether a request could start now.

        Raises:
            BudgetExceededError: It could not.
        """
        with self._lock:
            self._refuse_if_used_up()

    def record(self, entry: Entry) -> None:
        """Add what a request cost; clients call this."""
        if not entry.answered:
            return
        with self._lock:
            self._spent.add(entry)
            missing = [name for name in self._bounds if entry.reported(_FIGURES[name][0]) is None]
            if missing and self.on_unreported == "refuse":
                self._unreported = self._unreported or missing[0]
            if self._estimator is not None:
                if missing:
                    self._estimate(entry, missing)
                self._estimator.learn(entry)

    def _estimate(self, entry: Entry, missing: Sequence[str]) -> None:
        assert self._estimator is not None  # noqa: S101 - narrows the type for the checker
        guess = self._estimator.estimate(entry)
        for name in missing:
            figure = _FIGURES[name][0]
            value = getattr(guess, figure, None)
            if value is not None:
                self._estimated[figure] = value + self._estimated.get(figure, 0)

    def _refuse_if_used_up(self, count: int = 1) -> None:
        """Refuse so many requests; the lock is held."""
        if self._unreported is not None:
            unit = _FIGURES[self._unreported][1]
            raise self._error(
                self._unreported,
                f"not sent: an answer did not report its {unit}, so {self._unreported} cannot be enforced",
                advice=_CANNOT_BE_ENFORCED,
            )
        if self.max_requests is not None and self._requests + count > self.max_requests:
            used = f"{self._requests} of {self.max_requests} requests"
            if count > 1:
                reason = f"not sent: {count} requests are more than the budget has left: {used} are used"
            else:
                reason = f"not sent: the budget is used up: {used}"
            raise self._error("max_requests", f"{reason} (max_requests)")
        for name, bound in self._bounds.items():
            used = self._used(name)
            if used >= bound:
                figure, unit = _FIGURES[name]
                guessed = self._estimated.get(figure)
                beside = "" if guessed is None else f", {guessed:.4g} of it estimated"
                raise self._error(
                    name,
                    f"not sent: the budget is used up: {used:.4g} of {bound:.4g} {unit}{beside} ({name}), "
                    f"by {counted(self._requests, 'request')}",
                )

    def _used(self, name: str) -> Any:
        figure = _FIGURES[name][0]
        return (getattr(self._spent, figure) or 0) + self._estimated.get(figure, 0)

    def _error(self, limit: str, message: str, **details: Any) -> BudgetExceededError:
        return BudgetExceededError(message, budget=self, spent=self._spent.copy(), limit=limit, **details)

    def __repr__(self) -> str:
        with self._lock:
            shown = [f"{name}={self._used(name):.4g}/{bound:.4g}" for name, bound in self._bounds.items()]
            if self.max_requests is not None:
                shown.append(f"max_requests={self._requests}/{self.max_requests}")
        return f"ImpactBudget({', '.join(shown)})"

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = {name: value for name, value in self.__dict__.items() if name != "_lock"}
            copied = {"_spent": self._spent.copy(), "_estimated": dict(self._estimated)}
            return state | copied | {"_estimator": copy.deepcopy(self._estimator)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = forks.new_lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def _admit(self, count: int) -> None:
        self._requests += count


def check_budget(budget: object) -> None:
    """Refuse anything but a budget.

    Raises:
        InvalidArgumentError: It is not a budget.
    """
    if not isinstance(budget, ImpactBudget):
        raise InvalidArgumentError(f"budget: must be an ImpactBudget, not {budget!r}")


def admit(budgets: Sequence[ImpactBudget], count: int = 1) -> None:
    """Admit a request, or all those of a batch: count them in every budget, or in none.

    Raises:
        BudgetExceededError: One of them is used up.
    """
    with ExitStack() as held:
        # Always lock in the same order, to prevent a deadlock.
        for budget in sorted(budgets, key=id):
            held.enter_context(budget._lock)  # noqa: SLF001 - the other half of the class
        for budget in budgets:
            budget._refuse_if_used_up(count)  # noqa: SLF001
        for budget in budgets:
            budget._admit(count)  # noqa: SLF001


def give_back(budgets: Sequence[ImpactBudget], count: int) -> None:
    """Take back the admission of requests that did not start."""
    for budget in budgets:
        with budget._lock:  # noqa: SLF001
            budget._admit(-count)  # noqa: SLF001


def _amount(name: str, value: object) -> Decimal | None:
    amount = known_amount(value)
    if amount is None and value is not None:
        raise InvalidArgumentError(f"{name}: must be an amount of at least 0, not {value!r:.80}")
    return amount
