"""Files, batches and the results of their lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import Field, field_validator

from melious._figures import whole_count
from melious.answers.results import Result
from melious.errors import MeliousError

_SUCCEEDED = frozenset({"succeeded", "completed"})
"""The words for the end of a batch that ran; some of its lines may have failed."""
_ENDED = _SUCCEEDED | {"failed", "expired", "cancelled", "canceled"}
_RUNNING = frozenset(
    {
        "validating",
        "queued",
        "pending",
        "created",
        "submitted",
        "processing",
        "running",
        "in_progress",
        "finalizing",
        "cancelling",
        "canceling",
    }
)
_END_TIMES = ("completed_at", "failed_at", "expired_at", "cancelled_at", "canceled_at")
_OUR_ID = re.compile(r"request-(\d+)")


class FileObject(Result):
    """A file at the service.

    Attributes:
        id: What to pass to `files.content` and `batches.create`.
        bytes: Its size.
        created_at: When it was made, in epoch seconds.
        filename: Its name.
        purpose: What it is for: `batch`.
        deleted: Whether it was deleted; only `files.delete` says so.

    Examples:
        >>> file = FileObject(id="file_1", filename="requests.jsonl", bytes=120)
        >>> file.id, file.bytes, file.purpose, file.deleted
        ('file_1', 120, None, False)
    """

    id: str
    bytes: int | None = None
    created_at: int | float | str | None = None
    filename: str | None = None
    purpose: str | None = None
    deleted: bool = False


class FileList(Result):
    """A page of files; `after=files.data[-1].id` gives the next.

    Examples:
        >>> files = FileList.model_validate({"data": [{"id": "file_1"}], "has_more": False})
        >>> [file.id for file in files.data], files.has_more
        (['file_1'], False)
    """

    data: list[FileObject] = Field(default_factory=list)
    has_more: bool = False


class BatchCounts(NamedTuple):
    """How many lines of a batch are done; None where the service does not say.

    Attributes:
        total: All lines.
        succeeded: Lines that were answered.
        failed: Lines with an error.
        processing: Lines that are not done.
    """

    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    processing: int | None = None

    @classmethod
    def of(cls, counts: object) -> BatchCounts:
        """Read OpenAI's counts (total, completed, failed) or Melious's (processing, succeeded, errored).

        Examples:
            >>> BatchCounts.of({"total": 5, "completed": 2, "failed": 1})
            BatchCounts(total=5, succeeded=2, failed=1, processing=2)
            >>> BatchCounts.of({"processing": 2, "succeeded": 2, "errored": 1})
            BatchCounts(total=5, succeeded=2, failed=1, processing=2)
        """
        if not isinstance(counts, dict):
            return cls()
        succeeded, failed = _first(counts, "succeeded", "completed"), _first(counts, "errored", "failed")
        lost = [_first(counts, name) for name in ("expired", "cancelled", "canceled")]
        failed = None if failed is None else failed + sum(count for count in lost if count)
        total, processing = _first(counts, "total"), _first(counts, "processing")
        if succeeded is not None and failed is not None:
            if total is None and processing is not None:
                total = processing + succeeded + failed
            elif processing is None and total is not None:
                processing = max(0, total - succeeded - failed)
        return cls(total, succeeded, failed, processing)

    @classmethod
    def sum(cls, all_counts: Iterable[BatchCounts]) -> BatchCounts:
        """The counts of several batches together."""
        columns = zip(*all_counts, strict=True)
        return cls(*(None if None in column else sum(column) for column in columns))


class Batch(Result):
    """A batch of the service.

    Attributes:
        id: What to pass to `batches.retrieve` and `batches.resume`.
        status: The service's word for how far it is, such as `in_progress`.
        endpoint: Where its lines go, such as `/v1/chat/completions`.
        input_file_id: The file with its lines.
        output_file_id: The file with the answers, once there is one.
        error_file_id: The file with the lines that failed, if there is one.
        completion_window: How long it may take.
        errors: Why it failed as a whole, as the service says it.
        request_counts: The service's counts; `counts` reads them.
        metadata: What was given when it was made, and the fields of `batches.submit`.
        created_at: When it was made, in epoch seconds.
        expires_at: When it will have expired.

    Examples:
        >>> batch = Batch(id="batch_1", status="succeeded", request_counts={"succeeded": 3, "errored": 0})
        >>> batch.done, batch.succeeded, batch.counts.succeeded
        (True, True, 3)
    """

    id: str
    status: str = ""
    endpoint: str | None = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    completion_window: str | None = None
    errors: Any = None
    request_counts: Any = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    created_at: int | float | str | None = None
    expires_at: int | float | str | None = None

    @field_validator("metadata", mode="before")
    @classmethod
    def _mapping(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {}

    @field_validator("status", mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return "" if value is None else value

    @property
    def counts(self) -> BatchCounts:
        """How many lines are done, in either vocabulary of the service."""
        return BatchCounts.of(self.request_counts)

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not.

        A word that is not known counts as an end if the batch has a result file or says when it ended.
        """
        word = self.status.lower()
        if word in _ENDED or word in _RUNNING:
            return word in _ENDED
        more = self.model_extra or {}
        return bool(self.output_file_id or self.error_file_id or any(more.get(name) for name in _END_TIMES))

    @property
    def known(self) -> bool:
        """Whether its status is one of the words that are known."""
        return self.status.lower() in _ENDED | _RUNNING

    @property
    def succeeded(self) -> bool:
        """Whether it ran to its end; some of its lines may have failed."""
        return self.status.lower() in _SUCCEEDED


class BatchList(Result):
    """A page of batches; `after=batches.data[-1].id` gives the next.

    Examples:
        >>> batches = BatchList.model_validate({"data": [{"id": "batch_1", "status": "queued"}]})
        >>> [batch.status for batch in batches.data], batches.has_more
        (['queued'], False)
    """

    data: list[Batch] = Field(default_factory=list)
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one request of a batch: an answer or an error.

    Attributes:
        custom_id: The id of the request.
        answer: The answer, as the ordinary call gives it: `ChatCompletion`, `EmbeddingsResult`, ...
        error: Why there is no answer.
        raw: The line of the result file; None where the service has no line for the request.

    Examples:
        >>> result = BatchResult("request-7", error=MeliousError("no answer"))
        >>> result.index, result.answer, str(result.error)
        (7, None, 'no answer')
    """

    custom_id: str
    answer: Any = None
    error: MeliousError | None = None
    raw: Any = None

    @property
    def index(self) -> int | None:
        """The place of the request in the list, if its id was made by `batches.submit`."""
        found = _OUR_ID.fullmatch(self.custom_id)
        return None if found is None else int(found[1])

    def unwrap(self) -> Any:
        """The answer; raises the error if there is none.

        Raises:
            MeliousError: The request failed.
        """
        if self.error is not None:
            raise self.error
        return self.answer


def _first(counts: dict[str, Any], *names: str) -> int | None:
    return next((count for name in names if (count := whole_count(counts.get(name))) is not None), None)
