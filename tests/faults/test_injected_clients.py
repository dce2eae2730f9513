"""HTTP clients that the caller brings: used as they are, never closed."""

import asyncio
import gzip
import json
from importlib.util import find_spec

import pytest
from faults_kit import ANSWER, ASK, DONE, EVENTS_HEAD, KEY, Peer, always, event, http_chunk, whole

from melious import (
    APIConnectionError,
    APITimeoutError,
    AsyncMeliousClient,
    DeadlineExceededError,
    InvalidArgumentError,
    MeliousClient,
    ServerError,
    StreamTruncatedError,
    Timeout,
)
from melious.sandbox import Fault

pytestmark = pytest.mark.http_library

LIBRARIES = ["httpx", "httpx2"]


def library(name):
    """The library, or a skip where this run is to do without it."""
    if find_spec(name) is None:
        pytest.skip(f"{name} cannot be imported")
    return pytest.importorskip(name)


def _needs_certificates(url):
    """Reading them takes longer than a call."""
    return url.startswith("https:")


class Sync:
    """A blocking client around an injected one."""

    def __init__(self, name, sandbox_url, key, **options):
        self.seen = []
        self.injected = library(name).Client(
            headers={"x-marker": "mine"},
            event_hooks={"request": [self.seen.append]},
            follow_redirects=True,
            trust_env=False,
            verify=_needs_certificates(sandbox_url),
        )
        self.client = MeliousClient(base_url=sandbox_url, api_key=key, http_client=self.injected, **options)

    def chat(self, **params):
        return self.client.chat.create(**(ASK | params))

    def chunks(self, seen=None, **params):
        got = [] if seen is None else seen
        for chunk in self.client.chat.stream(**(ASK | params)):
            got.append(chunk)
        return got

    def embed(self, texts, **params):
        return self.client.embeddings.create(model="bge-m3", input=texts, **params)

    def close(self):
        self.client.close()

    @property
    def closed(self):
        return self.injected.is_closed

    def end(self):
        self.injected.close()


class Async:
    """The same for asyncio."""

    def __init__(self, name, sandbox_url, key, transport=None, **options):
        self.seen = []
        self.runner = asyncio.Runner()

        async def note(request):
            self.seen.append(request)

        self.injected = library(name).AsyncClient(
            headers={"x-marker": "mine"},
            event_hooks={"request": [note]},
            follow_redirects=True,
            trust_env=False,
            verify=_needs_certificates(sandbox_url),
            transport=transport,
        )
        self.client = AsyncMeliousClient(
            base_url=sandbox_url, api_key=key, http_client=self.injected, **options
        )

    def chat(self, **params):
        return self.runner.run(self.client.chat.create(**(ASK | params)))

    def chunks(self, seen=None, **params):
        got = [] if seen is None else seen

        async def read():
            async for chunk in self.client.chat.stream(**(ASK | params)):
                got.append(chunk)

        self.runner.run(read())
        return got

    def embed(self, texts, **params):
        return self.runner.run(self.client.embeddings.create(model="bge-m3", input=texts, **params))

    def close(self):
        self.runner.run(self.client.aclose())

    @property
    def closed(self):
        return self.injected.is_closed

    def end(self):
        self.runner.run(self.injected.aclose())
        self.runner.close()


def on_aiohttp(_, sandbox_url, *args, **options):
    verify = _needs_certificates(sandbox_url)
    transport = pytest.importorskip("httpx_aiohttp").AiohttpTransport(verify=verify)
    return Async("httpx", sandbox_url, *args, transport=transport, **options)


KINDS = {
    "httpx.Client": lambda *args, **options: Sync("httpx", *args, **options),
    "httpx2.Client": lambda *args, **options: Sync("httpx2", *args, **options),
    "httpx.AsyncClient": lambda *args, **options: Async("httpx", *args, **options),
    "httpx2.AsyncClient": lambda *args, **options: Async("httpx2", *args, **options),
    "httpx on aiohttp": lambda *args, **options: on_aiohttp(None, *args, **options),
}


@pytest.fixture(params=KINDS)
def bring(request):
    made = []

    def make(base_url, key=KEY, **options):
        made.append(KINDS[request.param](base_url, key, **options))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_it_is_used_as_it_is_and_never_closed(bring, sandbox):
    one = bring(sandbox.base_url, sandbox.api_key)
    text = one.chat().text
    assert text
    said = "".join(c["choices"][0]["delta"].get("content") or "" for c in one.chunks() if c["choices"])
    assert said == text
    assert len(one.embed(["one", "two"]).embeddings) == 2
    assert [request.headers["x-marker"] for request in sandbox.requests] == ["mine"] * 3
    assert len(one.seen) == 3
    one.close()
    assert not one.closed
    assert one.chat().text == text
    with pytest.raises(TypeError):
        len(one.client)  # the client is what it was, and no proxy of the one it was injected with
    del one.client
    assert not one.closed


