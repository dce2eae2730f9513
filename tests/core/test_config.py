"""What a client is made from: key, base URL, options; and what of it goes over the wire."""

import logging
from typing import Any

import pytest
from pydantic import SecretStr

from melious import (
    APIStatusError,
    AsyncMeliousClient,
    AuthenticationError,
    ConfigurationError,
    InvalidArgumentError,
    MeliousClient,
    MeliousError,
)
from melious.sandbox import Fault, Sandbox
from melious.settings.config import is_loopback, resolve_base_url, resolve_key

from .clients import CHAT, QUESTION, Clients

KEY = "sk-mel-" + "a1b2" * 8


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MELIOUS_API_KEY", "MELIOUS_BASE_URL", "MELIOUS_API_BASE", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


# --- the key ---------------------------------------------------------------------------------------


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELIOUS_API_KEY", "from-the-environment")
    assert resolve_key("given") == "given"
    assert resolve_key(SecretStr("secret")) == "secret"
    assert resolve_key(None) == "from-the-environment"


@pytest.mark.parametrize("key", [f"{KEY}\n", f"  {KEY}  ", f"\t{KEY}\r\n", f"\ufeff{KEY}".lstrip("\ufeff")])
def test_a_key_is_stripped(key: str) -> None:
    assert resolve_key(key) == KEY


