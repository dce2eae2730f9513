"""What a framework traces around a call: the adapters say it, observers read it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from melious.clients import outcomes


class FrameworkRun(NamedTuple):
    """The run of a framework that makes one chat call.

    Attributes:
        spans: Returns the spans that tracers opened for this run, as far as the framework knows them.
        tracers: Names of tracers whose current span, if there is one, is that of this run.
    """

    spans: Callable[[], Iterable[Any]] = tuple
    tracers: frozenset[str] = frozenset()


_UNOBSERVED = nullcontext()
_run: ContextVar[FrameworkRun | None] = ContextVar("melious_framework_run", default=None)

enclosing: tuple[Callable[[], Iterable[Any]], ...] = ()
"""Return the spans of the run that the calling code is part of; adapters add theirs."""


def current_run() -> FrameworkRun | None:
    """The run that makes the call, if the adapter of a framework makes it."""
    return _run.get()


def enclosing_spans() -> Iterable[Any]:
    """The spans of the run that the calling code is part of."""
    return [span for find in enclosing for span in find()]


def made_by(run: FrameworkRun) -> AbstractContextManager[None]:
    """Say whose run makes the call inside the block. Does nothing while nobody observes."""
    return _within(run) if outcomes.observers else _UNOBSERVED


@contextmanager
def _within(run: FrameworkRun) -> Generator[None]:
    token = _run.set(run)
    try:
        yield
    finally:
        _run.reset(token)
