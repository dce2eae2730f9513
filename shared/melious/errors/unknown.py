"""Errors for arguments that nobody knows, with the one that was meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

from melious.errors.suggestions import nearest
from melious.errors.tree import InvalidArgumentError

C = TypeVar("C", bound=Callable[..., Any])

_OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "additional_headers": ("default_headers", "extra_headers"),
    "additional_kwargs": ("extra_body",),
    "api_base": ("base_url",),
    "base": ("base_url",),
    "chunk_size": ("batch_size",),
    "countries": ("filters",),
    "default_headers": ("extra_headers",),
    "endpoint": ("base_url",),
    "headers": ("default_headers", "extra_headers"),
    "key": ("api_key",),
    "max_completion_tokens": ("max_tokens",),
    "melious_api_base": ("base_url",),
    "melious_api_key": ("api_key",),
    "min_score": ("score_threshold",),
    "model_kwargs": ("extra_body",),
    "openai_api_base": ("base_url",),
    "openai_api_key": ("api_key",),
    "openai_proxy": ("http_client",),
    "proxies": ("http_client",),
    "proxy": ("http_client",),
    "reasoning": ("reasoning_effort",),
    "request_timeout": ("timeout",),
    "score_threshold": ("min_score",),
    "similarity_cutoff": ("min_score", "score_threshold"),
    "stop_sequences": ("stop",),
    "stream": ("streaming",),
    "thinking": ("reasoning_effort",),
    "token": ("api_key",),
    "url": ("base_url",),
}
"""What other packages call an argument."""

_NOT_NEEDED = frozenset(
    {
        "api_type",
        "api_version",
        "check_embedding_ctx_length",
        "deployment_name",
        "disabled_params",
        "embedding_ctx_length",
        "engine",
        "is_chat_model",
        "openai_api_type",
        "openai_api_version",
        "openai_organization",
        "organization",
        "reuse_client",
        "should_use_structured_outputs",
        "tiktoken_enabled",
        "tiktoken_model_name",
        "tokenizer",
        "use_responses_api",
    }
)
"""Arguments of other packages that set what needs no setting here."""


def reject_unknown(given: Iterable[str], known: Collection[str], where: str) -> None:
    """Refuse names that are not known, with the one that was meant, as far as that can be told.

    Raises:
        InvalidArgumentError: For the first unknown name.
    """
    for name in given:
        if name not in known:
            if name in _NOT_NEEDED:
                raise InvalidArgumentError(
                    f"{where}: unknown argument {name!r}; leave it out, it is not needed"
                )
            meant = nearest(name, known, _OTHER_WORDS)
            hint = f"; did you mean {meant!r}?" if meant else ""
            if not meant and "extra_body" in known:
                hint = " (other fields of the body go into extra_body)"
            raise InvalidArgumentError(f"{where}: unknown argument {name!r}{hint}")


def refuses_unknown(target: C) -> C:
    """Let a class or a function raise `InvalidArgumentError`, and not `TypeError`, for unknown arguments.

    Examples:
        >>> @refuses_unknown
        ... def wait(*, seconds: float) -> None: ...
        >>> wait(second=1.0)
        Traceback (most recent call last):
        ...
        melious.errors.InvalidArgumentError: wait: unknown argument 'second'; did you mean 'seconds'?
    """
    function: Any = vars(target)["__init__"] if isinstance(target, type) else target
    names = frozenset(inspect.signature(function).parameters) - {"self"}

    @wraps(function)
    def checked(*positional: Any, **named: Any) -> Any:
        if not named.keys() <= names:
            reject_unknown(named, names, target.__name__)
        return function(*positional, **named)

    if isinstance(target, type):
        target.__init__ = checked  # type: ignore[misc]  # the same arguments
        return target
    return checked  # type: ignore[return-value]  # the same arguments
