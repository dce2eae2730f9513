"""Which ledgers the running code reports to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from melious.impact.ledger import ImpactLedger

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
