"""Which proxy the environment names, which hosts it exempts, and what it is told where it is wrong."""

import os
import pickle
import subprocess
import sys
import traceback
from typing import Any

import pytest

from melious import AsyncMeliousClient, ConfigurationError, MeliousClient, MeliousError
from melious.http import proxies
from melious.http.proxies import Proxy, exempts, proxy_for, read_proxy

KEY = "sk-mel-a1b2c3d4"
HOST = ("https", "api.melious.ai", 443)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT_"):
            monkeypatch.delenv(name)


# --- exemptions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("no_proxy", "host", "exempt"),
    [
        ("*", "api.melious.ai", True),
        ("melious.ai", "api.melious.ai", True),
        ("melious.ai", "melious.ai", True),
        ("melious.ai", "notmelious.ai", False),
        (".melious.ai", "api.melious.ai", True),
        (".melious.ai", "melious.ai", True),
        (".melious.ai", "notmelious.ai", False),
        ("*.melious.ai", "api.melious.ai", True),
        ("*.melious.ai", "a.b.melious.ai", True),
        ("*.melious.ai", "melious.ai", False),
        ("*.melious.ai", "notmelious.ai", False),
        ("*melious.ai", "notmelious.ai", True),
        ("api.*", "api.melious.ai", True),
        ("10.1.*", "10.1.2.3", True),
        ("melious.ai.", "api.melious.ai", True),
        ("*.melious.ai.", "api.melious.ai", True),
        ("melious.ai", "api.melious.ai.", True),
        ("MELIOUS.ai", "api.melious.AI", True),
        ("  melious.ai  ", "api.melious.ai", True),
        ("other.example,\tmelious.ai\n", "api.melious.ai", True),
        ("other.example melious.ai", "api.melious.ai", True),
        (",,melious.ai,", "api.melious.ai", True),
        ("melious.ai:443", "api.melious.ai", True),
        ("melious.ai:0443", "api.melious.ai", True),
        ("melious.ai:8443", "api.melious.ai", False),
        ("*:443", "api.melious.ai", True),
        ("*:80", "api.melious.ai", False),
        ("*.melious.ai:443", "api.melious.ai", True),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.1.2.3/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/255.0.0.0", "10.9.9.9", True),
        ("10.0.0.0/8", "10.0.0.1.example", False),
        ("10.0.0.0/8", "2001:db8::1", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1:443", "10.0.0.1", True),
        ("10.0.0.1:80", "10.0.0.1", False),
        ("0.0.0.0/0", "203.0.113.9", True),
        ("2001:db8::/32", "2001:db8::1", True),
        ("[2001:db8::]/32", "2001:db8::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("2001:db8::1", "2001:db8::1", True),
        ("2001:DB8:0:0::1", "2001:db8::1", True),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("[2001:db8::1]:443", "2001:db8::1", True),
        ("[2001:db8::1]:8443", "2001:db8::1", False),
        ("[2001:db8::1]:443", "2001:db8::2", False),
        ("[fe80::1%25eth0]", "fe80::1%eth0", True),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("fe80::1%eth1", "fe80::1%eth0", False),
        ("mélious.ai", "xn--mlious-bva.ai", True),
        # what is malformed covers nothing, and hurts nobody
        ("", "api.melious.ai", False),
        (".", "api.melious.ai", False),
        ("..", "api.melious.ai", False),
        (":", "api.melious.ai", False),
        (":443", "api.melious.ai", False),
        ("[", "api.melious.ai", False),
        ("[]", "api.melious.ai", False),
        ("[]:443", "api.melious.ai", False),
        ("[::1", "2001:db8::1", False),
        ("10.0.0.0/99", "10.0.0.1", False),
        ("/", "10.0.0.1", False),
        ("10.0.0.0/", "10.0.0.0", False),
        ("melious.ai/8", "api.melious.ai", False),
        ("https://api.melious.ai", "api.melious.ai", False),
        ("(api|x).melious.ai", "api.melious.ai", False),
        ("api.melious.ai:https", "api.melious.ai", False),
        ("\udcff.melious.ai", "api.melious.ai", False),
        ("ä" * 70, "api.melious.ai", False),
        ("api?melious.ai", "api.melious.ai", False),
    ],
)
def test_the_list_of_exemptions(no_proxy: str, host: str, exempt: bool) -> None:
    assert exempts(no_proxy, host, 443) is exempt


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy", "No_Proxy"])
def test_exemptions_are_read_in_any_case(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:8080")
    assert proxy_for(*HOST) is not None
    monkeypatch.setenv(variable, "*.melious.ai")
    assert proxy_for(*HOST) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_needs_no_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example")
    assert proxy_for("http", host, 80) is None
    assert proxy_for("http", "name.localhost", 80) is not None


# --- which variable ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "source"),
    [
        ({"HTTPS_PROXY": "a"}, "HTTPS_PROXY"),
        ({"https_proxy": "a"}, "https_proxy"),
        ({"Https_Proxy": "a"}, "Https_Proxy"),
        ({"ALL_PROXY": "a"}, "ALL_PROXY"),
        ({"HTTPS_PROXY": "a", "https_proxy": "b"}, "https_proxy"),
        ({"HTTPS_PROXY": "a", "https_proxy": ""}, None),
        ({"HTTPS_PROXY": "a", "all_proxy": "b"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": " ", "ALL_PROXY": "b"}, "ALL_PROXY"),
        ({"HTTP_PROXY": "a"}, None),
        ({}, None),
    ],
)
def test_the_variable_that_counts(
    variables: dict[str, str], source: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, host in variables.items():
        monkeypatch.setenv(name, host)
    found = proxy_for(*HOST)
    assert (found and found.source) == source
    assert found is None or found.host == variables[found.source]


def test_a_request_of_a_cgi_script_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """There `HTTP_PROXY` is what a stranger sent as the header `Proxy`."""
    monkeypatch.setenv("HTTP_PROXY", "evil.example")
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert proxy_for("http", "gateway.example", 80) is None


def test_the_system_is_asked_where_the_environment_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS and Windows keep it; here the standard library's functions stand in for them."""
    monkeypatch.setattr(proxies, "getproxies", lambda: {"https": "http://system.example:3128"})
    monkeypatch.setattr(proxies, "proxy_bypass", lambda host: host == "inside.example:443")
    found = proxy_for(*HOST)
    assert found is not None
    assert (found.url, found.source) == ("http://system.example:3128", "the system's proxy settings")
    assert proxy_for("https", "inside.example", 443) is None
    assert proxy_for("http", "api.melious.ai", 80) is None
    monkeypatch.setenv("NO_PROXY", "other.example")
    assert proxy_for(*HOST) is None, "the environment goes before the system"


# --- what a variable may hold ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url", "auth"),
    [
        ("http://proxy.example:8080", "http://proxy.example:8080", None),
        ("http://proxy.example", "http://proxy.example:80", None),
        ("https://proxy.example", "https://proxy.example:443", None),
        ("socks5://proxy.example", "socks5://proxy.example:1080", None),
        ("SOCKS5H://proxy.example", "socks5h://proxy.example:1080", None),
        ("proxy.example:3128", "http://proxy.example:3128", None),
        ("proxy.example", "http://proxy.example:80", None),
        ("localhost:3128/", "http://localhost:3128", None),
        ("  http://Proxy.Example.:8080/ \n", "http://proxy.example:8080", None),
        ("http://proxy.example:8080/pac?x#y", "http://proxy.example:8080", None),
        ("http://proxy.example:/", "http://proxy.example:80", None),
        ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080", None),
        ("http://[::1]", "http://[::1]:80", None),
        ("http://[fe80::1%25eth0]:8080", "http://[fe80::1%eth0]:8080", None),
        ("me:pw@proxy.example:1", "http://proxy.example:1", (b"me", b"pw")),
        ("http://me@proxy.example", "http://proxy.example:80", (b"me", b"")),
        ("http://me:@proxy.example", "http://proxy.example:80", (b"me", b"")),
        ("http://:pw@proxy.example", "http://proxy.example:80", (b"", b"pw")),
        ("http://@proxy.example", "http://proxy.example:80", None),
        ("http://me:p@ss@proxy.example", "http://proxy.example:80", (b"me", b"p@ss")),
        ("http://me:p:w:@proxy.example", "http://proxy.example:80", (b"me", b"p:w:")),
        ("http://me:%23%2F%3F%40%3a@proxy.example", "http://proxy.example:80", (b"me", b"#/?@:")),
        ("http://me:100%@proxy.example", "http://proxy.example:80", (b"me", b"100%")),
        ("http://me:[x]@proxy.example", "http://proxy.example:80", (b"me", b"[x]")),
        ("http://mé:pä%C3%9F@proxy.example", "http://proxy.example:80", ("mé".encode(), "päß".encode())),
        ("http://me:%FF@proxy.example", "http://proxy.example:80", (b"me", b"\xff")),
        ("http://me:\udcff@proxy.example", "http://proxy.example:80", (b"me", b"\xff")),
    ],
)
def test_a_proxy_is_read_as_it_is_meant(text: str, url: str, auth: Any) -> None:
    read = read_proxy(text, "HTTPS_PROXY")
    assert isinstance(read, Proxy)
    assert (read.url, read.auth) == (url, auth)
    assert "pw" not in repr(read)


WRONG = [
    ("socks4://me:swordfish@proxy.example", "socks4://"),
    ("ftp://me:swordfish@proxy.example", "ftp://"),
    ("swordfish://proxy.example", "scheme"),
    ("http://me:swordfish@proxy.example:port", "port"),
    ("http://me:swordfish@proxy.example:99999", "port"),
    ("http://me:swordfish@proxy.example:655361", "port"),
    ("http://me:swordfish@proxy.example:0", "port"),
    ("http://me:swordfish@proxy.example:-1", "port"),
    ("http://me:swordfish@proxy.example:\u0663", "port"),
    ("http://me:swordfish", "port"),
    ("http://me:swordfish@[::1", "host"),
    ("http://me:swordfish@::1", "host"),
    ("http://me:swordfish@[nonsense]:80", "IPv6"),
    ("http://me:swordfish@prox\u00fc.example", "xn--"),
    ("http://me:swordfish@\ud800.example", "xn--"),
    ("http://me:swordfish@a..b", "host"),
    (f"http://me:swordfish@{'a' * 64}.example", "host"),
    ("http://me:swordfish@", "host"),
    ("http://", "host"),
    ("http://:8080", "host"),
    ("://swordfish", "host"),
    ("http://me:sword/fish@proxy.example", "%2F"),
    ("http://me:sword#fish@proxy.example", "%23"),
    ("http://me:sword?fish@proxy.example:8080", "%3F"),
    ("http://me:sword\\fish@proxy.example", "%5C"),
    ("http://me:1234/fish@proxy.example", "%2F"),
    ("http://me:swordfish#@proxy.example", "%23"),
    ("http://me/fish:swordfish@proxy.example", "%2F"),
    ("me:://swordfish@proxy.example", "%2F"),
    ("http://me:sword fish@proxy.example", "blank"),
    ("http://me:sword\nfish@proxy.example", "line break"),
    ("http://me:swordfish@proxy.example:80\x7f", "control"),
    ("http://m%3Ae:swordfish@proxy.example", "':'"),
    ("http://me:swordfish\ud800@proxy.example", "encoded"),
    (f"socks5://me:{'swordfish' * 30}@proxy.example", "255"),
    ("http://me:swordfish@pro%78y.example", "host"),
    ("http://me:swordfish@*", "host"),
]


def _frames(error: BaseException) -> str:
    """What a collector of errors would keep of the library's own frames."""
    told = []
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/melious/" in frame.f_code.co_filename:
            told.append(repr(frame.f_locals))
    return "\n".join(told)


@pytest.mark.parametrize(("text", "said"), WRONG)
@pytest.mark.parametrize("kind", [MeliousClient, AsyncMeliousClient])
def test_a_wrong_proxy_is_told_when_the_client_is_made(
    kind: Any, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "\ud800" in text:
        # No environment of a POSIX system holds it; it is read all the same where one does.
        read = read_proxy(text, "HTTPS_PROXY")
        assert isinstance(read, str)
        assert said in read
        assert "fish" not in read
        return
    monkeypatch.setenv("HTTPS_PROXY", text)
    with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY: ") as caught:
        kind(api_key=KEY)
    assert said in str(caught.value)
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "fish" not in shown + _frames(caught.value)
    assert KEY not in shown + _frames(caught.value)
    assert "me:" not in shown


def test_the_schemes_that_work_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks4://proxy.example")
    with pytest.raises(ConfigurationError, match=r"^all_proxy: .* http://, https://, socks5://, socks5h://"):
        MeliousClient(api_key=KEY)


def test_a_proxy_that_is_not_asked_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "ftp://nonsense")
    MeliousClient(api_key=KEY)
    monkeypatch.setenv("HTTPS_PROXY", "ftp://nonsense")
    MeliousClient(api_key=KEY, base_url="https://localhost:1")
    monkeypatch.setenv("NO_PROXY", "melious.ai")
    MeliousClient(api_key=KEY)


def test_a_client_that_is_injected_has_an_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Injected:
        def build_request(self) -> None: ...
        def send(self) -> None: ...
        def close(self) -> None: ...

    monkeypatch.setenv("HTTPS_PROXY", "ftp://nonsense")
    monkeypatch.setenv("SSL_CERT_FILE", "/not/there")
    MeliousClient(api_key=KEY, http_client=Injected())


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "Https_Proxy"])
def test_what_is_wrong_where_it_is_used_is_told_there(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pickle.loads(pickle.dumps(MeliousClient(api_key=KEY)))
    monkeypatch.setenv(variable, "http://me:swordfish@proxy.example:port")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=f"^{variable}: ") as caught:
            client.models.list()
        assert "swordfish" not in str(caught.value) + _frames(caught.value)
        with pytest.raises(ConfigurationError, match=variable):
            list(client.chat.stream(model="m", messages=[{"role": "user", "content": "?"}]))


def test_socks_is_refused_for_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:swordfish@proxy.example")
    with pytest.raises(ConfigurationError, match="async_transport='httpx'") as caught:
        AsyncMeliousClient(api_key=KEY, async_transport="aiohttp")
    assert "socks5://proxy.example:1080" in str(caught.value)
    assert "swordfish" not in str(caught.value)


def test_socks_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)  # as where it is not installed
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example")
    with pytest.raises(ConfigurationError, match=r"pip install 'melious\[socks\]'"):
        MeliousClient(api_key=KEY)


