"""Files, batches and the results of their lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import BeforeValidator, Field, field_validator

from melious._figures import whole_count
from melious.answers.results import Result
from melious.errors import MeliousError

SUCCEEDED = frozenset({"succeeded", "completed"})
"""The words for the end of a batch that ran; some of its lines may have failed."""
ENDED = SUCCEEDED | {"failed", "expired", "cancelled", "canceled"}
RUNNING = frozenset(
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
_OUR_ID = re.compile(r"request-(0|[1-9][0-9]{0,17})")
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


def word_of(status: str) -> str:
    """A status as the words above are written.

    Examples:
        >>> word_of("In Progress"), word_of("COMPLETED")
        ('in_progress', 'completed')
    """
    return _BETWEEN_WORDS.sub("_", status.strip().lower())


def _text_or_nothing(value: Any) -> Any:
    known = isinstance(value, str | int | float) and not isinstance(value, bool)
    return value if known and value != "" else None


_Word: TypeAlias = Annotated[str | None, BeforeValidator(_text_or_nothing)]
_Time: TypeAlias = Annotated[int | float | str | None, BeforeValidator(_text_or_nothing)]
"""Fields that nothing depends on: a value of another type is not known, and stays in `raw`."""


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

    id: str = Field(min_length=1)
    bytes: Annotated[int | None, BeforeValidator(whole_count)] = None
    created_at: _Time = None
    filename: _Word = None
    purpose: _Word = None
    deleted: Annotated[bool, BeforeValidator(lambda value: value in (True, "true"))] = False


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

    id: str = Field(min_length=1)
    status: Annotated[str, BeforeValidator(lambda value: _text_or_nothing(value) or "")] = ""
    endpoint: _Word = None
    input_file_id: _Word = None
    output_file_id: _Word = None
    error_file_id: _Word = None
    completion_window: _Word = None
    errors: Any = None
    request_counts: Any = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    created_at: _Time = None
    expires_at: _Time = None

    @field_validator("metadata", mode="before")
    @classmethod
    def _mapping(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {}

    @property
    def counts(self) -> BatchCounts:
        """How many lines are done, in either vocabulary of the service."""
        return BatchCounts.of(self.request_counts)

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not.

        A word that is not known counts as an end if the batch has a result file or says when it ended.
        """
        word = word_of(self.status)
        if word in ENDED or word in RUNNING:
            return word in ENDED
        more = self.model_extra or {}
        return bool(self.output_file_id or self.error_file_id or any(more.get(name) for name in _END_TIMES))

    @property
    def known(self) -> bool:
        """Whether its status is one of the words that are known."""
        return word_of(self.status) in ENDED | RUNNING

    @property
    def succeeded(self) -> bool:
        """Whether it ran to its end; some of its lines may have failed."""
        return word_of(self.status) in SUCCEEDED


def later(before: Batch, now: Batch) -> Batch:
    """A batch as it is now, with what was known of its metadata where the service leaves that out."""
    now.metadata = {**before.metadata, **now.metadata}
    return now


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
