"""SOCKS proxies from the environment: spoken to as SOCKS, or not at all."""

import socket
import threading
from typing import Any

import pytest
from faults_kit import (
    CA,
    KEY,
    Peer,
    RawServer,
    always,
    eventually,
    open_sockets,
    shown_by,
    streaming,
    tls,
    whole,
)

from melious import APIConnectionError, AsyncMeliousClient, ConfigurationError

pytestmark = pytest.mark.usefixtures("plain_environment")

NAME, ADDRESS, ADDRESS_V6 = 3, 1, 4


class SocksServer(RawServer):
    """A SOCKS5 proxy (RFC 1928, 1929) that takes every host to be one server on loopback.

    Attributes:
        asked: Where each connection was to lead: the kind of address, the host, the port.
        logins: The user and password of each connection.
        received: The first bytes of each connection, as they came.
    """

    def __init__(
        self, target: int, *, login: tuple[bytes, bytes] | None = None, reply: bytes = b"\0"
    ) -> None:
        self.asked: list[tuple[int, bytes, int]] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.received: list[bytes] = []
        self._target = ("127.0.0.1", target)
        self._login = login
        self._reply = reply
        super().__init__(self._socks)

    def _socks(self, peer: Peer) -> None:
        sock = peer.sock
        first = sock.recv(1)
        self.received.append(first)
        if first != b"\5":
            return
        methods = self._take(sock, self._take(sock, 1)[0])
        method = b"\0" if self._login is None else b"\2"
        if method not in [methods[i : i + 1] for i in range(len(methods))]:
            peer.send(b"\5\xff")
            return
        peer.send(b"\5" + method)
        if self._login is not None:
            assert self._take(sock, 1) == b"\1"
            login = tuple(self._take(sock, self._take(sock, 1)[0]) for _ in range(2))
            self.logins.append((login[0], login[1]))
            peer.send(b"\1\0" if login == self._login else b"\1\1")
            if login != self._login:
                return
        assert self._take(sock, 3) == b"\5\1\0"
        kind = self._take(sock, 1)[0]
        host = self._take(
            sock, self._take(sock, 1)[0] if kind == NAME else {ADDRESS: 4, ADDRESS_V6: 16}[kind]
        )
        self.asked.append((kind, host, int.from_bytes(self._take(sock, 2), "big")))
        peer.send(b"\5" + self._reply + b"\0\1\0\0\0\0\0\0")
        if self._reply != b"\0":
            return
        with socket.create_connection(self._target) as onward:
            back = threading.Thread(target=_pump, args=(onward, sock))
            back.start()
            _pump(sock, onward)
            back.join(5)

    @staticmethod
    def _take(sock: socket.socket, length: int) -> bytes:
        taken = b""
        while len(taken) < length:
            data = sock.recv(length - len(taken))
            if not data:
                raise ConnectionResetError
            taken += data
        return taken


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def socks_to():
    started = []

    def start(target: int, **options: Any) -> SocksServer:
        started.append(SocksServer(target, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_name_is_looked_up_by_the_proxy(scheme, monkeypatch, serve, socks_to, face):
    server = serve(always(whole()), tls=tls())
    proxy = socks_to(server.port)
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
    client = face("https://melious.test", verify=CA, max_retries=0)
    assert [client.chat().text for _ in range(3)] == ["A light."] * 3
    assert proxy.asked == [(NAME, b"melious.test", 443)], "one connection for all, and no look-up here"
    assert len(server.requests) == 3


def test_a_stream_through_socks_without_tls(monkeypatch, serve, socks_to, face):
    server = serve(streaming)
    proxy = socks_to(server.port)
    monkeypatch.setenv("http_proxy", f"socks5://127.0.0.1:{proxy.port}")
    client = face("http://melious.test:8080", allow_insecure_http=True, max_retries=0)
    assert [len(client.chunks()) for _ in range(2)] == [2, 2]
    assert proxy.asked == [(NAME, b"melious.test", 8080)]
    assert b"host: melious.test:8080" in server.requests[0].lower()


@pytest.mark.parametrize(
    ("host", "asked"),
    [("198.51.100.7", (ADDRESS, bytes([198, 51, 100, 7]), 80)), ("[2001:db8::7]", (ADDRESS_V6, None, 80))],
)
def test_an_address_goes_as_an_address(host, asked, monkeypatch, serve, socks_to, face):
    proxy = socks_to(serve(always(whole())).port)
    monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{proxy.port}")
    assert face(f"http://{host}", allow_insecure_http=True, max_retries=0).chat().text == "A light."
    kind, address, port = asked
    assert proxy.asked == [(kind, address or socket.inet_pton(socket.AF_INET6, host[1:-1]), port)]


def test_the_login_of_the_proxy(monkeypatch, serve, socks_to, face):
    proxy = socks_to(serve(always(whole()), tls=tls()).port, login=("mé".encode(), b"p@ss:w/d"))
    monkeypatch.setenv("https_proxy", f"socks5h://mé:p@ss:w%2Fd@127.0.0.1:{proxy.port}")
    assert face("https://melious.test", verify=CA, max_retries=0).chat().text == "A light."
    assert proxy.logins == [("mé".encode(), b"p@ss:w/d")]


@pytest.mark.parametrize("written", ["me:swordfish@", ""])
def test_a_login_that_is_refused(written, monkeypatch, serve, socks_to, face):
    server = serve(always(whole()), tls=tls())
    proxy = socks_to(server.port, login=(b"me", b"other"))
    monkeypatch.setenv("https_proxy", f"socks5://{written}127.0.0.1:{proxy.port}")
    client = face("https://melious.test", verify=CA, max_retries=3)
    with pytest.raises(APIConnectionError, match="proxy authentication"):
        client.chat()
    before = open_sockets()
    with pytest.raises(APIConnectionError, match="proxy authentication") as caught:
        client.chat()
    assert f"the proxy socks5://127.0.0.1:{proxy.port}" in str(caught.value)
    assert "swordfish" not in shown_by(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.attempts == 1, "another try cannot help"
    assert proxy.asked == []
    assert server.requests == []
    assert eventually(lambda: open_sockets() <= before), "the connection is closed"


@pytest.mark.parametrize(
    ("reply", "said"), [(b"\5", "refused"), (b"\2", "not allowed"), (b"\x09", "UNKNOWN|UNKOWN|Malformed")]
)
def test_a_proxy_that_does_not_get_there(reply, said, monkeypatch, socks_to, face):
    proxy = socks_to(9, reply=reply)
    monkeypatch.setenv("https_proxy", f"socks5://127.0.0.1:{proxy.port}")
    with pytest.raises(
        APIConnectionError, match=rf"(?i)the proxy .* did not connect to melious\.test.*({said})"
    ):
        face("https://melious.test", max_retries=0).chat()


@pytest.mark.parametrize(
    "answer", [b"", b"\5", b"\4\0", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\5\7", b"\0" * 40]
)
def test_what_is_not_a_socks_proxy(answer, monkeypatch, serve, face):
    def script(peer: Peer) -> None:
        peer.sock.recv(64)
        peer.send(answer)

    server = serve(script)
    monkeypatch.setenv("https_proxy", f"socks5://me:swordfish@127.0.0.1:{server.port}")
    client = face("https://melious.test", max_retries=0)
    said = rf"the proxy socks5://127\.0\.0\.1:{server.port}"
    for _ in range(3):
        with pytest.raises(APIConnectionError, match=said) as caught:
            client.chat()
        assert "swordfish" not in shown_by(caught.value)


def test_not_a_byte_goes_to_a_socks_proxy_through_aiohttp(monkeypatch, socks_to):
    proxy = socks_to(9)
    client = AsyncMeliousClient(
        api_key=KEY, base_url="http://melious.test", allow_insecure_http=True, async_transport="aiohttp"
    )
    monkeypatch.setenv("http_proxy", f"socks5://me:swordfish@127.0.0.1:{proxy.port}")

    async def main() -> None:
        with pytest.raises(ConfigurationError, match="async_transport='httpx'"):
            await client.models.list()
        await client.aclose()

    import asyncio

    asyncio.run(main())
    assert proxy.connections == 0
