"""Proxies from the environment, over loopback."""

import base64
import socket
from urllib.parse import urlsplit

import pytest
from faults_kit import CA, KEY, Peer, always, shown_by, streaming, tls, whole

from melious import APIConnectionError

pytestmark = [pytest.mark.http_library, pytest.mark.usefixtures("plain_environment")]


def test_a_plain_request_goes_through_the_proxy(monkeypatch, serve, proxy_to, any_face):
    server = serve(streaming)
    proxy = proxy_to(server)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    client = any_face("http://melious.test/v1", allow_insecure_http=True, max_retries=0)
    assert len(client.chunks()) == 2
    method, url, _ = proxy.asked[0].split()
    assert (method, urlsplit(url).hostname, urlsplit(url).path) == (
        "POST",
        "melious.test",
        "/v1/chat/completions",
    )
    assert b"host: melious.test" in server.requests[0].lower()


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_https_goes_through_a_tunnel(variable, monkeypatch, serve, proxy_to, any_face):
    server = serve(always(whole()), tls=tls())
    proxy = proxy_to(server)
    monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    client = any_face("https://melious.test", verify=CA, max_retries=0)
    assert [client.chat().text for _ in range(3)] == ["A light."] * 3
    assert proxy.asked == ["CONNECT melious.test:443 HTTP/1.1"], "one tunnel for all"
    assert not any(KEY in line for line in proxy.asked)


def test_the_proxys_password(monkeypatch, serve, proxy_to, any_face):
    server = serve(always(whole()), tls=tls())
    proxy = proxy_to(server, password="user:p@ss")
    monkeypatch.setenv("https_proxy", f"http://user:p%40ss@127.0.0.1:{proxy.port}")
    assert any_face("https://melious.test", verify=CA, max_retries=0).chat().text == "A light."
    monkeypatch.setenv("https_proxy", f"http://user:wr0ng@127.0.0.1:{proxy.port}")
    with pytest.raises(APIConnectionError, match="407") as caught:
        any_face("https://melious.test", verify=CA, max_retries=0).chat()
    assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    "exception",
    ["melious.test", ".test", "*.test", "*", "melious.test:443", "other.test, melious.test", "Melious.Test."],
)
def test_no_proxy_is_respected(exception, monkeypatch, serve, proxy_to, face):
    proxy = proxy_to(serve(always(whole()), tls=tls()))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", exception)
    with pytest.raises(APIConnectionError):  # there is no such host; what counts is who was asked
        face("https://melious.test", verify=CA, max_retries=0).chat()
    assert proxy.asked == []


def test_this_machine_is_reached_without_a_proxy(monkeypatch, serve, proxy_to, any_face):
    """The key must not go in clear to a proxy, on its way to a server on this very machine."""
    server = serve(always(whole()))
    proxy = proxy_to(server)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    assert any_face(server.base_url).chat().text == "A light."
    assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(scheme, monkeypatch, any_face):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:swordfish@127.0.0.1:{port}")
        client = any_face(f"{scheme}://melious.test", max_retries=0, allow_insecure_http=True)
        with pytest.raises(APIConnectionError) as caught:
            client.chat()
    said = f"could not connect to the proxy http://127.0.0.1:{port} (from {scheme}_proxy): "
    assert str(caught.value).startswith(said)
    assert "melious.test" not in str(caught.value)
    assert "swordfish" not in f"{caught.value} {caught.value.__cause__!r}"


def refusing(status: str):
    def script(peer: Peer) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += peer.sock.recv(65536)
        peer.send(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())

    return script


@pytest.mark.parametrize("login", ["", "me:swordfish@"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login(scheme, login, monkeypatch, serve, any_face):
    proxy = serve(refusing("407 Proxy Authentication Required"))
    monkeypatch.setenv(f"{scheme}_proxy", f"http://{login}127.0.0.1:{proxy.port}")
    client = any_face(f"{scheme}://melious.test", max_retries=3, allow_insecure_http=True)
    with pytest.raises(APIConnectionError, match="proxy authentication") as caught:
        client.chat()
    assert f"the proxy http://127.0.0.1:{proxy.port} " in str(caught.value)
    assert ("does not accept the user and password" in str(caught.value)) is bool(login)
    assert f"{scheme}_proxy" in str(caught.value)
    assert "swordfish" not in shown_by(caught.value)
    assert base64.b64encode(b"me:swordfish").decode() not in shown_by(caught.value)
    assert (caught.value.attempts, proxy.connections) == (1, 1), "another try cannot help"


def test_a_proxy_that_does_not_get_there(monkeypatch, serve, any_face):
    proxy = serve(refusing("502 Bad Gateway"))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    said = rf"the proxy http://127\.0\.0\.1:{proxy.port} \(from https_proxy\) did not connect to melious\.test: .*502"
    with pytest.raises(APIConnectionError, match=said):
        any_face("https://melious.test", max_retries=0).chat()


def test_a_proxy_that_hangs_up(monkeypatch, serve, face):
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.reset()

    proxy = serve(script)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(APIConnectionError, match=r"the proxy .* did not connect to melious\.test"):
        face("https://melious.test", max_retries=0).chat()


def test_an_authority_that_is_unknown_behind_a_proxy(monkeypatch, serve, proxy_to, any_face):
    """The proxy only passes on what the service shows."""
    proxy = proxy_to(serve(always(whole()), tls=tls()))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        any_face("https://melious.test", max_retries=5).chat()
    assert str(caught.value).startswith("could not connect to melious.test through the proxy ")
    assert caught.value.attempts == 1


def test_a_new_client_sees_a_proxy_that_was_set_meanwhile(monkeypatch, serve, proxy_to, face):
    proxy = proxy_to(serve(always(whole()), tls=tls()))
    first = face("https://melious.test", verify=CA, max_retries=0)
    with pytest.raises(APIConnectionError):
        first.chat()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    assert face("https://melious.test", verify=CA, max_retries=0).chat().text == "A light."
