"""LlamaIndex's decorators, typed: a decorated method keeps its signature.

LlamaIndex declares that they return any callable, so type checkers lose the arguments and the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index_instrumentation.dispatcher import Dispatcher

F = TypeVar("F", bound=Callable[..., Any])


def chat_callback() -> Callable[[F], F]:
    """Apply `llm_chat_callback` to a method that returns a whole answer."""
    return cast("Callable[[F], F]", llm_chat_callback())


def completion_callback() -> Callable[[F], F]:
    """Apply `llm_completion_callback` to a method that returns a whole answer."""
    return cast("Callable[[F], F]", llm_completion_callback())


def span(dispatcher: Dispatcher) -> Callable[[F], F]:
    """Make each call of a method a span of this dispatcher."""
    return cast("Callable[[F], F]", dispatcher.span)
