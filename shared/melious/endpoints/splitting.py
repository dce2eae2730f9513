"""Calls that take several requests: what embeddings and rerank have in common.

A `BatchPlan` decides everything: what goes together, what an answer means, what to do with a batch that
is too large. Its runners only send the batches, several at a time.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from melious.answers.meta import Meta
from melious.answers.results import Result
from melious.endpoints.common import request_of
from melious.endpoints.otherwise import Alternatives
from melious.errors import (
    APIStatusError,
    BadRequestError,
    ContextLengthExceededError,
    MeliousError,
    ServerError,
)
from melious.errors.checks import check_callable, check_whole
from melious.exchange.request import CallSummary, Request, Response, Stop
from melious.settings.checks import check_weights
from melious.settings.config import ClientConfig

R = TypeVar("R", bound=Result)

MAX_CONCURRENCY = 4
"""The most concurrent requests of one call, by default."""

_TOO_LARGE = (
    r"too large|too many(?! requests)|array too long|batch size|maximum batch|at most|exceeds the limit"
    r"|payload|per request|per (?:submitted )?batch|max(?:imum)? number"
    r"|(?:more|less|fewer) than \d+ (?:items|inputs|texts|strings|documents|elements)"
)

Batch: TypeAlias = tuple[int, ...]
"""The positions of the items in one request."""

Progress: TypeAlias = Callable[[int, int], object]
"""Called with the number of items done and of all items."""

OnAnswer: TypeAlias = Callable[[Result], object]
"""Called with each answer as soon as it arrives."""


class BatchOutcome(NamedTuple):
    """What became of a batch: an answer, batches to replace it, or a final error.

    Attributes:
        answer: The answer, if it was accepted.
        replacements: The batches to send in its place, next and in this order.
        error: What went wrong, also if there are replacements.
    """

    answer: Result | None = None
    replacements: Sequence[Batch] = ()
    error: BaseException | None = None


class BatchLimits(NamedTuple):
    """How much fits into one request.

    Attributes:
        items: The most items.
        bytes: The most bytes of text.
        tokens: The most tokens.
    """

    items: int
    bytes: int
    tokens: int


def in_batches(items: Iterable[tuple[int, int, int]], limits: BatchLimits) -> list[Batch]:
    """Divide items (position, bytes, tokens) into batches, in order; an item larger than a batch goes alone.

    Examples:
        >>> in_batches([(0, 5, 1), (1, 5, 1), (2, 9, 1)], BatchLimits(items=8, bytes=10, tokens=8))
        [(0, 1), (2,)]
    """
    max_items, max_bytes, max_tokens = limits
    batches: list[Batch] = []
    batch: list[int] = []
    batch_bytes = batch_tokens = 0
    for position, size, tokens in items:
        batch_bytes += size
        batch_tokens += tokens
        if batch and (len(batch) >= max_items or batch_bytes > max_bytes or batch_tokens > max_tokens):
            batches.append(tuple(batch))
            batch, batch_bytes, batch_tokens = [], size, tokens
        batch.append(position)
    if batch:
        batches.append(tuple(batch))
    return batches


def utf8_length(text: str) -> int:
    """The length of a text in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def too_large(error: APIStatusError, field: str) -> bool:
    """Whether a request was refused for the size of `field`, so that a smaller one may pass."""
    if _status_of(error) == 413:  # noqa: PLR2004
        return True
    if not refused_as_it_is(error) or not (error.param or field).startswith(field):
        return False
    if isinstance(error, ContextLengthExceededError):
        # An item that is too long for the model stays so; a request over the account's limit can be split.
        return _status_of(error) == 429  # noqa: PLR2004
    return re.search(_TOO_LARGE, error.message, re.IGNORECASE) is not None


def refused_as_it_is(error: APIStatusError) -> bool:
    """Whether the service refuses the request itself, so that a different one may pass.

    An error object inside an answer with status 200 may have neither status nor code: its message decides.
    """
    return isinstance(error, BadRequestError) or (type(error) is ServerError and _status_of(error) is None)


def _status_of(error: APIStatusError) -> int | None:
    """The status of an error; inside an answer with status 200, its code, if that is a status."""
    code = error.code or ""
    if error.status_code is None and len(code) == 3 and code.isdecimal():  # noqa: PLR2004
        return int(code)
    return error.status_code


def whole_number(params: Mapping[str, Any], name: str, default: int, most: int) -> int:
    """A parameter that must be a whole number from 1 to `most`, or its default."""
    value: int | None = params.get(name)
    if value is None:
        return default
    check_whole(name, value, least=1, most=most)
    return value


