"""How a call ended, and who observes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from melious.exchange.request import Request
    from melious.impact.totals import Entry


class CallOutcome(NamedTuple):
    """How a call ended.

    Attributes:
        entry: What the sinks record of it.
        answer: The answer of the service, or the received part of a stream; empty if there is none.
        request_id: The service's id of the request.
        attempts: How many requests it took.
        error: Why it failed, if it did.
    """

    entry: Entry
    answer: Mapping[str, Any]
    request_id: str | None = None
    attempts: int = 0
    error: BaseException | None = None


class Observer(Protocol):
    """Observes one call."""

    def opened(self) -> None:
        """The first chunk of a stream came."""

    def ended(self, outcome: CallOutcome) -> None:
        """The call ended; called once."""


observers: tuple[Callable[[Request], Observer], ...] = ()
"""Called at the start of every call; each gives an observer of it."""
