"""Odd heads and odd framing: interim answers, versions, headers, lengths and chunks."""

from fault_kinds_connection import BROKEN, ONE_READ, SHORT, SLOW, WIDE, repeats
from fault_server import Ask, Kind, Play
from faults_kit import head, http_chunk

from melious import APIConnectionError, APITimeoutError, MeliousError, ResponseDecodeError

OWN = (None,)
CLOSES = "connection: close"


def before(*heads: bytes) -> Play:
    """Send something before the sound answer."""

    def play(ask: Ask) -> None:
        ask.send(*heads)
        ask.whole()

    return play


def with_lines(*lines: str) -> Play:
    """Send the sound answer with further headers."""
    return lambda ask: ask.whole(None, *lines)


def start(line: str, *, ends: bool = True, length: bool = True) -> Play:
    """Send the sound answer under another status line."""

    def play(ask: Ask) -> None:
        lines = [line, f"content-type: {ask.content_type}"]
        lines += [f"content-length: {len(ask.body)}"] if length else []
        ask.send("\r\n".join([*lines, "", ""]).encode("latin-1") + ask.body)
        if ends:
            ask.close()

    return play


def framed(*lines: str, body: bytes | None = None) -> Play:
    """Send an answer with its framing as given, and close."""

    def play(ask: Ask) -> None:
        ask.begin(*lines)
        ask.send(ask.body if body is None else body)
        ask.close()

    return play


def chunked(
    before_it: bytes = b"", after_it: bytes = b"0\r\n\r\n", size: str = "%x", *, ends: bool = True
) -> Play:
    """Send the sound body in one chunk, with its size written as given."""

    def play(ask: Ask) -> None:
        ask.begin("transfer-encoding: chunked")
        line = (size % len(ask.body) if "%" in size else size).encode()
        ask.send(before_it + line + b"\r\n" + ask.body + b"\r\n" + after_it)
        if ends:
            ask.close()

    return play


def lengths(*values: str, extra: str = "") -> Play:
    """Send the sound body under these lengths; `%d` is the true one."""

    def play(ask: Ask) -> None:
        lines = [f"content-length: {value.replace('%d', str(len(ask.body)))}" for value in values]
        ask.begin(*lines, *filter(None, [extra]))
        ask.send(ask.body)
        ask.close()

    return play


def _one_by_one(ask: Ask) -> None:
    ask.begin("transfer-encoding: chunked")
    for place in range(len(ask.body)):
        ask.send(http_chunk(ask.body[place : place + 1]))
    ask.send(b"0\r\n\r\n")


def _bare_line_feeds(ask: Ask) -> None:
    lines = f"HTTP/1.1 200 OK\ncontent-type: {ask.content_type}\ncontent-length: {len(ask.body)}\n\n"
    ask.send(lines.encode() + ask.body)


BOTH = (None, APIConnectionError)
"""HTTP leaves it to the client, and the libraries differ: its own answer or an error, and nothing between."""

WHOLE_STREAM = {"stream": OWN}
"""A stream says itself where it ends."""

