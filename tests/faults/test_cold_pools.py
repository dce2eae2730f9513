"""Pools that nobody has used for a while are closed when a new one is made; the clock is handed in."""

import asyncio
import time

import pytest
from faults_kit import ASK, KEY, always, eventually, whole

from melious.clients._async.chat import AsyncChat
from melious.clients._sync.chat import Chat
from melious.http._async.driver import AsyncDriver
from melious.http._async.sharing import AsyncPools
from melious.http._sync.driver import SyncDriver
from melious.http._sync.sharing import SyncPools
from melious.http.library import KEEPALIVE_EXPIRY
from melious.settings.config import ClientConfig


class Clock:
    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.monotonic() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watched(serve):
    """A server that notes which of its connections are gone."""
    gone = []

    def script(peer):
        while peer.request():
            peer.send(whole())
        gone.append(peer)

    return serve(script), gone


def config(server, transport="httpx"):
    return ClientConfig.resolve(base_url=server.base_url, api_key=KEY, async_transport=transport)


def test_threads(serve, watched, clock):
    old, gone = watched
    pools = SyncPools(clock)
    old_config, new_config = config(old), config(serve(always(whole())))
    chats = [Chat(each, SyncDriver(each, None, pools)) for each in (old_config, new_config)]
    for chat in chats:
        assert chat.create(**ASK).text == "A light."
    assert old.connections == 1
    clock.ahead = KEEPALIVE_EXPIRY + 1
    chats[1].create(**ASK)
    assert gone == [], "nothing is swept for a pool that is there"
    third = config(serve(always(whole())))
    Chat(third, SyncDriver(third, None, pools)).create(**ASK)
    assert eventually(lambda: len(gone) == 1)
    assert chats[0].create(**ASK).text == "A light."
    assert old.connections == 2
    pools.close()
    assert eventually(lambda: len(gone) == 2)


def test_a_pool_in_use_is_not_cold(serve, watched, clock):
    old, gone = watched
    pools = SyncPools(clock)
    old_config = config(old)
    pool = pools.get(SyncDriver(old_config).encoder.origin)
    clock.ahead = KEEPALIVE_EXPIRY - 1
    assert not pool.is_cold(clock())
    clock.ahead = KEEPALIVE_EXPIRY + 1
    assert pool.is_cold(clock())
    chat = Chat(old_config, SyncDriver(old_config, None, pools))
    chat.create(**ASK)
    other = config(serve(always(whole())))
    clock.ahead = KEEPALIVE_EXPIRY - 1
    Chat(other, SyncDriver(other, None, pools)).create(**ASK)
    chat.create(**ASK)
    assert old.connections == 1
    assert gone == []
    pools.close()


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_an_event_loop_that_runs_for_days(transport, serve, watched, clock):
    old, gone = watched
    pools = AsyncPools(clock)

    async def ask(server):
        each = config(server, transport)
        answer = await AsyncChat(each, AsyncDriver(each, None, pools)).create(**ASK)
        return answer.text

    async def main():
        assert await ask(old) == "A light."
        clock.ahead = KEEPALIVE_EXPIRY - 1
        assert await ask(serve(always(whole()))) == "A light."
        assert gone == []
        clock.ahead = KEEPALIVE_EXPIRY + 1
        assert await ask(serve(always(whole()))) == "A light."
        assert await asyncio.to_thread(eventually, lambda: len(gone) == 1)
        assert await ask(old) == "A light."

    asyncio.run(main())
    assert old.connections == 2
    assert eventually(lambda: len(gone) == 2), "the loop's end closes what is left"
