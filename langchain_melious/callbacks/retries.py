"""Reports the core's retries to LangChain's callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_melious.errors import for_langchain

if TYPE_CHECKING:
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from tenacity import RetryCallState

    from melious.errors import RetryEvent


def with_retry_callback(
    given: dict[str, Any], run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None
) -> Mapping[str, Any]:
    """Add an `on_retry` to the arguments of a call that notifies the callbacks of its run."""
    if run_manager is None or not run_manager.handlers or "on_retry" in given:
        return given
    return {**given, "on_retry": lambda event: run_manager.on_retry(retry_state(event))}


def retry_state(event: RetryEvent) -> RetryCallState:
    """Build the argument of `on_retry`: the failed attempt, its error, and the wait before the next."""
    from tenacity import Future, RetryCallState, Retrying  # noqa: PLC0415 - only needed after a failure

    state = RetryCallState(Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = event.attempt
    state.outcome = Future.construct(event.attempt, for_langchain(event.error), has_exception=True)
    state.upcoming_sleep = state.idle_for = event.delay
    return state
