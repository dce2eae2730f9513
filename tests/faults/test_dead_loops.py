"""Event loops that are closed without being shut down, as some frameworks do: their sockets do not pile up."""

from __future__ import annotations

import asyncio
import gc
import warnings

from faults_kit import ASK, eventually

from melious import AsyncMeliousClient
from melious.sandbox import Sandbox


def ask_on_a_loop_that_is_only_closed(client: AsyncMeliousClient) -> str:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(client.chat.create(**ASK)).text
    finally:
        loop.close()


def test_the_next_request_closes_what_dead_loops_left_open(sandbox: Sandbox) -> None:
    client = AsyncMeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
    with warnings.catch_warnings():
        # asyncio warns of every transport that outlives its loop; here that is the point.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = {ask_on_a_loop_that_is_only_closed(client) for _ in range(5)}
        assert len(answers) == 1
        assert eventually(lambda: sandbox.open_connections <= 1)
        asyncio.run(_ask_and_close(client))
        assert eventually(lambda: sandbox.open_connections == 0)
        gc.collect()


async def _ask_and_close(client: AsyncMeliousClient) -> None:
    await client.chat.create(**ASK)
    await client.aclose()
