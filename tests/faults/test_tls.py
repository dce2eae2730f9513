"""TLS with a certificate authority of one's own, over loopback."""

import asyncio
import os
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from faults_kit import (
    ASK,
    CA,
    KEY,
    PATIENCE,
    Peer,
    always,
    eventually,
    streaming,
    tls,
    whole,
)

from melious import (
    APIConnectionError,
    APITimeoutError,
    AsyncMeliousClient,
    ConfigurationError,
    DeadlineExceededError,
    InvalidArgumentError,
    Timeout,
)

pytestmark = [pytest.mark.http_library, pytest.mark.usefixtures("plain_environment")]


@pytest.mark.parametrize("kind", ["file", "directory", "context"])
def test_an_authority_of_ones_own(kind, tmp_path, serve, any_face):
    if kind == "directory":
        # OpenSSL looks files up by a hash of their subject; the hash of this one never changes.
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


def test_the_log_says_once_that_nothing_is_checked(serve, any_face, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # no other test has made TLS settings for it
    server = serve(always(whole()), tls=tls())
    for _ in range(2):
        any_face(server.base_url, verify=False, max_retries=0).chat()
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text.partition(":")[0] for text in warned] == ["verify=False"]


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


@pytest.mark.usefixtures("patient_drain")
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


@pytest.mark.parametrize("limit", [{"deadline": 0.2}, {"timeout": Timeout(connect=0.2)}])
def test_a_handshake_that_never_ends(limit, serve, any_face):
    gone: list[bool] = []
    server = serve(handshakes_never(gone))
    client = any_face(server.base_url.replace("http:", "https:"), max_retries=0, verify=False)
    expected = DeadlineExceededError if "deadline" in limit else APITimeoutError
    with pytest.raises(expected):
        client.chat(**limit)
    assert client.eventually(lambda: gone == [True])


def test_a_handshake_that_is_cancelled_leaves_no_socket(serve):
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
