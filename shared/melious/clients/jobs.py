"""What blocking and asyncio batch jobs share: everything but the calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from melious.answers.batches import Batch, BatchCounts, BatchResult, word_of
from melious.clients.progress import line_of
from melious.endpoints.batch_reading import sorted_results
from melious.endpoints.batch_results import LineReader
from melious.errors import InvalidArgumentError
from melious.errors.checks import check_text

_MIXED = ("failed", "expired", "cancelled", "canceled")
"""The ends of a job of several batches, the worst first."""


def ids_in(job_id: object) -> list[str]:
    """The ids of the batches in the id of a job, each once.

    Raises:
        InvalidArgumentError: It is not the id of a job.
    """
    check_text("job_id", job_id)
    names = [name.strip() for name in str(job_id).split(",")]
    if not all(names):
        raise InvalidArgumentError(
            f"job_id: must be the id of a job, not {job_id!r:.80}: an id is empty", param="job_id"
        )
    return list(dict.fromkeys(names))


class JobBase:
    """What blocking and asyncio batch jobs share: everything but the calls."""

    batches: list[Batch]

    @property
    def id(self) -> str:
        """What `client.batches.resume` takes: the id of the batch, or the ids of several."""
        return ",".join(batch.id for batch in self.batches)

    @property
    def endpoint(self) -> str:
        """The endpoint of its requests: `chat`, `embeddings`, ..."""
        return LineReader(self.batches[0]).endpoint

    @property
    def done(self) -> bool:
        """Whether all its batches had ended, well or not, when they were last looked at."""
        return all(batch.done for batch in self.batches)

    @property
    def status(self) -> str:
        """The service's word for how far it is; of several, the least advanced or the worst."""
        words = [word_of(batch.status) for batch in self.batches]
        if len(set(words)) == 1:
            return self.batches[0].status
        running = [batch.status for batch in self.batches if not batch.done]
        if running:
            return "in_progress" if len(running) < len(words) else running[0]
        return next((word for word in _MIXED if word in words), words[0])

    @property
    def counts(self) -> BatchCounts:
        """How many requests are done; None where the service does not say."""
        return BatchCounts.sum(batch.counts for batch in self.batches)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {line_of(self.status, self.counts)}>"


def by_custom_id(results: Iterable[BatchResult]) -> dict[str, Any]:
    """The answers and errors by the ids of the requests; in their order, where the ids say it."""
    return {result.custom_id: result.error or result.answer for result in sorted_results(results)}
