"""Calls of many batches that are broken off: by a cancellation, or by Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from melious import AsyncMeliousClient, MeliousClient, track_impact

from .batches import ENDPOINTS, each_endpoint
from .held_server import until

if TYPE_CHECKING:
    from .batches import Watched
    from .held_server import HeldServer

pytestmark = pytest.mark.usefixtures("watched")


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
@each_endpoint
def test_a_cancelled_call_cancels_what_is_under_way(
    serve: Callable[..., HeldServer], watched: Watched, endpoint: str, transport: Any
) -> None:
    """One batch is answered, four are held: they are cancelled, and each is reported once."""
    if transport == "aiohttp":
        pytest.importorskip("aiohttp")

    def script(asked: Any) -> Any:
        return None if asked.texts == ["a"] else asked.once(lambda: False)

    server = serve(script)
    name = endpoint.partition(".")[0]

    async def main() -> tuple[Any, Any]:
        options: dict[str, Any] = {"api_key": server.api_key, "base_url": server.base_url}
        async with AsyncMeliousClient(async_transport=transport, **options) as client:
            with track_impact() as ledger:
                call: Any = getattr(client, name).create(**ENDPOINTS[endpoint], batch_size=1)
                task = asyncio.ensure_future(call)
                await asyncio.to_thread(until, lambda: len(server.asked) == 5)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert asyncio.all_tasks() == {asyncio.current_task()}
        return ledger.total.requests, ledger.total.failed

    assert asyncio.run(main()) == (1, 4)
    assert len(server.asked) == len(watched.ends) == 5


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system sends no signals to threads")
@each_endpoint
@pytest.mark.parametrize("interrupts", [1, 2])
def test_ctrl_c_stops_a_blocking_call(
    serve: Callable[..., HeldServer], watched: Watched, endpoint: str, interrupts: int
) -> None:
    """After one what is under way still ends and is counted; a second one does not wait for it."""
    heard: list[int] = []

    def interrupted(number: int, _frame: Any) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    def script(asked: Any) -> Any:
        asked.once_asked(4)
        for nth in range(interrupts):
            if asked.texts == ["c"]:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            asked.once(lambda nth=nth: len(heard) > nth)
        if interrupts > 1:
            asked.once(released.is_set)

    released = threading.Event()
    server = serve(script)
    name = endpoint.partition(".")[0]
    before = signal.signal(signal.SIGINT, interrupted)
    try:
        with MeliousClient(api_key=server.api_key, base_url=server.base_url) as client:
            with track_impact() as ledger, pytest.raises(KeyboardInterrupt):
                getattr(client, name).create(**ENDPOINTS[endpoint], batch_size=1)
            released.set()
    finally:
        signal.signal(signal.SIGINT, before)
    counted = (4, 0) if interrupts == 1 else (0, 4)
    assert (ledger.total.requests, ledger.total.failed) == counted
    assert len(server.asked) == len(watched.ends) == 4
    until(lambda: not any(thread.name.startswith(f"melious-{name}") for thread in threading.enumerate()))
