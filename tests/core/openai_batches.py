"""A server of batches in the shapes that OpenAI documents, whose batches end as a test says."""

from __future__ import annotations

import gzip
import json
import re
import threading
import uuid
from collections.abc import Callable
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

Lines = list[Any]
Make = Callable[[Lines], tuple[Lines, Lines]]

ONE = re.compile(r"/v1/(files|batches)/([^/]+)(/content|/cancel)?")
ENDLESS = "file-endless"


def answer(line: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The line of an answered request."""
    message = {"role": "assistant", "content": f"re: {line['body']['messages'][0]['content']}"}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-oss-120b",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
    }
    response = {"status_code": 200, "request_id": "req_1", "body": body}
    return {
        "id": "batch_req_1",
        "custom_id": line["custom_id"],
        "response": response,
        "error": None,
    } | changes


def all_answered(lines: Lines) -> tuple[Lines, Lines]:
    return [answer(line) for line in lines], []


class BatchServer(ThreadingHTTPServer):
    """Runs a batch while it is looked at: a word of `words` for each look.

    Attributes:
        words: The words of the status.
        make: Gives the lines of the output and of the errors.
        made: Fields of the batch from the start.
        end: Fields of the batch at its end.
        trailing: What stands behind the last line of a file.
        compressed: Whether files travel as gzip.
        refuses: How many requests of a method and a path are refused with 503.
        seen: The requests.
        left: Set once somebody stops reading the endless file.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.words = ["validating", "in_progress", "finalizing", "completed"]
        self.make: Make = all_answered
        self.made: dict[str, Any] = {}
        self.end: dict[str, Any] = {}
        self.trailing = b"\n"
        self.compressed = False
        self.refuses: dict[tuple[str, str], int] = {}
        self.seen: list[tuple[str, str]] = []
        self.left = threading.Event()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self._looks: dict[str, int] = {}

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def keep(self, content: bytes) -> str:
        name = f"file-{uuid.uuid4().hex}"
        self.files[name] = content
        return name

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        times = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        batch = {
            "id": f"batch_{uuid.uuid4().hex}",
            "object": "batch",
            "errors": None,
            "status": self.words[0],
            "output_file_id": None,
            "error_file_id": None,
            "created_at": 1711471533,
            "expires_at": 1711557933,
            **{f"{name}_at": None for name in times},
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
            **body,
            **self.made,
        }
        self._looks[batch["id"]] = 0
        self.batches[batch["id"]] = batch | {"asked": body["input_file_id"]}
        return batch

    def look(self, name: str) -> dict[str, Any]:
        batch, place = self.batches[name], self._looks[name]
        if place >= len(self.words):
            return batch
        self._looks[name] += 1
        batch["status"] = self.words[place]
        if place == len(self.words) - 1:
            lines = [json.loads(line) for line in self.files[batch["asked"]].splitlines()]
            done, failed = self.make(lines)
            counts = {"total": len(lines), "completed": len(done), "failed": len(failed)}
            batch["request_counts"] = counts
            for field, written in (("output_file_id", done), ("error_file_id", failed)):
                content = b"\n".join(
                    line if isinstance(line, bytes) else json.dumps(line).encode() for line in written
                )
                batch[field] = self.keep(content + self.trailing) if written else None
            batch |= self.end
        return batch


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body does not wait until its head is acknowledged
    server: BatchServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.seen.append((self.command, path))
        left = self.server.refuses.get((self.command, path), 0)
        if left:
            self.server.refuses[self.command, path] = left - 1
            self._send(503, {"error": {"message": "Busy.", "code": "provider_error"}})
        elif path == "/v1/files":
            kind = self.headers["content-type"].encode()
            form: Any = BytesParser().parsebytes(b"content-type: " + kind + b"\r\n\r\n" + body)
            parts = {
                part.get_param("name", header="content-disposition"): part for part in form.get_payload()
            }
            name = self.server.keep(parts["file"].get_payload(decode=True))
            self._send(200, {"id": name, "object": "file", "status": "processed", "purpose": "batch"})
        elif path == "/v1/batches" and self.command == "POST":
            self._send(200, self.server.create(json.loads(body)))
        elif path == "/v1/batches":
            listed = list(reversed(self.server.batches.values()))
            self._send(200, {"object": "list", "data": listed, "has_more": False})
        else:
            self._one(path)

    def _one(self, path: str) -> None:
        found = ONE.fullmatch(path)
        kind, name, rest = found.groups() if found is not None else ("", "", "")
        if kind == "files" and name == ENDLESS:
            self._send_endless()
        elif kind == "files" and name in self.server.files and rest == "/content":
            self._send_file(self.server.files[name])
        elif kind == "batches" and name in self.server.batches:
            self._send(200, self.server.look(name))
        else:
            self._send(
                404, {"error": {"message": f"No such object: {name}", "type": "invalid_request_error"}}
            )

    def _send(self, status: int, body: Any) -> None:
        self._send_bytes(status, "application/json", json.dumps(body).encode())

    def _send_file(self, content: bytes) -> None:
        packed = gzip.compress(content) if self.server.compressed else content
        more = {"content-encoding": "gzip"} if self.server.compressed else {}
        self._send_bytes(200, "application/octet-stream", packed, more)

    def _send_bytes(self, status: int, kind: str, content: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "content-type": kind,
            "content-length": str(len(content)),
            **(more or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _send_endless(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/jsonl")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b'{"custom_id": "a"}\n' * 1000)
        except OSError:
            self.server.left.set()
