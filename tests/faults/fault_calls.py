"""The calls of the fault matrix: each endpoint's sound answer carries the id of its request, on every transport."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faults_kit import ASK, DONE, KEY, MODEL

import melious

CALL_HEADER = "x-call"
SOME_AUDIO = ("speech.wav", b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\x00" * 24)
MUCH_AUDIO = ("speech.wav", b"RIFF\x24\x00\x00\x00WAVEfmt " + b" " * 8_000_000)
"""More than the sockets of both ends hold while nobody reads."""
TEXT_LINES = 2_000


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of the service.

    Attributes:
        ask: Make the call with a client, blocking or not.
        body: The sound answer to the request with this id.
        says: The id that a result carries, if it is whole.
        content_type: Of the sound answer.
    """

    ask: Callable[..., Any]
    body: Callable[[str], bytes]
    says: Callable[[Any], Any]
    content_type: str = "application/json"


def _json(answer: Callable[[str], Any]) -> Callable[[str], bytes]:
    return lambda call: json.dumps(answer(call)).encode()


def _number(call: str) -> int:
    return int.from_bytes(call.encode()[:5], "big")


def chat_answer(call: str) -> dict[str, Any]:
    """A whole chat answer."""
    message = {"role": "assistant", "content": call}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": call, "object": "chat.completion", "model": MODEL, "choices": choices}


def chunk(call: str, content: str | None = None, finish: str | None = None) -> bytes:
    """One event of a stream that answers the request with this id."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": call, "choices": [choice]}).encode() + b"\n\n"


def stream_events(call: str) -> list[bytes]:
    """The events of a sound stream: the id in two pieces, the end, and the word that it is the end."""
    return [chunk(call, call[:2]), chunk(call, call[2:]), chunk(call, finish="stop"), DONE]


def _streamed(chunks: list[dict[str, Any]]) -> str:
    ids = {chunk["id"] for chunk in chunks}
    text = "".join(choice["delta"].get("content") or "" for part in chunks for choice in part["choices"])
    return text if ids == {text} else f"{text!r} under the ids {ids}"


def _chat_says(answer: Any) -> str:
    return answer.text if answer.id == answer.text else f"{answer.text!r} under the id {answer.id!r}"


def _lines_say(text: str) -> str:
    return "".join({*text.split()}) if text.count("\n") == TEXT_LINES else "cut"


ENDPOINTS = {
    "chat": Endpoint(
        lambda client, **options: client.chat.create(**ASK, **options), _json(chat_answer), _chat_says
    ),
    "stream": Endpoint(
        lambda client, **options: client.chat.stream(**ASK, **options),
        lambda call: b"".join(stream_events(call)),
        _streamed,
        "text/event-stream",
    ),
    "embeddings": Endpoint(
        lambda client, **options: client.embeddings.create(model="bge-m3", input=["a lighthouse"], **options),
        _json(lambda call: {"data": [{"index": 0, "embedding": [_number(call), 0.5]}], "model": "bge-m3"}),
        lambda answer: int(answer.embeddings[0][0]).to_bytes(5, "big").decode(),
    ),
    "rerank": Endpoint(
        lambda client, **options: client.rerank.create(
            model="bge-reranker-v2-m3", query="a light", documents=["a lighthouse"], **options
        ),
        _json(lambda call: {"id": call, "results": [{"index": 0, "relevance_score": 0.5}]}),
        lambda answer: answer.batches[0].id,
    ),
    "images": Endpoint(
        lambda client, **options: client.images.generate(
            model="flux-1-schnell", prompt="a lighthouse", **options
        ),
        _json(lambda call: {"data": [{"b64_json": "R0lGODlh", "revised_prompt": call}]}),
        lambda answer: answer.data[0].revised_prompt,
    ),
    "audio": Endpoint(
        lambda client, **options: client.audio.transcribe(
            model="whisper-large-v3", file=SOME_AUDIO, **options
        ),
        _json(lambda call: {"text": call}),
        lambda answer: answer.text,
    ),
    "audio as text": Endpoint(
        lambda client, **options: client.audio.transcribe(
            model="whisper-large-v3", file=SOME_AUDIO, response_format="text", **options
        ),
        lambda call: f"{call}\n".encode() * TEXT_LINES,
        lambda answer: (
            "".join({*answer.text.split()}) if answer.text.count("\n") >= TEXT_LINES - 1 else "cut"
        ),
        "text/plain",
    ),
    "file": Endpoint(
        lambda client, **options: client.files.content("file_1", **options),
        lambda call: f"{call}\n".encode() * TEXT_LINES,
        lambda pieces: _lines_say(b"".join(pieces).decode()),
        "application/jsonl",
    ),
    "much audio": Endpoint(
        lambda client, **options: client.audio.transcribe(
            model="whisper-large-v3", file=MUCH_AUDIO, **options
        ),
        _json(lambda call: {"text": call}),
        lambda answer: answer.text,
    ),
    "models": Endpoint(
        lambda client, **options: client.models.list(**options),
        _json(lambda call: {"data": [{"id": call}]}),
        lambda answer: answer.data[0].id,
    ),
}


IN_PARTS = ("stream", "file")
"""The endpoints whose answers are iterated over."""


class Blocking:
    """Makes clients for threads and calls with them."""

    def client(self, base_url: str, key: str = KEY, **options: Any) -> Any:
        """A client; it shares its connections with the others of the same address."""
        return melious.MeliousClient(base_url=base_url, api_key=key, **options)

    def ask(self, endpoint: str, client: Any, call: str, **options: Any) -> Any:
        """Make a call and give its result; of a stream, its chunks."""
        answer = ENDPOINTS[endpoint].ask(client, extra_headers={CALL_HEADER: call}, **options)
        return list(answer) if endpoint in IN_PARTS else answer

    def end(self, *clients: Any) -> None:
        """Close the clients."""
        for client in clients:
            client.close()


class Looping:
    """Makes clients for asyncio and calls with them, all on one event loop."""

    def __init__(self, transport: str) -> None:
        self._transport = transport
        self._runner = asyncio.Runner()

    def client(self, base_url: str, key: str = KEY, **options: Any) -> Any:
        """A client; it shares its connections with the others of the same address."""
        return melious.AsyncMeliousClient(
            base_url=base_url, api_key=key, async_transport=self._transport, **options
        )

    def ask(self, endpoint: str, client: Any, call: str, **options: Any) -> Any:
        """Make a call and give its result; of a stream, its chunks."""

        async def asked() -> Any:
            answer = ENDPOINTS[endpoint].ask(client, extra_headers={CALL_HEADER: call}, **options)
            return [part async for part in answer] if endpoint in IN_PARTS else await answer

        return self._runner.run(asked())

    def end(self, *clients: Any) -> None:
        """Close the clients and the event loop."""
        for client in clients:
            self._runner.run(client.aclose())
        self._runner.close()


TRANSPORTS: dict[str, Callable[[], Blocking | Looping]] = {
    "sync": Blocking,
    "async": lambda: Looping("httpx"),
    "aiohttp": lambda: Looping("aiohttp"),
}
