"""Hostile HTTP for the sandbox, over raw sockets: whatever comes in, it answers, and not with a failure of its own."""

from __future__ import annotations

import copy
import json
import logging
import random
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from melious.sandbox import Sandbox

from .kit import Outcome

_SECONDS = 20.0
_MOST_READ = 4 * 1024 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_CHAT = {
    "model": "llama-3.1-8b-instruct",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is a lighthouse?"}]},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "tide",
                "description": "The tide.",
                "parameters": {"type": "object", "properties": {"port": {"type": "string"}}},
            },
        }
    ],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.5,
    "max_tokens": 20,
    "stop": ["x"],
    "n": 1,
    "logprobs": True,
    "top_logprobs": 2,
    "filters": {"countries": ["DE"], "max_carbon_intensity": 400},
    "preset": "environment",
    "mode": "balanced",
    "custom_weights": {"price": 50, "speed": 50},
}
_BODIES: dict[str, Any] = {
    "/v1/chat/completions": _CHAT,
    "/v1/embeddings": {
        "model": "bge-m3",
        "input": ["one", "two"],
        "encoding_format": "base64",
        "dimensions": 256,
        "filters": {"countries": ["FR"]},
    },
    "/v1/rerank": {
        "model": "bge-reranker-v2-m3",
        "query": "cat",
        "documents": ["cats", {"text": "dogs"}],
        "top_n": 1,
        "return_documents": True,
    },
    "/v1/images/generations": {"prompt": "a harbour", "size": "64x64", "n": 1, "response_format": "url"},
}
_FAULT: dict[str, Any] = {
    "endpoint": "chat",
    "times": 1,
    "after": 0,
    "status": 503,
    "code": "rate_limit",
    "body": {"error": {"message": "x"}},
    "headers": {"retry-after": "1"},
    "content_type": "text/plain",
    "delay": 0,
    "error_after_events": 1,
    "stall_after_events": 1,
    "stall_seconds": 0,
    "stall_comments": 0.1,
    "garbage": "x",
    "raw": ["data: x\n\n"],
    "no_done": True,
    "two_terminals": True,
    "truncate_base64": True,
    "shuffle_indices": True,
    "drop_item": True,
    "ignore_encoding": True,
    "refuse_base64": True,
    "refuse_stream_options": True,
    "impact": "strange",
    "cost": "number",
    "usage": "missing",
}
# What is asked to wait waits, and is no hang.
_TIMES = frozenset({"delay", "stall_seconds", "stall_comments"})
# These break an answer on purpose; the rest of a fault must not.
_BREAKING = frozenset({"cut_after_events", "cut_after_bytes"})
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e300, float("nan"), float("inf"), 10**30, "", "x", "\ud800", "\x00", "é\u202e",
    "a" * 5000, [], [[]], [None], {}, {"a": 1}, [{"type": "text", "text": "\udc00"}], 700, 999, "1", "null",
    {"": ""}, {"a b": "c"}, {"x": " y"}, {"x": "\r\ny: z"}, {"transfer-encoding": "gzip"}, {"content-length": "x"},
)  # fmt: skip
_HOSTS = (
    b"localhost", b"127.0.0.1", b"[::1]", b"LOCALHOST:80", b"localhost.", b"[::1", b"::1", b"", b" ", b"a b",
    b"evil.example", b"127.0.0.1.evil.example", b"user@localhost", b"localhost:99999", b"localhost:x", b"[v1.x]",
    b"localhost/..", b"[::ffff:127.0.0.1]", b"[fe80::1%25eth0]", b"2130706433", b"0x7f.1", b"\xff\xfe", b"a" * 3000,
    b"http://localhost", b"localhost, evil.example", b"*", b"..", b"localhost:",
)  # fmt: skip
_LINES = (
    b"GET  / HTTP/1.1", b"GET / HTTP/9.9", b"GET /", b"", b"\x00\x01", b"G\xc3\x89T / HTTP/1.1", b"GET / HTTP/1.1 x",
    b"GET http://evil.example/v1/models HTTP/1.1", b"CONNECT evil.example:443 HTTP/1.1", b"OPTIONS * HTTP/1.1",
    b"GET //evil.example HTTP/1.1", b"GET /%00%ff/../.. HTTP/1.1", b"GET /?%=&&=%zz HTTP/1.1", b"PRI * HTTP/2.0",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1", b"HEAD /v1/models HTTP/1.1", b"DELETE / HTTP/1.1", b"POST / HTTP/1.0",
    b"GET /v1/models/%F0%9F HTTP/1.1", b"GET /page/rows HTTP/1.0", b"GET /pictures/..%2f..%2fx HTTP/1.1",
)  # fmt: skip
_HEADERS = (
    b"x: y", b"x", b": y", b"x : y", b" folded", b"x: \x00", b"content-length: -1", b"content-length: 5, 6",
    b"content-length: 99999999999999999999", b"transfer-encoding: gzip", b"transfer-encoding: chunked, chunked",
    b"expect: 100-continue", b"connection: upgrade\r\nupgrade: websocket", b"connection: upgrade\r\nupgrade: h2c",
    b"x: " + b"y" * 70_000, b"origin: null", b"origin: http://evil.example", b"origin: [", b"origin: http://[::1",
    b"cookie: \xff", b"if-none-match: \xff", b"authorization: \xff", b"authorization: Bearer", b"x-api-key: \xe9",
    b"host: twice.example", b"content-encoding: gzip", b"range: bytes=0-",
)  # fmt: skip
_CONTENT_TYPES = (
    "application/json", "text/plain", "", "multipart/form-data", "multipart/form-data; boundary=", "\xff",
    "multipart/form-data; boundary=b", 'multipart/form-data; boundary="\xe9"; charset=nope',
    "application/x-www-form-urlencoded", "application/json; charset=utf-16", "multipart/form-data; boundary=b; charset=x",
)  # fmt: skip


