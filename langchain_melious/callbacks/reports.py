"""Telling callbacks what a request cost where LangChain's interface returns no message: embeddings, rerank.

Each request is one custom event, `melious_usage`. Inside a chain it goes to the
callbacks of the run around it, else to those that are active here.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import manager as callbacks_manager
from langchain_core.runnables.config import var_child_runnable_config

from melious.routing.filters import split_flavor

if TYPE_CHECKING:
    from melious.answers.results import Result

USAGE_EVENT = "melious_usage"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asked for.

    Attributes:
        endpoint: `embeddings` or `rerank`.
        model: The model, with or without a flavor.
        routing: What was asked of the routing.
    """

    endpoint: str
    model: str
    routing: Mapping[str, Any]


def report(asked: Asked, results: Iterable[Result]) -> None:
    """Tell the callbacks what each of the requests of a call cost."""
    manager = _manager("CallbackManager")
    if manager is not None:
        for result in results:
            manager.on_custom_event(USAGE_EVENT, usage_of(asked, result), manager.parent_run_id)


async def areport(asked: Asked, results: Iterable[Result]) -> None:
    """Tell the callbacks what each of the requests of a call cost."""
    manager = _manager("AsyncCallbackManager")
    if manager is not None:
        for result in results:
            await manager.on_custom_event(USAGE_EVENT, usage_of(asked, result), manager.parent_run_id)


@contextmanager
def reported(asked: Asked, call: dict[str, Any]) -> Iterator[None]:
    """Tell the callbacks what each request of a call cost, also where another one fails.

    Args:
        asked: What the call asks for.
        call: Its arguments; `on_answer` is added.
    """
    answers = _answers_to(call)
    try:
        yield
    finally:
        report(asked, answers)


@asynccontextmanager
async def areported(asked: Asked, call: dict[str, Any]) -> AsyncIterator[None]:
    """Tell the callbacks what each request of a call cost, also where another one fails."""
    answers = _answers_to(call)
    try:
        yield
    finally:
        await areport(asked, answers)


def _answers_to(call: dict[str, Any]) -> list[Result]:
    """Collect the answers to a call, beside what its caller does with them."""
    answers: list[Result] = []
    on_answer = call.get("on_answer")

    def collect(answer: Result) -> object:
        answers.append(answer)
        return None if on_answer is None else on_answer(answer)

    if on_answer is None or callable(on_answer):
        call["on_answer"] = collect
    return answers


def usage_of(asked: Asked, result: Result) -> dict[str, Any]:
    """What a request cost, as plain data; what the service did not report is absent.

    Example:
        >>> from melious.answers.results import Result
        >>> usage_of(Asked("rerank", "bge-reranker-v2-m3", {}), Result(usage={"total_tokens": 9}))
        {'endpoint': 'rerank', 'model': 'bge-reranker-v2-m3', 'usage': {'total_tokens': 9}}
    """
    event: dict[str, Any] = {"endpoint": asked.endpoint, "model": split_flavor(asked.model)[0]}
    routing = {**asked.routing, "relaxed": list(result.relaxed)} if result.relaxed else dict(asked.routing)
    if routing:
        event["routing"] = routing
    for name in ("usage", "environment_impact", "billing_cost"):
        reported = getattr(result, name)
        if reported is not None:
            event[name] = reported.model_dump(mode="json", exclude_none=True)
    if result.request_id:
        event["request_id"] = result.request_id
    return event


def _manager(kind: str) -> Any:
    """The callbacks of the run around this call and those that are active everywhere, if there are any."""
    if "langchain_core.tracers.context" not in sys.modules:
        return (
            None  # no run has begun and no callback is active yet, and to ask would cost a second of imports
        )
    around = var_child_runnable_config.get()
    callbacks = around.get("callbacks") if around else None
    manager = getattr(callbacks_manager, kind).configure(inheritable_callbacks=callbacks)
    return manager if manager.handlers else None
