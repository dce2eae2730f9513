"""TLS with a certificate authority of one's own, and proxies from the environment: over loopback."""

import base64
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from faults_kit import (
    DONE,
    KEY,
    LAST_CHUNK,
    Peer,
    RawServer,
    always,
    event,
    eventually,
    shown_by,
    whole,
)

from melious import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    DeadlineExceededError,
    InvalidArgumentError,
    Timeout,
)

pytestmark = pytest.mark.http_library

DATA = Path(__file__).parent / "data"
CA = str(DATA / "ca.pem")


def tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(DATA / "server.pem")
    return context


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def streaming(peer: Peer) -> None:
    while peer.request() is not None:
        peer.events(event("A"), event(finish="stop"), DONE)
        peer.send(LAST_CHUNK)


# --- TLS ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file", "directory", "context"])
def test_an_authority_of_ones_own(kind, tmp_path, serve, any_face):
    if kind == "directory":
        # OpenSSL looks files up by a hash of their subject; the hash of this one never changes.
        import subprocess

        name = subprocess.run(
            ["openssl", "x509", "-in", CA, "-noout", "-hash"], capture_output=True, text=True, check=True
        ).stdout.strip()
        (tmp_path / f"{name}.0").write_bytes(Path(CA).read_bytes())
    verify = {
        "file": CA,
        "directory": str(tmp_path),
        "context": ssl.create_default_context(cafile=CA),
    }[kind]
    server = serve(always(whole()), tls=tls())
    client = any_face(server.base_url, verify=verify, max_retries=0)
    assert [client.chat().text for _ in range(3)] == ["A light."] * 3
    assert server.connections == 1


def test_the_environment_names_the_authority(monkeypatch, serve, any_face):
    server = serve(always(whole()), tls=tls())
    with pytest.raises(APIConnectionError):
        any_face(server.base_url, max_retries=0).chat()
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    # A new client sees it at once, although the old one's connections are still shared.
    assert any_face(server.base_url, max_retries=0).chat().text == "A light."


def test_an_unknown_authority_is_refused_with_advice(serve, any_face):
    server = serve(always(whole()), tls=tls())
    with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        any_face(server.base_url, max_retries=5).chat()
    assert "verify='/path/to/ca.pem'" in str(caught.value)
    assert "SSL_CERT_FILE" in str(caught.value)
    assert caught.value.attempts == 1, "another try cannot help"
    assert server.requests == []


def test_a_certificate_for_another_name_is_refused(serve, any_face):
    server = serve(always(whole()), tls=tls())
    url = server.base_url.replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(APIConnectionError):
        any_face(url, verify=CA, max_retries=0).chat()
    assert server.requests == []


def test_checking_can_be_switched_off(serve, any_face):
    server = serve(always(whole()), tls=tls())
    assert any_face(server.base_url, verify=False, max_retries=0).chat().text == "A light."


def test_a_path_that_is_not_there(any_face):
    with pytest.raises(InvalidArgumentError, match=r"no file or directory '/not/there\.pem'"):
        any_face("https://127.0.0.1:9", verify="/not/there.pem")


@pytest.mark.parametrize("kind", ["text", "a key and no certificate", "empty directory", "nothing"])
@pytest.mark.parametrize("source", ["verify", "SSL_CERT_FILE"])
def test_certificates_that_are_none(source, kind, tmp_path, monkeypatch, serve, any_face):
    path = tmp_path / "certificates"
    if kind == "empty directory":
        path.mkdir()
        (path / "README").write_text("none here")
    elif kind != "nothing":
        pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        path.write_text("hostname\n" if kind == "text" else pem)
    server = serve(always(whole()), tls=tls())
    told = (ConfigurationError, InvalidArgumentError)
    if source == "verify":
        with pytest.raises(told, match=f"^verify: .*{path}"):
            any_face(server.base_url, verify=str(path)).chat()
    else:
        monkeypatch.setenv(source, str(path))
        with pytest.raises(ConfigurationError, match=f"^SSL_CERT_FILE: .*{path}"):
            any_face(server.base_url).chat()
    assert server.requests == []


