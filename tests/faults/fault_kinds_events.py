"""Streams: cut, silent, refused in the middle, and odd in their lines and events."""

import json
from collections.abc import Callable
from typing import Any

from fault_calls import chunk
from fault_kinds_connection import SHORT
from fault_server import FAULTY, Ask, Kind, Outcome, Play
from faults_kit import DONE, http_chunk

from melious import (
    APIConnectionError,
    APITimeoutError,
    MeliousError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
    StreamTruncatedError,
)

STREAM = ("stream",)
FIRST, SECOND, FINISH = chunk(FAULTY, FAULTY[:2]), chunk(FAULTY, FAULTY[2:]), chunk(FAULTY, finish="stop")
COMMENT = b": keep-alive\n\n"
PING = b"event: ping\ndata: {}\n\n"
BUSY = b'data: {"error": {"message": "busy", "code": "provider_error"}}\n\n'
LIMIT = b'data: {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}\n\n'


def streams(*events: bytes, then: str = "end") -> Play:
    """Send these events, each as a chunk of its own; then end the stream, close, reset, or wait."""

    def play(ask: Ask) -> None:
        ask.begin("transfer-encoding: chunked")
        ask.send(*map(http_chunk, events))
        if then == "end":
            ask.send(b"0\r\n\r\n")
        else:
            {"close": ask.close, "reset": ask.reset, "wait": ask.wait}[then]()

    return play


def good(*events: bytes, then: str = "end") -> Kind:
    """A stream that is odd and whole."""
    return Kind(streams(*events, then=then), (None,), STREAM, sent=1)


def cut(*events: bytes, then: str, sent: int | None = 1) -> Kind:
    """A stream that is not whole."""
    return Kind(streams(*events, then=then), (APIConnectionError,), STREAM, sent=sent)


def bad(*events: bytes, error: Outcome = ResponseDecodeError, sent: int | None = None) -> Kind:
    """A stream that is not what it should be, or reports an error."""
    return Kind(streams(*events), (error,), STREAM, sent=sent)


def rewritten(change: Callable[[bytes], bytes]) -> Play:
    """The sound stream, written in another way."""
    return lambda ask: streams(change(ask.body))(ask)


def repeated(*events: bytes, first: tuple[bytes, ...] = ()) -> Play:
    """Some events, and then others for as long as the caller reads."""

    def play(ask: Ask) -> None:
        ask.begin("transfer-encoding: chunked")
        ask.send(*map(http_chunk, first))
        ask.until_over(*map(http_chunk, events))

    return play


def odd(**fields: Any) -> Kind:
    """A chunk with odd fields between two sound ones."""
    body = {"id": FAULTY, "choices": [{"index": 0, "delta": {}}]} | fields
    event = b"data: " + json.dumps(body).encode() + b"\n\n"
    return Kind(streams(FIRST, event, SECOND, FINISH, DONE), (None, MeliousError), STREAM, sent=1)


def odd_delta(**fields: Any) -> Kind:
    """A chunk whose delta is odd."""
    return odd(choices=[{"index": 0, "delta": fields}])


def _byte_by_byte(ask: Ask) -> None:
    ask.begin("transfer-encoding: chunked")
    for place in range(len(ask.body)):
        ask.send(http_chunk(ask.body[place : place + 1]))
    ask.send(b"0\r\n\r\n")


