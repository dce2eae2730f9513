"""A loopback server that costs next to nothing: every answer is rendered before it is asked for.

It runs in a process of its own, so that a client's CPU time is the client's
alone, and speaks just enough HTTP/1.1: keep-alive, `Content-Length` bodies,
and for streams one HTTP chunk per event, as model servers send them. A stream
is prose, or a tool call where tools are offered, or JSON where a format is asked for.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

MODEL = "glm-4.7"
QUESTION = "Which rivers flow through the city, and what are they used for? " * 15
ANSWER = "The river was straightened in the nineteenth century and carries freight to this day. " * 2
WORD = " river"
DIMENSIONS = 1024
TOOL = "Note"
CALL = "call_0123456789"
FIELD = "text"

COST = {
    "usage": {"prompt_tokens": 240, "completion_tokens": 38, "total_tokens": 278},
    "environment_impact": {
        "energy_kwh": 0.00021,
        "carbon_g_co2": 0.0071,
        "water_liters": 0.0004,
        "renewable_percent": 98,
        "pue": 1.12,
        "provider_id": "nordic-1",
        "location": "SE",
    },
    "billing_cost": {"energy": 21, "credits": 0.0021, "paid_with": "energy"},
}
HEAD = (
    "HTTP/1.1 200 OK\r\ndate: Mon, 03 Mar 2025 10:00:00 GMT\r\nserver: bench\r\n"
    "x-request-id: req-0123456789abcdef\r\nx-ratelimit-limit: 1000000\r\n"
    "x-ratelimit-remaining: 999999\r\nx-ratelimit-reset: 60\r\n"
)


def json_answer(value: object) -> bytes:
    """An answer that is a JSON document."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return f"{HEAD}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def completion_of(message: Mapping[str, object], finish: str = "stop") -> bytes:
    """A whole answer with a message of the assistant."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    facts = {"id": "chatcmpl-0123456789", "object": "chat.completion", "created": 1740996000, "model": MODEL}
    return json_answer({**facts, "choices": [choice], **COST})


def stream_of(deltas: Iterable[Mapping[str, object]], finish: str = "stop") -> tuple[bytes, bytes]:
    """A stream for those who don't ask for usage, and one for those who do."""
    facts = {"id": "chatcmpl-01", "object": "chat.completion.chunk", "created": 1740996000, "model": MODEL}

    def event(delta: Mapping[str, object], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return json.dumps({**facts, "choices": [choice]}, separators=(",", ":")).encode()

    events = [*map(event, deltas), event({}, finish)]
    usage = json.dumps({**facts, "choices": [], **COST}).encode()
    return streamed([*events, b"[DONE]"]), streamed([*events, usage, b"[DONE]"])


def streamed(events: list[bytes]) -> bytes:
    """An answer that is a stream of events."""
    head = f"{HEAD}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    blocks = [b"data: %b\n\n" % data for data in events]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks) + b"0\r\n\r\n"


def _prose(words: int) -> tuple[bytes, bytes]:
    return stream_of([{"role": "assistant", "content": ""}, *({"content": WORD} for _ in range(words))])


def _json_text(words: int) -> tuple[bytes, bytes]:
    pieces = [f'{{"{FIELD}": "', *[WORD] * words, '"}']
    return stream_of([{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)])


def _tool_call(words: int) -> tuple[bytes, bytes]:
    begun = {"index": 0, "id": CALL, "type": "function", "function": {"name": TOOL, "arguments": ""}}
    pieces = [f'{{"{FIELD}": "', *[WORD] * words, '"}']
    calls: list[object] = [begun, *({"index": 0, "function": {"arguments": piece}} for piece in pieces)]
    beginning = {"role": "assistant", "content": None}
    return stream_of([beginning, *({"tool_calls": [call]} for call in calls)], "tool_calls")


@cache
def ranking(count: int, top_n: int | None, field: str = "results") -> bytes:
    """The answer to a rerank request; Voyage has it in a field of another name."""
    order = random.Random(count).sample(range(count), count)
    results = [{"index": index, "relevance_score": 1 - place / count} for place, index in enumerate(order)]
    meta = {"tokens": {"input_tokens": 8 * count, "output_tokens": 0}}
    return json_answer({**COST, "id": "rerank-01", field: results[:top_n], "meta": meta})


@cache
def _vectors(count: int, encoding: str) -> bytes:
    noise = random.Random(count)  # the same vectors in every run
    data = []
    for index in range(count):
        packed = struct.pack(f"<{DIMENSIONS}f", *(noise.gauss(0.0, 1.0) for _ in range(DIMENSIONS)))
        vector = (
            base64.b64encode(packed).decode() if encoding == "base64" else struct.unpack("<1024f", packed)
        )
        data.append({"object": "embedding", "index": index, "embedding": vector})
    usage = {"prompt_tokens": 8 * count, "total_tokens": 8 * count}
    return json_answer({**COST, "object": "list", "model": "bge-m3", "data": data, "usage": usage})


class Connection(asyncio.Protocol):
    """Answers one request after the other."""

    def __init__(self, completion: bytes, **streams: tuple[bytes, bytes]) -> None:
        self._completion = completion
        self._streams = streams
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            begin, end = end + 4, end + 4 + length
            if len(self._received) < end:
                return
            body, self._received = self._received[begin:end], self._received[end:]
            self._transport.write(self.answer(head, body))

    def answer(self, head: bytes, body: bytes) -> bytes:
        """The whole answer to a request."""
        if b"/embeddings" in head[:100]:
            asked = json.loads(body)
            return _vectors(len(asked["input"]), asked.get("encoding_format", "float"))
        if b"/rerank" in head[:100]:
            asked = json.loads(body)
            field = "data" if "truncation" in asked else "results"
            return ranking(len(asked["documents"]), asked.get("top_n"), field)
        if b'"stream":true' not in body and b'"stream": true' not in body:
            return self._completion
        kind = "json_text" if b'"response_format":' in body else "prose"
        kind = "tool_call" if b'"tools":' in body else kind
        return self._streams[kind][b'"include_usage"' in body]


async def _serve(words: int, fragments: int) -> None:
    completion = completion_of({"content": ANSWER})
    streams = {
        "prose": _prose(words),
        "tool_call": _tool_call(fragments),
        "json_text": _json_text(fragments),
    }
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(completion, **streams), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running(words: int, fragments: int) -> Iterator[str]:
    """Run the server in a process of its own; gives its base URL.

    Args:
        words: How many words a stream of prose has, each a chunk.
        fragments: How many words streamed tool arguments and streamed JSON have.
    """
    command = [sys.executable, "-m", "benchmarks.server", str(words), str(fragments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:])))
