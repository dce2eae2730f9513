"""What a server sees of connections: which it is asked on, and in how many pieces a request comes."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from melious import AsyncMeliousClient, MeliousClient

from .held_server import until

pytestmark = pytest.mark.http_library

BODY = b'{"choices": [{"message": {"content": "here"}, "finish_reason": "stop"}]}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(BODY)


class Server:
    """Answers each read as if it were a request, and notes the reads of each connection."""

    def __init__(self, *, says_close: bool = False, hangs_up: bool = False) -> None:
        self.connections: list[list[bytes]] = []
        self.ended = 0
        self._says_close = says_close
        self._hangs_up = hangs_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        self._handlers: list[threading.Thread] = []

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                reads: list[bytes] = []
                self.connections.append(reads)
                handler = threading.Thread(target=self._serve, args=(peer, reads))
                handler.start()
                self._handlers.append(handler)

    def _serve(self, peer: socket.socket, reads: list[bytes]) -> None:
        with peer:
            while data := peer.recv(65536):
                reads.append(data)
                peer.sendall(HEAD + (b"connection: close\r\n" if self._says_close else b"") + b"\r\n" + BODY)
                if self._says_close or self._hangs_up:
                    break
        self.ended += 1

    def is_done(self) -> bool:
        """Whether every connection that was to end has ended."""
        return not (self._says_close or self._hangs_up) or self.ended == len(self.connections)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._thread, *self._handlers):
            thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(**how: bool) -> Server:
        running.append(Server(**how))
        return running[-1]

    yield start
    for server in running:
        server.stop()


async def _ask(kind: str, server: Server, times: int) -> list[int]:
    """Ask so many times, each when the server is done with the one before; give the attempts that each took."""
    question = [{"role": "user", "content": "Where are you?"}]
    attempts = []
    if kind == "sync":
        with MeliousClient(api_key="k", base_url=server.base_url) as client:
            for _ in range(times):
                answer = await asyncio.to_thread(client.chat.create, model="glm-4.7", messages=question)
                attempts.append(answer.attempts)
                await asyncio.to_thread(until, server.is_done)
    else:
        async with AsyncMeliousClient(api_key="k", base_url=server.base_url) as client:
            for _ in range(times):
                attempts.append((await client.chat.create(model="glm-4.7", messages=question)).attempts)
                await asyncio.to_thread(until, server.is_done)
    return attempts


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_requests_share_a_connection_and_come_in_one_piece_each(
    kind: str, serve: Callable[..., Server]
) -> None:
    server = serve()
    assert await _ask(kind, server, 3) == [1, 1, 1]
    (reads,) = server.connections
    assert len(reads) == 3
    for read in reads:
        assert read.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert read.endswith(b'"messages":[{"role":"user","content":"Where are you?"}]}')


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("how", ["says_close", "hangs_up"])
async def test_a_connection_that_the_server_ends_is_not_asked_again(
    kind: str, how: str, serve: Callable[..., Server]
) -> None:
    server = serve(**{how: True})
    assert await _ask(kind, server, 3) == [1, 1, 1]
    assert [len(reads) for reads in server.connections] == [1, 1, 1]
