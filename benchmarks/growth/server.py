"""A loopback server whose answers have the size that their path asks for: `/chunks/1000/v1/chat/completions`.

It runs in a process of its own. An answer is rendered once, when it is first asked for.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial

from benchmarks import server

DIMENSIONS = 8
PIECE = 16
"""Characters in a piece of streamed arguments."""
TOGETHER = 16
"""Chunks of a stream that is one of many."""
_END = b"\n\n\r\n"
_ASSISTANT = {"role": "assistant", "content": ""}


def arguments(size: int) -> str:
    """Arguments of a tool call with so many characters, an object with one text."""
    empty = len(json.dumps({server.FIELD: ""}))
    return json.dumps({server.FIELD: "x" * (size - empty)})


def _call(number: int, text: str) -> dict[str, object]:
    function = {"name": server.TOOL, "arguments": text}
    return {"index": number, "id": f"call_{number}", "type": "function", "function": function}


def _chunks(size: int) -> bytes:
    return server.stream_of([_ASSISTANT, *({"content": server.WORD} for _ in range(size))])[1]


def _pieces(size: int) -> bytes:
    text = arguments(size)
    pieces = [text[start : start + PIECE] for start in range(0, size, PIECE)]
    calls = [_call(0, ""), *({"index": 0, "function": {"arguments": piece}} for piece in pieces)]
    return server.stream_of([_ASSISTANT, *({"tool_calls": [call]} for call in calls)], "tool_calls")[1]


def _calls(count: int) -> list[dict[str, object]]:
    return [_call(number, json.dumps({server.FIELD: f"note {number}"})) for number in range(count)]


STREAMS = {
    "chunks": _chunks,
    "arguments": _pieces,
    "calls": lambda size: server.stream_of([_ASSISTANT, {"tool_calls": _calls(size)}], "tool_calls")[1],
}
WHOLE = {
    "arguments": lambda size: [_call(0, arguments(size))],
    "calls": _calls,
}


@cache
def _answer_of(kind: str, size: int, *, stream: bool) -> bytes:
    if stream:
        return STREAMS[kind](size)
    if kind in WHOLE:
        return server.completion_of({"content": None, "tool_calls": WHOLE[kind](size)}, "tool_calls")
    return server.completion_of({"content": server.ANSWER})


@cache
def _vectors(count: int) -> bytes:
    noise = random.Random(count)
    packed = (
        struct.pack(f"<{DIMENSIONS}f", *(noise.random() for _ in range(DIMENSIONS))) for _ in range(count)
    )
    data = [
        {"object": "embedding", "index": index, "embedding": base64.b64encode(vector).decode()}
        for index, vector in enumerate(packed)
    ]
    usage = {"prompt_tokens": 8 * count, "total_tokens": 8 * count}
    return server.json_answer(
        {**server.COST, "object": "list", "model": "bge-m3", "data": data, "usage": usage}
    )


class Together:
    """Streams that have begun and get the rest, each at once, when all of them have begun."""

    def __init__(self, rest: bytes) -> None:
        self._rest = rest
        self._begun: dict[int, list[asyncio.Transport]] = defaultdict(list)

    def join(self, size: int, transport: asyncio.Transport) -> None:
        """Take a stream; with the last of so many all go on."""
        begun = self._begun[size]
        begun.append(transport)
        if len(begun) == size:
            # Not before this one has its beginning.
            asyncio.get_running_loop().call_soon(self._go_on, self._begun.pop(size))

    def _go_on(self, streams: list[asyncio.Transport]) -> None:
        for transport in streams:
            transport.write(self._rest)


class _Connection(server.Connection):
    def __init__(self, together: Together, first: bytes) -> None:
        super().__init__(b"")
        self._together = together
        self._first = first

    def answer(self, head: bytes, body: bytes) -> bytes:
        path = head.split(b" ", 2)[1].decode()
        _, kind, size, _, endpoint, *_ = path.split("/")
        if endpoint == "embeddings":
            return _vectors(len(json.loads(body)["input"]))
        if endpoint == "rerank":
            asked = json.loads(body)
            return server.ranking(len(asked["documents"]), asked.get("top_n"))
        stream = b'"stream":true' in body or b'"stream": true' in body
        if stream and kind == "together":
            self._together.join(int(size), self._transport)
            return self._first
        if stream and kind == "silent":
            return self._first
        return _answer_of(kind, int(size), stream=stream)


def _halves() -> tuple[bytes, bytes]:
    """A short stream: what it begins with, its first text included, and the rest."""
    role, first, rest = _chunks(TOGETHER).split(_END, 2)
    return role + _END + first + _END, rest


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    first, rest = _halves()
    make = partial(_Connection, Together(rest), first)
    listening = await loop.create_server(make, "127.0.0.1", 0, backlog=4096)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


@contextmanager
def running() -> Iterator[str]:
    """Run the server in a process of its own; gives its address."""
    command = [sys.executable, "-m", "benchmarks.growth.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(_serve())
