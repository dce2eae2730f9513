"""Reports the cost of requests that return no message, such as embeddings, to LangChain's callbacks.

Each request is one custom event, `melious_usage`. Inside a chain it goes to the
callbacks of the surrounding run, otherwise to the active ones.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import manager as callbacks_manager
from langchain_core.runnables.config import var_child_runnable_config

import langchain_melious.callbacks.tags  # noqa: F401 - lets ledgers see LangChain's tags
from melious.routing.filters import split_flavor

if TYPE_CHECKING:
    from melious.answers.results import Result

USAGE_EVENT = "melious_usage"


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a call requests.

    Attributes:
        endpoint: `embeddings`, `rerank`, `images` or `audio`.
        model: The model, with or without a flavor.
        routing: The requested routing.
    """

    endpoint: str
    model: str
    routing: Mapping[str, Any]


def report(info: RequestInfo, results: Iterable[Result]) -> None:
    """Report the cost of each request of a call."""
    manager = _manager("CallbackManager")
    if manager is not None:
        for result in results:
            manager.on_custom_event(USAGE_EVENT, usage_of(info, result), manager.parent_run_id)


async def areport(info: RequestInfo, results: Iterable[Result]) -> None:
    """Report the cost of each request of a call."""
    manager = _manager("AsyncCallbackManager")
    if manager is not None:
        for result in results:
            await manager.on_custom_event(USAGE_EVENT, usage_of(info, result), manager.parent_run_id)


@contextmanager
def reported(info: RequestInfo, call: dict[str, Any]) -> Iterator[None]:
    """Report the cost of each request of a call, even if another one fails. Adds `on_answer` to the call."""
    answers = _answers_to(call)
    try:
        yield
    finally:
        report(info, answers)


@asynccontextmanager
async def areported(info: RequestInfo, call: dict[str, Any]) -> AsyncIterator[None]:
    """Report the cost of each request of a call, even if another one fails."""
    answers = _answers_to(call)
    try:
        yield
    finally:
        await areport(info, answers)


def _answers_to(call: dict[str, Any]) -> list[Result]:
    """Collect the answers to a call, and still call the caller's `on_answer`."""
    answers: list[Result] = []
    on_answer = call.get("on_answer")

    def collect(answer: Result) -> object:
        answers.append(answer)
        return None if on_answer is None else on_answer(answer)

    if on_answer is None or callable(on_answer):
        call["on_answer"] = collect
    return answers


def usage_of(info: RequestInfo, result: Result) -> dict[str, Any]:
    """The cost of a request as plain data, without what the service did not report.

    Examples:
        >>> from melious.answers.results import Result
        >>> usage_of(RequestInfo("rerank", "bge-reranker-v2-m3", {}), Result(usage={"total_tokens": 9}))
        {'endpoint': 'rerank', 'model': 'bge-reranker-v2-m3', 'usage': {'total_tokens': 9}}
    """
    event: dict[str, Any] = {"endpoint": info.endpoint, "model": split_flavor(info.model)[0]}
    routing = {**info.routing, "relaxed": list(result.relaxed)} if result.relaxed else dict(info.routing)
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
    """The callbacks of the surrounding run and the active ones, or None if there are none."""
    if "langchain_core.tracers.context" not in sys.modules:
        return None  # no run or callback can be active yet, and asking would import for a second
    around = var_child_runnable_config.get()
    callbacks = around.get("callbacks") if around else None
    manager = getattr(callbacks_manager, kind).configure(inheritable_callbacks=callbacks)
    return manager if manager.handlers else None
