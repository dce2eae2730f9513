"""Sound answers that carry the id of their request: what the server sends and what the callers look for."""

import json
from typing import Any

ENDPOINTS = ("chat", "stream", "embeddings", "rerank", "models")
CALL_HEADER = "x-call"
_PATHS = {
    "/chat/completions": "chat",
    "/embeddings": "embeddings",
    "/rerank": "rerank",
    "/models": "models",
}


def endpoint_of(path: str, body: bytes) -> str:
    """The endpoint that a request is for."""
    found = next(name for end, name in _PATHS.items() if path.partition("?")[0].endswith(end))
    return "stream" if found == "chat" and json.loads(body).get("stream") else found


def number_of(call: str) -> float:
    """A number that stands for an id, as a vector of it."""
    return float(int.from_bytes(call.encode()[-6:], "big") % 1_000_003)


def whole(endpoint: str, call: str) -> bytes:
    """The whole answer to a request."""
    message = {"role": "assistant", "content": call}
    answers: dict[str, dict[str, Any]] = {
        "chat": {"id": call, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]},
        "embeddings": {"model": "bge-m3", "data": [{"index": 0, "embedding": [number_of(call), 0.5]}]},
        "rerank": {"id": call, "results": [{"index": 0, "relevance_score": 0.5}]},
        "models": {"data": [{"id": call}]},
    }
    return json.dumps(answers[endpoint]).encode()


def events(call: str) -> list[bytes]:
    """The events of a stream; the last but one finishes it, the last is the word that it is over."""
    deltas = [({"content": call[:2]}, None), ({"content": call[2:]}, None), ({}, "stop")]
    chunks = [
        {"id": call, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in deltas
    ]
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]
