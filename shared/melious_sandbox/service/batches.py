"""The batches of a sandbox: what they are, and how fast they run."""

import asyncio
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from melious_sandbox.service.checks import refuse, whole
from melious_sandbox.service.errors import SandboxError
from melious_sandbox.service.profiles import Profile

_WINDOW_SECONDS = 24 * 60 * 60
_STAMPS = ("in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelled_at")

End = Literal["expired", "cancelled"]


@dataclass(slots=True, eq=False)
class SandboxBatch:
    """One batch."""

    endpoint: str
    input_file_id: str
    completion_window: str
    metadata: Mapping[str, Any]
    status: str
    id: str = field(default_factory=lambda: f"batch_{uuid.uuid4().hex}")
    created_at: int = field(default_factory=lambda: int(time.time()))
    stamps: dict[str, int] = field(default_factory=dict)
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    ending: End | None = None  # how it is to end before its time
    ended: bool = False

    def become(self, status: str, stamp: str) -> None:
        """Take another status, and note when."""
        self.status = status
        self.stamps[stamp] = int(time.time())

    def to_wire(self, profile: Profile) -> dict[str, Any]:
        """Give the batch as the service shows it."""
        counts = {
            "total": self.total,
            "completed": self.succeeded,
            "failed": self.failed,
            "processing": self.total - self.succeeded - self.failed,
            "succeeded": self.succeeded,
            "errored": self.failed,
        }
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": self.completion_window,
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "expires_at": self.created_at + _WINDOW_SECONDS,
            **{name: self.stamps.get(name) for name in _STAMPS},
            "request_counts": {name: counts[name] for name in profile.batch_counts},
            "metadata": dict(self.metadata),
        }


class Batches:
    """The batches of a sandbox, and the pace at which they run.

    Examples:
        >>> from melious import MeliousClient
        >>> from melious_sandbox import Sandbox
        >>> question = {"model": "gemma-4-31b", "messages": [{"role": "user", "content": "Hello!"}]}
        >>> with Sandbox() as sandbox:
        ...     sandbox.batches.hold()
        ...     client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     job = client.batches.submit([question])
        ...     held = job.refresh().done
        ...     sandbox.batches.release()
        ...     job.wait(poll=0.01).status
        'completed'
        >>> held
        False
    """

    def __init__(self, pace: float | None) -> None:
        self._lock = threading.Lock()
        self._seconds = 0.0 if pace is None else 1 / pace
        self._held = False
        self._permits = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._batches: OrderedDict[str, SandboxBatch] = OrderedDict()
        self.tasks: set[asyncio.Task[None]] = set()

    def hold(self) -> None:
        """Let no batch run a line until `step` or `release`."""
        with self._lock:
            self._held, self._permits = True, 0

    def step(self, lines: int = 1) -> None:
        """Let so many lines run, of whichever batch comes first, and hold again.

        Raises:
            InvalidArgumentError: It is not a whole number of at least 1.
        """
        whole(1)("lines", lines)
        with self._lock:
            self._held = True
            self._permits += lines
        self._wake()

    def release(self) -> None:
        """Let all batches run again."""
        with self._lock:
            self._held = False
        self._wake()

    def expire(self, batch_id: str | None = None) -> None:
        """Let a batch expire, or all that have not ended: what has been answered by then stays.

        Args:
            batch_id: The batch; None for all.

        Raises:
            InvalidArgumentError: There is no such batch.
        """
        batches = [batch for batch in self.all() if batch_id in (None, batch.id)]
        if batch_id is not None and not batches:
            refuse("batch_id", "the id of a batch of this sandbox", batch_id)
        for batch in batches:
            self.end(batch, "expired")

    def end(self, batch: SandboxBatch, how: End) -> None:
        """Let a batch end before its time."""
        batch.ending = batch.ending or how
        self._wake()

    def all(self) -> list[SandboxBatch]:
        """Give all batches, the newest first."""
        with self._lock:
            return list(reversed(self._batches.values()))

    def get(self, batch_id: str) -> SandboxBatch:
        """Find a batch."""
        found = self._batches.get(batch_id)
        if found is None:
            raise SandboxError("not_found", f"There is no batch '{batch_id[:100]}'.")
        return found

    def add(self, batch: SandboxBatch) -> None:
        """Keep a batch; the server's event loop calls this."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a sandbox that was started again has another
            self._loop, self._changed = loop, asyncio.Event()
        with self._lock:
            self._batches[batch.id] = batch

    async def turn(self, batch: SandboxBatch) -> bool:
        """Wait until the next line of a batch may run; False if the batch is to end before."""
        while batch.ending is None:
            self._changed.clear()
            with self._lock:
                if not self._held:
                    break
                if self._permits:
                    self._permits -= 1
                    break
            await self._changed.wait()
        if self._seconds and batch.ending is None:
            await asyncio.sleep(self._seconds)
        return batch.ending is None

    def clear(self) -> None:
        """Forget all batches; those that run end."""
        with self._lock:
            batches = list(self._batches.values())
            self._batches.clear()
            self._held = False
        for batch in batches:
            batch.ending = batch.ending or "cancelled"
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        self._changed.set()

    async def close(self) -> None:
        """End what runs."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
