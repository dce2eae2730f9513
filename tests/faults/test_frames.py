"""The key is in no frame of any error that leaves the library, nor of its causes and contexts."""

import asyncio
import contextlib
import signal
import socket
import sys
import threading
import traceback
from functools import partial

import h11
import pytest
from faults_faces import FACES, AsyncFace
from faults_kit import (
    ASK,
    EVENTS_HEAD,
    KEY,
    Peer,
    always,
    assert_no_key_in_frames,
    event,
    eventually,
    http_chunk,
    open_sockets,
    tls,
    whole,
)
from test_http_answers import BROKEN
from test_injected_clients import KINDS

from melious import (
    APIConnectionError,
    APITimeoutError,
    AsyncMeliousClient,
    MeliousClient,
    MeliousError,
    StreamTruncatedError,
)
from melious.exchange.request import Limits, Request
from melious.exchange.retry import Phase
from melious.http.driver import CallRunnerBase
from melious.timeouts import Timeout


@pytest.fixture(params=[*FACES, *KINDS])
def every(request):
    """Make clients of every kind, on our own connections and on those of an injected client."""
    with contextlib.ExitStack() as stack:

        def start(base_url, **options):
            options |= {"max_retries": 0}
            if request.param in KINDS:
                made = KINDS[request.param](base_url, KEY, **options)
                made.kind = request.param
                stack.callback(made.end)
                return made
            made = FACES[request.param](base_url=base_url, api_key=KEY, **options)
            if isinstance(made, AsyncFace):
                stack.callback(made.end)
            stack.callback(made.close)
            return made

        yield start


def never_answers(peer: Peer) -> None:
    peer.request()
    peer.left()


def never_reads(peer: Peer) -> None:
    peer.pause(3600)


def resets_a_long_request(peer: Peer) -> None:
    peer.sock.recv(1000)
    peer.reset()


def begins_a_stream(peer: Peer) -> None:
    peer.request()
    peer.send(EVENTS_HEAD, http_chunk(event("A")))
    peer.left()


LONG = [{"role": "user", "content": "x" * 8_000_000}]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("fault", BROKEN)
def test_broken_answers(fault, serve, every):
    client = every(serve(BROKEN[fault]).base_url, timeout=5)
    if fault == "an unknown transfer encoding" and "aiohttp" in str(client.kind):
        pytest.skip("aiohttp takes the body as it is")
    with pytest.raises(MeliousError) as caught:
        client.chat()
    assert caught.value.__cause__ is not None
    assert_no_key_in_frames(caught.value)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("fault", ["closed in a chunk", "reset in the body", "a bad status line"])
def test_broken_streams(fault, serve, every):
    with pytest.raises(MeliousError) as caught:
        every(serve(BROKEN[fault]).base_url, timeout=5).chunks()
    assert_no_key_in_frames(caught.value)


def test_a_stream_that_breaks_off(serve, every):
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(EVENTS_HEAD, http_chunk(event("A")))
        peer.reset()

    with pytest.raises(StreamTruncatedError) as caught:
        every(serve(script).base_url).chunks()
    assert_no_key_in_frames(caught.value)


def test_nobody_listens(every):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(APIConnectionError) as caught:
            every(f"http://127.0.0.1:{closed.getsockname()[1]}").chat()
    assert_no_key_in_frames(caught.value)


def test_no_such_host(every):
    with pytest.raises(APIConnectionError) as caught:
        every("https://melious.invalid").chat()
    assert_no_key_in_frames(caught.value)


def test_a_certificate_that_is_not_trusted(serve, every):
    with pytest.raises(APIConnectionError) as caught:
        every(serve(always(whole()), tls=tls()).base_url).chat()
    assert_no_key_in_frames(caught.value)


def test_no_answer_in_time(serve, every):
    with pytest.raises(APITimeoutError) as caught:
        every(serve(never_answers).base_url, timeout=Timeout(answer=0.1)).chat()
    assert_no_key_in_frames(caught.value)


def test_no_chunk_in_time(serve, every):
    with pytest.raises(MeliousError) as caught:
        every(serve(begins_a_stream).base_url, timeout=Timeout(silence=0.1, event=0.1)).chunks()
    assert_no_key_in_frames(caught.value)


