"""The cases that browsers hold of `text/event-stream`: web-platform-tests, eventsource/format-*.

Each case is the bytes of a stream and the events that they are by the HTML specification: type, data and
last event id. An event that its stream does not end with a blank line is dropped there, so only `feed` is
asked, and not `close`.
"""

from typing import NamedTuple

import pytest

from melious.wire.sse import SSEDecoder

BOM = b"\xef\xbb\xbf"
LONG = b"x" * 2048


class Case(NamedTuple):
    name: str
    stream: bytes
    data: list[str]
    types: list[str] | None = None
    ids: list[str] | None = None
    retry: int | None = None


CASES = [
    Case("bom", BOM + b"data:1\n\n" + BOM + b"data:2\n\ndata:3\n\n", ["1", "3"]),
    Case("bom-2", BOM + BOM + b"data:1\n\ndata:2\n\ndata:3\n\n", ["2", "3"]),
    Case(
        "comments",
        b"data:1\r:\0\n:\r\ndata:2\n:" + LONG + b"\rdata:3\n:data:fail\r:" + LONG + b"\ndata:4\n\n",
        ["1\n2\n3\n4"],
    ),
    Case(
        "data-before-final-empty-line",
        b"retry:1000\ndata:test1\n\nid:test\ndata:test2",
        ["test1"],
        ids=[""],
        retry=1000,
    ),
    Case(
        "event-data",
        b"data:msg\ndata: msg\n\n:\nother:msg\n\nData:data\n\ndata\n\ndata:end\n\n",
        ["msg\nmsg", "", "end"],
    ),
    Case("field-data", b"data:\n\ndata\ndata\n\ndata:test\n\n", ["", "\n", "test"]),
    Case("field-event", b"event:test\ndata:x\n\ndata:x\n\n", ["x", "x"], types=["test", "message"]),
    Case("field-event-empty", b"event: \ndata:data\n\n", ["data"], types=["message"]),
    Case(
        "field-id",
        "id: …\nretry: 200\ndata: hello\n\ndata: …\n\n".encode(),
        ["hello", "…"],
        ids=["…", "…"],
        retry=200,
    ),
    Case("field-id-2", "id:…\ndata:a\n\ndata:b\n\ndata:c\n\n".encode(), ["a", "b", "c"], ids=["…", "…", "…"]),
    Case("field-id-3 persists", b"id: 1\ndata: 1\n\ndata: 2\n\n", ["1", "2"], ids=["1", "1"]),
    Case(
        "field-id-3 changes",
        b"id: 1\ndata: 1\n\nid: 2\ndata: 2\n\ndata: 3\n\n",
        ["1", "2", "3"],
        ids=["1", "2", "2"],
    ),
    Case(
        "field-id-3 resets",
        b"id: 1\ndata: 1\n\nid:\ndata: 2\n\ndata: 3\n\n",
        ["1", "2", "3"],
        ids=["1", "", ""],
    ),
    *(
        Case(f"field-id-null {number}", b"id:" + value + b"\ndata:hello\n\n", ["hello"], ids=[""])
        for number, value in enumerate((b"\0\0", b"x\0", b"\0x", b"x\0x", b" \0"))
    ),
    Case(
        "field-parsing",
        b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
        ["\0\n 2\n1\n3\n\n4"],
    ),
    Case("field-retry", b"retry:03000\ndata:x\n\n", ["x"], retry=3000),
    Case("field-retry-bogus", b"retry:3000\nretry:1000x\ndata:x\n\n", ["x"], retry=3000),
    Case("field-retry-empty", b"retry\ndata:test\n\n", ["test"]),
    Case(
        "field-unknown",
        b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:comment\ndata:test\n\n",
        ["test\n\ntest"],
    ),
    Case("leading-space", b"data:\ttest\rdata: \ndata:test\n\n", ["\ttest\n\ntest"]),
    Case("newlines", b"data:test\r\ndata\ndata:test\r\n\r", ["test\n\ntest"]),
    Case("null-character", b"data:\0\n\n\n\n", ["\0"]),
    Case("utf-8", "data:ok…\n\n".encode(), ["ok…"]),
]


def _check(case: Case, reads: list[bytes]) -> None:
    decoder = SSEDecoder()
    events = [event for read in reads for event in decoder.feed(read)]
    assert [event.data for event in events] == case.data
    if case.types is not None:
        assert [event.event for event in events] == case.types
    if case.ids is not None:
        assert [event.id for event in events] == case.ids
    assert decoder.retry == case.retry


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_stream_means_the_same_at_every_cut(case: Case) -> None:
    stream = case.stream
    _check(case, [stream])
    _check(case, [stream[place : place + 1] for place in range(len(stream))])
    for place in range(len(stream) + 1):
        _check(case, [stream[:place], stream[place:]])
