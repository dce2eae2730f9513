"""A request as bytes: what a driver hands to a pool or to a client."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from melious.config import ClientConfig
from melious.errors import ResponseDecodeError
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
        usual = [
            ("host", self.origin.netloc),
            ("user-agent", user_agent()),
            ("accept-encoding", "identity"),
        ]
        # What may fail comes first: no frame that has the key in its locals is part of an error.
        own = _encoded(config.default_headers)
        self._fixed = _over([*_encoded(usual), _auth(config)], own)

    def seal(self, request: Request) -> Callable[[Send], Outgoing]:
        """Encode a request once and give the function that makes each attempt of it."""
        own = _encoded(request.headers)
        body: bytes | Multipart | None
        if isinstance(request.body, Upload):
            body = Multipart(request.body)
            described = body.content_type, body.length
        else:
            body = request.body
            described = b"application/json", len(body or b"")
        described_headers: Headers = []
        if body is not None:
            described_headers.append((b"content-type", described[0]))
            described_headers.append((b"content-length", str(described[1]).encode()))
        target = f"{self._path}/{request.path}".encode()
        url = f"{self._base}/{request.path}"
        method = request.method.encode()
        timeout = request.timeout
        headers = [*self._fixed, (b"accept", b"text/event-stream" if request.stream else b"*/*")]
        headers = _over(headers + described_headers, own) if own else headers + described_headers

        def attempt(send: Send) -> Outgoing:
            extra = _encoded(send.headers)
            return Outgoing(method, url, target, headers + extra, body, timeout.connect, timeout.write)

        return attempt


def _auth(config: ClientConfig) -> tuple[bytes, bytes]:
    """The header with the key."""
    key = config.api_key.get_secret_value().encode()
    return (b"authorization", b"Bearer " + key) if config.auth == "bearer" else (b"x-api-key", key)


def _encoded(pairs: Iterable[tuple[str, str]]) -> Headers:
    return [(name.lower().encode("ascii"), value.encode("utf-8")) for name, value in pairs]


def _over(headers: Headers, own: Headers) -> Headers:
    """Put a caller's headers in the place of those of the same name."""
    names = {name for name, _ in own}
    return [pair for pair in headers if pair[0] not in names] + own


def head_of(status: int, headers: Headers) -> Head:
    """The head of an answer from the raw headers."""
    return Head(status, {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in headers})


def decompressor(head: Head) -> Callable[[bytes], bytes] | None:
    """What undoes the compression of an answer that came compressed although none was asked for.

    Raises:
        ResponseDecodeError: The encoding is not known.
    """
    encoding = head.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    raise ResponseDecodeError(f"the answer is compressed as {encoding!r}, which was not asked for")
