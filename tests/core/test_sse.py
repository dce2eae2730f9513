"""The decoder of server-sent events: every case, however its bytes are cut into reads."""

import itertools
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import ResponseDecodeError
from melious.wire.sse import ServerSentEvent, SSEDecoder

from .sse_cases import CASES, chunks_of

EVERY_CUT_UP_TO = 700
"""Bytes up to which a case is cut in two at every place."""

by_id = pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])


def _check(case: dict[str, Any], reads: list[bytes]) -> None:
    decoder = SSEDecoder()
    fed = [event for read in reads for event in decoder.feed(read)]
    closed = fed + decoder.close()
    assert [_plain(event) for event in fed] == case["events"]
    assert [_plain(event) for event in closed] == case.get("events_lenient_eof", case["events"])
    if "retry" in case:
        assert decoder.retry == case["retry"]


def _plain(event: ServerSentEvent) -> dict[str, str]:
    return {"event": event.event, "data": event.data, "id": event.id}


@by_id
def test_as_given(case: dict[str, Any]) -> None:
    _check(case, chunks_of(case))


@by_id
def test_byte_by_byte(case: dict[str, Any]) -> None:
    whole = b"".join(chunks_of(case))
    _check(case, [whole[place : place + 1] for place in range(len(whole))])


@by_id
def test_in_one_piece(case: dict[str, Any]) -> None:
    _check(case, [b"".join(chunks_of(case))])


@pytest.mark.sampled(3)
@by_id
def test_cut_in_two_anywhere(case: dict[str, Any]) -> None:
    whole = b"".join(chunks_of(case))
    step = max(1, len(whole) // EVERY_CUT_UP_TO)
    for place in range(0, len(whole) + 1, step):
        _check(case, [whole[:place], whole[place:]])


@given(st.data())
def test_cut_at_random(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES))
    whole = b"".join(chunks_of(case))
    places = data.draw(st.lists(st.integers(0, len(whole)), max_size=40).map(sorted))
    ends = [*places, len(whole)]
    _check(case, [whole[start:end] for start, end in zip([0, *places], ends, strict=True)])


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20),
            st.sampled_from(["\n", "\r", "\r\n"]),
        ),
        max_size=8,
    ),
    st.integers(1, 7),
)
def test_any_text_comes_out_as_it_went_in(texts: list[tuple[str, str]], size: int) -> None:
    stream = "".join(f"data: {text}{end}{end}" for text, end in texts).encode()
    decoder = SSEDecoder()
    events = [
        event for place in range(0, len(stream), size) for event in decoder.feed(stream[place : place + size])
    ]
    assert [event.data for event in events] == [text for text, _ in texts]
    assert decoder.close() == []


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10).map(sorted))
def test_any_bytes_mean_the_same_however_they_are_cut(data: bytes, places: list[int]) -> None:
    whole, cut = SSEDecoder(), SSEDecoder()
    starts = [0, *places]
    reads = [data[start:end] for start, end in zip(starts, [*places, len(data)], strict=True)]
    assert [event for read in reads for event in cut.feed(read)] == whole.feed(data)
    assert cut.close() == whole.close()
    assert (cut.retry, cut.error) == (whole.retry, whole.error)


def test_a_read_that_ends_inside_a_crlf_gives_its_event_at_once() -> None:
    decoder = SSEDecoder()
    assert [event.data for event in decoder.feed(b"data: a\r\n\r")] == ["a"]
    assert decoder.feed(b"\ndata: b") == []
    assert [event.data for event in decoder.feed(b"\n\n")] == ["b"]


def test_a_byte_order_mark_counts_only_at_the_start() -> None:
    decoder = SSEDecoder()
    assert [event.data for event in decoder.feed(b"\xef\xbb\xbfdata: a\n\n")] == ["a"]
    assert decoder.feed(b"\xef\xbb\xbfdata: b\n\n") == []


@pytest.mark.parametrize("start", [b"\xef", b"\xef\xbb"])
def test_the_beginning_of_a_mark_that_is_none_is_kept(start: bytes) -> None:
    decoder = SSEDecoder()
    assert decoder.feed(start) == []
    assert decoder.feed(b"\ndata: a\n\n")[0].data == "a"


