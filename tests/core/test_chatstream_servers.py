"""What servers send in the place of a stream, or in it, that is no plain chunk."""

import json

import pytest

from melious import APIStatusError, AuthenticationError, MeliousError, ResponseDecodeError
from melious.wire.chunks import ChatStreamParser
from melious.wire.head import Head

EVENTS = {"content-type": "text/event-stream"}
HI = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n'


@pytest.mark.parametrize("type_", ["text/event-stream", "application/json", "text/html", ""])
@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b'{"error": {"message": "no such key", "code": "AUTH_1008"}}', AuthenticationError, "no such key"),
        (b"\n<html><body>Bad gateway</body></html>", ResponseDecodeError, "<html><body>Bad gateway"),
    ],
)
def test_a_whole_body_is_known_for_one_under_any_type(
    type_: str, body: bytes, kind: type[MeliousError], said: str
) -> None:
    for size in (len(body), 1):
        parser = ChatStreamParser(Head(200, {"content-type": type_}))
        for at in range(0, len(body), size):
            assert parser.feed(body[at : at + size]) == []
        assert parser.close() == []
        assert type(parser.error) is kind
        assert said in str(parser.error)


@pytest.mark.parametrize(
    "stream",
    [
        b'error: {"message": "out of memory"}\n\n',
        b'error: {"message": "out of memory"}',
        b'data: {"type": "error", "message": "out of memory"}\n\n',
        b'event: error\ndata: {"message": "out of memory"}\n\n',
    ],
)
def test_an_error_is_known_wherever_the_stream_says_it(stream: bytes) -> None:
    parser = ChatStreamParser(Head(200, EVENTS))
    parser.feed(HI)
    assert parser.feed(stream) + parser.close() == []
    assert isinstance(parser.error, APIStatusError)
    assert (parser.error.message, parser.error.partial.text) == ("out of memory", "Hi")


def test_reasoning_among_the_parts_of_the_content() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    delta = {"content": [thinking, {"type": "text", "text": "Hi"}]}
    parser = ChatStreamParser(Head(200, EVENTS))
    (chunk,) = parser.feed(f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n".encode())
    assert chunk["choices"][0]["delta"] == {"content": "Hi", "reasoning_content": "hm"}
    assert (parser.partial.text, parser.partial.reasoning) == ("Hi", "hm")


@pytest.mark.parametrize("other", ["", None])
def test_reasoning_is_found_beside_an_empty_field_of_the_other_name(other: str | None) -> None:
    parser = ChatStreamParser(Head(200, EVENTS))
    delta = {"reasoning": "hm", "reasoning_content": other}
    (chunk,) = parser.feed(f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n".encode())
    assert chunk["choices"][0]["delta"]["reasoning_content"] == "hm"
    assert parser.partial.reasoning == "hm"
