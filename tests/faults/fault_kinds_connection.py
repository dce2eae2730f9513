"""Faults of the connection: hung up, reset, silent, another protocol, and bytes that nobody asked for."""

import json

from fault_calls import chat_answer
from fault_server import Ask, Kind, Play
from faults_kit import head, http_chunk

from melious import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    MeliousError,
    ResponseDecodeError,
)

WIDE = ("chat", "stream", "models")
ANSWERS = ("chat", "stream", "embeddings", "rerank", "images", "audio", "models")
"""A file may be empty; an answer of these may not."""
EVERY = (*ANSWERS, "file")
SHORT = 0.5

OTHERS = json.dumps(chat_answer("planted")).encode()
"""The answer that nobody asked for."""


def planted(*lines: str, status: str = "200 OK") -> bytes:
    """A whole answer that belongs to no request."""
    return head(status, "content-type: application/json", f"content-length: {len(OTHERS)}", *lines) + OTHERS


def says(*parts: bytes) -> Play:
    """Send these bytes and nothing else, and close in good order."""

    def play(ask: Ask) -> None:
        ask.send(*parts)
        ask.close()

    return play


def resets(*parts: bytes) -> Play:
    """Send these bytes and reset."""

    def play(ask: Ask) -> None:
        ask.send(*parts)
        ask.reset()

    return play


def says_and_waits(*parts: bytes) -> Play:
    """Send these bytes and nothing more while the caller waits."""

    def play(ask: Ask) -> None:
        ask.send(*parts)
        ask.wait()

    return play


def repeats(first: bytes, *parts: bytes) -> Play:
    """Send something, then the rest for as long as the caller waits."""

    def play(ask: Ask) -> None:
        ask.send(first)
        ask.until_over(*parts)

    return play


