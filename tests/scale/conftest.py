"""An embedder of the session's sandbox, and a service that refuses texts by what they hold."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from core.held_server import HeldServer, Script

from melious.sandbox import Sandbox
from melious.scale import Embedder

MODEL = "bge-m3"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins without a key."""
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    monkeypatch.delenv("MELIOUS_BASE_URL", raising=False)


@pytest.fixture
def embedder(sandbox: Sandbox) -> Callable[..., Embedder]:
    """Make an embedder of the session's sandbox."""

    def make(**options: Any) -> Embedder:
        return Embedder(MODEL, **{"api_key": sandbox.api_key, "base_url": sandbox.base_url} | options)

    return make


def texts_sent(sandbox: Sandbox) -> list[str]:
    """The texts of all requests, in the order of the requests."""
    return [text for request in sandbox.requests.to("embeddings") for text in request.body["input"]]


class Fussy(ThreadingHTTPServer):
    """Embeds texts to their lengths, and refuses requests that hold a text it does not like."""

    daemon_threads = True

    def __init__(self, refusal: Callable[[list[str]], dict[str, Any] | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refusal = refusal
        self.asked: list[list[str]] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Fussy
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for an answer

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
        self.server.asked.append(texts)
        refusal = self.server.refusal(texts)
        data = [
            {"object": "embedding", "index": index, "embedding": [float(len(text)), 1.0]}
            for index, text in enumerate(texts)
        ]
        body = {"object": "list", "data": data, "model": MODEL} if refusal is None else {"error": refusal}
        content = json.dumps(body).encode()
        self.send_response(200 if refusal is None else 400)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def fussy() -> Iterator[Callable[..., Fussy]]:
    """Start services that refuse by their contents; they stop after the test."""
    running: list[tuple[Fussy, threading.Thread]] = []

    def start(refusal: Callable[[list[str]], dict[str, Any] | None]) -> Fussy:
        server = Fussy(refusal)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[[Script], HeldServer]]:
    """Start servers that answer when a script says so; they stop after the test."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(HeldServer(script))
