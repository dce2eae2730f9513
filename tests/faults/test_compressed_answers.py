"""Compressed answers over a real connection, on every kind of client, its own and injected ones."""

import gzip
import json
import subprocess
import sys
import textwrap
import zlib
from contextlib import ExitStack

import pytest
from faults_faces import AiohttpFace, AsyncFace, SyncFace
from faults_kit import (
    ANSWER,
    DONE,
    KEY,
    LAST_CHUNK,
    Peer,
    always,
    environment,
    event,
    eventually,
    head,
    http_chunk,
    whole,
)
from test_injected_clients import KINDS

from melious import (
    APIConnectionError,
    AuthenticationError,
    BadRequestError,
    MeliousError,
    RateLimitError,
    ResponseDecodeError,
    ServerError,
    StreamTruncatedError,
)

OWN = {"sync": SyncFace, "async": AsyncFace, "aiohttp": AiohttpFace}
BODY = json.dumps(ANSWER).encode()
TALK = "Good morning, and welcome to the lighthouse. " * 800
WAV = ("talk.wav", b"RIFF\0\0\0\0WAVEfmt ")


@pytest.fixture(params=[*OWN, *KINDS])
def every_client(request):
    """Make clients of one kind, own or around an injected one; `run` gives what a call of theirs gives."""
    with ExitStack() as stack:

        def make(base_url, **options):
            if request.param in OWN:
                made = OWN[request.param](base_url=base_url, api_key=KEY, **options)
                if isinstance(made, AsyncFace):
                    stack.callback(made.end)
                stack.callback(made.close)
            else:
                made = KINDS[request.param](base_url, KEY, **options)
                stack.callback(made.end)
            run = getattr(made, "run", None) or (made.runner.run if hasattr(made, "runner") else None)
            made.transcribe = lambda: _result(
                run, made.client.audio.transcribe(model="whisper", file=WAV, response_format="text")
            )
            made.kind = request.param
            return made

        yield make


def _result(run, called):
    return called if run is None else run(called)


def packed(encoding, body=BODY, status="200 OK", *lines):
    """An answer with this encoding in its head."""
    return whole(body, status, f"content-encoding: {encoding}", *lines)


GOOD = {
    "gzip": packed("gzip", gzip.compress(BODY)),
    "two members": packed("gzip", gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])),
    "zeros behind": packed("X-GZIP", gzip.compress(BODY) + bytes(9)),
    "raw deflate": packed("deflate", zlib.compress(BODY)[2:-4]),
    "gzip, identity": packed("gzip, identity", gzip.compress(BODY)),
    "twice": packed("gzip", gzip.compress(gzip.compress(BODY)), "200 OK", "content-encoding: gzip"),
    "in name only": packed("gzip"),
    "a charset": packed("utf-8"),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", GOOD)
def test_what_is_whole_is_read(kind, serve, every_client):
    server = serve(always(GOOD[kind]))
    assert every_client(server.base_url, max_retries=0).chat().text == "A light."


@pytest.mark.parametrize("cut", [-1, -30])
def test_a_text_that_is_cut_is_never_a_shorter_text(cut, serve, every_client):
    body = gzip.compress(TALK.encode())
    server = serve(always(whole(body[:cut], "200 OK", "content-encoding: gzip")))
    with pytest.raises(APIConnectionError, match="cut off"):
        every_client(server.base_url, max_retries=0).transcribe()
    assert len(server.requests) == 1


def test_a_text_in_two_members_is_whole(serve, every_client):
    body = gzip.compress(TALK[:99].encode()) + gzip.compress(TALK[99:].encode())
    answer = head(
        "200 OK", "content-type: text/plain", "content-encoding: gzip", f"content-length: {len(body)}"
    )
    server = serve(always(answer + body))
    assert every_client(server.base_url, max_retries=0).transcribe().text == TALK


def test_an_answer_that_is_cut_is_asked_for_again(serve, every_client):
    def script(peer: Peer) -> None:
        while peer.request() is not None:
            first = len(peer._server.requests) == 1
            peer.send(packed("gzip", gzip.compress(BODY)[: -4 if first else None]))

    server = serve(script)
    answer = every_client(server.base_url, max_retries=2).chat()
    assert (answer.text, answer.attempts, len(server.requests)) == ("A light.", 2, 2)