def _in_the_body(end: str) -> Play:
    def play(ask: Ask) -> None:
        ask.begin(f"content-length: {len(ask.body)}")
        ask.send(ask.body[: len(ask.body) // 2])
        {"close": ask.close, "reset": ask.reset, "wait": ask.wait}[end]()

    return play


def _after_the_head(end: str) -> Play:
    def play(ask: Ask) -> None:
        ask.begin(f"content-length: {len(ask.body)}")
        {"close": ask.close, "reset": ask.reset, "wait": ask.wait}[end]()

    return play


def _dripping_body(ask: Ask) -> None:
    ask.begin("transfer-encoding: chunked")
    ask.until_over(http_chunk(b" "))


def _then(*parts: bytes) -> Play:
    """Send the sound answer, and bytes that nobody asked for in the same breath."""

    def play(ask: Ask) -> None:
        content = ask.body
        sound = head("200 OK", f"content-type: {ask.content_type}", f"content-length: {len(content)}")
        ask.send(sound + content + b"".join(parts))

    return play


def _later(*parts: bytes, end: str = "") -> Play:
    """Send the sound answer; once the caller has it, send bytes that nobody asked for, or hang up."""

    def play(ask: Ask) -> None:
        ask.whole()
        ask.wait()
        ask.send(*parts)
        if end:
            {"close": ask.close, "reset": ask.reset}[end]()

    return play


def _chunks_then(*parts: bytes) -> Play:
    def play(ask: Ask) -> None:
        ask.begin("transfer-encoding: chunked")
        ask.send(http_chunk(ask.body) + b"0\r\n\r\n" + b"".join(parts))

    return play


def _drains(ask: Ask) -> None:
    """Refuse an upload before it has come, and read what was on its way, as good servers do."""
    body = b'{"error": {"message": "too large", "code": "payload_too_large"}}'
    ask.whole(body, "connection: close", status="413 Content Too Large")
    while not ask.ended.is_set() and ask.peer.sock.recv(1 << 20):
        pass


def _refuses_and_resets(ask: Ask) -> None:
    ask.whole(b"{}", "connection: close", status="413 Content Too Large")
    ask.reset()


BROKEN = (APIConnectionError,)
SLOW = (APITimeoutError,)
NOTHING = (ResponseDecodeError,)
ONE_READ = {"aiohttp": (None, APIConnectionError)}
"""aiohttp throws away what comes in one read with something bad."""
NO_BODY = {"aiohttp": (ResponseDecodeError, APIConnectionError, APIStatusError)}
NO_STREAM = {"stream": (MeliousError,)}
CONNECTION = {
    "closed as it is accepted": Kind(says(), BROKEN, WIDE, greets=True),
    "reset as it is accepted": Kind(resets(), BROKEN, WIDE, greets=True),
    "closed before the answer": Kind(says(), BROKEN, EVERY),
    "reset before the answer": Kind(resets(), BROKEN, EVERY),
    "closed before the upload has come": Kind(says(), BROKEN, ("much audio",), reads=False),
    "reset before the upload has come": Kind(resets(), BROKEN, ("much audio",), reads=False),
    "closed in the status line": Kind(says(b"HTTP/1.1 2"), BROKEN),
    "reset in the status line": Kind(resets(b"HTTP/1.1 2"), BROKEN),
    "closed in the headers": Kind(says(b"HTTP/1.1 200 OK\r\ncontent-type: appl"), BROKEN),
    "reset in the headers": Kind(resets(b"HTTP/1.1 200 OK\r\ncontent-type: appl"), BROKEN),
    "closed after the head": Kind(_after_the_head("close"), BROKEN, WIDE),
    "reset after the head": Kind(_after_the_head("reset"), BROKEN, WIDE),
    "closed in the body": Kind(_in_the_body("close"), BROKEN, EVERY),
    "reset in the body": Kind(_in_the_body("reset"), BROKEN, EVERY),
    "closed in a text": Kind(_in_the_body("close"), BROKEN, ("audio as text", "file")),
    "silence before the answer": Kind(
        says_and_waits(), SLOW, ("chat", "stream", "embeddings", "audio"), seconds=SHORT
    ),
    "silence in the headers": Kind(says_and_waits(b"HTTP/1.1 200 OK\r\nx-"), SLOW, seconds=SHORT),
    "silence after the head": Kind(_after_the_head("wait"), SLOW, seconds=SHORT),
    "silence in the body": Kind(_in_the_body("wait"), SLOW, ("chat", "embeddings"), seconds=SHORT),
    "a head that drips": Kind(repeats(b"HTTP/1.1 200 OK\r\nx-drip: ", b"."), SLOW, seconds=SHORT),
    "a body that drips": Kind(_dripping_body, SLOW, ("chat", "embeddings"), seconds=SHORT),
    "an upload that is not read": Kind(
        says_and_waits(), SLOW, ("much audio",), seconds=SHORT, reads=False, sent=1
    ),
    "an upload that is refused early": Kind(_drains, (BadRequestError,), ("much audio",), reads=False),
    "an upload that is refused and cut": Kind(
        _refuses_and_resets, (BadRequestError, APIConnectionError), ("much audio",), reads=False
    ),
    # --- something else than HTTP
    "garbage": Kind(says(b"\x8f\x00\x12garbage\xff\xfe\r\n\r\n"), BROKEN, WIDE),
    "a TLS alert": Kind(says(b"\x15\x03\x01\x00\x02\x02\x28"), BROKEN),
    "a frame of HTTP/2": Kind(says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18), BROKEN),
    "another protocol": Kind(says(b"SSH-2.0-OpenSSH_9.9\r\n"), BROKEN),
    "endless garbage": Kind(
        repeats(b"", b"\x00garbage" * 512), (APIConnectionError, APITimeoutError), seconds=SHORT
    ),
    "the body without a head": Kind(says(b'{"choices": []}'), BROKEN),
    # --- bytes that nobody asked for
    "a second answer at once": Kind(_then(planted()), (None,), EVERY, sent=1),
    "a second answer behind chunks": Kind(_chunks_then(planted()), (None,), sent=1),
    "more than content-length": Kind(_then(b'{"more": true}'), (None,), WIDE, sent=1, differs=ONE_READ),
    "a line break behind the answer": Kind(_then(b"\r\n"), (None,), sent=1),
    "half a head behind the answer": Kind(_then(b"HTTP/1.1 200 OK\r\nx-"), (None,), sent=1),
    "a late second answer": Kind(_later(planted()), (None,), EVERY, sent=1),
    "a late second answer and the end": Kind(_later(planted(), end="close"), (None,), WIDE, sent=1),
    "late garbage": Kind(_later(b"\x00garbage"), (None,), sent=1),
    "a late line break": Kind(_later(b"\r\n"), (None,), sent=1),
    "a late 408": Kind(
        _later(planted("connection: close", status="408 Request Timeout"), end="close"), (None,), WIDE, sent=1
    ),
    "closed while idle": Kind(_later(end="close"), (None,), EVERY, sent=1),
    "reset while idle": Kind(_later(end="reset"), (None,), WIDE, sent=1),
    "closed with the answer": Kind(lambda ask: (ask.whole(), ask.close()), (None,), WIDE, sent=1),
    "a second answer behind an error": Kind(
        lambda ask: ask.send(planted(status="400 Bad Request") + planted()), (BadRequestError,), sent=1
    ),
    # --- answers without a body, and with one all the same
    "204": Kind(lambda ask: ask.begin(status="204 No Content"), NOTHING, WIDE, differs=NO_STREAM),
    "204 with a body": Kind(
        lambda ask: ask.send(head("204 No Content") + OTHERS), NOTHING, WIDE, differs=NO_STREAM | NO_BODY
    ),
    "204 with an answer behind": Kind(
        lambda ask: ask.send(head("204 No Content") + planted()), NOTHING, EVERY, differs=NO_STREAM
    ),
    "304 with a body": Kind(
        lambda ask: ask.send(planted(status="304 Not Modified")), (MeliousError,), sent=1, differs=NO_BODY
    ),
    "205": Kind(lambda ask: ask.whole(b"", status="205 Reset Content"), NOTHING),
    "an empty answer": Kind(lambda ask: ask.whole(b""), NOTHING, ANSWERS, differs=NO_STREAM),
    "an empty answer to the end of the connection": Kind(
        says(head("200 OK", "connection: close")), (MeliousError,)
    ),
}
