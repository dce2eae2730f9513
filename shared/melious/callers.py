"""Where a warning points: at the line of those who use this package, be it through a framework."""

from __future__ import annotations

import sys

_OURS = (
    "melious",
    "langchain_melious",
    "llama_index_melious",
    "pydantic",
    "langchain",
    "langchain_core",
    "llama_index",
    "llama_index_instrumentation",
    "asyncio",  # whoever runs the loop, where a task leads straight here
)


def callers_level() -> int:
    """How far up the first line is that is neither ours nor a framework's, for a warning to point at."""
    frame = sys._getframe(1)  # noqa: SLF001 - as `warnings` itself counts
    level = 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        frame = frame.f_back
        level += 1
    return level
