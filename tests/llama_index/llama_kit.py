"""What the tests of the LlamaIndex classes share."""

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

MODEL = "llama-3.1-8b-instruct"  # does not reason, so its text is all there is
REASONER = "glm-4.7"

# To find its steps, a workflow reads every attribute of an agent, and so the ones that pydantic deprecates.
QUIET_AGENTS = [
    pytest.mark.filterwarnings(
        "ignore:The `__fields(_set)?__` attribute is deprecated:pydantic.warnings.PydanticDeprecatedSince20"
    ),
    pytest.mark.filterwarnings(
        "ignore:Accessing the 'model_(computed_)?fields' attribute:"
        "pydantic.warnings.PydanticDeprecatedSince211"
    ),
]


class Way:
    """Calls a method as it is, or its `a...` twin; gives lists of what is streamed."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, owner: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if self.name == "sync":
            result = getattr(owner, method)(*args, **kwargs)
            return list(result) if inspect.isgenerator(result) else result
        result = await getattr(owner, f"a{method}")(*args, **kwargs)
        return [item async for item in result] if inspect.isasyncgen(result) else result


async def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether a condition comes true; the time is for machines that are busy, not for the product."""
    for _ in range(round(seconds / 0.01)):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return condition()


def sse(*chunks: dict[str, Any], done: bool = True) -> list[str]:
    """A stream of these chunks, as a sandbox fault sends it raw."""
    return [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + (["data: [DONE]\n\n"] if done else [])


def piece(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a streamed answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


def usage(**counts: Any) -> dict[str, Any]:
    """The chunk that ends a stream with its usage."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [],
        "usage": counts,
    }


def whole(message: dict[str, Any], finish: str = "stop", **more: Any) -> dict[str, Any]:
    """A whole answer."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
        **more,
    }


class Function(BaseModel):
    """What a call of a tool calls, as an SDK's object."""

    name: str = "add"
    arguments: str = '{"a": 1}'


class Call(BaseModel):
    """A call of a tool, as an SDK's object."""

    id: str = "c1"
    type: str = "function"
    function: Function = Function()


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"Sunny in {city}, 21 degrees"


def get_time() -> str:
    """Get the current time of day."""
    return "It is 12:34"


TOOLS = [FunctionTool.from_defaults(fn=fn) for fn in (multiply, get_weather, get_time)]
MULTIPLY, WEATHER, TIME = TOOLS
