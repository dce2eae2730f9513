"""Calls that take as many requests as there is to do: what embeddings and rerank have in common.

A `BatchPlan` holds all that decides: what goes together, what an answer means,
what to do with a batch that is too large. Its drivers only run the batches
that it gives out, some at a time.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from melious.answers.meta import Meta
from melious.answers.results import Result
from melious.endpoints.otherwise import Alternatives
from melious.errors import (
    APIStatusError,
    BadRequestError,
    ContextLengthExceededError,
    InvalidArgumentError,
    MeliousError,
    ServerError,
)
from melious.exchange.request import CallSummary, Request, Response, Stop

R = TypeVar("R", bound=Result)

MAX_CONCURRENCY = 4
"""The most requests of one call at a time, unless the caller says otherwise."""

_TOO_LARGE = (
    r"too large|too many(?! requests)|array too long|batch size|maximum batch|at most|exceeds the limit"
    r"|payload|per request|per (?:submitted )?batch|max(?:imum)? number"
    r"|(?:more|less|fewer) than \d+ (?:items|inputs|texts|strings|documents|elements)"
)

Batch: TypeAlias = tuple[int, ...]
"""The places of the items that travel together."""

Progress: TypeAlias = Callable[[int, int], object]
"""Told how many items are done, and how many there are."""

OnAnswer: TypeAlias = Callable[[Result], object]
"""Told of the answer to a request, as soon as it is there."""


class BatchOutcome(NamedTuple):
    """What became of a batch: an answer, other batches in its place, or an error that nothing helps against.

    Attributes:
        answer: The answer, where it was accepted.
        instead: The batches to send in its place, next and in this order.
        error: What went wrong, also where there are batches to send in its place.
    """

    answer: Result | None = None
    instead: Sequence[Batch] = ()
    error: BaseException | None = None


class Limits(NamedTuple):
    """How much fits into one request.

    Attributes:
        items: The most items.
        bytes: The most bytes of text.
        tokens: The most tokens.
    """

    items: int
    bytes: int
    tokens: int


def laid_out(items: Iterable[tuple[int, int, int]], limits: Limits) -> list[Batch]:
    """Lay items out in batches, in their order; one that is larger than a batch goes alone.

    Args:
        items: Place, bytes and tokens of each.
        limits: What fits into a batch.

    Example:
        >>> laid_out([(0, 5, 1), (1, 5, 1), (2, 9, 1)], Limits(items=8, bytes=10, tokens=8))
        [(0, 1), (2,)]
    """
    most, most_bytes, most_tokens = limits
    batches: list[Batch] = []
    batch: list[int] = []
    whole_size = whole_tokens = 0
    for place, size, tokens in items:
        whole_size += size
        whole_tokens += tokens
        if batch and (len(batch) >= most or whole_size > most_bytes or whole_tokens > most_tokens):
            batches.append(tuple(batch))
            batch, whole_size, whole_tokens = [], size, tokens
        batch.append(place)
    if batch:
        batches.append(tuple(batch))
    return batches


def size_of(text: str) -> int:
    """The bytes of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def too_large(error: APIStatusError, field: str) -> bool:
    """Whether a request was refused for how much it holds, so that less of it may pass.

    Args:
        error: The refusal.
        field: The field of the body that holds the items.
    """
    if _status_of(error) == 413:  # noqa: PLR2004
        return True
    if not refused_as_it_is(error) or not (error.param or field).startswith(field):
        return False
    if isinstance(error, ContextLengthExceededError):
        # An item that is too long for the model stays so; a request over the account's limit may be parted.
        return _status_of(error) == 429  # noqa: PLR2004
    return re.search(_TOO_LARGE, error.message, re.IGNORECASE) is not None


def refused_as_it_is(error: APIStatusError) -> bool:
    """Whether the service finds fault with the request itself, so that another one may pass.

    An error object inside an answer with status 200 may name neither status nor code; then its words tell.
    """
    return isinstance(error, BadRequestError) or (type(error) is ServerError and _status_of(error) is None)


def _status_of(error: APIStatusError) -> int | None:
    """The status of an error; inside an answer with status 200, the one that it gives as its code."""
    code = error.code or ""
    if error.status_code is None and len(code) == 3 and code.isdecimal():  # noqa: PLR2004
        return int(code)
    return error.status_code


def whole_from(params: Mapping[str, Any], name: str, default: int, most: int) -> int:
    """A parameter that is a whole number from 1 up.

    Raises:
        InvalidArgumentError: It is something else.
    """
    value = params.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidArgumentError(f"{name}: {value!r} is not a whole number from 1 to {most}")
    return value


