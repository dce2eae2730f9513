"""How far a batch is, on the standard error stream."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeAlias

from melious.answers.batches import BatchCounts
from melious.errors import InvalidArgumentError

Progress: TypeAlias = bool | Callable[[Any], object] | None
"""True for a line on the standard error stream, or a function that is called with the job after each poll."""


_MOST_SHOWN = 80


def checked(progress: object) -> Progress:
    """Refuse anything but True, False, None and a function."""
    if progress is None or isinstance(progress, bool) or callable(progress):
        return progress
    raise InvalidArgumentError(
        f"progress: must be True, False or callable, not {progress!r:.80}", param="progress"
    )


def line_of(status: str, counts: BatchCounts) -> str:
    r"""One line on a job.

    Examples:
        >>> line_of("in_progress", BatchCounts(total=500, succeeded=120, failed=2, processing=378))
        'in_progress: 122 of 500 requests, 2 of them failed'
        >>> line_of("queued", BatchCounts())
        'queued'
        >>> line_of("queued\x1b[2J", BatchCounts())
        'queued�[2J'
    """
    status = "".join(char if char.isprintable() else "�" for char in status[:_MOST_SHOWN])
    if not counts.total or counts.succeeded is None:
        return status
    failed = counts.failed or 0
    tail = f", {failed:,} of them failed" if failed else ""
    return f"{status}: {counts.succeeded + failed:,} of {counts.total:,} requests{tail}"


class ProgressLine:
    """Writes a line where it has changed; on a terminal, over the one before."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, text: str, *, done: bool) -> None:
        """Show the text."""
        out = sys.stderr
        if out is None:
            return
        if out.isatty():
            out.write(f"\r\033[K{text}" + ("\n" if done else ""))
        elif text != self._last:
            out.write(f"{text}\n")
        out.flush()
        self._last = text
