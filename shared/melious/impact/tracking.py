"""Which ledgers the running code reports to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from melious.impact.ledger import ImpactLedger

if TYPE_CHECKING:
    from melious.impact.budget import ImpactBudget

_active: ContextVar[tuple[ImpactLedger, ...]] = ContextVar("melious_ledgers", default=())
_budgets: ContextVar[tuple[ImpactBudget, ...]] = ContextVar("melious_budgets", default=())


@contextmanager
def track_impact(budget: ImpactBudget | None = None, *, estimate: bool = False) -> Iterator[ImpactLedger]:
    """Collect what every request made inside the block costs, through the core or either framework.

    Blocks may be nested; the outer one also sees what the inner one sees. The
    block follows the context: tasks started in it belong to it, and so do
    threads that copy the context.

    Args:
        budget: Limits on what the requests of the block may cost together, beside those of the
            clients: a request that would start when one is reached is refused.
        estimate: Estimate what is not reported, in columns of their own; see `ImpactLedger`.

    Yields:
        The ledger, which goes on growing until the block ends.

    Raises:
        BudgetExceededError: Inside the block, by a request that the budget refuses.

    Example:
        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     pass  # client.chat.create(...), chain.invoke(...), query_engine.query(...)
        >>> ledger.total.requests
        0
    """
    limits = _budgets.get()
    if budget is not None:
        from melious.impact.budget import check_budget  # noqa: PLC0415 - only for those who have one

        check_budget(budget)
        if budget not in limits:
            limits = (*limits, budget)
    ledger = ImpactLedger(estimate=estimate)
    token = _active.set((*_active.get(), ledger))
    limits_token = _budgets.set(limits)
    try:
        yield ledger
    finally:
        _budgets.reset(limits_token)
        _active.reset(token)


def active_ledgers() -> tuple[ImpactLedger, ...]:
    """The ledgers that the running code reports to."""
    return _active.get()


def active_budgets() -> tuple[ImpactBudget, ...]:
    """The budgets of the blocks in which the running code is."""
    return _budgets.get()
