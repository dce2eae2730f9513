"""The timeouts of a request, in every form that callers use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from melious.errors.checks import check_seconds
from melious.errors.unknown import refuses_unknown


@refuses_unknown
@dataclass(frozen=True, slots=True)
class Timeout:
    """How long each wait of one attempt may last, in seconds; None is no limit.

    Attributes:
        connect: Until the connection is open, TLS included.
        write: For each piece of the request.
        answer: Until the answer is complete; for a stream, until it starts.
        silence: In a stream, until the next byte.
        event: In a stream, until the next event; comments do not count.

    Examples:
        >>> from melious import Timeout
        >>> Timeout(answer=30.0, silence=None)
        Timeout(connect=5.0, write=60.0, answer=30.0, silence=None, event=300.0)
    """

    connect: float | None = 5.0
    write: float | None = 60.0
    answer: float | None = 300.0
    silence: float | None = 60.0
    event: float | None = 300.0

    def __post_init__(self) -> None:
        for name in ("connect", "write", "answer", "silence", "event"):
            value = getattr(self, name)
            if value is not None and not (type(value) is float and 0 < value < math.inf):
                check_seconds(f"timeout: {name}", value)


@runtime_checkable
class TimeoutParts(Protocol):
    """The parts of an `httpx.Timeout`: seconds for each kind of wait, or None for no limit."""

    @property
    def connect(self) -> float | None:
        """Until the connection is open."""

    @property
    def read(self) -> float | None:
        """For each piece of the answer."""

    @property
    def write(self) -> float | None:
        """For each piece of the request."""

    @property
    def pool(self) -> float | None:
        """For a free connection."""


TimeoutArgument: TypeAlias = float | Timeout | TimeoutParts | tuple[float | None, ...] | None


def read_timeout(timeout: TimeoutArgument) -> float | Timeout | None:
    """Convert the timeouts of other libraries; a number, a `Timeout` and None are returned unchanged.

    Args:
        timeout: An `httpx.Timeout` or similar; `(connect, read)`, where `read` is for writing too; or
            `(connect, read, write, pool)`. `read` becomes the time for the whole answer, or for each
            silence of a stream; None is no limit. Waiting for a free connection is part of the
            answer's time, so `pool` has no effect.

    Raises:
        InvalidArgumentError: It is something else, or a number is not positive.

    Examples:
        >>> read_timeout((3.05, 27.0))
        Timeout(connect=3.05, write=27.0, answer=27.0, silence=27.0, event=27.0)
    """
    if timeout is None or isinstance(timeout, Timeout):
        return timeout
    if isinstance(timeout, tuple) and len(timeout) in (2, 4):
        connect, read = timeout[:2]
        write = timeout[2] if len(timeout) == 4 else read  # noqa: PLR2004
    elif not isinstance(timeout, int | float) and isinstance(timeout, TimeoutParts):  # protocols are slow
        connect, read, write = timeout.connect, timeout.read, timeout.write
    else:
        check_seconds("timeout", timeout)
        return float(timeout)  # type: ignore[arg-type]  # it is a number by now
    return Timeout(connect, write, read, read, read)


_ANSWER_SECONDS = {
    "chat": 300.0,
    "embeddings": 60.0,
    "rerank": 60.0,
    "images": 180.0,
    "audio": 900.0,
    "documents": 600.0,
    "models": 15.0,
    "tools": 120.0,
    "messages": 15.0,
    "files": 900.0,
    "batches": 60.0,
}


def timeout_for(endpoint: str, timeout: TimeoutArgument) -> Timeout:
    """The timeouts of a request.

    Args:
        endpoint: The endpoint's name; each has its own default for a whole answer.
        timeout: A number bounds every wait, and connecting by 5 s at most; a `Timeout` is used
            unchanged; None means the defaults; for other forms see `read_timeout`.

    Raises:
        InvalidArgumentError: It has an unknown form, or a number is not positive.
    """
    if timeout is None:
        return _DEFAULTS.get(endpoint) or Timeout()
    seconds = read_timeout(timeout)
    if isinstance(seconds, float):
        return Timeout(min(5.0, seconds), seconds, seconds, seconds, seconds)
    return seconds or Timeout()


_DEFAULTS = {name: Timeout(answer=seconds) for name, seconds in _ANSWER_SECONDS.items()}
