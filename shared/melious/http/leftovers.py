"""Proves that a connection has no unread bytes; without the proof it is not used again.

Bytes after an answer (a second answer, the body of a 204, more than announced) would be read as the answer to
the next request, which may be another client's. They can be in any layer: the HTTP parser, TLS (decrypted or
not), the protocol under asyncio, the socket. Few layers have a public way to ask, so this module, and no
other, uses private ones:

- httpcore, httpcore2: `_connection` leads from every kind of connection to
  the one with the parser, `_h11_state`; `_stream` of the async stream;
  `_incoming` of the blocking stream for TLS within TLS.
- anyio: `_read_bio` and `_ssl_object` of `TLSStream`; `_protocol` of
  `SocketStream` and its `read_queue`.
- aiohttp: `_parser` of the protocol of a connection.

If one of them is missing, there is no proof, and the connection is closed.
"""

from __future__ import annotations

import select
import ssl
from typing import Any

_NO_PROOF = (AttributeError, IndexError, TypeError)
_PROBE = b"HTTP/1.1 204 No Content\r\n\r\n"
_NO_CONTENT = 204


def blocking_is_clean(connection: Any, stream: Any) -> bool:
    """Whether a connection of the blocking library, with its outermost stream, has no unread bytes.

    The library's `has_expired` checks the socket itself.
    """
    try:
        return not (_left_in_parser(connection) or _left_in_sockets(stream))
    except _NO_PROOF:
        return False


def asyncio_is_clean(connection: Any, stream: Any) -> bool:
    """The same for a connection of the async library, on anyio over asyncio."""
    try:
        return not (_left_in_parser(connection) or _left_in_anyio(stream._stream))  # noqa: SLF001
    except _NO_PROOF:
        return False


def aiohttp_is_clean(protocol: Any) -> bool:
    """Whether an idle connection of aiohttp is open and has no unread bytes.

    The socket is checked for what the event loop has not read. Whole extra answers are in the
    protocol's queue, which `should_close` checks; the start of one is in the parser, which cannot be
    asked. But the parser, of which each request gets a new one, can be fed one more answer: it reads
    that only if it is between two answers.
    """
    try:
        if not protocol.is_connected() or protocol.should_close:
            return False
        if _is_readable(protocol.transport.get_extra_info("socket")):
            return False
        messages, upgraded, rest = protocol._parser.feed_data(_PROBE)  # noqa: SLF001
        return len(messages) == 1 and messages[0][0].code == _NO_CONTENT and not upgraded and not rest
    except _NO_PROOF:
        return False
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "aiohttp":  # it was inside an answer
            return False
        raise


def _left_in_parser(connection: Any) -> bool:
    """Whether the HTTP parser has bytes after an answer, or has seen the end of the connection."""
    inner = connection
    while (parser := getattr(inner, "_h11_state", None)) is None:
        inner = inner._connection  # noqa: SLF001
    data, ended = parser.trailing_data
    return bool(data) or bool(ended)


def _left_in_sockets(stream: Any) -> bool:
    """Whether TLS on a blocking socket has bytes, or TLS within it."""
    sock = stream.get_extra_info("socket")
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    tls = stream.get_extra_info("ssl_object")
    return isinstance(tls, ssl.SSLObject) and bool(tls.pending() or stream._incoming.pending)  # noqa: SLF001


def _left_in_anyio(layer: Any) -> bool:
    """Whether a layer of TLS has bytes, or the protocol below."""
    while (below := getattr(layer, "transport_stream", None)) is not None:
        if layer._read_bio.pending or layer._ssl_object.pending():  # noqa: SLF001
            return True
        layer = below
    return bool(layer._protocol.read_queue)  # noqa: SLF001


def _is_readable(sock: Any) -> bool:
    """Whether a socket has data, an end or an error to read, or is closed."""
    if sock is None or (number := sock.fileno()) < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
