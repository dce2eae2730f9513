"""Where the span of a call belongs, and which spans of others stand for the same call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.trace import Span

from melious.clients.surroundings import FrameworkRun, current_run, enclosing_spans

_SUPPRESSED = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")
"""What code that must not be traced sets in the context: the key, or its plain name."""

_CALL_MARKS = {
    "openinference.span.kind": ("LLM",),
    "langfuse.observation.type": ("generation",),
    "gen_ai.operation.name": ("chat", "text_completion", "generate_content"),
}
"""Attributes by which a span says that it stands for a call of a model."""

Context: TypeAlias = context.Context


class Place(NamedTuple):
    """Where the span of a call belongs.

    Attributes:
        spans: The spans that others opened for the same call; they count its tokens.
        parent: The context to start the span in; None for the current one.
    """

    spans: tuple[Span, ...] = ()
    parent: Context | None = None


def is_suppressed() -> bool:
    """Whether the calling code asked not to be traced."""
    return any(context.get_value(key) for key in _SUPPRESSED)


def place_of(endpoint: str, resource: Any) -> Place:
    """Find the place of a call that begins now.

    Args:
        endpoint: The endpoint of the request. Only chat calls are counted by others.
        resource: That of our tracer. Spans of other providers go elsewhere, and are left alone; None if
            it is not known.
    """
    current = trace.get_current_span()
    if endpoint == "chat":
        run = current_run()
        same = _of_provider(run.spans() if run else (), resource)
        if not same and _stands_for_call(current, run):
            same = _of_provider([current], resource)
        if same:
            return Place(same, trace.set_span_in_context(same[0]))
    around = _of_provider(enclosing_spans(), resource)
    if around and _began(around[0]) >= _began(current):
        return Place((), trace.set_span_in_context(around[0]))
    return Place()


def _of_provider(spans: Iterable[Any], resource: Any) -> tuple[Span, ...]:
    """The spans that go where ours go."""
    return tuple(
        span
        for span in map(_itself, spans)
        if isinstance(span, Span) and (resource is None or getattr(span, "resource", resource) is resource)
    )


def _itself(span: Any) -> Any:
    """The span behind its wrappers; OpenInference's stand for another one once the call has returned."""
    while hasattr(span, "__wrapped__"):
        span = span.__wrapped__
    return span


def _stands_for_call(span: Span, run: FrameworkRun | None) -> bool:
    if not span.get_span_context().is_valid:
        return False
    scope = getattr(span, "instrumentation_scope", None)
    if run is not None and getattr(scope, "name", None) in run.tracers:
        return True
    attributes = getattr(span, "attributes", None) or {}
    return any(attributes.get(name) in kinds for name, kinds in _CALL_MARKS.items())


def _began(span: Span) -> int:
    """When a span began; the later one of two around the same code is the inner one."""
    began = getattr(span, "start_time", None)
    return began if isinstance(began, int) else 0


def measures_tokens(spans: Iterable[Span]) -> bool:
    """Whether the tracer of one of these spans also records the conventions' metrics."""
    names = (getattr(getattr(span, "instrumentation_scope", None), "name", "") for span in spans)
    return any(name.startswith("opentelemetry.instrumentation.langchain") for name in names)
