"""Finds the OpenTelemetry spans that tracers of LangChain opened for a run.

LangChain's tracers keep their spans by run and rarely make them current, so the span of a request would not
become their child.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config

from melious.clients import surroundings
from melious.clients.surroundings import FrameworkRun

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun


def _of_openinference(tracer: Any, run_id: UUID) -> Any:
    return tracer.get_span(run_id)


def _of_openllmetry(handler: Any, run_id: UUID) -> Any:
    return getattr(handler.spans.get(run_id), "span", None)


def _of_langfuse(handler: Any, run_id: UUID) -> Any:
    runs = getattr(handler, "_runs", {})
    return getattr(runs.get(run_id), "_otel_span", None)


_LOOKUPS: dict[str, Callable[[Any, UUID], Any]] = {
    "openinference.instrumentation.langchain": _of_openinference,
    "opentelemetry.instrumentation.langchain": _of_openllmetry,
    "langfuse.langchain": _of_langfuse,
}


def traced(
    run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None,
) -> AbstractContextManager[None]:
    """Say whose run makes the request inside the block."""
    if run_manager is None or not run_manager.handlers:
        return nullcontext()
    return surroundings.made_by(FrameworkRun(lambda: spans_of(run_manager.handlers, run_manager.run_id)))


def spans_of(handlers: Iterable[Any], run_id: UUID) -> Iterator[Any]:
    """The spans that the tracers among some callback handlers opened for a run."""
    for handler in handlers:
        lookup = _lookup(type(handler))
        span = lookup and lookup(handler, run_id)
        if span is not None:
            yield span


def _lookup(kind: type) -> Callable[[Any, UUID], Any] | None:
    """How to ask a handler of some class, or of a subclass of it."""
    for each in kind.__mro__:
        for package, lookup in _LOOKUPS.items():
            if each.__module__ == package or each.__module__.startswith(f"{package}."):
                return lookup
    return None


def _enclosing() -> Iterable[Any]:
    """The spans of the run around a request that is not a run itself, such as one for embeddings."""
    config = var_child_runnable_config.get()
    manager = config.get("callbacks") if config else None
    run_id = getattr(manager, "parent_run_id", None)
    return () if run_id is None else spans_of(getattr(manager, "handlers", ()), run_id)


surroundings.enclosing = (*surroundings.enclosing, _enclosing)
