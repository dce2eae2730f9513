"""What the sandbox remembers of the requests it saw."""

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from typing import Any, overload

from melious_sandbox.service.faults import Fault
from melious_sandbox.service.impact import Work
from melious_sandbox.service.reply import Reply
from melious_sandbox.service.sent import ANSWERS_KEPT, Answer, Growth, room_for_answer

_SECRET = frozenset({"authorization", "x-api-key", "proxy-authorization", "cookie"})
_FIRST_ERROR = 400
_RECORD_BYTES = 2_000  # a record without texts of the client: figures, flags, and the objects around them
_TEXT_BYTES = 150  # the two texts of a header, empty, and their place in a mapping
_BODIES_AT_LEAST = 16  # how many of the largest bodies are kept at the same time
_TOO_LARGE = "the body is too large to keep"
_NO_ROOM = "newer requests needed the room"

MAX_BYTES_KEPT = 64 * 1024 * 1024


@dataclass(slots=True)
class Served:
    """Where a request went, and what it cost there.

    Attributes:
        model: The model that serves.
        provider: The provider that was chosen.
        country: Its country, ISO 3166 alpha-2.
        work: What the provider did; None until that is known.
        impact: ``environment_impact`` of that work, whether or not the answer carries it.
        bill: ``billing_cost`` of that work, whether or not the answer carries it; None in a profile without.
        told: Which of the two fields the answer carries.
    """

    model: str
    provider: str
    country: str
    work: Work | None = None
    impact: Mapping[str, Any] | None = None
    bill: Mapping[str, str] | None = None
    told: frozenset[str] = frozenset()


@dataclass(slots=True)
class RecordedRequest:
    """One request that reached the sandbox.

    Attributes:
        method: HTTP method.
        path: Path without the query.
        query: The query string as it came.
        endpoint: ``chat``, ``embeddings``, ``rerank``, ``images``, ``audio``, ``documents``, ``models``,
            ``tools``, ``mcp``, ``messages``, ``files``, ``batches``, or "" for others.
        headers: Headers with lower-case names; secrets are masked.
        body: The parsed JSON, the fields of a form (a file as name, type and size), or None.
        body_left_out: Why the body is None though the request had one: it was refused before its body was
            read, the body is too large to keep, or newer requests needed the room. None otherwise.
        request_id: The ``x-request-id`` of the answer.
        connection: The client's port, the same for requests over one connection.
        received_at: Epoch seconds at which the request was complete.
        status: Status of the answer; None until it is sent.
        complete: True once the whole answer was handed to the network.
        duration: Seconds from there until the answer ended, whether whole or broken off; None until then.
        error: Why the sandbox refused the request; None if it did not.
        fault: The fault that hit the request, if any.
        reply: The scripted reply that it got, if any.
        served: Where the request went and what it cost; None if it was not routed.
        custom_id: The id of a line of a batch; None for other requests. Faults and replies see lines, the
            log does not keep them.
        answer: What was sent, for the last 100 requests; None before, and for older ones.

    Examples:
        >>> from melious import MeliousClient
        >>> from melious_sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     vectors = client.embeddings.create(model="bge-m3:eco", input=["lighthouse"])
        ...     request = sandbox.requests[0]
        >>> request.endpoint, request.method, request.status, request.headers["authorization"]
        ('embeddings', 'POST', 200, 'Bearer ***')
        >>> request.served.model, request.served.provider, request.served.country
        ('bge-m3', 'berget', 'SE')
    """

    method: str
    path: str
    query: str
    endpoint: str
    headers: dict[str, str]
    body: Any
    request_id: str
    connection: int
    received_at: float
    status: int | None = None
    complete: bool = False
    duration: float | None = None
    error: str | None = None
    fault: Fault | None = None
    reply: Reply | None = None
    served: Served | None = None
    body_left_out: str | None = None
    answer: Answer | None = None
    custom_id: str | None = None


@dataclass(slots=True)
class Totals:
    """Sums over every request seen, including those that are no longer kept, and the cost of batches.

    Attributes:
        requests: How many there were.
        failed: How many ended with an error, or broke off.
        input_tokens: Tokens read.
        output_tokens: Tokens written.
        euros: What was paid in euros.
        energy: What was paid in energy, the unit of the plan.
        unbilled: How many were served without a bill, so that their cost is not known.
        carbon_g: Grams of CO2.
        energy_kwh: Electricity in kWh.
        water_l: Water in litres.
    """

    requests: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    euros: Decimal = field(default_factory=Decimal)
    energy: Decimal = field(default_factory=Decimal)
    unbilled: int = 0
    carbon_g: float = 0.0
    energy_kwh: float = 0.0
    water_l: float = 0.0

    def add(self, request: RecordedRequest) -> None:
        """Add a request that is over."""
        if not request.complete or request.status is None or request.status >= _FIRST_ERROR:
            self.failed += 1
        self.add_cost(request)

    def add_cost(self, request: RecordedRequest) -> None:
        """Add what a request cost."""
        served = request.served
        if served is None or served.work is None or served.impact is None:
            return
        self.input_tokens += served.work.input_tokens
        self.output_tokens += served.work.output_tokens
        self.carbon_g += served.impact["carbon_g_co2"]
        self.energy_kwh += served.impact["energy_kwh"]
        self.water_l += served.impact["water_liters"]
        if served.bill is None:
            self.unbilled += 1
        elif served.bill["paid_with"] == "energy":
            self.energy += Decimal(served.bill["energy"])
        else:
            self.euros += Decimal(served.bill["credits"])


