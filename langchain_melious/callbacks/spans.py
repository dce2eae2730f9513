"""Finds whose run makes a request: the OpenTelemetry spans that tracers opened for it, and its tags.

LangChain's tracers keep their spans by run and rarely make them current, so the span of a request would not
become their child. And LangChain does not tell `_stream` whose run it is; a callback handler finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.runnables.config import (
    RunnableConfig,
    ensure_config,
    merge_configs,
    var_child_runnable_config,
)
from typing_extensions import override

from langchain_melious.callbacks.tags import run_tags, tags_of_run
from melious.clients import outcomes, surroundings
from melious.clients.surroundings import FrameworkRun
from melious.impact import active_ledgers
from melious.impact.totals import Tags

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun, Callbacks

    RunManager: TypeAlias = AsyncCallbackManagerForLLMRun | CallbackManagerForLLMRun | None


class _Run(NamedTuple):
    """A chat run: its spans, for observers, and its tags, for ledgers."""

    spans: FrameworkRun
    tags: Tags


_UNOBSERVED = nullcontext()
_started: ContextVar[_Run | None] = ContextVar("melious_started_run", default=None)
"""The chat run that began last; its tracers have no span for it any more once it has ended."""


def _of_openinference(tracer: Any, run_id: UUID) -> Any:
    get_span = getattr(tracer, "get_span", None)
    return None if get_span is None else get_span(run_id)


def _of_openllmetry(handler: Any, run_id: UUID) -> Any:
    return getattr(getattr(handler, "spans", {}).get(run_id), "span", None)


def _of_langfuse(handler: Any, run_id: UUID) -> Any:
    return getattr(getattr(handler, "_runs", {}).get(run_id), "_otel_span", None)


_LOOKUPS: dict[str, Callable[[Any, UUID], Any]] = {
    "openinference.instrumentation.langchain": _of_openinference,
    "opentelemetry.instrumentation.langchain": _of_openllmetry,
    "langfuse.langchain": _of_langfuse,
}


def traced(run_manager: RunManager) -> AbstractContextManager[None]:
    """Say whose run makes the request inside the block; without a manager, it is the run that began last."""
    if not _is_observed():
        return _UNOBSERVED
    run = _started.get() if run_manager is None else _run_of(run_manager)
    return _UNOBSERVED if run is None else _made_by(run)


def _is_observed() -> bool:
    return bool(outcomes.observers or active_ledgers())


@contextmanager
def _made_by(run: _Run) -> Generator[None]:
    token = run_tags.set(run.tags)
    try:
        with surroundings.made_by(run.spans):
            yield
    finally:
        run_tags.reset(token)


def note_run(run_manager: RunManager) -> None:
    """Note the run that `_stream` will not be told."""
    if run_manager is not None and _is_observed():
        _started.set(_run_of(run_manager))


def watched(config: RunnableConfig | None, local: Callbacks) -> RunnableConfig | None:
    """A config with which the run of a stream notes itself; the same config while nobody observes.

    Args:
        config: The caller's.
        local: The callbacks of the model.
    """
    if not _is_observed():
        return config
    own = ensure_config(config)
    inherited = own.get("callbacks")
    watcher = _RunWatcher(lambda: CallbackManager.configure(inherited, local).handlers)
    merged = merge_configs({"callbacks": inherited}, {"callbacks": [watcher]})
    return {**own, "callbacks": merged["callbacks"]}


class _RunWatcher(BaseCallbackHandler):
    """Notes the run of a chat model when it begins, in the context that its request is made in."""

    run_inline: bool = True
    raise_error: bool = False

    def __init__(self, handlers: Callable[[], Iterable[Any]]) -> None:
        super().__init__()
        self._handlers = handlers

    @property
    @override
    def ignore_llm(self) -> bool:
        return True

    @override
    def on_chat_model_start(
        self,
        *_: Any,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **__: Any,
    ) -> None:
        spans = FrameworkRun(lambda: spans_of(self._handlers(), run_id))
        _started.set(_Run(spans, tags_of_run(tags, metadata)))


def _run_of(run_manager: AsyncCallbackManagerForLLMRun | CallbackManagerForLLMRun) -> _Run:
    spans = FrameworkRun(lambda: spans_of(run_manager.handlers, run_manager.run_id))
    return _Run(spans, tags_of_run(run_manager.tags, run_manager.metadata))


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
