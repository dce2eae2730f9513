"""Removes frames from tracebacks whose locals contain a request with its headers and the key.

Crash reporters send the locals of every frame of an exception, of its causes and of its contexts. Frames of
HTTP libraries contain headers and whole requests, so none of them leaves this package: types and messages
stay, as causes. An exception that the caller was handling during the call is left alone.
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
    """An exception with its causes and contexts, without `handled`, which the caller was handling."""
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
    """Drop all frames of an exception of an HTTP library, and of its causes and contexts."""
    for item in chain_of(error, handled):
        item.__traceback__ = None


def drop_library_frames(error: BaseException, handled: BaseException | None = None) -> None:
    """Keep only the frames of the caller's code that an HTTP library called."""
    for item in chain_of(error, handled):
        item.__traceback__ = _behind_library(item.__traceback__)


def raised_by_library(error: BaseException) -> bool:
    """Whether an HTTP library itself raised an exception, and not code that it called."""
    return _behind_library(error.__traceback__) is None


class CleanInterruption:
    """Removes the frames of libraries from a cancellation or Ctrl-C that leaves a block."""

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
