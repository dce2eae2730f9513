"""A server for batches that answers when it is told to, so that a test decides what comes first."""

import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Script = Callable[["Asked"], Any]
"""Gives what to answer: a body, or a status, a body and headers, or None for the usual answer."""

PATIENCE = 30.0
"""Seconds after which a test that waits for something is taken to have failed."""


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.002)


class Asked:
    """A request as a script sees it.

    Attributes:
        texts: The texts of the batch.
        body: The whole body.
        number: Its place among all requests, from 0.
    """

    def __init__(self, server: "HeldServer", body: dict[str, Any], number: int) -> None:
        self._server = server
        self.body = body
        self.texts: list[str] = body.get("input") or body.get("documents") or []
        self.number = number

    def once(self, condition: Callable[[], bool]) -> None:
        """Hold the answer until something is true."""
        until(lambda: condition() or self._server.stopped)

    def once_asked(self, count: int) -> None:
        """Hold the answer until so many requests have come."""
        self.once(lambda: len(self._server.asked) >= count)


class HeldServer(ThreadingHTTPServer):
    """Embeds, reranks and lists models as a script says.

    Attributes:
        asked: All requests, in the order in which they came.
        at_once: The most requests that were under way at a time.
        failures: What went wrong in scripts.
        stopped: Whether the test is over, and nothing is held any more.
    """

    daemon_threads = True
    api_key = "sk-mel-test"

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.asked: list[Asked] = []
        self.at_once = 0
        self.failures: list[BaseException | None] = []
        self.stopped = False
        self._under_way = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; what went wrong in a script fails the test."""
        self.stopped = True
        self.shutdown()
        self._thread.join()
        self.server_close()
        assert self.failures == []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def texts(self) -> list[list[str]]:
        """The texts of all requests."""
        return [asked.texts for asked in self.asked]

    def enter(self, body: dict[str, Any]) -> Asked:
        with self._lock:
            asked = Asked(self, body, len(self.asked))
            self.asked.append(asked)
            self._under_way += 1
            self.at_once = max(self.at_once, self._under_way)
        return asked

    def leave(self) -> None:
        with self._lock:
            self._under_way -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what went wrong in a script; clients that were cancelled are merely gone."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.failures.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: HeldServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for an answer

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def do_GET(self) -> None:
        self._answer({})

    def _answer(self, body: dict[str, Any]) -> None:
        asked = self.server.enter(body)
        try:
            said = self.server.script(asked)
        finally:
            self.server.leave()
        status, answer, *headers = said if isinstance(said, tuple) else (200, said)
        content = json.dumps(_usual(asked) if answer is None else answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("x-request-id", f"req_{asked.number}")
        self.send_header("content-length", str(len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _usual(asked: Asked) -> dict[str, Any]:
    if not asked.body:
        return {"object": "list", "data": [{"id": "bge-reranker-v2-m3", "object": "model"}]}
    costs = {
        "model": asked.body["model"],
        "usage": {"prompt_tokens": len(asked.texts), "total_tokens": len(asked.texts)},
        "environment_impact": {"carbon_g_co2": 0.5 * len(asked.texts), "location": "DE"},
        "billing_cost": {"credits": 0.25, "paid_with": "credits"},
    }
    if "documents" in asked.body:
        items = [{"index": index, "relevance_score": 0.5} for index in range(len(asked.texts))]
        return {"results": items, **costs}
    data = [{"index": index, "embedding": [float(len(text)), 1.0]} for index, text in enumerate(asked.texts)]
    return {"object": "list", "data": data, **costs}
