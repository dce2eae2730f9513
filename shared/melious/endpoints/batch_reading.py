"""What callers make of the results of a batch: the order of the requests, vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from melious.errors import InvalidArgumentError, MeliousError, ResponseDecodeError

if TYPE_CHECKING:
    from melious.answers.batches import BatchResult


class Job(Protocol):
    """A job, blocking or not."""

    @property
    def id(self) -> str:
        """The id."""

    @property
    def endpoint(self) -> str:
        """Where its requests go."""


def id_of(job: object) -> str:
    """The id of a job, or the id itself.

    Raises:
        InvalidArgumentError: It is neither.
    """
    found = job if isinstance(job, str) else getattr(job, "id", None)
    if not isinstance(found, str) or not found.strip():
        raise InvalidArgumentError(f"job: must be a job or its id, not {job!r:.80}", param="job")
    return found


def check_endpoint(job: Job, endpoint: str) -> None:
    """Refuse a job whose requests went elsewhere.

    Raises:
        InvalidArgumentError: They did.
    """
    if job.endpoint != endpoint:
        raise InvalidArgumentError(
            f"job: must have requests for {endpoint}, but those of {job.id} are for {job.endpoint}",
            param="job",
        )


def sorted_results(results: Iterable[BatchResult]) -> list[BatchResult]:
    """Results in the order of their requests; then those whose ids are the caller's own, as they come."""
    return sorted(results, key=lambda result: (result.index is None, result.index or 0))


def in_order(results: Iterable[BatchResult], inputs: str) -> list[BatchResult]:
    """Results as `sorted_results` gives them; notes of the errors say which input they are for.

    Args:
        results: The results of a job.
        inputs: What the caller calls the inputs.

    Examples:
        >>> from melious.answers.batches import BatchResult
        >>> both = [BatchResult("request-1"), BatchResult("request-0")]
        >>> [result.custom_id for result in in_order(both, "texts")]
        ['request-0', 'request-1']
    """
    there = sorted_results(results)
    for result in there:
        if result.error is not None:
            where = result.custom_id if result.index is None else f"{inputs}[{result.index}]"
            result.error.add_note(f"This is the error of {where} in the batch")
    return there


def vector_of(result: BatchResult) -> list[float] | MeliousError:
    """The vector of a request for one text, or its error.

    Examples:
        >>> from melious.answers.batches import BatchResult
        >>> vector_of(BatchResult("request-0", error=MeliousError("no answer")))
        MeliousError('no answer')
    """
    if result.error is not None:
        return result.error
    vectors: list[list[float]] = getattr(result.answer, "embeddings", None) or []
    if len(vectors) != 1:
        return ResponseDecodeError(
            f"embeddings: the line {result.custom_id!r:.80} has {len(vectors)} vectors for one text",
            body=result.raw,
        )
    return vectors[0]
