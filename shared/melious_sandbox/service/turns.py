"""Long work on the server's one loop, with turns for the other requests in between."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from melious_sandbox.service.responses import Response, json_bytes

T = TypeVar("T")
R = TypeVar("R")

_TURN_SECONDS = 0.004


async def in_turns(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Apply a function to each item, letting others go on whenever a few milliseconds are used up."""
    found: list[R] = []
    end = time.perf_counter() + _TURN_SECONDS
    for item in items:
        found.append(function(item))
        if time.perf_counter() > end:
            await asyncio.sleep(0)
            end = time.perf_counter() + _TURN_SECONDS
    return found


async def long_json_response(body: dict[str, Any], name: str) -> Response:
    """Answer with JSON in which one field is a long list; that one is written last.

    Args:
        body: The answer.
        name: The field.
    """
    items = await in_turns(json_bytes, body[name])
    rest = json_bytes({key: value for key, value in body.items() if key != name})
    separator = b"," if len(body) > 1 else b""
    return Response(b"".join((rest[:-1], separator, json_bytes(name), b":[", b",".join(items), b"]}")))
