"""What the page shows of the past: the beginnings of answers, and sums as they grew. Both are bounded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

ANSWERS_KEPT = 100
_MOST_BYTES = 32 * 1024
_SHARE = 16  # of the memory for requests, what all answers together may take besides
_MOST_POINTS = 240


@dataclass(slots=True)
class Answer:
    """What a client was sent.

    Attributes:
        headers: Headers with lower-case names.
        body: The beginning of the body.
        size: Bytes of the whole body.
    """

    headers: Mapping[str, str]
    room: int
    body: bytearray = field(default_factory=bytearray)
    size: int = 0

    def add(self, data: bytes) -> None:
        """Note what was sent."""
        if len(self.body) < self.room:
            self.body += data[: self.room - len(self.body)]
        self.size += len(data)


def room_for_answer(max_bytes: int) -> int:
    """Give how many bytes of an answer are kept, where requests may take so many."""
    return min(_MOST_BYTES, max_bytes // _SHARE // ANSWERS_KEPT)


class Growth(Generic[T]):
    """Values in the order in which they came; beyond 240 points, every second is dropped."""

    def __init__(self) -> None:
        self.points: list[tuple[int, T]] = []
        self.count = 0
        self._every = 1

    def is_due(self) -> bool:
        """Count one more value, and say whether it is one to add."""
        self.count += 1
        return self.count % self._every == 0

    def add(self, value: T) -> None:
        """Add the value that was counted last."""
        self.points.append((self.count, value))
        if len(self.points) > _MOST_POINTS:
            self.points = self.points[1::2]
            self._every *= 2
