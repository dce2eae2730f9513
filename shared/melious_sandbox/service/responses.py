"""What a route answers with, before it is sent."""

import json
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

JSON_TYPE = "application/json"
EVENTS_TYPE = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Response:
    """A whole answer: status, type, bytes."""

    content: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class EventsResponse:
    """An answer in events, each sent as one write; ``close`` lets go of what stands behind them."""

    events: Iterable[bytes] | AsyncIterable[bytes]
    content_type: str = EVENTS_TYPE
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    close: Callable[[], Awaitable[None]] | None = None


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(json_bytes(body), status, headers=headers or {})


def json_bytes(body: Any) -> bytes:
    """Write JSON, compact, in UTF-8."""
    try:
        return to_json(body)
    except PydanticSerializationError:
        # Lone surrogates, which came in as escapes, go out as escapes.
        return json.dumps(body, separators=(",", ":")).encode()


def event(body: Any) -> bytes:
    """Write one event that carries JSON."""
    return b"data: " + json_bytes(body) + b"\n\n"
