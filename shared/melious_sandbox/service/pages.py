"""How many pages of documents may be converted in a day."""

import threading
from datetime import UTC, datetime, timedelta

from melious_sandbox.service.errors import SandboxError


class PageCounter:
    """Counts the pages of the day, which ends with `reset`.

    Args:
        limit: How many pages there may be; None for no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._used = 0

    def take(self, pages: int) -> None:
        """Count pages, unless they are too many."""
        with self._lock:
            if self._limit is not None and self._used + pages > self._limit:
                midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
                raise SandboxError(
                    "page_limit",
                    details={"limit": self._limit, "reset": (midnight + timedelta(days=1)).isoformat()},
                )
            self._used += pages

    def reset(self) -> None:
        """Begin another day."""
        with self._lock:
            self._used = 0
