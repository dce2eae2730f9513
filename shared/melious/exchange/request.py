"""Requests and responses, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from melious.errors import MeliousError, RetryEvent
from melious.exchange.ratelimit import RateLimit
from melious.impact.totals import Tags, UsageSink
from melious.routing.terms import NO_TERMS, RoutingTerms
from melious.timeouts import Timeout
from melious.wire.head import Head
from melious.wire.uploads import Upload

T = TypeVar("T")


class Limits(NamedTuple):
    """How long a call may take, and what is retried.

    Attributes:
        timeout: The timeouts of one attempt.
        deadline: Seconds for the whole call, if limited.
        max_retries: Further attempts after the first.
        spent: Seconds of the deadline used before this request.
        retry_timeouts: Retry attempts that timed out after they were sent.
        retry_malformed: Retry the gateway's spurious "malformed" 400 once.
        retry_no_providers: Retry "no provider fits" once, where no filters can be the reason.
    """

    timeout: Timeout
    deadline: float | None
    max_retries: int
    spent: float = 0.0
    retry_timeouts: bool = False
    retry_malformed: bool = False
    retry_no_providers: bool = True


class Request(NamedTuple):
    """One request to the service. The fields from `on_retry` on are hooks.

    Attributes:
        method: `GET` or `POST`.
        path: The path below the base URL, without a leading slash.
        endpoint: The endpoint's name (`chat`, `embeddings`, ...).
        limits: How long the call may take, and what is retried.
        body: JSON, or a multipart upload.
        headers: The caller's headers.
        stream: Whether to read the answer as a stream.
        base_url: The service's URL, for the record.
        routing: The requested routing, for the record.
        on_retry: Called before every retry.
        advise: Returns better advice for the error that ends the call, or None.
        replay: Cuts a whole answer into chunks, to stream it.
        otherwise: Returns what to send instead of a refused request.
        admit: Called before the first attempt; if it raises, nothing is sent.
        stop: Whether to make no further attempt: called with None before attempts and during
            waits, and with the error of each failed attempt.
        sinks: Record what the call cost.
        tags: What the call belongs to, for the ledgers.
        learned: Called once this request is answered: what its answer proves, to be remembered.
    """

    method: str
    path: str
    endpoint: str
    limits: Limits
    body: bytes | Upload | None = None
    headers: tuple[tuple[str, str], ...] = ()
    stream: bool = False
    base_url: str = ""
    routing: RoutingTerms = NO_TERMS
    on_retry: Callable[[RetryEvent], object] | None = None
    advise: Callable[[MeliousError], str | None] | None = None
    replay: Replay | None = None
    otherwise: Alternative | None = None
    admit: Callable[[], object] | None = None
    stop: Stop | None = None
    sinks: tuple[UsageSink, ...] = ()
    tags: Tags = ()
    learned: tuple[Callable[[], object], ...] = ()


class Otherwise(NamedTuple):
    """A request to send instead, from now on.

    Attributes:
        request: The request.
        why: The reason, for the log.
    """

    request: Request
    why: str


Alternative: TypeAlias = Callable[["Request", "MeliousError"], "Otherwise | MeliousError | None"]
"""Returns what to send instead, an error that ends the call, or None."""

Stop: TypeAlias = Callable[["MeliousError | None"], bool]
"""Returns whether to stop, given the last error or None."""

Replay: TypeAlias = Callable[["Response"], tuple[dict[str, Any], Iterable[dict[str, Any]]]]
"""Returns a chat answer as it arrived, and the chunks to stream it as."""


class CallSummary(NamedTuple):
    """What it took to get an answer.

    Attributes:
        attempts: How many requests were sent.
        elapsed: Seconds from the call to the whole answer.
        rate_limit: The account's limit, if reported.
        routing: The requested routing.
    """

    attempts: int = 1
    elapsed: float = 0.0
    rate_limit: RateLimit | None = None
    routing: RoutingTerms = NO_TERMS


NO_SUMMARY = CallSummary()


@dataclass(frozen=True, slots=True)
class Response(Head):
    """A whole answer: with status 2xx, or with any status to a request that is sent `once`."""

    body: bytes
    call: CallSummary = NO_SUMMARY


def parsed(response: Response, parse: Callable[[Response], T]) -> T:
    """Parse an answer; an error carries the request id, attempts and time."""
    try:
        return parse(response)
    except MeliousError as error:
        error.request_id = error.request_id or response.request_id
        error.attempts, error.elapsed = response.call.attempts, response.call.elapsed
        raise


class Operation(NamedTuple, Generic[T]):
    """A request, and how to parse its answer."""

    request: Request
    parse: Callable[[Response], T]

    def read(self, response: Response) -> T:
        """Parse an answer; see `parsed`."""
        return parsed(response, self.parse)
