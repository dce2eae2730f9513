"""LlamaIndex's decorators, typed: a decorated method keeps its signature.

LlamaIndex declares that they return any callable, so type checkers lose the arguments and the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index_instrumentation.dispatcher import Dispatcher

from melious.errors import InvalidArgumentError

F = TypeVar("F", bound=Callable[..., Any])


def checked_messages(method: F) -> F:
    """Check a method's messages before LlamaIndex does, whose errors are those of its events."""
    if iscoroutinefunction(method):

        @wraps(method)
        async def asynchronous(*args: Any, **kwargs: Any) -> Any:
            _check_messages(args, kwargs)
            return await method(*args, **kwargs)

        return cast("F", asynchronous)

    @wraps(method)
    def blocking(*args: Any, **kwargs: Any) -> Any:
        _check_messages(args, kwargs)
        return method(*args, **kwargs)

    return cast("F", blocking)


def _check_messages(args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    messages = args[1] if len(args) > 1 else kwargs.get("messages", ())
    if isinstance(messages, str) or not isinstance(messages, Sequence):
        hint = "; complete() takes a text" if isinstance(messages, str) else ""
        raise InvalidArgumentError(
            f"messages: must be a list of ChatMessage, not {type(messages).__name__}{hint}", param="messages"
        )
    for place, message in enumerate(messages):
        if not isinstance(message, ChatMessage):
            raise InvalidArgumentError(
                f"messages[{place}]: must be a ChatMessage, not {type(message).__name__}", param="messages"
            )


def chat_callback() -> Callable[[F], F]:
    """Apply `llm_chat_callback` to a method that returns a whole answer."""
    return cast("Callable[[F], F]", llm_chat_callback())


def completion_callback() -> Callable[[F], F]:
    """Apply `llm_completion_callback` to a method that returns a whole answer."""
    return cast("Callable[[F], F]", llm_completion_callback())


def span(dispatcher: Dispatcher) -> Callable[[F], F]:
    """Make each call of a method a span of this dispatcher."""
    return cast("Callable[[F], F]", dispatcher.span)