@pytest.mark.sampled(3)
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp on the caller
@pytest.mark.parametrize("script", [never_reads, resets_a_long_request])
def test_a_request_that_cannot_be_written(script, serve, every):
    server = serve(script)
    client = every(server.base_url, timeout=0.3)
    runner = None
    if "aiohttp" in str(client.kind):
        runner = client.runner if hasattr(client, "runner") else client._runner
        runner.run(asyncio.sleep(0))  # the loop's own sockets are open from here on
    before = open_sockets()
    with pytest.raises(MeliousError) as caught:
        client.chat(messages=LONG)
    assert_no_key_in_frames(caught.value)
    server.stopped.set()  # aiohttp closes a connection only when what it holds is written, or cannot be
    if runner is not None:
        assert runner.run(asyncio.to_thread(eventually, lambda: open_sockets() <= before))


def test_a_header_that_cannot_be_encoded(serve, every):
    url = serve(always(whole())).base_url
    with pytest.raises((MeliousError, ValueError)) as caught:
        every(url, default_headers={"x": "\ud800"}).chat()
    assert_no_key_in_frames(caught.value)
    with pytest.raises((MeliousError, ValueError)) as caught:
        every(url).chat(extra_headers={"x": "\ud800"})
    assert_no_key_in_frames(caught.value)


async def limited(call, is_over):
    """A call whose caller has no more time as soon as something is true."""

    async def end() -> None:
        assert await asyncio.to_thread(eventually, is_over)
        timeout.reschedule(asyncio.get_running_loop().time())

    async with asyncio.timeout(None) as timeout:
        ending = asyncio.ensure_future(end())
        try:
            await call
        finally:
            ending.cancel()


async def stream(client):
    async for _ in client.chat.stream(**(ASK | {"messages": LONG})):
        pass


@pytest.mark.parametrize("script", [never_answers, never_reads, begins_a_stream])
@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
def test_a_cancelled_call(kind, script, serve):
    server = serve(script)

    def has_come(number: int) -> bool:
        return (server.connections if script is never_reads else len(server.requests)) == number

    async def main() -> None:
        before = open_sockets()
        async with AsyncMeliousClient(base_url=server.base_url, api_key=KEY, async_transport=kind) as client:
            for number, call in enumerate((client.chat.create(**ASK), stream(client)), 1):
                with pytest.raises(TimeoutError) as caught:
                    await limited(call, partial(has_come, number))
                assert isinstance(caught.value.__cause__, asyncio.CancelledError)
                assert_no_key_in_frames(caught.value)
            server.stopped.set()
            assert await asyncio.to_thread(eventually, lambda: open_sockets() <= before)  # as above

    asyncio.run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("ask", ["chat", "chunks"])
def test_ctrl_c(ask, serve, every):
    main = threading.main_thread()
    if threading.current_thread() is not main:
        pytest.skip("only the main thread is interrupted")

    def script(peer: Peer) -> None:
        peer.request()
        if ask == "chunks":
            peer.send(EVENTS_HEAD, http_chunk(event("A")))
        signal.pthread_kill(main.ident or 0, signal.SIGINT)
        peer.left()

    client = every(serve(script).base_url)
    with pytest.raises(KeyboardInterrupt) as caught:
        getattr(client, ask)()
    assert_no_key_in_frames(caught.value)


# --- what stays -----------------------------------------------------------------------------------------


def test_the_cause_is_told_by_its_type_and_words(serve, face):
    with pytest.raises(APIConnectionError) as caught:
        face(serve(BROKEN["a bad status line"]).base_url, max_retries=0).chat()
    assert type(caught.value.__cause__).__name__ == "RemoteProtocolError"
    assert "status line" in str(caught.value.__cause__)


def test_what_the_caller_was_handling_is_left_alone(serve, any_face):
    client = any_face(serve(BROKEN["closed in the body"]).base_url, max_retries=0)
    try:
        raise LookupError("the caller's own")
    except LookupError as error:
        with pytest.raises(APIConnectionError) as caught:
            client.chat()
        theirs = traceback.extract_tb(error.__traceback__)[-1].line
    assert theirs == 'raise LookupError("the caller\'s own")'
    assert_no_key_in_frames(caught.value)


