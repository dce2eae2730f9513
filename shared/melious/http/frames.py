"""What a traceback must not keep: the frames in whose locals a request stands with its headers and the key.

Crash reporters send the locals of every frame of an exception, of its causes
and of its contexts. The frames of HTTP libraries hold headers and whole
requests, so none of them leaves this package: types and messages stay, as
causes. An exception that the caller was handling when the call was made is the
caller's, and is left alone.
"""

from __future__ import annotations

import sys
from types import FrameType, TracebackType

_LIBRARIES = frozenset(
    {
        *("httpx", "httpx2", "httpcore", "httpcore2", "h11", "anyio", "aiohttp", "httpx_aiohttp", "socksio"),
        *("asyncio", "uvloop", "ssl", "socket", "selectors", "yarl", "multidict", "idna"),
    }
)
_OF_OURS = frozenset(
    {
        *(f"melious.http.{name}" for name in ("borrowed", "connections", "outgoing", "_async.aiohttp_pool")),
        *(
            f"melious.http._{colour}.{name}"
            for colour in ("async", "sync")
            for name in ("borrowed", "pool", "primitives")
        ),
    }
)


def chain_of(error: BaseException, handled: BaseException | None = None) -> list[BaseException]:
    """An exception and all that led to it, but for the one that the caller was handling and what led to that.

    Args:
        error: The exception.
        handled: What `sys.exception()` gives where the call was made.
    """
    found: list[BaseException] = []
    coming: list[BaseException | None] = [error]
    seen = set() if handled is None else {id(handled)}
    while coming:
        item = coming.pop()
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        found.append(item)
        coming += (item.__cause__, item.__context__)
        if isinstance(item, BaseExceptionGroup):
            coming += item.exceptions
    return found


def drop_frames(error: BaseException, handled: BaseException | None = None) -> None:
    """Drop all frames of an exception that came out of an HTTP library, and of all that led to it."""
    for item in chain_of(error, handled):
        item.__traceback__ = None


def drop_library_frames(error: BaseException, handled: BaseException | None = None) -> None:
    """Keep only the frames behind an HTTP library: those of the caller's code that the library had called."""
    for item in chain_of(error, handled):
        item.__traceback__ = _behind_library(item.__traceback__)


def raised_by_library(error: BaseException) -> bool:
    """Whether an HTTP library itself raised an exception, as against what the library had called."""
    return _behind_library(error.__traceback__) is None


class CleanInterruption:
    """Lets what interrupts a block, such as a cancellation or Ctrl-C, out without the frames of libraries."""

    def __enter__(self) -> None:
        self._handled = sys.exception()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        handled, self._handled = self._handled, None
        if error is not None and not isinstance(error, Exception):
            drop_library_frames(error, handled)


def _behind_library(traceback: TracebackType | None) -> TracebackType | None:
    behind = traceback
    while traceback is not None:
        if _is_library(traceback.tb_frame):
            behind = traceback.tb_next
        traceback = traceback.tb_next
    return behind


def _is_library(frame: FrameType) -> bool:
    module: str = frame.f_globals.get("__name__", "")
    return module.partition(".")[0] in _LIBRARIES or module in _OF_OURS
