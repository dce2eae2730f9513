"""The headers as they go over the wire: each once, a caller's in the place of the library's."""

import asyncio
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
from faults_faces import AiohttpFace, AsyncFace, SyncFace
from faults_kit import ASK, KEY, Peer, always, whole

from melious import AsyncMeliousClient, InvalidArgumentError, MeliousClient

pytestmark = pytest.mark.http_library

WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(32)
REFUSED = [
    "Connection",
    "content-length",
    "Content-Encoding",
    "Expect",
    "Keep-Alive",
    "Proxy-Authorization",
    "proxy-connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Transfer_Encoding",
    "upgrade",
]


def sent(head: bytes) -> dict[str, list[str]]:
    """The headers of a request, by name in lower case."""
    found: dict[str, list[str]] = {}
    for line in head.split(b"\r\n")[1:]:
        if line:
            name, _, value = line.decode("utf-8").partition(":")
            found.setdefault(name.lower(), []).append(value.strip())
    return found


class Injected:
    """A client around one that the caller brings, behind the face of the others."""

    def __init__(self, base_url: str, **options: Any) -> None:
        httpx = pytest.importorskip("httpx")
        self._http = httpx.Client(trust_env=False)
        self.client = MeliousClient(base_url=base_url, http_client=self._http, **{"api_key": KEY, **options})

    def chat(self, **params: Any) -> Any:
        return self.client.chat.create(**(ASK | params))

    def models(self, **params: Any) -> Any:
        return self.client.models.list(**params)

    def close(self) -> None:
        self._http.close()


class AsyncInjected(Injected):
    """The same for asyncio."""

    def __init__(self, base_url: str, **options: Any) -> None:
        httpx = pytest.importorskip("httpx")
        self._http = httpx.AsyncClient(trust_env=False)
        self._runner = asyncio.Runner()
        self.client = AsyncMeliousClient(
            base_url=base_url, http_client=self._http, **{"api_key": KEY, **options}
        )

    def chat(self, **params: Any) -> Any:
        async def call() -> Any:
            return await self.client.chat.create(**(ASK | params))

        return self._runner.run(call())

    def models(self, **params: Any) -> Any:
        async def call() -> Any:
            return await self.client.models.list(**params)

        return self._runner.run(call())

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()


KINDS = {
    "sync": SyncFace,
    "async": AsyncFace,
    "aiohttp": AiohttpFace,
    "injected": Injected,
    "async injected": AsyncInjected,
}


