"""Warnings that point at the user's line, outside this package and the frameworks."""

from __future__ import annotations

import sys
import warnings

_OURS = (
    "melious",
    "melious_sandbox",
    "langchain_melious",
    "llama_index_melious",
    "pydantic",
    "langchain",
    "langchain_core",
    "llama_index",
    "llama_index_instrumentation",
    "asyncio",  # in a task, the frame above may be the loop's
)

_MAX_REMEMBERED = 256
_warned: dict[str, object] = {}
"""The warnings of this process. Bounded, since messages may quote user input."""


def warn_once(message: str) -> None:
    """Issue a `UserWarning` at the caller's line, once per message and process."""
    if message in _warned or len(_warned) >= _MAX_REMEMBERED:
        return
    mark = object()
    if _warned.setdefault(message, mark) is mark:  # one thread of several wins
        warnings.warn(message, UserWarning, stacklevel=callers_level())


def callers_level() -> int:
    """The stack level of the first frame that is neither ours nor a framework's."""
    frame = sys._getframe(1)  # noqa: SLF001 - as `warnings` itself counts
    level = 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        frame = frame.f_back
        level += 1
    return level