def test_a_retry_belongs_to_its_block_and_the_last_one_stands() -> None:
    decoder = SSEDecoder()
    events = decoder.feed(b"retry: 250\ndata: a\n\ndata: b\n\nretry: 9x\nretry: -1\nretry: \xd9\xa1\n\n")
    assert [event.retry for event in events] == [250, None]
    assert decoder.retry == 250


def test_a_retry_of_thousands_of_digits_is_no_number() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"retry: " + b"9" * 5000 + b"\ndata: a\n\n")[0].data == "a"


def test_an_error_field_is_no_event_but_is_kept() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b'error: {"message": "no memory"}\n\n') == []
    assert decoder.error == '{"message": "no memory"}'


def test_an_event_may_grow_to_the_limit_and_no_further() -> None:
    decoder = SSEDecoder(max_event_bytes=1000)
    assert len(decoder.feed(b"data: " + b"x" * 994 + b"\n\n")) == 1
    with pytest.raises(ResponseDecodeError, match="1,000 bytes"):
        decoder.feed(b"data: " + b"x" * 995 + b"\n\n")


@pytest.mark.parametrize(
    "piece",
    [b"data: aaaaaaaaaa\n", b"xxxxxxxxxxxx", b"data: bbbbbbbbbbbbbbbbb\r\n"],
    ids=["lines", "one", "crlf"],
)
def test_the_limit_holds_for_one_long_line_and_for_many_short_ones(piece: bytes) -> None:
    decoder = SSEDecoder(max_event_bytes=1000)
    with pytest.raises(ResponseDecodeError):
        list(map(decoder.feed, [piece] * 100))


def test_the_limit_is_per_event_and_not_per_stream() -> None:
    decoder = SSEDecoder(max_event_bytes=100)
    assert sum(len(decoder.feed(b"data: " + b"x" * 80 + b"\n\n")) for _ in range(50)) == 50
    assert sum(len(decoder.feed(b": " + b"x" * 80 + b"\n\n")) for _ in range(50)) == 0


def test_by_default_an_event_may_have_a_little_more_than_64_mib() -> None:
    decoder = SSEDecoder()
    block = b"x" * (1024 * 1024)
    decoder.feed(b"data: y")
    for _ in range(64):
        assert decoder.feed(block) == []
    assert len(decoder.feed(b"\n\n")[0].data) == 64 * 1024 * 1024 + 1
    decoder.feed(b"data: ")
    with pytest.raises(ResponseDecodeError, match="larger than 68,157,440 bytes"):
        list(map(decoder.feed, [block] * 66))


@pytest.mark.parametrize("field", ["data: ", "data:", "data", ": ", "other: "])
@pytest.mark.parametrize("text", ["ä€😀", "a", "\0"])
def test_long_lines_are_read_as_short_ones_are(field: str, text: str) -> None:
    data = [
        [event.data for event in SSEDecoder().feed(f"{field}{text * times}\ndata: end\n\n".encode())]
        for times in (1, 700_000)
    ]
    assert data[1] == [data[0][0].replace(text, text * 700_000)]


def test_a_large_event_is_copied_no_more_than_it_must_be() -> None:
    """The read itself, the joined line and its text; each slice of the line would be one more."""
    size, decoder = 8 * 1024 * 1024, SSEDecoder()
    reads = [b"data: ", *[b"x" * (size // 64)] * 64, b"\n", b"\n"]
    tracemalloc.start()
    try:
        (event,) = itertools.chain.from_iterable(map(decoder.feed, reads))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(event.data) == size
    assert most < 2.5 * size


def _seconds_to_take(size: int, read: int) -> float:
    decoder = SSEDecoder()
    piece = b"x" * read
    decoder.feed(b"data: ")
    started = time.process_time()
    for _ in range(size // read):
        decoder.feed(piece)
    decoder.feed(b"\n\n")
    return time.process_time() - started


def test_a_long_line_in_small_reads_takes_linear_time() -> None:
    small = min(_seconds_to_take(256 * 1024, 16) for _ in range(3))
    large = min(_seconds_to_take(4 * 256 * 1024, 16) for _ in range(3))
    assert large < 10 * small + 0.02, "four times the bytes took far more than four times as long"
