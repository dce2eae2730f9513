"""What the server does to an answer: as it should be, odd but whole, or broken."""

import asyncio
import gzip
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from . import answers
from .ledger import Record

PLANTED = answers.whole("chat", "planted")


@dataclass
class Turn:
    """One request, to be answered."""

    writer: asyncio.StreamWriter
    endpoint: str
    call: str
    record: Record

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream."""
        return self.endpoint == "stream"

    @property
    def body(self) -> bytes:
        """The sound body."""
        return (
            b"".join(answers.events(self.call)) if self.streams else answers.whole(self.endpoint, self.call)
        )

    def head(self, *lines: str, status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
        """The head of an answer."""
        kind = "text/event-stream" if self.streams and status == "200 OK" else "application/json"
        return "\r\n".join((f"{version} {status}", f"content-type: {kind}", *lines, "", "")).encode()

    def refuse(self, status: str, body: bytes = b'{"error": {"message": "no"}}', *lines: str) -> None:
        """Send an error."""
        self.writer.write(self.head(f"content-length: {len(body)}", *lines, status=status) + body)

    def deliver(self, data: bytes) -> None:
        """Send a whole answer. It counts as delivered before its bytes leave, and so before anyone has it."""
        self.record.delivered = True
        self.writer.write(data)

    def whole(self, *lines: str, body: bytes | None = None, behind: bytes = b"") -> None:
        """Deliver the sound body, or one that says the same, with its length."""
        body = self.body if body is None else body
        self.deliver(self.head(f"content-length: {len(body)}", *lines) + body + behind)

    async def chunks(self, events: list[bytes], *, ends: bool) -> None:
        """Send events one by one; with the last of a whole stream, it is delivered."""
        self.writer.write(self.head("transfer-encoding: chunked"))
        for number, event in enumerate(events, 1):
            self.record.begun = True
            self.record.delivered = self.record.delivered or (ends and number == len(events))
            self.writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await self.writer.drain()
        if ends:
            self.writer.write(b"0\r\n\r\n")

    async def close(self) -> None:
        """Close in good order."""
        await self.writer.drain()
        self.writer.close()

    def reset(self) -> None:
        """Close with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Plan = Callable[[Turn], Coroutine[Any, Any, None]]


async def sound(turn: Turn) -> None:
    """Answer as it should be."""
    if turn.streams:
        await turn.chunks(answers.events(turn.call), ends=True)
    else:
        turn.whole()


