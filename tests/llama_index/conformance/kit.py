"""What the classes of the suite share: both ways to call, and observers of a call."""

import asyncio
import gc
import inspect
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from pydantic import Field

from conformance.service import Service


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


class _Keeper(BaseEventHandler):
    seen: list[BaseEvent] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Keeper"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.seen.append(event)


@contextmanager
def observed() -> Iterator[list[BaseEvent]]:
    """Collect the events that are dispatched meanwhile."""
    keeper, root = _Keeper(), get_dispatcher()
    root.add_event_handler(keeper)
    try:
        yield keeper.seen
    finally:
        root.event_handlers.remove(keeper)


async def leaves_the_loop_free(call: Awaitable[Any]) -> bool:
    """Whether the event loop turns while a call waits for its answer, which takes half a second."""
    task = asyncio.ensure_future(call)
    turns = 0
    while turns < 5 and not task.done():
        await asyncio.sleep(0.01)
        turns += 1
    await task
    return turns == 5


async def connections_end(service: Service) -> bool:
    """Whether the connections of clients end, without a collection of garbage."""
    gc.disable()
    try:
        for _ in range(3000):  # half a minute, for machines that are busy
            if not service.open_connections:
                return True
            await asyncio.sleep(0.01)
        return False
    finally:
        gc.enable()


def attempts(service: Service) -> int:
    """How many requests arrived."""
    return len(service.requests)
