"""The ledgers and budgets of the current context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike
from typing import TYPE_CHECKING

from melious.errors.unknown import refuses_unknown
from melious.impact.ledger import ImpactLedger

if TYPE_CHECKING:
    from melious.impact.budget import ImpactBudget

_active: ContextVar[tuple[ImpactLedger, ...]] = ContextVar("melious_ledgers", default=())
_budgets: ContextVar[tuple[ImpactBudget, ...]] = ContextVar("melious_budgets", default=())


@refuses_unknown
@contextmanager
def track_impact(
    budget: ImpactBudget | None = None,
    *,
    estimate: bool = False,
    keep_rows: int = 0,
    rows_file: str | PathLike[str] | None = None,
) -> Iterator[ImpactLedger]:
    """Record the cost of every request inside the block, by the core or either framework.

    Blocks can be nested; the outer one includes the inner one. Tasks started in the
    block belong to it, and so do threads that copy its context.

    Args:
        budget: Limits on the cost of the block's requests, beside those of the clients.
        estimate: Estimate what is not reported, in separate columns; see `ImpactLedger`.
        keep_rows: Keep a row with its time for each of the last so many requests: `ledger.rows`.
        rows_file: Add a row for every request to this file, as a line of JSON.

    Yields:
        The ledger, which is updated until the block ends.

    Raises:
        InvalidArgumentError: `keep_rows` is not a whole number of at least 0.
        OSError: `rows_file` cannot be written.
        BudgetExceededError: Inside the block, by a request that the budget refuses.

    Examples:
        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     pass  # client.chat.create(...), chain.invoke(...), query_engine.query(...)
        >>> ledger.total.requests
        0
    """
    limits = _budgets.get()
    if budget is not None:
        from melious.impact.budget import check_budget  # noqa: PLC0415 - rarely needed

        check_budget(budget)
        if budget not in limits:
            limits = (*limits, budget)
    ledger = ImpactLedger(estimate=estimate, keep_rows=keep_rows, rows_file=rows_file)
    token = _active.set((*_active.get(), ledger))
    limits_token = _budgets.set(limits)
    try:
        yield ledger
    finally:
        _budgets.reset(limits_token)
        _active.reset(token)


def active_ledgers() -> tuple[ImpactLedger, ...]:
    """The ledgers of the current context."""
    return _active.get()


def active_budgets() -> tuple[ImpactBudget, ...]:
    """The budgets of the current context."""
    return _budgets.get()
