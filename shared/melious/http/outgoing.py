"""Encodes requests as a pool or a client sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from melious.exchange.effects import Send
from melious.exchange.request import Request
from melious.http.library import certificate_variables, check_certificate_variables, user_agent
from melious.http.origin import Origin
from melious.http.proxies import names_proxy, proxy_for
from melious.settings.config import ClientConfig
from melious.settings.headers import hides_key, warn_of_hidden_key
from melious.wire.head import Head
from melious.wire.uploads import Multipart, Upload

Headers = list[tuple[bytes, bytes]]

_LEAST_KEY = 8
"""Bytes of the shortest key that is removed from answers; a shorter one might be a common word."""


@dataclass(frozen=True, slots=True)
class EncodedRequest:
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


class RequestEncoder:
    """Encodes requests; the headers that all requests of a client share are encoded once.

    Args:
        config: The client's settings.
        transport: `httpx` or `aiohttp`; None for an injected client, which handles the environment's
            proxies and certificates itself.
    """

    def __init__(self, config: ClientConfig, transport: str | None) -> None:
        scheme, host, port = place_of(config.base_url)
        self.origin = Origin(
            scheme,
            host,
            port,
            config.verify,
            config.max_connections,
            config.async_transport,
            None if transport is None else proxy_for(scheme, host, port, transport),
            certificate_variables(),
        )
        self._base = config.base_url
        self._path = urlsplit(config.base_url).path
        self._theirs = _encoded(config.default_headers)
        self._warned = hides_key(config.default_headers)
        usual = [("host", self.origin.netloc), ("user-agent", user_agent()), ("accept-encoding", "identity")]
        # What may fail comes first, so that no frame of an error has the key in its locals.
        self._usual = [*_encoded(usual), _auth(config)]

    def encode(self, request: Request) -> Callable[[Send], EncodedRequest]:
        """Encode a request once; gives the function that makes each attempt."""
        theirs = self._theirs
        if request.headers:
            theirs = _over(theirs, _encoded(request.headers))
            if not self._warned and hides_key(request.headers):
                self._warned = True
                warn_of_hidden_key("extra_headers", request.headers)
        ours = [(b"accept", b"text/event-stream" if request.stream else b"*/*")]
        body: bytes | Multipart | None
        if isinstance(request.body, Upload):
            body = Multipart(request.body)
            # Only the form itself knows its boundary.
            theirs = [pair for pair in theirs if pair[0] != b"content-type"]
            described = body.content_type, body.length
        else:
            body = request.body
            described = b"application/json", len(body or b"")
        if body is not None:
            ours += (b"content-type", described[0]), (b"content-length", str(described[1]).encode())
        else:
            theirs = [pair for pair in theirs if pair[0] != b"content-type"]
        target = f"{self._path}/{request.path}".encode()
        url = f"{self._base}/{request.path}"
        method = request.method.encode()
        timeout = request.limits.timeout
        headers = _over(self._usual + ours, theirs) if theirs else self._usual + ours

        def attempt(send: Send) -> EncodedRequest:
            extra = _encoded(send.headers)
            if theirs:
                extra = _without(extra, theirs)
            return EncodedRequest(method, url, target, headers + extra, body, timeout.connect, timeout.write)

        return attempt

    def without_key(self, body: bytes) -> bytes:
        """A body without the key: some services repeat the key that they refuse."""
        key = self._usual[-1][1].removeprefix(b"Bearer ")
        return body.replace(key, b"***") if len(key) >= _LEAST_KEY else body


def place_of(base_url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a base URL."""
    parts = urlsplit(base_url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]


def check_environment(config: ClientConfig, transport: str) -> None:
    """Check the environment's proxies and certificates as far as that is cheap; a request does the rest."""
    scheme = config.base_url.partition(":")[0]
    if names_proxy(scheme):
        proxy_for(*place_of(config.base_url), transport)
    if scheme == "https" and config.verify is True:
        check_certificate_variables()


def _auth(config: ClientConfig) -> tuple[bytes, bytes]:
    """The header with the key."""
    key = config.api_key.get_secret_value().encode()
    return (b"authorization", b"Bearer " + key) if config.auth == "bearer" else (b"x-api-key", key)


def _encoded(pairs: Iterable[tuple[str, str]]) -> Headers:
    return [(name.lower().encode("ascii"), value.encode("utf-8")) for name, value in pairs]


def _over(headers: Headers, own: Headers) -> Headers:
    """Replace headers by the caller's headers of the same names."""
    return _without(headers, own) + own


def _without(headers: Headers, own: Headers) -> Headers:
    """Headers without those of which the caller has their own."""
    names = {name for name, _ in own}
    return [pair for pair in headers if pair[0] not in names]


def head_of(status: int, headers: Headers) -> Head:
    """The head of an answer from the raw headers."""
    return Head(status, {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in headers})
