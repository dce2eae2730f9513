"""A request as bytes: what a driver hands to a pool or to a client."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from melious.config import ClientConfig
from melious.transport.backend import certificate_variables, proxy_for, user_agent
from melious.transport.effects import Send
from melious.transport.lanes import Origin
from melious.transport.request import Head, Request
from melious.transport.uploads import Multipart, Upload

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One attempt, ready to be sent.

    Attributes:
        method: The method, as bytes.
        url: The whole URL, for a client.
        target: Path and query, for a pool.
        headers: All headers.
        body: The body.
        connect: Seconds for the connection, or None.
        write: Seconds for each piece of the request, or None.
    """

    method: bytes
    url: str
    target: bytes
    headers: Headers = field(repr=False)
    body: bytes | Multipart | None = field(repr=False)
    connect: float | None
    write: float | None


class Envelope:
    """Makes attempts of requests: the headers that every request of a client has are made once."""

    def __init__(self, config: ClientConfig) -> None:
        parts = urlsplit(config.base_url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        self.origin = Origin(
            parts.scheme,
            parts.hostname or "",
            port,
            config.verify,
            config.max_connections,
            config.async_transport,
            proxy_for(parts.scheme, parts.hostname or "", port),
            certificate_variables(),
        )
        self._base = config.base_url
        self._path = parts.path
        key = config.api_key.get_secret_value()
        auth = ("authorization", f"Bearer {key}") if config.auth == "bearer" else ("x-api-key", key)
        usual = [
            ("host", self.origin.netloc),
            ("user-agent", user_agent()),
            ("accept-encoding", "identity"),
            auth,
        ]
        self._fixed = _over(_encoded(usual), _encoded(config.default_headers))

    def seal(self, request: Request) -> Callable[[Send], Outgoing]:
        """Encode a request once and give the function that makes each attempt of it."""
        headers = [*self._fixed, (b"accept", b"text/event-stream" if request.stream else b"*/*")]
        body: bytes | Multipart | None
        if isinstance(request.body, Upload):
            body = Multipart(request.body)
            described = body.content_type, body.length
        else:
            body = request.body
            described = b"application/json", len(body or b"")
        if body is not None:
            headers.append((b"content-type", described[0]))
            headers.append((b"content-length", str(described[1]).encode()))
        if request.headers:
            headers = _over(headers, _encoded(request.headers))
        target = f"{self._path}/{request.path}".encode()
        url = f"{self._base}/{request.path}"
        method = request.method.encode()
        timeout = request.timeout

        def attempt(send: Send) -> Outgoing:
            extra = _encoded(send.headers)
            return Outgoing(method, url, target, headers + extra, body, timeout.connect, timeout.write)

        return attempt


def _encoded(pairs: Iterable[tuple[str, str]]) -> Headers:
    return [(name.lower().encode("ascii"), value.encode("utf-8")) for name, value in pairs]


def _over(headers: Headers, own: Headers) -> Headers:
    """Put a caller's headers in the place of those of the same name."""
    names = {name for name, _ in own}
    return [pair for pair in headers if pair[0] not in names] + own


def head_of(status: int, headers: Headers) -> Head:
    """The head of an answer from the raw headers."""
    return Head(status, {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in headers})