def _planted() -> bytes:
    """An answer that nobody asked for; sent with another in one piece, since later it might seem asked for."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        len(PLANTED),
        PLANTED,
    )


# --- odd, and whole


async def _gzip(turn: Turn) -> None:
    turn.whole("content-encoding: gzip", body=gzip.compress(turn.body))


async def _old(turn: Turn) -> None:
    turn.deliver(turn.head(version="HTTP/1.0") + turn.body)
    await turn.close()


async def _says_close(turn: Turn) -> None:
    turn.whole("connection: close")
    await turn.close()


async def _to_the_end(turn: Turn) -> None:
    turn.deliver(turn.head("connection: close") + turn.body)
    await turn.close()


async def _early_hints(turn: Turn) -> None:
    turn.writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
    await sound(turn)


async def _byte_by_byte(turn: Turn) -> None:
    data = turn.head(f"content-length: {len(turn.body)}") + turn.body
    for place in range(0, len(data) - 16, 16):
        turn.writer.write(data[place : place + 16])
        await turn.writer.drain()
    turn.deliver(data[(len(data) - 1) // 16 * 16 :])


async def _trailers(turn: Turn) -> None:
    chunk = b"%x\r\n%s\r\n" % (len(turn.body), turn.body)
    turn.deliver(turn.head("transfer-encoding: chunked") + chunk + b"0\r\nx-checksum: 1\r\n\r\n")


async def _closed_while_idle(turn: Turn) -> None:
    await sound(turn)
    await asyncio.sleep(0.002)
    await turn.close()


async def _second_answer(turn: Turn) -> None:
    turn.whole(behind=_planted())


async def _second_answer_and_the_end(turn: Turn) -> None:
    turn.whole(behind=_planted())
    await turn.close()


async def _comments(turn: Turn) -> None:
    parts = [part for event in answers.events(turn.call) for part in (b": keep-alive\n\n", event)]
    await turn.chunks(parts, ends=True)


async def _carriage_returns(turn: Turn) -> None:
    await turn.chunks([event.replace(b"\n", b"\r\n") for event in answers.events(turn.call)], ends=True)


async def _no_done(turn: Turn) -> None:
    await turn.chunks(answers.events(turn.call)[:-1], ends=True)


# --- broken


async def _closed(turn: Turn) -> None:
    await turn.close()


async def _reset(turn: Turn) -> None:
    turn.reset()


async def _silence_then_closed(turn: Turn) -> None:
    await asyncio.sleep(0.5)
    await turn.close()


async def _cut_head(turn: Turn) -> None:
    turn.writer.write(b"HTTP/1.1 200 OK\r\ncontent-ty")
    await turn.close()


async def _cut_body(turn: Turn) -> None:
    body = turn.body
    turn.writer.write(turn.head(f"content-length: {len(body)}") + body[: len(body) // 4])
    await turn.close()


async def _garbage(turn: Turn) -> None:
    turn.writer.write(b"\x15\x03\x01\x00\x02\x02\x28")
    await turn.close()


async def _no_content(turn: Turn) -> None:
    turn.writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def _busy(turn: Turn) -> None:
    turn.refuse("503 Service Unavailable")


async def _overloaded(turn: Turn) -> None:
    turn.refuse("529 Overloaded", b"<html>busy</html>", "retry-after: 0")


async def _limited(turn: Turn) -> None:
    turn.refuse("429 Too Many Requests", b'{"error": {"message": "slow down"}}', "retry-after: 0")


async def _refused_in_brotli(turn: Turn) -> None:
    turn.refuse("503 Service Unavailable", b"\x0b\x02\x80hello\x03", "content-encoding: br", "retry-after: 0")


async def _bad_request(turn: Turn) -> None:
    turn.refuse("400 Bad Request")


async def _web_page(turn: Turn) -> None:
    turn.refuse("200 OK", b"<html>Log in</html>")


async def _no_event(turn: Turn) -> None:
    turn.writer.write(turn.head("transfer-encoding: chunked"))
    await turn.close()


async def _error_first(turn: Turn) -> None:
    error = b'data: {"error": {"message": "busy", "code": "provider_error"}}\n\n'
    turn.writer.write(turn.head(f"content-length: {len(error)}") + error)


async def _cut_stream(turn: Turn) -> None:
    await turn.chunks(answers.events(turn.call)[:1], ends=False)
    await turn.close()


async def _error_in_the_middle(turn: Turn) -> None:
    error = b'data: {"error": {"message": "out of memory"}}\n\n'
    await turn.chunks([answers.events(turn.call)[0], error], ends=False)
    await turn.close()


ANY: tuple[Plan, ...] = (
    _gzip,
    _old,
    _says_close,
    _to_the_end,
    _early_hints,
    _byte_by_byte,
    _trailers,
    _closed_while_idle,
    _second_answer,
    _second_answer_and_the_end,
    _closed,
    _reset,
    _silence_then_closed,
    _cut_head,
    _cut_body,
    _garbage,
    _no_content,
    _busy,
    _overloaded,
    _limited,
    _refused_in_brotli,
    _bad_request,
    _web_page,
)
STREAM: tuple[Plan, ...] = (
    _comments,
    _carriage_returns,
    _no_done,
    _no_event,
    _error_first,
    _cut_stream,
    _error_in_the_middle,
)
