"""One async client on many event loops, one after another and at the same time."""

import asyncio
import gc
import threading

import pytest
from faults_kit import ASK, eventually, open_sockets

from melious import AsyncMeliousClient

pytestmark = [pytest.mark.http_library, pytest.mark.usefixtures("patient_drain")]


@pytest.fixture(params=["httpx", "aiohttp"])
def client(request, sandbox):
    return AsyncMeliousClient(
        base_url=sandbox.base_url, api_key=sandbox.api_key, async_transport=request.param, max_retries=0
    )


async def twice(client):
    texts = [(await client.chat.create(**ASK)).text for _ in range(2)]
    return "".join(
        [chunk["choices"][0]["delta"].get("content") or "" async for chunk in _stream(client)] + texts
    )


async def _stream(client):
    async for chunk in client.chat.stream(**ASK):
        if chunk["choices"]:
            yield chunk


def test_three_loops_one_after_another(client, sandbox):
    before = open_sockets()
    said = {asyncio.run(twice(client)) for _ in range(3)}
    assert len(said) == 1
    assert len({request.connection for request in sandbox.requests}) == 3
    gc.collect()
    assert eventually(lambda: open_sockets() == before)
    assert eventually(lambda: sandbox.open_connections == 0)


def test_a_loop_in_a_thread_between_two_requests_on_this_one(client, sandbox):
    async def main():
        first = await twice(client)
        there = await asyncio.to_thread(lambda: asyncio.run(twice(client)))
        return {first, there, await twice(client)}

    assert len(asyncio.run(main())) == 1
    connections = [request.connection for request in sandbox.requests]
    assert len(connections) == 9
    assert len(set(connections)) == 2, "this loop's connection is still there after the other loop's end"
    assert connections[0] == connections[-1]


def test_four_loops_at_the_same_time(client, sandbox):
    barrier = threading.Barrier(4)
    said = []

    def run():
        barrier.wait()
        said.append(asyncio.run(twice(client)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 4
    assert len(set(said)) == 1


def test_loops_that_nobody_ends_properly(client, sandbox):
    """Loops that are stopped and closed by hand leave nothing that would trip the next one."""
    said = set()
    for _ in range(3):
        loop = asyncio.new_event_loop()
        said.add(loop.run_until_complete(twice(client)))
        loop.run_until_complete(client.aclose())
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    assert len(said) == 1
    assert eventually(lambda: sandbox.open_connections == 0)


def test_first_requests_at_the_same_time_share_a_pool(client, sandbox):
    async def main():
        await asyncio.gather(*(client.models.list() for _ in range(8)))
        await client.aclose()
        return await asyncio.to_thread(eventually, lambda: sandbox.open_connections == 0)

    assert asyncio.run(main()), "aclose left connections open"


def test_closing_one_client_costs_the_other_a_connection_and_no_more(client, sandbox):
    async def main():
        other = client.with_options(max_retries=1)
        await client.models.list()
        await other.models.list()
        assert len({request.connection for request in sandbox.requests}) == 1
        await client.aclose()
        assert await asyncio.to_thread(eventually, lambda: sandbox.open_connections == 0)
        await other.models.list()
        await other.models.list()
        await other.aclose()
        return await asyncio.to_thread(eventually, lambda: sandbox.open_connections == 0)

    assert asyncio.run(main())
    assert len({request.connection for request in sandbox.requests}) == 2


def test_closing_one_client_spoils_no_request_of_another(client, sandbox):
    async def main():
        other = client.with_options(max_retries=1)
        async with other.chat.stream(**ASK) as stream:
            first = await anext(aiter(stream))
            await other.models.list()
            await client.aclose()
            await other.models.list()
            rest = [chunk async for chunk in stream]
        await other.aclose()
        return first, rest, await asyncio.to_thread(eventually, lambda: sandbox.open_connections == 0)

    first, rest, closed = asyncio.run(main())
    assert first
    assert rest[-1]["choices"] == [] or rest[-1]["choices"][0]["finish_reason"] == "stop"
    assert closed


def test_a_closed_client_works_again(client, sandbox):
    async def main():
        for _ in range(3):
            async with client:
                await client.models.list()
        await client.aclose()
        await client.aclose()

    asyncio.run(main())
    assert len(sandbox.requests) == 3


def test_aclose_before_any_request_and_on_another_loop(client, sandbox):
    asyncio.run(client.aclose())

    async def main():
        await client.models.list()
        await asyncio.to_thread(lambda: asyncio.run(client.aclose()))
        await client.models.list()

    asyncio.run(main())
    assert len({request.connection for request in sandbox.requests}) == 1


def test_a_cancelled_aclose_closes_all_the_same(sandbox):
    async def main():
        client = AsyncMeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
        await asyncio.gather(*(client.models.list() for _ in range(8)))
        closing = asyncio.ensure_future(client.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        return await asyncio.to_thread(eventually, lambda: sandbox.open_connections == 0)

    assert asyncio.run(main())
