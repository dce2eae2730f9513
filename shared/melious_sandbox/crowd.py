"""The live service's spurious refusals of chat requests that overlap."""

from collections.abc import Iterator
from contextlib import contextmanager

from melious_sandbox.errors import SandboxError


class Crowd:
    """Counts the chat requests under way, and refuses every second one that overlaps with another.

    Args:
        refuses: Whether it refuses at all.
    """

    def __init__(self, *, refuses: bool) -> None:
        self._refuses = refuses
        self._under_way = 0
        self._overlapping = 0

    @contextmanager
    def joined(self, endpoint: str) -> Iterator[None]:
        """Count a request until its answer has ended."""
        counts = endpoint == "chat"
        self._under_way += counts
        try:
            yield
        finally:
            self._under_way -= counts

    def check(self) -> None:
        """Refuse a request that overlaps with another, unless the last such one was refused.

        Raises:
            SandboxError: With the service's text for everything that it calls malformed.
        """
        if not self._refuses or self._under_way < 2:  # noqa: PLR2004 - itself and another
            return
        self._overlapping += 1
        if self._overlapping % 2:
            raise SandboxError("malformed")

    def clear(self) -> None:
        """Let the next request that overlaps be refused."""
        self._overlapping = 0