BROKEN = {
    "damaged": packed("gzip", gzip.compress(BODY)[:-8] + bytes(8)),
    "more behind": packed("gzip", gzip.compress(BODY) + b"{}"),
    "gzip by its first bytes only": packed("gzip", b"\x1f\x8b\x08 no gzip at all, but this text"),
    "br": packed("br", b"\x0b\x02\x80"),
    "zstd": packed("zstd", b"\x28\xb5\x2f\xfd"),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_paid_once(kind, serve, every_client):
    server = serve(always(BROKEN[kind]))
    with pytest.raises(ResponseDecodeError) as caught:
        every_client(server.base_url, max_retries=3).chat()
    assert (len(server.requests), caught.value.attempts, caught.value.is_retryable) == (1, 1, False)


def test_gzip_as_a_transfer_encoding(serve, every_client):
    """Only aiohttp hands it on; the others refuse it as what they do not speak."""
    body = gzip.compress(BODY)
    start = head("200 OK", "content-type: application/json", "transfer-encoding: gzip, chunked")
    server = serve(always(start, http_chunk(body[:30]), http_chunk(body[30:]), LAST_CHUNK))
    client = every_client(server.base_url, max_retries=3)
    if "aiohttp" in client.kind:
        assert client.chat().text == "A light."
    else:
        with pytest.raises(APIConnectionError, match="Transfer-Encoding") as caught:
            client.chat()
        assert caught.value.attempts == 1
    assert len(server.requests) == 1


# --- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_an_error_that_cannot_be_decoded_is_still_that_error(encoding, serve, every_client):
    def script(peer: Peer) -> None:
        answers = [
            packed(encoding, b"\x0b\x02", "429 Too Many Requests", "retry-after: 0.01", "x-request-id: r1"),
            packed(encoding, b"\x0b\x02", "503 Unavailable"),
            packed(encoding, b"\x0b\x02", "503 Unavailable", "x-should-retry: false"),
            packed(encoding, b"\x0b\x02", "401 Unauthorized"),
        ]
        while peer.request() is not None:
            peer.send(answers[len(peer._server.requests) - 1])

    server = serve(script)
    client = every_client(server.base_url, max_retries=5)
    with pytest.raises(ServerError) as caught:
        client.chat()
    assert (caught.value.status_code, len(server.requests)) == (503, 3)
    assert [attempt.outcome.split(":")[0] for attempt in caught.value.history] == [
        "RateLimitError",
        "ServerError",
    ]
    with pytest.raises(AuthenticationError) as caught:
        client.chat()
    assert len(server.requests) == 4


def test_retry_after_of_an_error_that_cannot_be_decoded(serve, every_client):
    server = serve(always(packed("br", b"\x0b", "429 Too Many Requests", "retry-after: 7")))
    with pytest.raises(RateLimitError) as caught:
        every_client(server.base_url, max_retries=0).chat()
    assert (caught.value.status_code, caught.value.retry_after) == (429, 7.0)


def test_an_error_that_is_compressed_is_read(serve, every_client):
    body = gzip.compress(b'{"error": {"message": "no such field", "code": "VALIDATION_INVALID_VALUE"}}')
    server = serve(always(packed("gzip", body, "400 Bad Request")))
    with pytest.raises(BadRequestError, match="no such field"):
        every_client(server.base_url, max_retries=0).chat()


def test_the_body_of_an_error_is_cut_at_64_kib(serve, every_client):
    bodies = [b"x" * 64 * 1024, b"x" * 70_000, b"x" * 3_000_000]
    for body in bodies:
        for lines, sent in (((), body), (("content-encoding: gzip",), gzip.compress(body, 1))):
            server = serve(always(whole(sent, "400 Bad Request", *lines)))
            with pytest.raises(BadRequestError) as caught:
                every_client(server.base_url, max_retries=0).chat()
            assert caught.value.body == "x" * 64 * 1024


def test_the_next_request_after_a_large_error_is_sound(serve, every_client):
    def script(peer: Peer) -> None:
        while peer.request() is not None:
            first = len(peer._server.requests) == 1
            peer.send(whole(b"x" * 3_000_000, "400 Bad Request") if first else whole())

    client = every_client(serve(script).base_url, max_retries=0)
    with pytest.raises(BadRequestError):
        client.chat()
    assert client.chat().text == "A light."


# --- streams ------------------------------------------------------------------------------------------

STREAM = head(
    "200 OK", "content-type: text/event-stream", "content-encoding: gzip", "transfer-encoding: chunked"
)


def flushed(*events: bytes) -> list[bytes]:
    """Events, each of which can be read when it comes; then the end of the compression."""
    packer = zlib.compressobj(wbits=31)
    return [*(packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) for data in events), packer.flush()]


def texts(chunks):
    return [chunk["choices"][0]["delta"].get("content") for chunk in chunks]


def test_a_stream_is_read_event_by_event(serve, every_client):
    parts = flushed(event("A"), event("B"), event(finish="stop"), DONE)
    server = serve(always(STREAM, *map(http_chunk, parts), LAST_CHUNK))
    assert texts(every_client(server.base_url).chunks()) == ["A", "B", None]