class RequestLog(Sequence[RecordedRequest]):
    """The requests seen so far, oldest first: a thread-safe sequence.

    Args:
        limit: How many are kept; the oldest are dropped.
        max_bytes: How much memory they may take, in bytes. Beyond it the oldest lose their bodies, and if
            that is not enough, are dropped.
    """

    def __init__(self, limit: int = 10_000, max_bytes: int = MAX_BYTES_KEPT) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        self._max_bytes = max_bytes
        self._kept: deque[RecordedRequest] = deque()
        self._bodies: deque[tuple[RecordedRequest, int]] = deque()
        self._held = 0
        self._open: set[str] = set()
        self._totals = Totals()
        self._growth: Growth[Totals] = Growth()
        self._answered: deque[RecordedRequest] = deque()
        self._room_for_answer = room_for_answer(max_bytes)
        self.revision = 0
        """A number that grows with every change."""

    def append(self, request: RecordedRequest, body_bytes: int = 0) -> None:
        """Add a request whose body had so many bytes on the wire; one that is too long is not kept."""
        most = self._max_bytes // _BODIES_AT_LEAST
        body = 0 if request.body is None or body_bytes > most else _size_of(request.body)
        if body_bytes > most or body > most:
            request.body, request.body_left_out, body = None, _TOO_LARGE, 0
        with self._lock:
            self._kept.append(request)
            if body:
                self._bodies.append((request, body))
            self._held += _size_without_body(request) + body
            self._make_room()
            self._open.add(request.request_id)
            self._totals.requests += 1
            self.revision += 1

    def _make_room(self) -> None:
        while self._held > self._max_bytes and self._bodies:
            request, size = self._bodies.popleft()
            request.body, request.body_left_out = None, _NO_ROOM
            self._held -= size
        while self._kept and (self._held > self._max_bytes or len(self._kept) > self._limit):
            oldest = self._kept.popleft()
            self._held -= _size_without_body(oldest)
            if self._bodies and self._bodies[0][0] is oldest:
                _, size = self._bodies.popleft()
                self._held -= size

    def begin_answer(self, request: RecordedRequest, headers: Mapping[str, str]) -> Answer:
        """Keep what a request is answered with, in place of the oldest answer that is kept."""
        answer = request.answer = Answer(headers, self._room_for_answer)
        with self._lock:
            self._answered.append(request)
            if len(self._answered) > ANSWERS_KEPT:
                self._answered.popleft().answer = None
        return answer

    def finish(self, request: RecordedRequest) -> None:
        """Note that the answer to a request has ended."""
        request.duration = max(0.0, time.time() - request.received_at)
        with self._lock:
            if request.request_id in self._open:
                self._open.remove(request.request_id)
                self._totals.add(request)
                if self._growth.is_due():
                    self._growth.add(replace(self._totals))
                self.revision += 1

    def add_cost_of(self, line: RecordedRequest) -> None:
        """Add what a line of a batch cost to the totals; the line itself is not kept."""
        with self._lock:
            self._totals.add_cost(line)
            if self._growth.is_due():
                self._growth.add(replace(self._totals))
            self.revision += 1

    def clear(self) -> None:
        """Forget all requests, and their totals."""
        with self._lock:
            self._kept.clear()
            self._bodies.clear()
            self._held = 0
            self._open.clear()
            self._answered.clear()
            self._growth = Growth()
            self._totals = Totals()
            self.revision += 1

    def totals(self) -> Totals:
        """Give the sums so far."""
        with self._lock:
            return replace(self._totals)

    def growth(self) -> list[tuple[int, Totals]]:
        """Give the sums as they grew, each with the number of requests that were over by then."""
        with self._lock:
            return [*self._growth.points, (self._growth.count, replace(self._totals))]

    def last(self, count: int) -> list[RecordedRequest]:
        """Give the last so many requests, newest first."""
        with self._lock:
            return list(islice(reversed(self._kept), count))

    def to(self, endpoint: str) -> list[RecordedRequest]:
        """Give the requests to one endpoint, oldest first."""
        return [request for request in self._copy() if request.endpoint == endpoint]

    def _copy(self) -> list[RecordedRequest]:
        with self._lock:
            return list(self._kept)

    @overload
    def __getitem__(self, index: int) -> RecordedRequest: ...
    @overload
    def __getitem__(self, index: slice) -> list[RecordedRequest]: ...
    def __getitem__(self, index: int | slice) -> RecordedRequest | list[RecordedRequest]:
        return self._copy()[index]

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[RecordedRequest]:
        return iter(self._copy())

    def __repr__(self) -> str:
        return f"<{len(self)} requests>"


def mask(headers: Mapping[str, str]) -> dict[str, str]:
    """Copy headers with every secret replaced by stars; the scheme of an authorization stays readable."""
    masked = dict(headers)
    for name in _SECRET & headers.keys():
        scheme, space, _ = headers[name].partition(" ")
        masked[name] = f"{scheme} ***" if space and name == "authorization" else "***"
    return masked


def _size_without_body(request: RecordedRequest) -> int:
    texts = sum(_TEXT_BYTES + len(name) + len(value) for name, value in request.headers.items())
    return _RECORD_BYTES + len(request.path) + len(request.query) + texts


def _size_of(value: Any) -> int:
    """Give the memory that JSON-like values take, in bytes, keys included."""
    total = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        total += sys.getsizeof(item)
        if isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
    return total
