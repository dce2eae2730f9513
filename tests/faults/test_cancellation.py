"""Cancelled requests: a thousand of them must not hurt the next one."""

import asyncio
import threading

import pytest
from faults_kit import (
    ASK,
    DONE,
    KEY,
    LAST_CHUNK,
    event,
    eventually,
    open_sockets,
    whole,
)

from melious import AsyncMeliousClient
from melious.sandbox import Fault

pytestmark = pytest.mark.http_library

KINDS = ["httpx", "aiohttp"]
FOREVER = 3600.0
"""Seconds of a wait that only a cancellation ends."""


def client_of(sandbox, kind, **options):
    return AsyncMeliousClient(
        base_url=sandbox.base_url, api_key=sandbox.api_key, async_transport=kind, **options
    )


@pytest.mark.parametrize("kind", KINDS)
def test_1440_cancelled_requests_on_a_pool_of_four(kind, serve):
    answers, gone = threading.Event(), []

    def script(peer):
        """Answer nothing, or half of an answer, until there are answers."""
        while peer.request() is not None:
            if answers.is_set():
                peer.send(whole())
            else:
                peer.send(whole()[:-5] if peer.number % 2 else b"")
                peer.left()
                break
        gone.append(peer)

    server = serve(script)
    threads, sockets = threading.active_count(), open_sockets()

    async def main():
        loop = asyncio.get_running_loop()
        client = AsyncMeliousClient(
            base_url=server.base_url, api_key=KEY, async_transport=kind, max_connections=4
        )
        for batch in range(12):
            tasks = [asyncio.ensure_future(client.chat.create(**ASK)) for _ in range(120)]
            # Some are cancelled before they begin, some while they wait for a connection, while it is made,
            # while the answer is awaited, and while it is read: which of them is a matter of chance.
            for count, task in enumerate(tasks):
                loop.call_later((count % 12) * 0.002 + batch * 0.001, task.cancel)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError] * 120
        answers.set()
        together = await asyncio.gather(*(client.chat.create(**ASK, max_retries=0) for _ in range(8)))
        assert [one.text for one in together] == ["A light."] * 8
        assert await asyncio.to_thread(eventually, lambda: server.connections - len(gone) <= 4)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await client.aclose()

    asyncio.run(main())
    assert eventually(lambda: len(gone) == server.connections)
    assert eventually(lambda: open_sockets() == sockets)
    assert eventually(lambda: threading.active_count() == threads)


@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_in_the_middle_of_a_stream(kind, sandbox):
    async def main():
        client = client_of(sandbox, kind, max_connections=2)

        async def read(second):
            seen = 0
            async for _ in client.chat.stream(**ASK):
                seen += 1
                if seen == 2:
                    second.set()

        for _ in range(5):
            sandbox.faults.add(Fault(stall_after_events=2, stall_seconds=FOREVER))
            second = asyncio.Event()
            task = asyncio.ensure_future(read(second))
            await second.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(eventually, lambda: sandbox.open_connections == 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert (await client.chat.create(**ASK)).text
        await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_twice(kind, sandbox):
    """A second cancellation while the first one cleans up."""

    async def main():
        client = client_of(sandbox, kind, max_connections=1)
        for delay in range(8):
            sandbox.faults.add(Fault(delay=FOREVER))
            task = asyncio.ensure_future(client.chat.create(**ASK))
            assert await asyncio.to_thread(eventually, lambda sent=delay + 1: len(sandbox.requests) == sent)
            task.cancel()
            for _ in range(delay):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert (await client.chat.create(**ASK)).text
        await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_while_it_waits_to_try_again(kind, sandbox):
    async def main():
        client = client_of(sandbox, kind, max_connections=1)
        sandbox.faults.add(Fault(status=503, headers={"retry-after": "50"}))
        waits = asyncio.Event()
        task = asyncio.ensure_future(client.chat.create(**ASK, on_retry=lambda _: waits.set()))
        await waits.wait()
        # A request that waits to be sent again keeps no connection from the others.
        assert (await client.models.list()).data
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(sandbox.requests) == 2
        await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_group_that_fails_takes_its_requests_along(kind, sandbox):
    async def main():
        client = client_of(sandbox, kind)
        sandbox.faults.add(Fault(endpoint="chat", delay=FOREVER, times=None))

        async def fail():
            assert await asyncio.to_thread(eventually, lambda: len(sandbox.requests) == 10)
            raise LookupError

        async def together():
            async with asyncio.TaskGroup() as group:
                for _ in range(10):
                    group.create_task(client.chat.create(**ASK))
                group.create_task(fail())

        with pytest.raises(ExceptionGroup) as caught:
            await together()
        assert len(caught.value.exceptions) == 1
        closed = await asyncio.to_thread(eventually, lambda: sandbox.open_connections == 0)
        await client.aclose()
        return closed

    assert asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_the_callers_own_timeout(kind, sandbox):
    async def main():
        client = client_of(sandbox, kind, max_retries=5)
        sandbox.faults.add(Fault(delay=FOREVER))

        async def end(limit):
            assert await asyncio.to_thread(eventually, lambda: len(sandbox.requests) == 1)
            limit.reschedule(asyncio.get_running_loop().time())

        async def limited():
            async with asyncio.timeout(None) as limit:
                ends.append(asyncio.ensure_future(end(limit)))
                await client.chat.create(**ASK)

        ends = []
        with pytest.raises(TimeoutError):
            await limited()
        await asyncio.gather(*ends)
        assert (await client.chat.create(**ASK)).text
        await client.aclose()

    asyncio.run(main())
    assert len(sandbox.requests.to("chat")) == 2


@pytest.mark.usefixtures("patient_drain")
@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_while_what_follows_done_is_drained(kind, serve):
    def script(peer):
        while peer.request() is not None:
            peer.events(event("A", "stop"), DONE)
            if peer.number > 1:
                peer.send(LAST_CHUNK)

    server = serve(script)

    async def main():
        client = AsyncMeliousClient(base_url=server.base_url, api_key=KEY, async_transport=kind)
        got = asyncio.Event()

        async def read():
            async for _ in client.chat.stream(**ASK):
                got.set()

        task = asyncio.ensure_future(read())
        await got.wait()
        task.cancel()
        await asyncio.wait([task])
        chunks = [chunk async for chunk in client.chat.stream(**ASK)]
        await client.aclose()
        return chunks

    assert len(asyncio.run(main())) == 1