class BatchPlan(ABC, Generic[R]):
    """One call: its batches and their answers.

    Attributes:
        max_concurrency: The most concurrent requests.
        name: The endpoint's name, which is also its path.
        field: The field of the body that holds the items.
    """

    name: str
    field: str

    def __init__(self, config: ClientConfig, params: Mapping[str, Any]) -> None:
        """Check the options that all such calls have."""
        check_weights(params.get("mode"), params.get("custom_weights"))
        self._config = config
        self._params = params
        self.max_concurrency = whole_number(params, "max_concurrency", MAX_CONCURRENCY, 1024)
        self._on_progress: Progress | None = params.get("on_progress")
        self._on_answer: OnAnswer | None = params.get("on_answer")
        check_callable("on_progress", self._on_progress)
        check_callable("on_answer", self._on_answer)
        self._relaxed = 0
        self._reported = 0
        self._began = time.monotonic()

    @abstractmethod
    def batches(self) -> list[Batch]:
        """The batches to send first."""

    @abstractmethod
    def request(self, batch: Batch, stop: Stop | None = None) -> Request:
        """The request for a batch; `stop` says whether it is not to be sent, or not again, see `Request`."""

    def _request_of(self, body: dict[str, Any], stop: Stop | None) -> Request:
        """A request with this body; it starts with the filters as far as this call had to relax them."""
        request = request_of(
            self._config,
            self.name,
            self.name,
            self._params,
            body,
            retry_timeouts=True,
            spent=self._spent(),
            stop=stop,
        )
        alternatives = request.otherwise
        if not self._relaxed or not isinstance(alternatives, Alternatives):
            return request
        return alternatives.relaxed(request, self._relaxed)

    @abstractmethod
    def accept(self, batch: Batch, response: Response) -> Result:
        """Take the answer to a batch; raises `ResponseDecodeError` if it does not match the batch."""

    def outcome(self, batch: Batch, answer: Response | BaseException) -> BatchOutcome:
        """Decide what becomes of a batch; the same for an error status and an error object in a 200."""
        if isinstance(answer, Response):
            try:
                accepted = self.accept(batch, answer)
            except MeliousError as error:
                answer = error
            else:
                self._relaxed = max(self._relaxed, len(accepted.relaxed))
                return BatchOutcome(accepted)
        replacements = self.reject(batch, answer) if isinstance(answer, APIStatusError) else ()
        return BatchOutcome(replacements=replacements, error=answer)

    def reject(self, batch: Batch, error: APIStatusError) -> list[Batch]:
        """The batches to send in place of a refused one: halves of one that was too large, or none."""
        if not self.can_replace(batch, error):
            return []
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]

    def can_replace(self, batch: Batch, error: APIStatusError) -> bool:
        """Whether a refused batch can be replaced; changes nothing.

        It is called before the batch is retried, in the thread that sends it.
        """
        return len(batch) > 1 and too_large(error, self.field)

    @abstractmethod
    def result(self) -> R:
        """The result of the whole call."""

    @abstractmethod
    def _count(self) -> tuple[int, int]:
        """How many items are done, and how many there are."""

    def progress(self) -> object:
        """Call `on_progress`, if there is any; returns its result, which may be awaitable."""
        if self._on_progress is None:
            return None
        done, count = self._count()
        if done == self._reported:
            return None
        self._reported = done
        return self._on_progress(done, count)

    def report(self, answer: Result) -> object:
        """Call `on_answer`, if there is any; returns its result, which may be awaitable."""
        return None if self._on_answer is None else self._on_answer(answer)

    def pending(self) -> Sequence[Future[Any]]:
        """What other calls are fetching; wait for all of it, then call `settle`."""
        return ()

    def settle(self) -> list[Batch]:
        """Take what the other calls fetched; gives batches for what they could not fetch."""
        return []

    def release(self) -> None:
        """Release the claims of the plan; called at the end in any case."""

    def _verified(self, result: R, answers: Sequence[Result]) -> R:
        """The result, once the locations of its answers are verified."""
        if any(answer.meta.residency is not None for answer in answers):
            from melious.answers.location import verify_batches  # noqa: PLC0415

            verify_batches(result, answers)
        return result

    def _spent(self) -> float:
        """Seconds since the start of the call."""
        return time.monotonic() - self._began

    def _origin(self, answers: Sequence[Result]) -> tuple[Any, Meta]:
        """The raw data and meta data of the whole call: those of its only answer, or of all together."""
        if len(answers) == 1:
            return answers[0].raw, answers[0].meta
        last = answers[-1].meta
        attempts = sum(answer.attempts for answer in answers)
        relaxed = tuple(dict.fromkeys(step for answer in answers for step in answer.relaxed))
        # Verified answer by answer, and not as a whole.
        routing = last.call.routing._replace(relaxed=relaxed, residency=None)
        call = CallSummary(attempts, self._spent(), last.rate_limit, routing)
        return [answer.raw for answer in answers], Meta(last.request_id, last.headers, call)
