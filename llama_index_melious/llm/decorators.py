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


def check_messages(messages: object) -> None:
    """Refuse anything but a list of `ChatMessage`."""
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        hint = ""
        if isinstance(messages, str):
            hint = "; complete() takes a prompt"
        elif isinstance(messages, ChatMessage):
            hint = "; put it into a list"
        raise InvalidArgumentError(
            f"messages: must be a list of ChatMessage, not {type(messages).__name__}{hint}", param="messages"
        )
    for position, message in enumerate(messages):
        if not isinstance(message, ChatMessage):
            raise InvalidArgumentError(
                f"messages[{position}]: must be a ChatMessage, not {type(message).__name__}", param="messages"
            )


def with_checked_messages(method: F) -> F:
    """Check the messages before LlamaIndex makes an event of them, whose own check names the event."""
    if iscoroutinefunction(method):

        @wraps(method)
        async def acalled(self: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
            check_messages(messages)
            return await method(self, messages, *args, **kwargs)

        return cast("F", acalled)

    @wraps(method)
    def called(self: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
        check_messages(messages)
        return method(self, messages, *args, **kwargs)

    return cast("F", called)


def chat_callback() -> Callable[[F], F]:
    """Apply `llm_chat_callback` to a method that returns a whole answer."""
    return cast("Callable[[F], F]", llm_chat_callback())


def completion_callback() -> Callable[[F], F]:
    """Apply `llm_completion_callback` to a method that returns a whole answer."""
    return cast("Callable[[F], F]", llm_completion_callback())


def span(dispatcher: Dispatcher) -> Callable[[F], F]:
    """Make each call of a method a span of this dispatcher."""
    return cast("Callable[[F], F]", dispatcher.span)
