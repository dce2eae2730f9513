"""What the sandbox remembers of the requests it saw."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

_SECRET = frozenset({"authorization", "x-api-key", "proxy-authorization", "cookie"})


@dataclass(slots=True)
class RecordedRequest:
    """One request that reached the sandbox.

    Attributes:
        method: HTTP method.
        path: Path without the query.
        query: The query string as it came.
        endpoint: ``chat``, ``embeddings``, ``rerank``, ``images``, ``audio``, ``models``, or "" for others.
        headers: Headers with lower-case names; secrets are masked.
        body: The parsed JSON, the fields of a form (a file as name, type and size), or None.
        request_id: The ``x-request-id`` of the answer.
        connection: The client's port, the same for requests over one connection.
        received_at: Epoch seconds at which the request was complete.
        status: Status of the answer, None as long as nothing was sent.
        complete: True once the whole answer was handed to the network.

    Example:
        >>> from melious import MeliousClient
        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     models = client.models.list()
        ...     request = sandbox.requests[0]
        >>> request.endpoint, request.method, request.status
        ('models', 'GET', 200)
        >>> request.headers["authorization"]
        'Bearer ***'
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


class RequestLog(Sequence[RecordedRequest]):
    """The requests seen so far, oldest first; reads like a list and is safe over threads.

    Args:
        limit: How many are kept; the oldest are dropped.

    Example:
        >>> from melious import MeliousClient
        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     models = client.models.list()
        >>> len(sandbox.requests), [request.path for request in sandbox.requests.to("models")]
        (1, ['/v1/models'])
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._lock = threading.Lock()
        self._kept: deque[RecordedRequest] = deque(maxlen=limit)

    def append(self, request: RecordedRequest) -> None:
        """Add a request."""
        with self._lock:
            self._kept.append(request)

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._kept.clear()

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
    masked = {}
    for name, value in headers.items():
        if name in _SECRET:
            scheme, space, _ = value.partition(" ")
            masked[name] = f"{scheme} ***" if space and name == "authorization" else "***"
        else:
            masked[name] = value
    return masked