# --- certificates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_are_not_there(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/not/there")
    with pytest.raises(ConfigurationError, match=f"^{variable}: .*'/not/there'"):
        MeliousClient(api_key=KEY)
    MeliousClient(api_key=KEY, verify=False)
    MeliousClient(api_key=KEY, base_url="http://localhost:1")


def test_making_a_client_reads_no_certificates_and_imports_no_http_library() -> None:
    script = """
import os, sys
os.environ["HTTPS_PROXY"] = "http://user:password@proxy.example:8080"
os.environ["SSL_CERT_FILE"] = sys.executable  # there, and no certificate
import melious
melious.MeliousClient(api_key="sk-mel-x"), melious.AsyncMeliousClient(api_key="sk-mel-x")
print(sorted({name for name in sys.modules if name in ("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp")}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "wrong",
    [
        {"default_headers": {"x": "\ud800"}},
        {"base_url": "https://a..b"},
        {"verify": "/not/there"},
        {"max_retries": -1},
        {"misspelt": 1},
        {"api_key": f"{KEY}\n\n{KEY}"},
        {"auth": "basic"},
    ],
)
@pytest.mark.parametrize("kind", [MeliousClient, AsyncMeliousClient])
def test_no_frame_of_a_refused_argument_shows_the_key(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(MeliousError) as caught:
        kind(**{"api_key": KEY, **wrong})
    assert KEY not in str(caught.value) + _frames(caught.value)
