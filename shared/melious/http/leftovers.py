"""Proof that nothing is left on a connection which nobody asked for; without it, none is used again.

Bytes behind an answer (a second answer, the body of a 204, more than was
announced) would be taken for the answer to the next request, which may be
another client's. They can wait in any layer: in the HTTP parser, decrypted or
not in TLS, in the protocol under asyncio, in the socket. Few of the layers
tell in public, so this module, and no other, looks at what is private:

- httpcore, httpcore2: `_connection` leads from every kind of connection to
  the one with the parser, `_h11_state`; `_stream` of the async stream;
  `_incoming` of the blocking stream for TLS within TLS.
- anyio: `_read_bio` and `_ssl_object` of `TLSStream`; `_protocol` of
  `SocketStream` and its `read_queue`.
- aiohttp: `_parser` of the protocol of a connection.

Where one of them is missing there is no proof, and the connection is closed.
"""

from __future__ import annotations

import select
import ssl
from typing import Any

_NO_PROOF = (AttributeError, IndexError, TypeError)
_PROBE = b"HTTP/1.1 204 No Content\r\n\r\n"
_NO_CONTENT = 204


def blocking_is_clean(connection: Any, stream: Any) -> bool:
    """Whether all that came over a connection of the blocking library has been asked for and read.

    The socket itself is not looked at: the library's `has_expired` does that.

    Args:
        connection: The library's connection, straight or through a proxy.
        stream: Its network stream, the outermost if there are several.
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
    """Whether an idle connection of aiohttp is open, and all that came over it was asked for and read.

    What the event loop has not yet read is looked for in the socket. Whole
    answers too many are in the protocol's queue, which `should_close` knows of;
    the beginning of one is in the parser, which cannot be asked. But it can be
    made to read one more answer, for a new one is made for each request: it
    understands that answer only if it stands between two.
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
        if type(error).__module__.partition(".")[0] == "aiohttp":  # it stood within an answer
            return False
        raise


def _left_in_parser(connection: Any) -> bool:
    """Whether the HTTP parser holds bytes behind an answer, or has seen the end of the connection."""
    inner = connection
    while (parser := getattr(inner, "_h11_state", None)) is None:
        inner = inner._connection  # noqa: SLF001
    data, ended = parser.trailing_data
    return bool(data) or bool(ended)


def _left_in_sockets(stream: Any) -> bool:
    """Whether TLS on a blocking socket holds bytes, or TLS within that TLS does."""
    sock = stream.get_extra_info("socket")
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    tls = stream.get_extra_info("ssl_object")
    return isinstance(tls, ssl.SSLObject) and bool(tls.pending() or stream._incoming.pending)  # noqa: SLF001


def _left_in_anyio(layer: Any) -> bool:
    """Whether a layer of TLS holds bytes, or the protocol under them all does."""
    while (below := getattr(layer, "transport_stream", None)) is not None:
        if layer._read_bio.pending or layer._ssl_object.pending():  # noqa: SLF001
            return True
        layer = below
    return bool(layer._protocol.read_queue)  # noqa: SLF001


def _is_readable(sock: Any) -> bool:
    """Whether data, an end or an error waits at a socket; also if there is none any more."""
    if sock is None or (number := sock.fileno()) < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