def test_errors_and_retries_are_the_same(bring, sandbox):
    one = bring(sandbox.base_url, sandbox.api_key)
    sandbox.faults.add(Fault(status=503, headers={"retry-after": "0"}, times=2))
    assert one.chat().attempts == 3
    sandbox.faults.add(Fault(status=503, headers={"retry-after": "0"}, times=3))
    with pytest.raises(ServerError) as caught:
        one.chat()
    assert len(caught.value.history) == 2
    sandbox.faults.add(Fault(cut_after_events=3))
    seen = []
    with pytest.raises(APIConnectionError):
        one.chunks(seen)
    assert len(seen) == 3
    sandbox.faults.add(Fault(no_done=True, cut_after_events=0, times=1))
    assert one.chunks()


def test_a_stream_that_ends_too_soon(bring, serve):
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(EVENTS_HEAD, http_chunk(event("A")), b"0\r\n\r\n")

    with pytest.raises(StreamTruncatedError):
        bring(serve(script).base_url).chunks()


def test_no_redirect_is_followed_whatever_the_client_would_do(bring, serve):
    elsewhere = serve(always(whole()))
    server = serve(always(whole(b"", "307 Moved", f"location: {elsewhere.base_url}/chat/completions")))
    from melious import APIStatusError

    with pytest.raises(APIStatusError):
        bring(server.base_url, max_retries=0).chat()
    assert elsewhere.connections == 0


def test_deadlines_and_timeouts(bring, sandbox):
    one = bring(sandbox.base_url, sandbox.api_key)
    sandbox.faults.add(Fault(delay=3600))
    with pytest.raises(DeadlineExceededError):
        one.chat(deadline=0.2)
    sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=3600))
    with pytest.raises(APITimeoutError):
        one.chunks(timeout=Timeout(silence=0.2, event=0.2))
    sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=3600, stall_comments=0.05))
    with pytest.raises(APITimeoutError):
        one.chunks(timeout=Timeout(silence=0.2, event=0.2))


@pytest.mark.exhaustive  # always run on our own connections: `test_deadlines.py`
def test_the_deadline_of_a_stream_ends_with_its_first_chunk(bring, sandbox):
    sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=1.2))
    assert len(bring(sandbox.base_url, sandbox.api_key).chunks(deadline=1.0)) > 3


def test_an_answer_that_trickles_in(bring, serve):
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            peer.send(b" ")
            peer.pause(0.05)

    with pytest.raises(DeadlineExceededError):
        bring(serve(script).base_url).chat(deadline=0.3)


def test_silence_after_done(bring, serve):
    def script(peer: Peer) -> None:
        peer.request()
        peer.events(event("A", "stop"), DONE)
        peer.left()

    assert len(bring(serve(script).base_url).chunks()) == 1


def test_a_client_that_was_closed_says_so(bring, sandbox):
    one = bring(sandbox.base_url, sandbox.api_key)
    one.end()
    if isinstance(one, Async):
        one.runner = asyncio.Runner()
    with pytest.raises(RuntimeError, match="closed"):
        one.chat()


def test_what_a_hook_of_the_client_has_read_is_read_all_the_same(bring, serve, sandbox):
    """Hooks that log answers read them whole, and undo their compression."""
    packed = gzip.compress(json.dumps(ANSWER).encode())
    server = serve(always(whole(packed, "200 OK", "content-encoding: gzip")))
    for url in (server.base_url, sandbox.base_url):
        one = bring(url, sandbox.api_key, max_retries=0)

        async def read(response):
            await response.aread()

        hook = read if isinstance(one, Async) else lambda response: response.read()
        one.injected.event_hooks = {"response": [hook]}
        assert one.chat().text
    assert one.chunks()[-1]["usage"]


def test_copies_keep_the_client_and_pickles_refuse_it(bring, sandbox):
    import copy

    one = bring(sandbox.base_url, sandbox.api_key)
    for twin in (copy.deepcopy(one.client), one.client.with_options(max_retries=0)):
        one.client = twin
        one.chat()
    assert len(one.seen) == 2


def test_an_object_that_is_no_client_is_refused(sandbox):
    """The mistake shows as what it is, not as trouble with the network."""
    with pytest.raises(InvalidArgumentError, match="http_client"):
        MeliousClient(base_url=sandbox.base_url, api_key="k", http_client=object())
