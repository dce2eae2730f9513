"""The key is in no repr, no log, no error, no traceback, no pickle of an error, and in no URL."""

import asyncio
import json
import logging
import pickle
import traceback

import pytest
from faults_kit import ASK, KEY, Peer, always, assert_no_key_in_frames, head, whole
from test_http_answers import BROKEN

from melious import AsyncMeliousClient, ConfigurationError, InvalidArgumentError, MeliousClient, MeliousError
from melious.sandbox import Fault

AUTH = ["bearer", "x-api-key"]


@pytest.fixture
def everything_logged(caplog):
    """Every record of every logger, at its lowest level."""
    logging.getLogger().setLevel(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.NOTSET)
    caplog.set_level(logging.DEBUG)
    return caplog


def assert_clean(text: str) -> None:
    assert KEY not in text
    assert KEY[10:] not in text


@pytest.mark.parametrize("auth", AUTH)
@pytest.mark.parametrize("fault", ["reset in the body", "a bad status line", "closed before the status line"])
def test_a_transport_error_tells_nothing(auth, fault, serve, any_face, everything_logged):
    client = any_face(serve(BROKEN[fault]).base_url, max_retries=0, auth=auth)
    with pytest.raises(MeliousError) as caught:
        client.chat()
    _look_everywhere(caught.value)
    assert_clean(everything_logged.text)
    assert everything_logged.records


def _look_everywhere(error: MeliousError) -> None:
    assert_clean("".join(traceback.format_exception(error)))
    assert_clean("".join(traceback.TracebackException.from_exception(error).format()))
    assert_clean(repr(error) + str(error) + repr(error.__dict__) + repr(error.history))
    pickled = pickle.dumps(error)
    assert KEY.encode() not in pickled
    again = pickle.loads(pickled)
    assert (type(again), str(again), again.attempts) == (type(error), str(error), error.attempts)
    cause: BaseException | None = error
    while cause is not None:
        assert_clean(f"{cause!r} {cause}")
        cause = cause.__cause__ or cause.__context__


@pytest.mark.parametrize("auth", AUTH)
def test_nothing_of_ours_shows_it(auth, sandbox):
    options = {"base_url": sandbox.base_url, "api_key": KEY, "auth": auth}
    client = MeliousClient(**options)
    for thing in (client, client.config, client.chat, client._driver, vars(client), vars(client.config)):
        assert_clean(repr(thing))
        assert_clean(str(thing))
    with pytest.raises(MeliousError) as caught:
        client.models.list()
    _look_everywhere(caught.value)
    # What a crash reporter would send: the local variables of our own frames.
    frames = [
        frame
        for frame in traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
        if "/melious/" in frame.filename
    ]
    assert len(frames) > 3
    assert_clean("".join(f"{name}={value}\n" for frame in frames for name, value in frame.locals.items()))


@pytest.mark.parametrize("kind", ["httpx", "aiohttp"])
def test_nothing_is_logged(kind, sandbox, everything_logged):
    sandbox.faults.add(Fault(status=503, headers={"retry-after": "0"}))
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}

    async def main():
        client = AsyncMeliousClient(async_transport=kind, **options)
        await client.chat.create(**ASK)
        async for _ in client.chat.stream(**ASK):
            pass
        await client.aclose()

    asyncio.run(main(), debug=True)
    with MeliousClient(**options) as client:
        client.embeddings.create(model="bge-m3", input=["one"])
    assert sandbox.api_key not in everything_logged.text
    assert "Bearer" not in everything_logged.text
    lines = [record.getMessage() for record in everything_logged.records if record.name == "melious"]
    assert len(lines) == 8
    assert "POST /chat/completions 503 attempt=1" in lines[0]
    assert "POST /chat/completions: attempt 1 failed" in lines[1]
    assert "POST /chat/completions 200 attempt=2" in lines[2]
    assert lines[3].startswith("chat ")
    assert "POST /embeddings 200 attempt=1" in lines[-2]
    assert lines[-1].startswith("embeddings ")


def test_it_is_in_no_url(serve, any_face):
    server = serve(always(whole()))
    any_face(server.base_url).chat()
    assert KEY.encode() not in server.requests[0].split(b"\r\n")[0]


