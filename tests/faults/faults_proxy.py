"""A proxy that takes every host to be one server on loopback."""

import base64
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from faults_kit import Peer, RawServer


class ProxyServer(RawServer):
    """A proxy that takes every host to be one server on loopback.

    Attributes:
        asked: The first line of each request.
        taken: How many bytes came from the server.
        returned: How many of them were passed on to clients.
    """

    def __init__(self, target: RawServer, *, password: str | None = None) -> None:
        self.asked: list[str] = []
        self.taken = self.returned = 0
        self._target = ("127.0.0.1", target.port)
        self._password = password
        super().__init__(self._proxy)

    def _proxy(self, peer: Peer) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += peer.sock.recv(65536)
        self.asked.append(received.split(b"\r\n")[0].decode())
        if self._password is not None:
            wanted = b"basic " + base64.b64encode(self._password.encode())
            if wanted.lower() not in received.lower():
                peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                return
        with socket.create_connection(self._target) as onward:
            if received.startswith(b"CONNECT"):
                peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                onward.sendall(received)
            back = threading.Thread(target=_pump, args=(onward, peer.sock, self._take, self._return))
            back.start()
            _pump(peer.sock, onward)
            back.join()

    def _take(self, count: int) -> None:
        self.taken += count

    def _return(self, count: int) -> None:
        self.returned += count


Count = Callable[[int], None]


def _pump(
    source: socket.socket, sink: socket.socket, took: Count = lambda _: None, gave: Count = lambda _: None
) -> None:
    # A reset ends one side as a close does, and the other must see it too.
    with suppress(OSError):
        while data := source.recv(65536):
            took(len(data))
            sink.sendall(data)
            gave(len(data))
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
