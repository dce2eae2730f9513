"""What is to be sent and what came back, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from melious.errors import APIStatusError, MeliousError, RetryEvent
from melious.exchange.ratelimit import RateLimit
from melious.settings.config import Timeout
from melious.wire.uploads import Upload

if TYPE_CHECKING:
    from melious.impact.budget import ImpactBudget
    from melious.routing.fallbacks import Fallbacks
    from melious.routing.residency import Residency

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the service, before any attempt of it.

    Attributes:
        method: `GET` or `POST`.
        path: The path below the base URL, without a leading slash.
        endpoint: The endpoint's name (`chat`, `embeddings`, ...).
        body: A JSON body as bytes, or a multipart upload; both can be sent again.
        headers: The caller's headers for this request.
        timeout: The waits of one attempt.
        deadline: Seconds for the whole call; None for no limit.
        max_retries: Further attempts after the first.
        spent: Seconds of the deadline that the call had used up before this request.
        retry_timeouts: Whether an attempt that timed out after it was sent may
            be sent again: by default only where the work is cheap or changes nothing.
        retry_malformed: Whether the gateway's spurious "malformed" 400 gets one
            more try.
        retry_no_providers: Whether "no provider fits" gets one more try: only
            where the request carries no filters that could be the reason.
        stream: Whether the answer is read as a stream.
        model: The model without its flavor, for whoever keeps the books.
        routing: The flavor, or else the preset, that was asked for, likewise.
        base_url: Where the service is, likewise.
        on_retry: Called before every retry.
        advise: Gives the advice for an error that ends the call, where this request has a better one.
        replay: Makes chunks of the whole answer, which is then handed out as a stream; None hands
            it out as it is.
        fallbacks: What may be sent instead where no provider fits the filters.
        leaner: Gives what to send instead where the service refuses a field that can be spared.
        ends: Whether no further attempt is wanted: asked with None before each attempt and while one waits,
            and with the error of each that failed.
        relaxed: What is given up already of the filters that were asked for.
        residency: The countries that the answer must come from, where that is to be verified.
        budgets: What must let the request through before it is sent, and is told what it cost.
    """

    method: str
    path: str
    endpoint: str
    timeout: Timeout
    deadline: float | None
    max_retries: int
    spent: float = 0.0
    body: bytes | Upload | None = None
    headers: tuple[tuple[str, str], ...] = ()
    retry_timeouts: bool = False
    retry_malformed: bool = False
    retry_no_providers: bool = True
    stream: bool = False
    model: str = ""
    routing: str | None = None
    base_url: str = ""
    on_retry: Callable[[RetryEvent], object] | None = None
    advise: Callable[[MeliousError], str | None] | None = None
    replay: Replay | None = None
    fallbacks: Fallbacks | None = None
    leaner: Leaner | None = None
    ends: Ends | None = None
    relaxed: tuple[str, ...] = ()
    residency: Residency | None = None
    budgets: tuple[ImpactBudget, ...] = ()


Leaner: TypeAlias = Callable[["Request", APIStatusError], "Request | None"]
"""Gives the request without the field that an error complains of; None where that is not what it is about."""

Ends: TypeAlias = Callable[["MeliousError | None"], bool]
"""Whether a call makes no further attempt, asked with the error of the last one or with None."""

Replay: TypeAlias = Callable[["Response"], tuple[dict[str, Any], Iterable[dict[str, Any]]]]
"""Gives a chat answer as it was sent, and the chunks as which it might have come."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer with status 2xx."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    rate_limit: RateLimit | None = None
    attempts: int = 1
    elapsed: float = 0.0
    relaxed: tuple[str, ...] = ()
    residency: Residency | None = None
    routing: str | None = None

    @property
    def request_id(self) -> str | None:
        """The service's id for this request."""
        return self.headers.get("x-request-id")

    @property
    def content_type(self) -> str:
        """The media type, in lower case and without parameters."""
        return self.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def read(response: Response, parse: Callable[[Response], T]) -> T:
    """Read an answer; an error in it tells which answer that was and what it took to get it."""
    try:
        return parse(response)
    except MeliousError as error:
        error.request_id = error.request_id or response.request_id
        error.attempts, error.elapsed = response.attempts, response.elapsed
        raise


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request and how its answer is read: all that an endpoint is to a driver."""

    request: Request
    parse: Callable[[Response], T]

    def read(self, response: Response) -> T:
        """Read an answer; see `read`."""
        return read(response, self.parse)
