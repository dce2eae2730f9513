"""A server whose batches have the results that a test gives them, whatever the requests were."""

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


def embedded(custom_id: object, *vector: float) -> dict[str, Any]:
    """The line of a result file for one embedded text."""
    data = [{"index": 0, "embedding": vector or (1.0, 0.0)}]
    body = {
        "object": "list",
        "model": "bge-m3",
        "data": data,
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    return {"custom_id": custom_id, "response": {"status_code": 200, "body": body}}


class BatchServer(ThreadingHTTPServer):
    """Every batch has ended, with these results.

    Args:
        results: The lines of the result file.
        metadata: Whether batches have the metadata that they were created with.
        counts: The `request_counts` of batches.
    """

    daemon_threads = True
    api_key = "sk-mel-test"

    def __init__(
        self, results: Iterable[Any], *, metadata: bool = True, counts: dict[str, int] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.results = b"".join(json.dumps(line).encode() + b"\n" for line in results)
        self.keeps_metadata = metadata
        self.counts = counts or {}
        self.requests = b""
        self.created: dict[str, Any] = {}
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def place(self) -> dict[str, str]:
        """The arguments of a client of this server."""
        return {"api_key": self.api_key, "base_url": self.base_url}

    def batch(self) -> dict[str, Any]:
        return {
            "id": "batch_1",
            "object": "batch",
            "endpoint": self.created.get("endpoint"),
            "status": "completed",
            "input_file_id": "file_in",
            "output_file_id": "file_out",
            "request_counts": self.counts,
            "metadata": self.created.get("metadata") if self.keeps_metadata else None,
        }


class _Handler(BaseHTTPRequestHandler):
    server: BatchServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("/files"):
            self.server.requests = b"".join(
                line + b"\n" for line in body.splitlines() if line.startswith(b'{"custom_id"')
            )
            self._answer({"id": "file_in", "object": "file", "bytes": 1, "purpose": "batch"})
        elif self.path.endswith("/batches"):
            self.server.created = json.loads(body)
            self._answer(self.server.batch())
        else:
            texts = json.loads(body)["input"]
            data = [{"index": index, "embedding": [0.0, 1.0]} for index in range(len(texts))]
            self._answer({"object": "list", "model": "bge-m3", "data": data})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/batches"):
            self._answer({"object": "list", "data": [], "has_more": False})
        elif path.endswith("/file_out/content"):
            self._answer(self.server.results)
        elif path.endswith("/file_in/content"):
            self._answer(self.server.requests)
        else:
            self._answer(self.server.batch())

    def _answer(self, answer: Any) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