@pytest.fixture(params=KINDS)
def every_face(request):
    """Clients of every kind, the injected ones among them."""
    made = []

    def make(base_url: str, **options: Any) -> Any:
        made.append(KINDS[request.param](base_url=base_url, **{"api_key": KEY, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()
        if isinstance(one, AsyncFace):
            one.end()


@pytest.mark.parametrize("where", ["default_headers", "extra_headers"])
@pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency-key", "IDEMPOTENCY-KEY"])
def test_a_callers_idempotency_key_goes_with_every_attempt(name, where, serve, every_face):
    answers = iter([whole({}, "503 Service Unavailable", "retry-after: 0"), whole()])

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(next(answers))

    server = serve(script)
    given = {name: "mine"}
    client = every_face(server.base_url, **({where: given} if where == "default_headers" else {}))
    assert client.chat(**({where: given} if where == "extra_headers" else {})).attempts == 2
    assert [sent(head)["idempotency-key"] for head in server.requests] == [["mine"], ["mine"]]


def test_without_one_every_call_has_its_own(serve, every_face):
    server = serve(always(whole()))
    client = every_face(server.base_url)
    client.chat()
    client.chat()
    keys = [sent(head)["idempotency-key"] for head in server.requests]
    assert [len(key) for key in keys] == [1, 1]
    assert keys[0] != keys[1]


def test_every_header_goes_out_once(serve, every_face):
    server = serve(always(whole()))
    given = {
        "Accept": "application/json",
        "accept-encoding": "gzip;q=1.0, identity",
        "Content-Type": "application/json; charset=utf-8",
        "Host": "gateway.example",
        "User-Agent": "mine",
        "X-Team": "sûr",
    }
    every_face(server.base_url, default_headers=given, max_retries=0).chat()
    headers = sent(server.requests[0])
    assert {name: headers[name.lower()] for name in given} == {name: [value] for name, value in given.items()}
    assert [name for name, values in headers.items() if len(values) > 1] == []


def test_a_call_goes_before_the_client(serve, every_face):
    server = serve(always(whole()))
    client = every_face(server.base_url, default_headers={"X-Team": "one", "Accept": "a/a"})
    client.chat(extra_headers={"x-team": "two", "ACCEPT": "b/b"})
    client.chat()
    assert [(sent(head)["x-team"], sent(head)["accept"]) for head in server.requests] == [
        (["two"], ["b/b"]),
        (["one"], ["a/a"]),
    ]


def test_a_request_without_a_body_has_no_type(serve, every_face):
    server = serve(always(whole({"object": "list", "data": []})))
    every_face(server.base_url, default_headers={"Content-Type": "application/json"}).models()
    assert "content-type" not in sent(server.requests[0])


def test_a_form_keeps_its_own_type(serve):
    server = serve(always(whole({"text": "Hello."})))
    with MeliousClient(
        base_url=server.base_url, api_key=KEY, default_headers={"Content-Type": "application/json"}
    ) as client:
        assert client.audio.transcribe(model="whisper", file=("a.wav", WAV)).text == "Hello."
    [kind] = sent(server.requests[0])["content-type"]
    assert kind.startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize("name", REFUSED)
def test_what_belongs_to_the_connection_is_refused(name, serve, any_face):
    server = serve(always(whole()))
    with pytest.raises(InvalidArgumentError, match=f"^default_headers: '{name}'"):
        any_face(server.base_url, default_headers={name: "5"})
    client = any_face(server.base_url)
    with pytest.raises(InvalidArgumentError, match=f"^extra_headers: '{name}'"):
        client.chat(extra_headers={name: "5"})
    assert server.requests == []


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Accept-Encoding": "br"}, "gzip"),
        ({"Accept-Encoding": "gzip, zstd"}, "gzip"),
        ({"Accept-Encoding": "*"}, "gzip"),
        ({"Content-Type": "text/plain"}, "application/json"),
        ({"X-A": "sword\ud800fish"}, "surrogate"),
        ({"X-\ud800": "a"}, "header name"),
        ({"X-A": "1", "x-a": "2"}, "more than once"),
    ],
)
def test_what_would_go_wrong_is_refused(headers, said, any_face):
    client = any_face("http://127.0.0.1:9")
    with pytest.raises(InvalidArgumentError, match=f"^extra_headers: .*{said}") as caught:
        client.chat(extra_headers=headers)
    assert "fish" not in str(caught.value)
    with pytest.raises(InvalidArgumentError, match=f"^default_headers: .*{said}"):
        client.client.with_options(default_headers=headers)


# --- the key ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["bearer", "x-api-key"])
@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key"])
def test_a_header_that_may_hide_the_key_is_told_of_once(name, auth, serve, every_face):
    server = serve(always(whole()))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        client = every_face(server.base_url, auth=auth)
        for _ in range(3):
            client.chat(extra_headers={name: "theirs"})
        client = every_face(server.base_url, auth=auth, default_headers={name: "theirs"})
        client.chat()
        client.chat(extra_headers={name: "others"})
    assert [str(one.message).partition(" may hide the API key")[0] for one in told] == [
        f"extra_headers: the header '{name}'",
        f"default_headers: the header '{name}'",
    ]
    assert {Path(one.filename).parent for one in told} == {Path(__file__).parent}
    assert KEY not in "".join(str(one.message) for one in told)
    assert [sent(head)[name.lower()] for head in server.requests] == [["theirs"]] * 4 + [["others"]]


def test_the_warning_points_at_the_callers_line():
    with pytest.warns(UserWarning, match="may hide") as told:
        MeliousClient(api_key=KEY, default_headers={"authorization": "theirs"})
    assert told[0].filename == __file__
    client = MeliousClient(api_key=KEY)
    with pytest.warns(UserWarning, match="may hide") as told:
        client.with_options(default_headers={"authorization": "theirs"})
    assert told[0].filename == __file__


def test_other_headers_and_copies_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = MeliousClient(api_key=KEY, default_headers={"authorization": "theirs"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(client)).with_options(max_retries=0)
        MeliousClient(api_key=KEY, default_headers={"X-Team": "a"})


# --- what no encoding carries -------------------------------------------------------------------------


async def _transcribed(client: AsyncMeliousClient, **params: Any) -> Any:
    return await client.audio.transcribe(**params)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"prompt": "a\ud800b"}, "prompt: "),
        ({"language": "\ud800"}, "language: "),
        ({"model": "wh\ud800"}, "model: "),
        ({"extra_body": {"x\ud800": "1"}}, "extra_body: "),
        ({"extra_body": {"note": "\ud800"}}, "note: "),
        ({"extra_body": {7: "1"}}, "extra_body: "),
        ({"file": ("a\ud800.wav", WAV)}, "file: "),
        ({"file": (None, WAV)}, "file: "),
    ],
)
def test_half_a_letter_in_a_form_is_refused(params, said, serve):
    server = serve(always(whole({"text": "Hello."})))
    call = {"model": "whisper", "file": ("a.wav", WAV), **params}
    with (
        MeliousClient(base_url=server.base_url, api_key=KEY) as client,
        pytest.raises(InvalidArgumentError, match=f"^{said}"),
    ):
        client.audio.transcribe(**call)
    other = AsyncMeliousClient(base_url=server.base_url, api_key=KEY)
    with pytest.raises(InvalidArgumentError, match=f"^{said}"):
        asyncio.run(_transcribed(other, **call))
    assert server.requests == []


def test_a_name_that_a_disk_holds_is_sent_as_it_is(serve):
    server = serve(always(whole({"text": "Hello."})))
    with MeliousClient(base_url=server.base_url, api_key=KEY) as client:
        file = io.BytesIO(WAV)
        assert client.audio.transcribe(model="whisper", file=("\udcff.wav", file)).text == "Hello."


def test_half_a_letter_in_the_name_of_a_model(serve):
    server = serve(always(whole({"id": "m", "object": "model"})))
    with MeliousClient(base_url=server.base_url, api_key=KEY) as client:
        for name in ("\ud800", "a\udcff"):
            with pytest.raises(InvalidArgumentError, match=r"^model: "):
                client.models.retrieve(name)
        client.models.retrieve("gl\u00fcck/\U0001f600")
    assert server.requests[0].startswith(b"GET /v1/models/gl%C3%BCck%2F%F0%9F%98%80 ")


def test_json_carries_half_a_letter_as_before(sandbox, any_face):
    client = any_face(sandbox.base_url, api_key=sandbox.api_key)
    client.chat(messages=[{"role": "user", "content": "a\ud800b"}])
    assert sandbox.requests[-1].body["messages"][0]["content"] == "a\ud800b"