def test_a_directory_of_certificates_from_the_environment(tmp_path, monkeypatch, serve, any_face):
    server = serve(always(whole()), tls=tls())
    monkeypatch.setenv("SSL_CERT_DIR", f"/not/there{os.pathsep}{tmp_path}")
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    assert any_face(server.base_url).chat().text == "A light."


def test_streams_over_tls_give_their_connection_back(serve, any_face):
    server = serve(streaming, tls=tls())
    client = any_face(server.base_url, verify=CA)
    assert [len(client.chunks()) for _ in range(3)] == [2] * 3
    assert server.connections == 1


def test_https_to_a_server_that_speaks_plain_http(serve, any_face):
    def script(peer: Peer) -> None:
        peer.sock.recv(4096)
        peer.send(whole(b"", "400 Bad Request"))

    server = serve(script)
    with pytest.raises(APIConnectionError) as caught:
        any_face(server.base_url.replace("http:", "https:"), max_retries=0).chat()
    assert "could not connect" in str(caught.value)


def handshakes_never(gone: list[bool], greeted: threading.Event | None = None):
    def script(peer: Peer) -> None:
        while peer.sock.recv(4096):
            if greeted is not None:
                greeted.set()
        gone.append(True)

    return script


@pytest.mark.parametrize("limit", [{"deadline": 0.5}, {"timeout": Timeout(connect=0.5)}])
def test_a_handshake_that_never_ends(limit, serve, any_face):
    gone: list[bool] = []
    server = serve(handshakes_never(gone))
    client = any_face(server.base_url.replace("http:", "https:"), max_retries=0, verify=False)
    expected = DeadlineExceededError if "deadline" in limit else APITimeoutError
    with pytest.raises(expected):
        client.chat(**limit)
    assert client.eventually(lambda: gone == [True])


def test_a_handshake_that_is_cancelled_leaves_no_socket(serve):
    import asyncio

    from faults_kit import ASK, PATIENCE

    from melious import AsyncMeliousClient

    gone: list[bool] = []
    greeted = threading.Event()
    server = serve(handshakes_never(gone, greeted))

    async def main():
        client = AsyncMeliousClient(
            base_url=server.base_url.replace("http:", "https:"), api_key=KEY, verify=False
        )
        call = asyncio.ensure_future(client.chat.create(**ASK))
        assert await asyncio.to_thread(greeted.wait, PATIENCE)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        closed = await asyncio.to_thread(eventually, lambda: gone == [True])
        await client.aclose()
        return closed

    assert asyncio.run(main())


# --- proxies --------------------------------------------------------------------------------------------


class ProxyServer(RawServer):
    """A proxy that takes every host to be one server on loopback.

    Attributes:
        asked: The first line of each request.
        returned: How many bytes were passed on to clients.
    """

    def __init__(self, target: RawServer, *, password: str | None = None) -> None:
        self.asked: list[str] = []
        self.returned = 0
        self._target = ("127.0.0.1", target.port)
        self._password = password
        super().__init__(self._proxy)

    def _proxy(self, peer: Peer) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += peer.sock.recv(65536)
        self.asked.append(received.split(b"\r\n")[0].decode())
        if self._password is not None:
            wanted = b"basic " + base64.b64encode(self._password.encode())
            if wanted.lower() not in received.lower():
                peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                return
        with socket.create_connection(self._target) as onward:
            if received.startswith(b"CONNECT"):
                peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                onward.sendall(received)
            back = threading.Thread(target=_pump, args=(onward, peer.sock, self._count))
            back.start()
            _pump(peer.sock, onward)
            back.join()

    def _count(self, passed: int) -> None:
        self.returned += passed


def _pump(source: socket.socket, sink: socket.socket, count: Callable[[int], None] = lambda _: None) -> None:
    # A reset ends one side as a close does, and the other must see it too.
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
            count(len(data))
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy_to():
    started = []

    def start(target: RawServer, **options) -> ProxyServer:
        started.append(ProxyServer(target, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


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