class BatchPlan(ABC, Generic[R]):
    """One call: its batches, and what has come of them.

    Attributes:
        max_concurrency: The most batches to run at a time.
        name: The endpoint's name.
        field: The field of the body that holds the items.
    """

    name: str
    field: str

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Read the options that all such calls have.

        Raises:
            InvalidArgumentError: One is wrong.
        """
        self.max_concurrency = whole_from(params, "max_concurrency", MAX_CONCURRENCY, 1024)
        self._on_progress: Progress | None = params.get("on_progress")
        self._on_answer: OnAnswer | None = params.get("on_answer")
        for name in ("on_progress", "on_answer"):
            if params.get(name) is not None and not callable(params[name]):
                raise InvalidArgumentError(f"{name}: {params[name]!r} cannot be called")
        self._relaxed = 0
        self._reported = 0
        self._began = time.monotonic()

    @abstractmethod
    def batches(self) -> list[Batch]:
        """The batches to send first."""

    @abstractmethod
    def request(self, batch: Batch, stop: Stop | None = None) -> Request:
        """The request for a batch.

        Args:
            batch: The batch.
            stop: Whether it is not to be sent, or not again; see `Request`.
        """

    def _as_relaxed(self, request: Request) -> Request:
        """A request that begins where others of this call had to give way, and not with what fits nobody."""
        others = request.otherwise
        if not self._relaxed or not isinstance(others, Alternatives):
            return request
        return others.relaxed(request, self._relaxed)

    @abstractmethod
    def accept(self, batch: Batch, response: Response) -> Result:
        """Take the answer to a batch.

        Raises:
            ResponseDecodeError: It is not what the endpoint promises.
        """

    def outcome(self, batch: Batch, answer: Response | BaseException) -> BatchOutcome:
        """Decide what becomes of a batch; the same for an error status and an error object in a 200.

        Args:
            batch: The batch.
            answer: What came of its request.
        """
        if isinstance(answer, Response):
            try:
                return BatchOutcome(self.accept(batch, answer))
            except MeliousError as error:
                answer = error
        instead = self.reject(batch, answer) if isinstance(answer, APIStatusError) else ()
        return BatchOutcome(instead=instead, error=answer)

    def reject(self, batch: Batch, error: APIStatusError) -> list[Batch]:
        """Decide what to do with a batch that the service refused.

        Returns:
            The batches to send in its place: halves of one that was too large; none where nothing can be
            done.
        """
        if not self.can_replace(batch, error):
            return []
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]

    def can_replace(self, batch: Batch, error: APIStatusError) -> bool:
        """Whether there is something to send in place of a batch that the service refused; changes nothing.

        It is asked before the same batch is tried again, in whatever thread sends it.
        """
        return len(batch) > 1 and too_large(error, self.field)

    @abstractmethod
    def result(self) -> R:
        """Everything together."""

    @abstractmethod
    def _count(self) -> tuple[int, int]:
        """How many items are done, and how many there are."""

    def progress(self) -> object:
        """Tell the caller how far the call has come; gives what that gives, for who can wait for it."""
        if self._on_progress is None:
            return None
        done, count = self._count()
        if done == self._reported:
            return None
        self._reported = done
        return self._on_progress(done, count)

    def tell(self, answer: Result) -> object:
        """Tell the caller of an answer; gives what that gives, for who can wait for it."""
        return None if self._on_answer is None else self._on_answer(answer)

    def awaited(self) -> Sequence[Future[Any]]:
        """What other calls are fetching; wait for all of it and then call `settle`."""
        return ()

    def settle(self) -> list[Batch]:
        """Take what the other calls have fetched, and give batches for what they could not."""
        return []

    def release(self) -> None:
        """Give up what the plan meant to fetch and did not; called at the end in any case."""

    def _verified(self, result: R, answers: Sequence[Result]) -> R:
        """What the call gives, once its answers are checked against the countries that were asked for."""
        if any(answer.meta.residency is not None for answer in answers):
            from melious.answers.location import verify_batches  # noqa: PLC0415

            verify_batches(result, answers)
        return result

    def _spent(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self._began

    def _origin(self, answers: Sequence[Result]) -> tuple[Any, Meta]:
        """What the call as a whole comes from: a single answer's origin, or all there are."""
        if len(answers) == 1:
            return answers[0].raw, answers[0].meta
        last = answers[-1].meta
        attempts = sum(answer.attempts for answer in answers)
        relaxed = tuple(dict.fromkeys(step for answer in answers for step in answer.relaxed))
        # Verified answer by answer, and not as a whole.
        routing = replace(last.call.routing, relaxed=relaxed, residency=None)
        call = CallSummary(attempts, self._spent(), last.rate_limit, routing)
        return [answer.raw for answer in answers], Meta(last.request_id, last.headers, call)
