"""The ledgers and budgets of the current context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike
from typing import TYPE_CHECKING

from melious.errors.unknown import refuses_unknown
from melious.impact.ledger import ImpactLedger
from melious.impact.tags import active_tags, checked_tags, merged

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
    tags: Mapping[str, str] | None = None,
) -> Iterator[ImpactLedger]:
    """Record the cost of every request inside the block, by the core or either framework.

    Blocks can be nested; the outer one includes the inner one. Tasks started in the
    block belong to it, and so do threads that copy its context.

    Args:
        budget: Limits on the cost of the block's requests, beside those of the clients.
        estimate: Estimate what is not reported, in separate columns; see `ImpactLedger`.
        keep_rows: Keep a row with its time for each of the last so many requests: `ledger.rows`.
        rows_file: Add a row for every request to this file, as a line of JSON.
        tags: What the requests belong to, such as `{"project": "website"}`, for sums, rows and reports.
            Inner blocks add to the tags of outer ones, and may replace their values.

    Yields:
        The ledger, which is updated until the block ends.

    Raises:
        InvalidArgumentError: `keep_rows` is not a whole number of at least 0, or `tags` are not texts.
        OSError: `rows_file` cannot be written.
        BudgetExceededError: Inside the block, by a request that the budget refuses.

    Examples:
        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     pass  # client.chat.create(...), chain.invoke(...), query_engine.query(...)
        >>> ledger.total.requests
        0
        >>> with track_impact(tags={"project": "website"}) as ledger:
        ...     pass  # the same
        >>> ledger.by_tag("project")
        {}
    """
    tags_inside = active_tags.get() if tags is None else merged(active_tags.get(), checked_tags(tags))
    limits = _budgets.get()
    if budget is not None:
        from melious.impact.budget import check_budget  # noqa: PLC0415 - rarely needed

        check_budget(budget)
        if budget not in limits:
            limits = (*limits, budget)
    ledger = ImpactLedger(estimate=estimate, keep_rows=keep_rows, rows_file=rows_file)
    tags_token = active_tags.set(tags_inside)
    token = _active.set((*_active.get(), ledger))
    limits_token = _budgets.set(limits)
    try:
        yield ledger
    finally:
        active_tags.reset(tags_token)
        _budgets.reset(limits_token)
        _active.reset(token)


def active_ledgers() -> tuple[ImpactLedger, ...]:
    """The ledgers of the current context."""
    return _active.get()


def active_budgets() -> tuple[ImpactBudget, ...]:
    """The budgets of the current context."""
    return _budgets.get()