@pytest.mark.parametrize(
    "status", ["401 Unauthorized", "400 Bad Request", "500 Internal Server Error", "200 OK"]
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_server_that_echoes_the_request(status, streamed, serve, any_face):
    def script(peer: Peer) -> None:
        while (received := peer.request()) is not None:
            peer.send(whole({"error": {"message": f"Incorrect API key: {received.decode()}"}}, status))

    client = any_face(serve(script).base_url, max_retries=0)
    with pytest.raises(MeliousError, match="Incorrect API key: POST") as caught:
        client.chunks() if streamed else client.chat()
    _look_everywhere(caught.value)
    assert_no_key_in_frames(caught.value)


def test_a_stream_that_begins_with_an_echo_of_the_request(serve, any_face):
    def script(peer: Peer) -> None:
        while (received := peer.request()) is not None:
            said = json.dumps({"error": {"message": f"Incorrect API key: {received.decode()}"}})
            peer.send(head("200 OK", "content-type: text/event-stream", "connection: close"))
            peer.send(f"event: error\ndata: {said}\n\n".encode())
            return

    client = any_face(serve(script).base_url, max_retries=0)
    with pytest.raises(MeliousError, match="Incorrect API key: POST") as caught:
        client.chunks()
    _look_everywhere(caught.value)
    assert_no_key_in_frames(caught.value)


@pytest.mark.parametrize(
    "broken", [f"{KEY}\nx", f"{KEY}\r\nx-evil: 1", f"{KEY}\x00", f"{KEY}\x7f", f"{KEY}ü"]
)
def test_a_key_that_no_header_carries_is_not_echoed(broken):
    with pytest.raises(ConfigurationError) as caught:
        MeliousClient(api_key=broken)
    _look_everywhere(caught.value)


@pytest.mark.parametrize(
    "value", ["secret-token\r\nx: 1", "secret-token\n", "secret-token\x00", "secret-token\x01"]
)
def test_a_header_that_cannot_be_sent_is_named_and_not_echoed(value, sandbox):
    with pytest.raises(InvalidArgumentError) as caught:
        MeliousClient(base_url=sandbox.base_url, api_key=KEY, default_headers={"x-token": value})
    assert "x-token" in str(caught.value)
    assert "secret-token" not in str(caught.value)
    client = MeliousClient(base_url=sandbox.base_url, api_key=KEY)
    with pytest.raises(InvalidArgumentError) as caught:
        client.models.list(extra_headers={"x-token": value})
    assert "secret-token" not in str(caught.value)
    assert len(sandbox.requests) == 0


def test_space_around_a_header_is_no_part_of_it(sandbox):
    client = MeliousClient(
        base_url=sandbox.base_url, api_key=sandbox.api_key, default_headers={"x-token": " one two\t"}
    )
    client.models.list(extra_headers={"x-other": "ü "})
    assert sandbox.requests[0].headers["x-token"] == "one two"


def test_headers_that_are_no_mapping_are_not_echoed():
    with pytest.raises(InvalidArgumentError) as caught:
        MeliousClient(api_key=KEY, default_headers=[("x-token", "secret-token")])
    assert "secret-token" not in str(caught.value)


def test_a_url_with_credentials_is_refused_and_not_echoed():
    with pytest.raises(ConfigurationError) as caught:
        MeliousClient(api_key=KEY, base_url=f"https://user:{KEY}@api.melious.ai")
    _look_everywhere(caught.value)


def test_plain_http_to_another_machine_is_refused(any_face):
    with pytest.raises(ConfigurationError, match="in clear"):
        any_face("http://192.0.2.1/v1")


def test_connections_of_one_key_are_no_way_to_another(start_sandbox):
    """Clients share connections, never keys."""
    sandbox = start_sandbox(keys={"sk-mel-chat-only": ["inference.chat"]})
    full = MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
    less = MeliousClient(base_url=sandbox.base_url, api_key="sk-mel-chat-only")
    assert full.embeddings.create(model="bge-m3", input=["one"]).embeddings
    with pytest.raises(MeliousError):
        less.embeddings.create(model="bge-m3", input=["one"])
    assert full.embeddings.create(model="bge-m3", input=["one"]).embeddings
    assert len({request.connection for request in sandbox.requests}) == 1


def test_the_pickle_of_a_client_holds_the_key_as_it_must():
    """Documented: a pickled client works elsewhere, so its pickle is as secret as the key."""
    client = MeliousClient(api_key=KEY)
    assert KEY.encode() in pickle.dumps(client)
