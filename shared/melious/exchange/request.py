"""What is to be sent and what came back, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from melious.errors import MeliousError, RetryEvent
from melious.exchange.ratelimit import RateLimit
from melious.impact.totals import UsageSink
from melious.routing.terms import NO_TERMS, RoutingTerms
from melious.timeouts import Timeout
from melious.wire.uploads import Upload

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call may take, and what is tried again.

    Attributes:
        timeout: The waits of one attempt.
        deadline: Seconds for the whole call; None for no limit.
        spent: Seconds of the deadline that the call had used before this request.
        max_retries: Further attempts after the first.
        retry_timeouts: Whether an attempt that timed out after it was sent may be sent
            again: by default only where the work is cheap or changes nothing.
        retry_malformed: Whether the gateway's spurious "malformed" 400 gets one more try.
        retry_no_providers: Whether "no provider fits" gets one more try: only where the
            request carries no filters that could be the reason.
    """

    timeout: Timeout
    deadline: float | None
    max_retries: int
    spent: float = 0.0
    retry_timeouts: bool = False
    retry_malformed: bool = False
    retry_no_providers: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the service, before any attempt of it.

    What a call does beside sending hangs on its hooks, from `on_retry` on.

    Attributes:
        method: `GET` or `POST`.
        path: The path below the base URL, without a leading slash.
        endpoint: The endpoint's name (`chat`, `embeddings`, ...).
        limits: How long the call may take, and what is tried again.
        body: A JSON body as bytes, or a multipart upload; both can be sent again.
        headers: The caller's headers for this request.
        stream: Whether the answer is read as a stream.
        base_url: Where the service is, for whoever records the call.
        routing: What is asked of the routing; the exchange only passes it on.
        on_retry: Called before every retry.
        advise: Gives the advice for an error that ends the call, where this request has a better one.
        replay: Makes chunks of the whole answer, which is then handed out as a stream.
        otherwise: Gives what to send instead where the service refuses the request.
        admit: Called once before the first attempt; what it raises ends the call, and nothing is sent.
        ends: Whether no further attempt is wanted: asked with None before each attempt and while
            one waits, and with the error of each that failed.
        sinks: Take what the call cost, once it has ended.
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
    ends: Ends | None = None
    sinks: tuple[UsageSink, ...] = ()


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What to send instead of a request from now on.

    Attributes:
        request: The request.
        why: What was wrong with the one before, and what this one gives up, for the log.
    """

    request: Request
    why: str


Alternative: TypeAlias = Callable[["Request", "MeliousError"], "Otherwise | MeliousError | None"]
"""Gives what to send instead, or the error to end with where nothing is left; None to go on as usual."""

Ends: TypeAlias = Callable[["MeliousError | None"], bool]
"""Whether a call makes no further attempt, asked with the error of the last one or with None."""

Replay: TypeAlias = Callable[["Response"], tuple[dict[str, Any], Iterable[dict[str, Any]]]]
"""Gives a chat answer as it was sent, and the chunks as which it might have come."""


@dataclass(frozen=True, slots=True)
class CallOrigin:
    """What it took to get an answer.

    Attributes:
        attempts: How many requests.
        elapsed: Seconds from the call to the whole answer.
        rate_limit: What the answer said of the account's limit.
        routing: What the request asked of the routing.
    """

    attempts: int = 1
    elapsed: float = 0.0
    rate_limit: RateLimit | None = None
    routing: RoutingTerms = NO_TERMS


NO_ORIGIN = CallOrigin()


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer with status 2xx."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    origin: CallOrigin = NO_ORIGIN

    @property
    def request_id(self) -> str | None:
        """The service's id for this request."""
        return self.headers.get("x-request-id")

    @property
    def content_type(self) -> str:
        """The media type, in lower case and without parameters."""
        return self.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def parsed(response: Response, parse: Callable[[Response], T]) -> T:
    """Parse an answer; an error in it carries the request id, and what it took to get the answer."""
    try:
        return parse(response)
    except MeliousError as error:
        error.request_id = error.request_id or response.request_id
        error.attempts, error.elapsed = response.origin.attempts, response.origin.elapsed
        raise


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """A request and how its answer is parsed: all that a client needs of an endpoint."""

    request: Request
    parse: Callable[[Response], T]

    def read(self, response: Response) -> T:
        """Parse an answer; see `parsed`."""
        return parsed(response, self.parse)