@pytest.mark.parametrize("key", [None, "", "   ", "\n", SecretStr("")])
def test_without_a_key_the_error_names_the_variable(key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-service")
    with pytest.raises(ConfigurationError, match="MELIOUS_API_KEY"):
        MeliousClient(api_key=key)


BAD_IN_A_KEY = ["\r", "\n", "\r\nx-evil: 1\r\n", "\0", "ü", "\x7f", "\u2028"]


@pytest.mark.parametrize(
    ("source", "bad"),
    [("argument", bad) for bad in BAD_IN_A_KEY]
    + [("environment", bad) for bad in BAD_IN_A_KEY if bad != "\0"],  # no environment holds a NUL
)
def test_a_key_that_no_header_carries_is_refused_and_not_repeated(
    source: str, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"sk-mel-{bad}swordfish"
    if source == "environment":
        monkeypatch.setenv("MELIOUS_API_KEY", key)
    with pytest.raises(ConfigurationError) as caught:
        AsyncMeliousClient(api_key=key if source == "argument" else None)
    assert "swordfish" not in f"{caught.value!r} {caught.value} {vars(caught.value)}"


@pytest.mark.parametrize("key", [17, b"sk-mel-swordfish", ["sk-mel-swordfish"]])
def test_a_key_that_is_no_text_is_refused_and_not_repeated(key: Any) -> None:
    with pytest.raises(ConfigurationError, match="api_key") as caught:
        MeliousClient(api_key=key)
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize(
    ("auth", "there", "not_there"),
    [("bearer", "authorization", "x-api-key"), ("x-api-key", "x-api-key", "authorization")],
)
def test_the_key_goes_into_the_chosen_header(
    clients: Clients, sandbox: Sandbox, auth: Any, there: str, not_there: str
) -> None:
    client = clients.client(sandbox, api_key=f" {sandbox.api_key}\n", auth=auth)
    clients.call(client, "models.list")
    headers = sandbox.requests[-1].headers
    assert there in headers
    assert not_there not in headers
    assert sandbox.requests[-1].status == 200


def test_the_key_is_nowhere_to_be_read(
    clients: Clients, start_sandbox: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = start_sandbox(api_key=KEY)
    client = clients.client(sandbox)
    caplog.set_level(logging.DEBUG)
    said = [repr(client), repr(client.config), str(client.config), repr(vars(client.config))]
    for fault in (
        Fault(status=401),
        Fault(status=400),
        Fault(cut_after_bytes=0),
        Fault(body="<html>"),
    ):
        sandbox.faults.add(fault)
        with pytest.raises(MeliousError) as caught:
            clients.call(client, "chat.create", model=CHAT, messages=QUESTION, max_retries=0)
        error = caught.value
        said += [str(error), repr(error), repr(vars(error)), repr(error.__cause__)]
    clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    said += [caplog.text, *(request.path + request.query for request in sandbox.requests)]
    assert "melious" in caplog.text, "every attempt is logged"
    assert KEY not in "\n".join(said)
    assert KEY[10:] not in "\n".join(said)


def test_a_wrong_key_is_an_authentication_error(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, api_key="sk-mel-wrong")
    with pytest.raises(AuthenticationError, match="MELIOUS_API_KEY"):
        clients.call(client, "models.list")


# --- the base URL ----------------------------------------------------------------------------------

SPELLINGS = [
    ("https://api.melious.ai", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1//", "https://api.melious.ai/v1"),
    ("  https://api.melious.ai/v1\n", "https://api.melious.ai/v1"),
    ("HTTPS://api.melious.ai/v1", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/chat/completions", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/chat/completions/", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/chat", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/embeddings", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/rerank", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/images/generations", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/messages", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/messages/count_tokens", "https://api.melious.ai/v1"),
    ("https://api.melious.ai//v1//chat/completions", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/audio/transcriptions", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/models", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/models/glm-4.7:eco", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1/models?include_meta=true", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/v1#top", "https://api.melious.ai/v1"),
    ("https://api.melious.ai/chat/completions", "https://api.melious.ai/v1"),
    ("https://gateway.example:8443/melious", "https://gateway.example:8443/melious/v1"),
    ("https://gateway.example/melious/v1/embeddings", "https://gateway.example/melious/v1"),
    ("http://localhost:8321", "http://localhost:8321/v1"),
    ("http://127.0.0.1:8321/v1/", "http://127.0.0.1:8321/v1"),
    ("http://127.8.0.9", "http://127.8.0.9/v1"),
    ("http://[::1]:8321/v1", "http://[::1]:8321/v1"),
    ("https://[2001:db8::1]/v1/rerank", "https://[2001:db8::1]/v1"),
    ("https://API.Melious.AI:443/v1", "https://api.melious.ai:443/v1"),
    ("https://api.melious.ai./v1", "https://api.melious.ai/v1"),
    ("https://api.melious.ai:/v1", "https://api.melious.ai/v1"),
    ("https://xn--mlious-bva.ai", "https://xn--mlious-bva.ai/v1"),
    ("http://localhost.:8321", "http://localhost:8321/v1"),
    ("https://a_container-1:8000", "https://a_container-1:8000/v1"),
    (f"https://{'a' * 63}.example", f"https://{'a' * 63}.example/v1"),
    ("https://api.melious.ai/v1/models/@cf/meta", "https://api.melious.ai/v1"),
    ("", "https://api.melious.ai/v1"),
    ("   ", "https://api.melious.ai/v1"),
]


@pytest.mark.parametrize(("written", "meant"), SPELLINGS)
def test_every_spelling_of_the_base_url(written: str, meant: str) -> None:
    assert resolve_base_url(written) == meant
    assert resolve_base_url(meant) == meant, "what is normal stays so"


def test_the_base_url_comes_from_the_argument_then_the_environment_then_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MeliousClient(api_key=KEY).config.base_url == "https://api.melious.ai/v1"
    monkeypatch.setenv("MELIOUS_API_BASE", "https://not.read.example")
    monkeypatch.setenv("MELIOUS_BASE_URL", "https://eu.example/")
    assert MeliousClient(api_key=KEY).config.base_url == "https://eu.example/v1"
    assert (
        MeliousClient(api_key=KEY, base_url="https://given.example").config.base_url
        == "https://given.example/v1"
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://api.melious.ai/v1",
        "http://192.168.1.5:8000/v1",
        "http://0.0.0.0:8000",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://[2001:db8::1]/v1",
        "http://evil.example#localhost",
        "http://localhost@evil.example",
        "http://evil.localhost",
        "http://melious.localhost:8321/v1",
    ],
)
def test_http_to_another_host_needs_leave(url: str) -> None:
    with pytest.raises(ConfigurationError):
        MeliousClient(api_key=KEY, base_url=url)
    if "@" not in url:
        MeliousClient(api_key=KEY, base_url=url, allow_insecure_http=True)


@pytest.mark.parametrize(
    "url",
    [
        "api.melious.ai/v1",
        "ftp://api.melious.ai",
        "https://api melious.ai",
        "https://api.melious.ai/v1\n/chat",
        "https://mélious.ai",
        "https://",
        "https:///v1",
        "https://host:port/v1",
        "https://host:99999",
        "https://[::1/v1",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://a..b",
        "https://.a",
        "https://a..",
        f"https://{'a' * 64}.example",
        f"https://{'.'.join(['a' * 60] * 5)}",
        "https://host:0",
        "https://host:+80",
        "https://host:\u0663",
        "https://host:443:443",
        "https://[gateway]",
        "https://[::1]x",
        "https://::1",
        "https://a%2eb",
        "https://a\\b",
        "https://a*",
        "https://faß.example",
        "https://\ud800.example",
        "https://api\u3002melious.ai",
        "https://host/p\u00e4th",
        "https://ho\tst",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        resolve_base_url(url)


def test_a_url_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        MeliousClient(api_key=KEY, base_url=8321)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "https://me:swordfish@api.melious.ai/v1",
        "ftp://me:swordfish@host/",
        "https://swordfish@host",
        "https://@host",
        "https://:@host",
        "me:swordfish@host",
        "https://me:sword/fish@host",
        "https://me:sword#fish@host",
        "https://me:12345/swordfish@host",
        "https://me:12345?swordfish@host",
        "https://me:12345#swordfish@host",
        "https://[swordfish@host",
    ],
)
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_base_url(url)
    assert "fish" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"


def test_a_wrong_url_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELIOUS_BASE_URL", "https://a..b")
    with pytest.raises(ConfigurationError, match=r"^MELIOUS_BASE_URL: .*empty part between two dots"):
        MeliousClient(api_key=KEY)


def test_a_host_beyond_ascii_is_refused_with_a_hint() -> None:
    with pytest.raises(ConfigurationError, match="xn--"):
        resolve_base_url("https://mélious.ai")


@pytest.mark.parametrize("host", ["LOCALHOST", "LocalHost."])
def test_loopback_does_not_depend_on_case(host: str) -> None:
    assert resolve_base_url(f"http://{host}:1/v1")
    assert not is_loopback("example.org")


def test_every_spelling_reaches_the_service(clients: Clients, sandbox: Sandbox) -> None:
    root = sandbox.base_url.removesuffix("/v1")
    for url in (root, f"{root}/", f"{root}/v1", f"{root}/v1/", f"{root}/v1/chat/completions"):
        clients.call(clients.client(sandbox, base_url=url), "models.list")
    assert {request.path for request in sandbox.requests} == {"/v1/models"}


# --- redirects, cookies, headers ---------------------------------------------------------------------


def test_a_redirect_is_not_followed(clients: Clients, sandbox: Sandbox, start_sandbox: Any) -> None:
    other = start_sandbox()
    sandbox.faults.add(Fault(status=307, body="", headers={"location": f"{other.base_url}/chat/completions"}))
    client = clients.client(sandbox)
    with pytest.raises(APIStatusError) as caught:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert caught.value.status_code == 307
    assert len(sandbox.requests) == 1
    assert len(other.requests) == 0


def test_no_cookie_is_kept(clients: Clients, sandbox: Sandbox, client: Any) -> None:
    sandbox.faults.add(Fault(headers={"set-cookie": "session=1; Path=/"}))
    for _ in range(2):
        clients.call(client, "models.list")
    assert "cookie" not in sandbox.requests[-1].headers


def test_headers_of_the_client_and_of_the_call(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, default_headers={"X-Team": "search", "X-Stage": "test"})
    clients.call(client, "models.list", extra_headers={"x-stage": "one-off", "X-Trace": "t1"})
    headers = sandbox.requests[-1].headers
    assert (headers["x-team"], headers["x-stage"], headers["x-trace"]) == ("search", "one-off", "t1")
    assert headers["user-agent"].startswith("melious-python/")
    clients.call(client, "models.list")
    assert sandbox.requests[-1].headers["x-stage"] == "test"


def test_a_header_given_replaces_the_usual_one_of_its_name(clients: Clients, sandbox: Sandbox) -> None:
    key = sandbox.api_key
    with pytest.warns(UserWarning, match="'Authorization' may hide the API key"):
        client = clients.client(
            sandbox,
            api_key="sk-mel-wrong",
            default_headers={"User-Agent": "mine", "Authorization": f"Bearer {key}"},
        )
    clients.call(client, "models.list")
    assert sandbox.requests[-1].headers["user-agent"] == "mine"
    assert sandbox.requests[-1].status == 200


BAD_HEADERS = [
    {"x-a": "1\r\nx-b: 2"},
    {"x-a": "1\n"},
    {"x-a": "\0"},
    {"x a": "1"},
    {"": "1"},
    {"x-ü": "1"},
    {"x-a:": "1"},
]


@pytest.mark.parametrize("headers", BAD_HEADERS)
def test_headers_that_would_break_the_request_are_refused(
    clients: Clients, sandbox: Sandbox, client: Any, headers: dict[str, str]
) -> None:
    with pytest.raises(InvalidArgumentError, match="default_headers"):
        clients.client(sandbox, default_headers=headers)
    with pytest.raises(InvalidArgumentError, match="extra_headers"):
        clients.call(client, "models.list", extra_headers=headers)
    assert len(sandbox.requests) == 0
