"""Where a warning points: at the line of whoever uses this package, directly or through a framework."""

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
    "asyncio",  # whoever runs the loop, where a task leads straight here
)

_MOST = 256
_said: dict[str, object] = {}
"""What this process was warned of once. Bounded: the words may be those of the users of a service."""


def warn_once(message: str) -> None:
    """Warn at the caller's line, with a `UserWarning`, unless this process was warned of just that before."""
    if message in _said or len(_said) >= _MOST:
        return
    mark = object()
    if _said.setdefault(message, mark) is mark:  # one thread of several wins
        warnings.warn(message, UserWarning, stacklevel=callers_level())


def callers_level() -> int:
    """How far up the first line is that is neither ours nor a framework's, for a warning to point at."""
    frame = sys._getframe(1)  # noqa: SLF001 - as `warnings` itself counts
    level = 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        frame = frame.f_back
        level += 1
    return level
