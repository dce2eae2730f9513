"""What the tests of faults share: a server that says exactly the bytes it is told to, and looks from outside."""

import json
import os
import socket
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TESTS = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data"
CA = str(DATA / "ca.pem")
MODEL = "llama-3.1-8b-instruct"
ASK = {"model": MODEL, "messages": [{"role": "user", "content": "What is a lighthouse?"}]}
KEY = "sk-mel-a-secret-of-the-tests"
PATIENCE = 60.0
"""Seconds after which a test that waits for something is taken to have failed."""

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": MODEL,
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "A light."}, "finish_reason": "stop"}
    ],
}
DONE = b"data: [DONE]\n\n"


def event(content: str | None = None, finish: str | None = None) -> bytes:
    """One event of a stream."""
    delta = {} if content is None else {"content": content}
    chunk = {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def head(status: str = "200 OK", *lines: str) -> bytes:
    """Status line and headers, with the blank line behind."""
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode("latin-1")


def http_chunk(data: bytes) -> bytes:
    """Data in the chunked encoding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


EVENTS_HEAD = head("200 OK", "content-type: text/event-stream", "transfer-encoding: chunked")
LAST_CHUNK = b"0\r\n\r\n"


def whole(body: Any = None, status: str = "200 OK", *lines: str) -> bytes:
    """A whole answer with its length."""
    content = body if isinstance(body, bytes) else json.dumps(ANSWER if body is None else body).encode()
    return head(status, "content-type: application/json", f"content-length: {len(content)}", *lines) + content


class Peer:
    """The server's end of one connection, in the hands of a script."""

    def __init__(self, sock: socket.socket, server: "RawServer", number: int) -> None:
        self.sock = sock
        self.number = number
        self._server = server
        self._buffer = b""

    def request(self) -> bytes | None:
        """Read one request and give its head; None if the client is gone."""
        received = self.request_head()
        if received is None or not self.request_body(received):
            return None
        self._server.requests.append(received)
        return received

    def request_head(self) -> bytes | None:
        """Read the head of a request and leave its body; None if the client is gone."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None
        received, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return received

    def request_body(self, received: bytes) -> bool:
        """Read the body that belongs to a head; False if the client is gone."""
        length = 0
        for line in received.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(self._buffer) < length:
            if not self._more():
                return False
        self._buffer = self._buffer[length:]
        return True

    def _more(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except OSError:
            return False
        self._buffer += data
        return bool(data)

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.sock.sendall(part)

    def events(self, *events: bytes) -> None:
        """Begin a stream and send these events, each as a chunk of its own."""
        self.send(EVENTS_HEAD, *map(http_chunk, events))

    def pause(self, seconds: float) -> None:
        """Wait, unless the server is stopped."""
        self._server.stopped.wait(seconds)

    def reset(self) -> None:
        """Close the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def left(self) -> bool:
        """Wait until the client closes its end, or the server is stopped; False if it sends something instead."""
        try:
            return self.sock.recv(1) == b""
        except OSError:
            return True


Script = Callable[[Peer], None]


def tls() -> ssl.SSLContext:
    """The server's end of TLS, with a certificate by `CA`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(DATA / "server.pem")
    return context


class RawServer:
    """Accepts connections and lets a script deal with each, in a thread of its own.

    Attributes:
        connections: How many connections were accepted.
        requests: The heads of the requests, in the order they came.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.base_url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/v1"
        self.stopped = threading.Event()
        self.connections = 0
        self.requests: list[bytes] = []
        self.failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._peers: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            if self.stopped.is_set():
                sock.close()
                return
            self.connections += 1
            self._peers.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        sock = plain
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(plain, server_side=True)
                self._peers.append(sock)
            self._script(Peer(sock, self, number))
        except OSError:
            pass  # the client went away, or the script cut the connection
        except BaseException as error:
            self.failures.append(error)
        finally:
            sock.close()

    def stop(self) -> None:
        """End every script and close every connection; what went wrong in a script is raised here."""
        self.stopped.set()
        with socket.socket() as knock:
            knock.settimeout(1)
            knock.connect_ex(("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()
        for sock in self._peers:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(5)
        if self.failures:
            raise self.failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()


def always(*parts: bytes) -> Script:
    """A script that answers every request with the same bytes."""

    def script(peer: Peer) -> None:
        while peer.request() is not None:
            peer.send(*parts)

    return script


def streaming(peer: Peer) -> None:
    """Answer every request with a stream of one word."""
    while peer.request() is not None:
        peer.events(event("A"), event(finish="stop"), DONE)
        peer.send(LAST_CHUNK)


# --- looking from outside -----------------------------------------------------------------------------


def open_sockets() -> int:
    """How many sockets this process holds."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return found


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Wait until something is true; False if it does not come true at all."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def assert_no_key_in_frames(error: BaseException, key: str = KEY) -> None:
    """Assert that no frame of an error, its causes and contexts, holds the key in its locals.

    That is what a crash reporter sends. Frames of tests are the caller's own and do not count.
    """
    for item in _all_that_led_to(error):
        trace = item.__traceback__
        while trace is not None:
            frame, trace = trace.tb_frame, trace.tb_next
            if Path(frame.f_code.co_filename).is_relative_to(TESTS):
                continue
            for name, value in frame.f_locals.items():
                where = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}: {name}"
                assert not _shows(value, key), f"the key is in a local of {type(item).__name__}: {where}"


def _all_that_led_to(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    coming: list[BaseException | None] = [error]
    while coming:
        item = coming.pop()
        if item is not None and item not in found:
            found.append(item)
            coming += [item.__cause__, item.__context__, *getattr(item, "exceptions", ())]
    return found


def _shows(value: Any, key: str, depth: int = 6) -> bool:
    """Whether the key can be read from a value: its repr, or those of what a container holds."""
    if isinstance(value, str):
        return key in value
    if isinstance(value, bytes | bytearray | memoryview):
        return key.encode() in bytes(value)
    if depth and isinstance(value, dict | list | tuple | set | frozenset):
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        return any(_shows(part, key, depth - 1) for part in parts)
    try:
        return key in repr(value)
    except Exception:  # what is only half made has no repr
        return False


def shown_by(error: BaseException) -> str:
    """What a collector of errors would keep: texts, and the locals of all frames but those of the tests."""
    told: list[str] = []
    chain, seen = [error], set()
    while chain:
        one = chain.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        told += [str(one), repr(one)]
        told += (
            repr(frame.f_locals)
            for frame, _ in traceback.walk_tb(one.__traceback__)
            if not frame.f_code.co_filename.startswith(str(Path(__file__).parents[1]))
        )
        chain += (each for each in (one.__cause__, one.__context__) if each is not None)
    return "\n".join(told)


def environment(base_url: str, key: str) -> dict[str, str]:
    """The environment of a script in a process of its own."""
    return {**os.environ, "MELIOUS_BASE_URL": base_url, "MELIOUS_API_KEY": key}
