"""What the classes of the suite share: both ways to call, and observers of a call."""

import asyncio
import gc
import inspect
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

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


class _Server(Protocol):
    @property
    def requests(self) -> Sequence[Any]: ...


async def arrive(server: _Server, count: int, *calls: asyncio.Future[Any]) -> bool:
    """Wait until the server has seen so many requests; False if one of the calls is over first."""
    while len(server.requests) < count:
        if any(call.done() for call in calls):
            return False
        await asyncio.sleep(0.01)
    return True


async def leaves_the_loop_free(call: Awaitable[Any], server: _Server) -> bool:
    """Whether the event loop turns while a call waits for its answer; ends the call.

    The server is to answer so late that nobody would wait for it, and yet to answer: a call that holds the
    loop comes back with the answer.
    """
    sent = len(server.requests)
    task = asyncio.ensure_future(call)
    free = await arrive(server, sent + 1, task) and not task.done()
    await end(task)
    return free


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel calls whose answers are not waited for; what they failed with before is raised."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome


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