EVENTS = {
    # --- cut
    "no event": cut(then="end", sent=None),
    "closed before the first event": cut(then="close", sent=2),
    "reset before the first event": cut(then="reset", sent=2),
    "closed after a comment": cut(COMMENT, then="close", sent=2),
    "closed after the first event": cut(FIRST, then="close"),
    "reset after the first event": cut(FIRST, then="reset", sent=None),
    "ended after the first event": Kind(streams(FIRST), (StreamTruncatedError,), STREAM, sent=1),
    "closed in an event": cut(FIRST, SECOND[:20], then="close"),
    "closed before the finish": cut(FIRST, SECOND, then="close"),
    "closed after the finish": good(FIRST, SECOND, FINISH, then="close"),
    "no [DONE]": good(FIRST, SECOND, FINISH),
    "no finish": good(FIRST, SECOND, DONE),
    "an event after [DONE]": good(FIRST, SECOND, FINISH, DONE, chunk(FAULTY, "more")),
    "two [DONE]": good(FIRST, SECOND, FINISH, DONE, DONE),
    "silence after [DONE]": good(FIRST, SECOND, FINISH, DONE, then="wait"),
    "closed after [DONE]": good(FIRST, SECOND, FINISH, DONE, then="close"),
    # --- silent
    "silence before the first event": Kind(streams(then="wait"), (APITimeoutError,), STREAM, seconds=SHORT),
    "silence after the first event": Kind(
        streams(FIRST, then="wait"), (APITimeoutError,), STREAM, sent=1, seconds=SHORT
    ),
    "comments and no event": Kind(repeated(COMMENT), (APITimeoutError,), STREAM, seconds=SHORT),
    "comments after the first event": Kind(
        repeated(COMMENT, first=(FIRST,)), (APITimeoutError,), STREAM, sent=1, seconds=SHORT
    ),
    "pings after the first event": Kind(
        repeated(PING, first=(FIRST,)), (APITimeoutError,), STREAM, sent=1, seconds=SHORT
    ),
    "an event that drips": Kind(
        repeated(b" ", first=(FIRST, b"data: ")), (APITimeoutError,), STREAM, sent=1, seconds=SHORT
    ),
    # --- refused
    "an error first": bad(BUSY, error=ServerError, sent=2),
    "an error after a comment": bad(COMMENT, PING, BUSY, error=ServerError, sent=2),
    "an error of the limit first": bad(LIMIT, error=RateLimitError, sent=2),
    "an error in the middle": bad(FIRST, BUSY, error=ServerError, sent=1),
    "an error under its own name": bad(
        FIRST, b'event: error\ndata: {"message": "no"}\n\n', error=MeliousError, sent=1
    ),
    "an error of plain words": bad(
        FIRST, b"event: error\ndata: out of memory\n\n", error=MeliousError, sent=1
    ),
    "an error with odd choices": bad(
        FIRST, b'event: error\ndata: {"choices": [null]}\n\n', error=MeliousError, sent=1
    ),
    "an error with choices that are a number": bad(
        FIRST, b'event: error\ndata: {"choices": 7}\n\n', error=MeliousError, sent=1
    ),
    "an error as the finish": bad(
        FIRST,
        b'data: {"id": "fault", "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}\n\n',
        error=MeliousError,
        sent=1,
    ),
    "an error without its last line break": bad(FIRST, BUSY[:-2], error=MeliousError, sent=1),
    # --- odd lines
    "comments and pings between": good(COMMENT, FIRST, PING, COMMENT, SECOND, FINISH, PING, DONE),
    "carriage returns": Kind(rewritten(lambda body: body.replace(b"\n", b"\r\n")), (None,), STREAM, sent=1),
    "carriage returns alone": Kind(
        rewritten(lambda body: body.replace(b"\n", b"\r")), (None,), STREAM, sent=1
    ),
    "a byte order mark first": Kind(rewritten(lambda body: b"\xef\xbb\xbf" + body), (None,), STREAM, sent=1),
    "no space behind the colon": Kind(
        rewritten(lambda body: body.replace(b"data: ", b"data:")), (None,), STREAM, sent=1
    ),
    "ids and times": Kind(
        rewritten(lambda body: body.replace(b"data: ", b"id: 7\nretry: 10\ndata: ")), (None,), STREAM, sent=1
    ),
    "an event over two lines": Kind(
        rewritten(lambda body: body.replace(b", ", b",\ndata: ")), (None,), STREAM, sent=1
    ),
    "the stream byte by byte": Kind(_byte_by_byte, (None,), STREAM, sent=1),
    "the stream in one piece": Kind(rewritten(lambda body: body), (None,), STREAM, sent=1),
    "an event of a megabyte": good(
        chunk(FAULTY, FAULTY[:2])[:-3] + b', "pad": "' + b"x" * 1_000_000 + b'"}\n\n', SECOND, FINISH, DONE
    ),
    "an event of 17 megabytes": bad(
        FIRST, *[b"data: " + b"x" * 1_000_000] + [b"x" * 1_000_000] * 17, error=MeliousError, sent=1
    ),
    "fields that nobody knows": good(b"colour: red\n\n", FIRST, b"data\n\n", SECOND, FINISH, DONE),
    "NUL between the events": Kind(
        streams(FIRST, b"\x00\x00\n\n", SECOND, FINISH, DONE), (None, ResponseDecodeError), STREAM, sent=1
    ),
    "a web page": Kind(streams(b"<html>Log in</html>"), (ResponseDecodeError,), STREAM, sent=1),
    # --- odd events
    "an event of broken JSON": bad(FIRST, b"data: {broken\n\n", SECOND, sent=1),
    "an event of plain words": bad(FIRST, b"data: hello\n\n", SECOND, sent=1),
    "an event of a number": bad(FIRST, b"data: 7\n\n", SECOND, sent=1),
    "an event of a list": bad(FIRST, b"data: [1]\n\n", SECOND, sent=1),
    "an event that is null": bad(FIRST, b"data: null\n\n", SECOND, sent=1),
    "an event 100,000 deep": bad(FIRST, b'data: {"a": ' + b"[" * 100_000 + b"\n\n", sent=1),
    "an event with NaN": Kind(
        streams(FIRST, b'data: {"id": "fault", "choices": [], "x": NaN}\n\n', SECOND, FINISH, DONE),
        (None, ResponseDecodeError),
        STREAM,
        sent=1,
    ),
    "an event beyond UTF-8": Kind(
        streams(FIRST, b'data: {"id": "fault", "choices": [], "x": "\xff"}\n\n', SECOND, FINISH, DONE),
        (None, ResponseDecodeError),
        STREAM,
        sent=1,
    ),
    "events with choices: false": odd(choices=False),
    "events with choices: 0": odd(choices=0),
    "events with choices: a text": odd(choices="none"),
    "events with choices: [null]": odd(choices=[None]),
    "events with choices: an object": odd(choices={"index": 0}),
    "a delta that is a text": odd(choices=[{"index": 0, "delta": "hello"}]),
    "a delta that is null": odd(choices=[{"index": 0, "delta": None}]),
    "a delta with tool_calls: true": odd_delta(tool_calls=True),
    "a delta with a call that is null": odd_delta(tool_calls=[None]),
    "a delta with a function that is a text": odd_delta(tool_calls=[{"index": 0, "function": "f"}]),
    "a delta with content of numbers": odd_delta(content=[1, None]),
    "a delta with reasoning of a number": odd_delta(reasoning_content=7),
    "a usage that is a text": odd(usage="much"),
}