@dataclass
class _Probe:
    """One request: its bytes, and what may come of it.

    Attributes:
        data: What is sent.
        whole: Whether it is a well-formed request, which must be answered.
        failing: Whether it asks for a failure.
    """

    data: bytes
    whole: bool = True
    failing: bool = False


class _Alarm(logging.Handler):
    """Collects what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(
            f"{record.getMessage()} {record.exc_info[1]!r}" if record.exc_info else record.getMessage()
        )


@dataclass
class _Maker:
    """Makes requests from a seed."""

    rng: random.Random
    key: str
    port: int
    kinds: list[Callable[[], _Probe]] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = [
            self._json,
            self._json,
            self._json,
            self._fault,
            self._fault,
            self._form,
            self._host,
            self._wire,
        ]

    def next(self) -> _Probe:
        return self.rng.choice(self.kinds)()

    def _request(
        self,
        path: str,
        body: bytes,
        *headers: bytes,
        host: bytes | None = None,
        kind: str = "application/json",
    ) -> bytes:
        chunked = self.rng.random() < 0.2
        lines = [
            f"POST {path} HTTP/1.1".encode(),
            b"host: " + (f"127.0.0.1:{self.port}".encode() if host is None else host),
            f"authorization: Bearer {self.key}".encode(),
            b"content-type: " + kind.encode("latin-1"),
            b"connection: close",
            b"transfer-encoding: chunked" if chunked else f"content-length: {len(body)}".encode(),
            *headers,
        ]
        content = self._chunks(body) if chunked else body
        return b"\r\n".join([*lines, b"", content])

    def _chunks(self, body: bytes) -> bytes:
        size = self.rng.choice((1, 7, 1000)) if len(body) < 2000 else 4000
        parts = [body[start : start + size] for start in range(0, len(body), size)]
        return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

    def _json(self) -> _Probe:
        path = self.rng.choice(list(_BODIES))
        body = json.dumps(self._mutated(_BODIES[path])).encode()
        if self.rng.random() < 0.15:
            body = self._broken(body)
        return _Probe(self._request(path, body))

    def _fault(self) -> _Probe:
        chosen = {name: _FAULT[name] for name in _FAULT if self.rng.random() < 0.15}
        fault = self._mutated(chosen) if self.rng.random() < 0.8 else chosen
        for name in _TIMES & fault.keys() if isinstance(fault, dict) else ():
            if isinstance(fault[name], int | float) and 0 < fault[name] < 100_000:
                fault[name] = 0
        header = json.dumps(fault).encode()
        if self.rng.random() < 0.15:
            header = re.sub(rb"[\x00-\x1f\x7f]", b"?", self._broken(header)).strip()
        path = self.rng.choice(list(_BODIES))
        data = self._request(path, json.dumps(_BODIES[path]).encode(), b"x-sandbox-fault: " + header)
        return _Probe(data, whole=not any(name.encode() in header for name in _BREAKING), failing=True)

    def _form(self) -> _Probe:
        sound = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00"
        names = [
            "file",
            "model",
            "response_format",
            "language",
            "temperature",
            "filters",
            "timestamp_granularities[]",
        ]
        parts = []
        for name in self.rng.sample(names, self.rng.randint(0, len(names))):
            content = self.rng.choice(
                (
                    b"whisper-large-v3",
                    b"json",
                    b"srt",
                    b"{}",
                    b"nan",
                    b"\xff",
                    b"",
                    self._broken(sound),
                    sound,
                )
            )
            filename = self.rng.choice(
                ("", '; filename="a.wav"', '; filename="', "; filename=\xe9", '; filename="a\\"b"')
            )
            disposition = f'Content-Disposition: form-data; name="{name}"{filename}'.encode("latin-1")
            parts.append(b"--b\r\n" + disposition + b"\r\n\r\n" + content + b"\r\n")
        body = b"".join(parts) + b"--b--\r\n"
        if self.rng.random() < 0.3:
            body = self._broken(body)
        kind = self.rng.choice((*_CONTENT_TYPES, *["multipart/form-data; boundary=b"] * 10))
        return _Probe(self._request("/v1/audio/transcriptions", body, kind=kind))

    def _host(self) -> _Probe:
        path = self.rng.choice((*_BODIES, "/", "/page/rows", "/nowhere", "/v1/models"))
        body = json.dumps(_BODIES.get(path, {})).encode()
        return _Probe(self._request(path, body, host=self.rng.choice(_HOSTS)))

    def _wire(self) -> _Probe:
        """A request that need not be HTTP: it may be cut off, but nothing may fail."""
        line = self.rng.choice(_LINES)
        headers = [b"host: localhost", *self.rng.sample(_HEADERS, self.rng.randint(0, 3))]
        self.rng.shuffle(headers)
        rest = self.rng.choice(
            (b"", b"x" * 100, b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"GET / HTTP/1.1\r\n\r\n")
        )
        data = b"\r\n".join([line, *headers, b"", rest])
        return _Probe(self._broken(data) if self.rng.random() < 0.3 else data, whole=False)

    def _mutated(self, value: Any) -> Any:
        """Copy a value and change something in it."""
        changed = copy.deepcopy(value)
        for _ in range(self.rng.randint(1, 3)):
            holder, name = self._place(changed)
            if holder is None:
                return copy.deepcopy(self.rng.choice(_ODD))
            if self.rng.random() < 0.15:
                del holder[name]
            else:
                holder[name] = copy.deepcopy(self.rng.choice((*_ODD, self._deep())))
        return changed

    def _place(self, value: Any) -> tuple[Any, Any]:
        places: list[tuple[Any, Any]] = []
        waiting = [value]
        while waiting:
            item = waiting.pop()
            names = (
                list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
            )
            places += [(item, name) for name in names]
            waiting += [item[name] for name in names]
        return self.rng.choice(places) if places else (None, None)

    def _deep(self) -> Any:
        value: Any = "x"
        for _ in range(self.rng.choice((3, 300))):
            value = [value] if self.rng.random() < 0.5 else {"a": value}
        return value

    def _broken(self, data: bytes) -> bytes:
        if not data:
            return b"\xff"
        at = self.rng.randrange(len(data))
        return self.rng.choice(
            (data[:at], data[:at] + b"\xff\x00" + data[at:], data[:at] + data[at + 1 :], data + data[at:])
        )


def sandbox(seed: int, until: Callable[[], bool]) -> Outcome:
    """Throw requests at a sandbox.

    Args:
        seed: The same seed makes the same requests.
        until: Asked before each request; True ends it.
    """
    alarm = _Alarm()
    loggers = [logging.getLogger(name) for name in ("melious.sandbox", "asyncio")]
    for logger in loggers:
        logger.addHandler(alarm)
    inputs, escapes = 0, []
    try:
        with Sandbox() as running:
            port = int(running.base_url.rpartition(":")[2].removesuffix("/v1"))
            maker = _Maker(random.Random(seed), running.api_key, port)
            while not until():
                probe = maker.next()
                inputs += 1
                wrong = _fate(probe, port)
                if alarm.heard:
                    wrong = f"logged {alarm.heard[0]}"
                    alarm.heard.clear()
                if wrong is not None:
                    escapes.append(f"{wrong}: input {inputs} of seed {seed}: {probe.data[-400:]!r}")
    finally:
        for logger in loggers:
            logger.removeHandler(alarm)
    return Outcome("sandbox", inputs, escapes)


def _fate(probe: _Probe, port: int) -> str | None:
    """Send a request, and say what is wrong with what came of it."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), _SECONDS) as sock:
        try:
            sock.sendall(probe.data)
            # No more will come: what waits for the rest of a request need not wait any longer.
            if not probe.whole:
                sock.shutdown(socket.SHUT_WR)
            while len(answer) < _MOST_READ and (part := sock.recv(65536)):
                answer += part
        except TimeoutError:
            return f"no end within {_SECONDS:g} s"
        except OSError:
            pass  # a reset: whether there was an answer before it is what counts
    status = _STATUS.match(answer)
    if status is None:
        return "no answer" if probe.whole or answer else None
    if (
        int(status[1]) >= 500
        and not probe.failing
        and b"no_providers" not in answer
        and b"provider_error" not in answer
    ):
        return f"status {int(status[1])}"
    return "internal error" if b'"internal_error"' in answer and b"internal" not in probe.data else None


TARGETS = (sandbox,)
