"""A client that says exactly the bytes it is told to."""

import json
import socket
from typing import Any, NamedTuple

from melious.sandbox import Sandbox


class Answer(NamedTuple):
    """What came back; the status is 0 where nothing did."""

    status: int
    head: str
    body: bytes

    @property
    def message(self) -> str:
        """The text of the error."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        return str(error["message"])


def address_of(sandbox: Sandbox) -> tuple[str, int]:
    return "127.0.0.1", int(sandbox.base_url.rpartition(":")[2].removesuffix("/v1"))


def request(sandbox: Sandbox, line: str, *headers: str, key: str | None = None, body: bytes = b"") -> bytes:
    """Write a request; without a ``host`` among the headers it gets the sandbox's own."""
    lines = [line, *headers]
    if not any(header.lower().startswith("host:") for header in headers):
        lines.append("host: {}:{}".format(*address_of(sandbox)))
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def say(sandbox: Sandbox, data: bytes) -> Answer:
    """Send bytes and read one answer, leaving the connection open for writing all the while."""
    with socket.create_connection(address_of(sandbox), 60) as sock:
        sock.sendall(data)
        return read(sock)


def read(sock: socket.socket) -> Answer:
    """Read one answer with a length, or up to the end of the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = sock.recv(65536)
        if not part:
            return Answer(0, "", received)
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(lines.get(b"content-length", b"-1"))
    while length < 0 or len(body) < length:
        part = sock.recv(65536)
        if not part:
            break
        body += part
    return Answer(int(head.split(b" ")[1]), head.decode("latin-1").lower(), body)