def test_a_stream_whose_compression_is_cut_says_so_and_keeps_what_came(serve, every_client):
    parts = flushed(event("A"), event("B"))[:-1]
    server = serve(always(STREAM, *map(http_chunk, parts), LAST_CHUNK))
    seen = []
    with pytest.raises(StreamTruncatedError) as caught:
        every_client(server.base_url).chunks(seen)
    assert (texts(seen), caught.value.partial.text, len(server.requests)) == (["A", "B"], "AB", 1)


def test_a_stream_that_was_whole_when_its_compression_was_cut_is_whole(serve, every_client):
    parts = flushed(event("A"), event(finish="stop"))[:-1]
    server = serve(always(STREAM, *map(http_chunk, parts), LAST_CHUNK))
    assert texts(every_client(server.base_url).chunks()) == ["A", None]


def test_a_stream_whose_compression_is_broken_says_that(serve, every_client):
    seen = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(STREAM, http_chunk(flushed(event("A"))[0]))
        eventually(lambda: bool(seen))
        peer.send(http_chunk(b"\xff" * 99), LAST_CHUNK)

    server = serve(script)
    with pytest.raises(ResponseDecodeError, match="corrupt") as caught:
        every_client(server.base_url, max_retries=2).chunks(seen)
    assert caught.value.partial.text == "A"
    assert len(server.requests) == 1


# --- bombs --------------------------------------------------------------------------------------------


def bomb(unit, size):
    packer = zlib.compressobj(9, wbits=31)
    block = unit * ((1 << 20) // len(unit))
    return b"".join([*(packer.compress(block) for _ in range(size >> 20)), packer.flush()])


SMALL = bomb(b" ", 64 << 20)
ENDLESS = bomb(event("x" * 10_000), 16 << 20)


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip"])
def test_a_bomb_is_given_up(encoding, serve, every_client):
    body = gzip.compress(SMALL) if "," in encoding else SMALL
    server = serve(always(packed(encoding, body)))
    client = every_client(server.base_url, max_retries=2)
    with pytest.raises(ResponseDecodeError, match="compressed more than 20 times"):
        client.chat()
    with pytest.raises(MeliousError):
        client.chunks()
    assert len(server.requests) == 2


def test_a_bomb_in_a_stream_is_given_up(serve, every_client):
    server = serve(always(STREAM, http_chunk(ENDLESS), LAST_CHUNK))
    with pytest.raises(ResponseDecodeError, match="compressed more than 100 times"):
        every_client(server.base_url, max_retries=2).chunks()
    assert len(server.requests) == 1


_MEASURE = """
    import asyncio, resource, sys
    import melious
    from melious import ResponseDecodeError

    ask = {"model": "m", "messages": [{"role": "user", "content": "x"}]}

    def grown():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    def sync():
        with melious.MeliousClient(max_retries=0) as client:
            for call in (client.chat.create, lambda **ask: list(client.chat.stream(**ask))):
                try:
                    call(**ask)
                except ResponseDecodeError:
                    continue
                raise SystemExit("no error")

    async def on_loop(transport):
        async with melious.AsyncMeliousClient(max_retries=0, async_transport=transport) as client:
            try:
                await client.chat.create(**ask)
            except ResponseDecodeError:
                return
            raise SystemExit("no error")

    import melious.endpoints.chat, melious.answers.results
    if sys.argv[1] == "aiohttp":
        import aiohttp
    before = grown()
    sync() if sys.argv[1] == "sync" else asyncio.run(on_loop(sys.argv[1]))
    print(grown() - before)
"""


@pytest.mark.parametrize("kind", ["sync", "httpx", "aiohttp"])
def test_two_gigabytes_in_two_megabytes_take_less_than_a_hundred(kind, serve, request):
    server = serve(always(packed("gzip", two_gigabytes())))
    prelude = ""
    if request.config.getoption("--http-library") == "httpx":
        prelude = "import sys\nsys.modules['httpx2'] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + textwrap.dedent(_MEASURE), kind],
        env=environment(server.base_url, KEY),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < 100


def two_gigabytes():
    """2 GiB of spaces as gzip, made of one block again and again."""
    packer = zlib.compressobj(9, wbits=31)
    block = b" " * (1 << 20)
    first = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * 2047 + packer.flush()


def test_an_answer_beyond_the_bound_says_so(serve, every_client, monkeypatch):
    from melious.exchange import exchange

    monkeypatch.setattr(exchange, "MAX_BODY", 100_000)
    server = serve(always(whole(b" " * 100_001)))
    with pytest.raises(ResponseDecodeError, match="larger than 100,000 bytes"):
        every_client(server.base_url, max_retries=2).chat()
    assert len(server.requests) == 1
