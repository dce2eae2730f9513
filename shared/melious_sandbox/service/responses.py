"""What a route answers with, and long work on the one event loop that leaves turns to other requests."""

import asyncio
import json
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic_core import PydanticSerializationError, to_json

JSON_TYPE = "application/json"
EVENTS_TYPE = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"
COMMENT = b": keep-alive\n\n"

T = TypeVar("T")
R = TypeVar("R")

_TURN_SECONDS = 0.004


@dataclass(slots=True)
class Response:
    """A whole answer."""

    content: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class EventsResponse:
    """An answer in events, each sent as one write; ``close`` releases what produces them."""

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


async def in_turns(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Apply a function to each item; every few milliseconds other requests go on."""
    found: list[R] = []
    end = time.perf_counter() + _TURN_SECONDS
    for item in items:
        found.append(function(item))
        if time.perf_counter() > end:
            await asyncio.sleep(0)
            end = time.perf_counter() + _TURN_SECONDS
    return found


async def long_json_response(body: dict[str, Any], name: str) -> Response:
    """Answer with JSON whose field ``name`` is a long list; that one is written last."""
    items = await in_turns(json_bytes, body[name])
    rest = json_bytes({key: value for key, value in body.items() if key != name})
    separator = b"," if len(body) > 1 else b""
    return Response(b"".join((rest[:-1], separator, json_bytes(name), b":[", b",".join(items), b"]}")))
