"""`melious doctor` on the way to the service: names, connections, proxies and TLS."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest

TLS_DATA = Path(__file__).parents[1] / "faults" / "data"

pytestmark = pytest.mark.usefixtures("no_settings")


def test_nobody_listens(checks):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening: nobody else gets the port
        status, found = checks("sk-mel-x", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert (status, found["connection"]["state"]) == (1, "failed")
    assert "service" not in found


def test_no_such_host(checks):
    status, found = checks("sk-mel-x", "https://no-such-host.invalid")
    assert (status, found["DNS"]["state"]) == (1, "failed")
    assert "no-such-host.invalid" in found["DNS"]["said"]


def test_a_server_without_tls(checks, sandbox):
    status, found = checks(sandbox.api_key, sandbox.base_url.replace("http:", "https:"))
    assert (status, found["TLS"]["state"]) == (1, "failed")
    assert not sandbox.requests


@pytest.fixture
def tls_front(sandbox):
    """A server with TLS before the sandbox; gives its base URL."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS_DATA / "server.pem")
    behind = ("127.0.0.1", int(sandbox.base_url.rpartition(":")[2].removesuffix("/v1")))
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def serve(connection):
        with (
            contextlib.suppress(OSError),
            connection,
            context.wrap_socket(connection, server_side=True) as near,
            socket.create_connection(behind) as far,
        ):
            back = threading.Thread(target=copy, args=(far, near))
            back.start()
            copy(near, far)
            back.join()

    threads = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listener.accept()[0],)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    accepting.join()
    for thread in threads:
        thread.join()


def test_http_to_a_port_with_tls(checks, sandbox, tls_front):
    status, found = checks(sandbox.api_key, tls_front.replace("https:", "http:"))
    assert (status, found["service"]["state"]) == (1, "failed")
    assert found["service"]["said"].endswith("a server with TLS needs a base URL that begins with https://")
    assert not sandbox.requests


def test_tls_of_an_authority_that_is_not_known(checks, sandbox, tls_front):
    status, found = checks(sandbox.api_key, tls_front)
    assert (status, found["TLS"]["state"]) == (1, "failed")
    assert "SSL_CERT_FILE" in found["TLS"]["said"]
    assert not sandbox.requests


def test_tls_of_an_authority_that_is_known(checks, sandbox, tls_front, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS_DATA / "ca.pem"))
    status, found = checks(sandbox.api_key, tls_front)
    assert (status, found["TLS"]["version"]) == (0, "TLSv1.3")
    assert found["TLS"]["certificate_days"] > 14
    assert found["chat"]["allowed"]


def test_a_proxy_is_named_without_its_password(checks, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden@127.0.0.1:{port}")
        status, found = checks("sk-mel-x", "https://api.melious.ai")
    assert (status, found["connection"]["state"]) == (1, "failed")
    assert found["proxy"]["proxy"] == f"http://127.0.0.1:{port}"
    assert "hidden" not in json.dumps(found)


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("HTTPS_PROXY", "http://me:hid#den@proxy.example", "%23"),
        ("https_proxy", "http://me:hid/den@proxy.example", "%2F"),
        ("HTTPS_PROXY", "http://me:hidden@proxy.example:port", "port"),
        ("HTTPS_PROXY", "http://me:hidden@[::1", "host"),
        ("ALL_PROXY", "socks4://me:hidden@proxy.example", "socks5h://"),
        ("all_proxy", "http://me:hidden@pr\u00f6xy.example", "xn--"),
        ("All_Proxy", "ftp://me:hidden@proxy.example", "http://"),
    ],
)
def test_a_proxy_that_cannot_be_used(doctor, checks, monkeypatch, variable, text, said):
    monkeypatch.setenv(variable, text)
    status, found = checks("sk-mel-x", "https://api.melious.ai")
    assert (status, found["proxy"]["state"]) == (1, "failed")
    assert found["proxy"]["said"].startswith(f"{variable}: ")
    assert said in found["proxy"]["said"]
    status, out = doctor("sk-mel-x", "https://api.melious.ai")
    assert status == 1
    for shown in (out, json.dumps(found)):
        assert "hid" not in shown
        assert "den@" not in shown
        assert "me:" not in shown


def test_the_proxy_that_will_be_used(checks, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("all_proxy", f"socks5h://me:hidden@127.0.0.1:{port}")
        status, found = checks("sk-mel-x", "https://api.melious.ai")
    assert (status, found["connection"]["state"]) == (1, "failed")
    assert (found["proxy"]["proxy"], found["proxy"]["source"]) == (f"socks5h://127.0.0.1:{port}", "all_proxy")
    assert "api.melious.ai" in found["proxy"]["said"]
    assert "the proxy 127.0.0.1" in found["connection"]["said"]
    assert "hidden" not in json.dumps(found)


def test_a_socks_proxy_without_its_extra(checks, monkeypatch):
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example")
    status, found = checks("sk-mel-x", "https://api.melious.ai")
    assert (status, found["proxy"]["state"]) == (1, "failed")
    assert "melious[socks]" in found["proxy"]["said"]


@pytest.mark.parametrize("exemption", ["*.invalid", "no-such-host.invalid:443"])
def test_an_exemption_is_told(checks, monkeypatch, exemption):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hidden@proxy.example")
    monkeypatch.setenv("NO_PROXY", exemption)
    status, found = checks("sk-mel-x", "https://no-such-host.invalid")
    assert (status, found["DNS"]["state"]) == (1, "failed")
    assert found["proxy"]["proxy"] is None
    assert "HTTPS_PROXY: NO_PROXY exempts it" in found["proxy"]["said"]
    assert "hidden" not in json.dumps(found)


def test_this_machine_is_asked_without_a_proxy(checks, sandbox, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "ftp://nonsense")
    status, found = checks(sandbox.api_key, sandbox.base_url, "--no-scopes")
    assert (status, found["proxy"]["state"]) == (0, "ok")
    assert "this machine" in found["proxy"]["said"]


@pytest.mark.parametrize(
    ("variable", "kind"),
    [("SSL_CERT_FILE", "nothing"), ("SSL_CERT_DIR", "nothing"), ("SSL_CERT_FILE", "text")],
)
def test_certificates_that_cannot_be_used(checks, monkeypatch, sandbox, tls_front, tmp_path, variable, kind):
    path = tmp_path / "certificates"
    if kind == "text":
        path.write_text("none")
    monkeypatch.setenv(variable, str(path))
    status, found = checks(sandbox.api_key, tls_front)
    assert (status, found["TLS"]["state"]) == (1, "failed")
    assert found["TLS"]["said"].startswith(f"{variable}: ")
    assert not sandbox.requests