def test_the_callers_own_code_fails_as_it_does(serve, every):
    client = every(serve(always(whole())).base_url)
    if not hasattr(client, "injected"):
        pytest.skip("there are no hooks")

    def fail(request):
        raise LookupError("of the hook")

    async def afail(request):
        raise LookupError("of the hook")

    hook = afail if hasattr(client.injected, "aclose") else fail
    client.injected.event_hooks = {"request": [hook]}
    with pytest.raises(LookupError, match="of the hook") as caught:
        client.chat()
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line == 'raise LookupError("of the hook")'
    assert_no_key_in_frames(caught.value)


def test_what_a_library_should_not_have_raised_is_an_error_of_the_connection():
    client = MeliousClient(api_key=KEY)
    request = Request("POST", "chat/completions", "chat", Limits(Timeout(), deadline=None, max_retries=2))
    with pytest.raises(ValueError, match="neither") as caught:
        h11.Connection("neither")
    failure = CallRunnerBase(client._driver, request).failed(caught.value, Phase.SENT)
    assert (failure.final, failure.timed_out, failure.cause) == (True, False, caught.value)
    assert failure.message.startswith("no answer from api.melious.ai: ValueError: ")
    assert caught.value.__traceback__ is None


# --- errors of construction -----------------------------------------------------------------------------

WRONG = {
    "a number of the wrong sign": {"max_retries": -1},
    "an unknown argument": {"nonsense": 1},
    "a URL that is none": {"base_url": "nonsense"},
    "http to another machine": {"base_url": "http://192.0.2.1"},
    "a header with a line break": {"default_headers": {"x": "a\nb"}},
    "a timeout that is none": {"timeout": "soon"},
    "a client that is none": {"http_client": object()},
    "a key with a line break": {"api_key": f"{KEY}\nx"},
    "a key beyond ASCII": {"api_key": f"{KEY}\u00fc"},
    "a key as bytes": {"api_key": KEY.encode()},
    "a key in a list": {"api_key": [KEY]},
}


def classes():
    """Every public class that takes a key, with what it cannot be made without."""
    import langchain_melious as langchain
    import llama_index_melious as llama_index
    from melious.scale import Embedder

    return {
        "MeliousClient": (MeliousClient, {}),
        "AsyncMeliousClient": (AsyncMeliousClient, {}),
        "Embedder": (Embedder, {"model": "bge-m3"}),
        **{
            f"langchain {cls.__name__}": (cls, {"model": "m"})
            for cls in (
                langchain.ChatMelious,
                langchain.MeliousEmbeddings,
                langchain.MeliousRerank,
                langchain.MeliousImageGenerator,
                langchain.MeliousAudioParser,
            )
        },
        **{
            f"llama_index {cls.__name__}": (cls, {"model": "m"})
            for cls in (
                llama_index.Melious,
                llama_index.MeliousEmbedding,
                llama_index.MeliousRerank,
                llama_index.MeliousAudioReader,
            )
        },
        "llama_index MeliousToolSpec": (llama_index.MeliousToolSpec, {}),
    }


@pytest.mark.sampled(5)
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", classes())
def test_errors_of_construction(name, wrong):
    cls, needed = classes()[name]
    with pytest.raises(MeliousError) as caught:
        cls(**{"api_key": KEY, **needed, **WRONG[wrong]})
    assert_no_key_in_frames(caught.value)


@pytest.mark.parametrize("kind", [MeliousClient, AsyncMeliousClient])
def test_errors_of_copies(kind):
    client = kind(api_key="another")
    for changes in ({"api_key": KEY}, {"api_key": KEY, "max_retries": -1}):
        with pytest.raises(MeliousError) as caught:
            client.with_options(**changes)
        assert_no_key_in_frames(caught.value)


def test_the_key_of_the_environment(monkeypatch):
    monkeypatch.setenv("MELIOUS_API_KEY", f"{KEY}\n\nx")
    with pytest.raises(MeliousError) as caught:
        MeliousClient()
    assert_no_key_in_frames(caught.value)


def test_the_key_that_a_worker_fetches(serve):
    from melious.scale import Embedder

    embed = Embedder("bge-m3", key_from=lambda: f"{KEY}\nx", base_url=serve(never_answers).base_url)
    with pytest.raises(MeliousError) as caught:
        embed(["one"])
    assert_no_key_in_frames(caught.value)