HEAD = {
    "100 before the answer": Kind(before(head("100 Continue")), OWN, WIDE, sent=1),
    "103 before the answer": Kind(before(head("103 Early Hints", "link: </x>")), OWN, sent=1),
    "fifty interim answers": Kind(before(head("102 Processing") * 50), OWN, sent=1),
    "endless interim answers": Kind(
        repeats(b"", head("102 Processing")), (APITimeoutError, APIConnectionError), seconds=SHORT
    ),
    "101": Kind(
        lambda ask: ask.send(head("101 Switching Protocols", "upgrade: h2c")), (MeliousError,), seconds=SHORT
    ),
    "HTTP/1.0": Kind(start("HTTP/1.0 200 OK", length=False), OWN, WIDE, sent=1),
    "HTTP/1.0 that keeps the connection": Kind(
        start("HTTP/1.0 200 OK\r\nconnection: keep-alive", ends=False), OWN, sent=1
    ),
    "HTTP/9.9": Kind(start("HTTP/9.9 200 OK"), BOTH),
    "ICY instead of HTTP": Kind(start("ICY 200 OK"), BROKEN),
    "no reason": Kind(start("HTTP/1.1 200 "), OWN, sent=1),
    "a status of letters": Kind(start("HTTP/1.1 abc OK"), BROKEN),
    "a status of two digits": Kind(start("HTTP/1.1 20 OK"), BROKEN),
    "a status of four digits": Kind(start("HTTP/1.1 2000 OK"), BROKEN),
    "a status of 999": Kind(start("HTTP/1.1 999 What"), (MeliousError,)),
    "connection: close": Kind(with_lines(CLOSES), OWN, WIDE, sent=1),
    "connection: close and a second answer": Kind(
        lambda ask: (ask.whole(None, CLOSES), ask.whole()), OWN, sent=1, differs=ONE_READ
    ),
    "no length, to the end of the connection": Kind(framed(CLOSES), OWN, WIDE, sent=1),
    "line feeds alone": Kind(_bare_line_feeds, BOTH),
    "a folded header": Kind(with_lines("x-note: one\r\n two"), BOTH),
    "a header in Latin-1": Kind(with_lines("x-note: caf\xe9"), OWN, sent=1),
    "NUL in a header": Kind(with_lines("x-note: a\x00b"), BROKEN),
    "a header without a colon": Kind(with_lines("no colon here"), BROKEN),
    "a space before the colon": Kind(with_lines("x-note : one"), BOTH),
    "an empty header name": Kind(with_lines(": one"), BOTH),
    "a header of a megabyte": Kind(with_lines("x-note: " + "x" * 1_000_000), BROKEN, seconds=10),
    "2,000 headers": Kind(with_lines(*(f"x-note-{number}: {number}" for number in range(2_000))), BOTH),
    "endless headers": Kind(
        repeats(b"HTTP/1.1 200 OK\r\n", b"x-note: one\r\n" * 512),
        (APIConnectionError, APITimeoutError),
        seconds=2,
    ),
    # --- lengths
    "one length twice": Kind(lengths("%d", "%d"), BOTH),
    "two lengths that differ": Kind(lengths("%d", "3"), BROKEN, WIDE),
    "a list of lengths that differ": Kind(lengths("%d, 3"), BROKEN),
    "a length of letters": Kind(lengths("many"), BROKEN),
    "a negative length": Kind(lengths("-1"), BROKEN),
    "a length with a sign": Kind(lengths("+%d"), BOTH),
    "a length that is too great": Kind(lengths("9%d"), BROKEN, WIDE, differs=WHOLE_STREAM),
    "a length beyond all bounds": Kind(lengths("9" * 30), BROKEN),
    "a length and chunks": Kind(lengths("%d", extra="transfer-encoding: chunked"), BROKEN, unseen=True),
    "an unknown transfer encoding": Kind(
        framed("transfer-encoding: rot13"), (None, APIConnectionError, ResponseDecodeError)
    ),
    "two transfer encodings": Kind(framed("transfer-encoding: gzip, chunked"), BROKEN, unseen=True),
    # --- chunks
    "chunks of one byte": Kind(_one_by_one, OWN, WIDE, sent=1),
    "trailers": Kind(chunked(after_it=b"0\r\nx-checksum: 1\r\n\r\n", ends=False), OWN, WIDE, sent=1),
    "chunk extensions": Kind(chunked(size="%x;name=value"), OWN, sent=1),
    "leading zeros in a chunk size": Kind(chunked(size="0000%x"), OWN, sent=1),
    "a chunk size of letters": Kind(chunked(size="zz"), BROKEN, WIDE, unseen=True),
    "a negative chunk size": Kind(chunked(size="-1"), BROKEN, unseen=True),
    "a chunk size beyond all bounds": Kind(chunked(size="f" * 40), BROKEN, unseen=True),
    "a chunk size that is too small": Kind(chunked(size="5"), BROKEN, unseen=True),
    "a chunk size that is too great": Kind(
        chunked(size="ffff"), BROKEN, WIDE, differs=WHOLE_STREAM, unseen=True
    ),
    "no last chunk": Kind(
        chunked(after_it=b""), BROKEN, ("chat", "embeddings", "models", "audio as text", "file")
    ),
    "half a last chunk": Kind(chunked(after_it=b"0\r\n"), BROKEN, ("chat", "embeddings")),
    "silence before the last chunk": Kind(
        lambda ask: (
            ask.begin("transfer-encoding: chunked"),
            ask.send(http_chunk(ask.body)),
            ask.wait(),
        ),
        SLOW,
        ("chat", "embeddings"),
        seconds=SHORT,
    ),
}
