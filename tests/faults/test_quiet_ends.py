"""Programs that end in the middle of things say nothing on standard error, with every warning an error."""

import pytest

pytestmark = pytest.mark.http_library

ASK = """
import asyncio, gc, os, sys, threading
from melious import AsyncMeliousClient, MeliousClient
ASK = {"model": "llama-3.1-8b-instruct", "messages": [{"role": "user", "content": "What is a lighthouse?"}]}
"""

ASYNC_ENDS = {
    "the client is never closed": """
        client = AsyncMeliousClient(**OPTIONS)
        await client.chat.create(**ASK)
    """,
    "a stream is left in the middle": """
        client = AsyncMeliousClient(**OPTIONS)
        async for chunk in client.chat.stream(**ASK):
            break
    """,
    "a stream is kept open to the end of the loop": """
        global kept
        client = AsyncMeliousClient(**OPTIONS)
        kept = client.chat.stream(**ASK)
        await anext(kept)
    """,
    "many streams are left by tasks that are cancelled": """
        client, begun = AsyncMeliousClient(**OPTIONS), asyncio.Semaphore(0)
        async def read():
            async for chunk in client.chat.stream(**ASK):
                begun.release()
                await asyncio.sleep(3600)
        tasks = [asyncio.ensure_future(read()) for _ in range(5)]
        for _ in tasks:
            await begun.acquire()
        tasks[0].cancel()
    """,
    "a generator of the caller's own around a stream": """
        client = AsyncMeliousClient(**OPTIONS)
        async def words():
            async with client:
                async for chunk in client.chat.stream(**ASK):
                    yield chunk
        async for word in words():
            break
    """,
    "requests are on their way": """
        client = AsyncMeliousClient(**OPTIONS)
        slow = {"x-sandbox-fault": '{"delay":3600}'}
        tasks = [asyncio.ensure_future(client.chat.create(**ASK, extra_headers=slow)) for _ in range(5)]
        await client.models.list()
    """,
    "clients in a cycle": """
        for _ in range(5):
            client = AsyncMeliousClient(**OPTIONS)
            client.itself = client
            await client.models.list()
        del client
        gc.collect()
    """,
}


def run_all(ends, options):
    """One program with all the ends, so that only one interpreter has to start."""
    script = ASK + f"OPTIONS = {options!r}\n"
    for number, body in enumerate(ends.values()):
        lines = [line[4:] for line in body.strip("\n").splitlines()]
        script += f"async def end{number}():\n" + "\n".join(lines) + "\n"
        script += f"asyncio.run(end{number}())\ngc.collect()\n"
    return script + "print('done')\n"


@pytest.mark.parametrize("transport", ["httpx", "aiohttp"])
def test_event_loops_that_end_in_the_middle(transport, run_script, sandbox):
    from melious.sandbox import Fault

    sandbox.faults.add(Fault(endpoint="chat", stall_after_events=3, stall_seconds=0.5, times=None))
    options = {"async_transport": transport}
    # aiohttp itself warns of what Python 3.11 deprecates; that is not what is looked for here.
    assert run_script(run_all(ASYNC_ENDS, options)) == "done\n"


def test_a_program_that_ends_with_everything_open(run_script):
    script = (
        ASK
        + """
client = MeliousClient()
client.models.list()
stream = client.chat.stream(**ASK)
next(stream)
other = MeliousClient().chat.stream(**ASK)
daemon = threading.Thread(target=lambda: [client.models.list() for _ in range(10_000)], daemon=True)
daemon.start()
print("done")
"""
    )
    assert run_script(script) == "done\n"


def test_a_loop_closed_by_hand_with_everything_closed(run_script):
    script = (
        ASK
        + """
client = AsyncMeliousClient()
loop = asyncio.new_event_loop()
for _ in range(2):
    loop.run_until_complete(client.chat.create(**ASK))
    loop.run_until_complete(client.aclose())
loop.run_until_complete(loop.shutdown_asyncgens())
loop.close()
asyncio.run(client.models.list())
asyncio.run(client.models.list())
print("done")
"""
    )
    assert run_script(script) == "done\n"


def test_an_exception_in_the_middle_of_a_stream(run_script):
    script = (
        ASK
        + """
async def main():
    async with AsyncMeliousClient() as client:
        async for chunk in client.chat.stream(**ASK):
            raise LookupError
try:
    asyncio.run(main())
except LookupError:
    print("raised")
def blocking():
    with MeliousClient() as client:
        for chunk in client.chat.stream(**ASK):
            raise LookupError
try:
    blocking()
except LookupError:
    print("raised")
"""
    )
    assert run_script(script) == "raised\nraised\n"


def test_a_keyboard_interrupt_in_the_middle_of_a_stream(run_script, sandbox):
    from melious.sandbox import Fault

    sandbox.faults.add(Fault(endpoint="chat", stall_after_events=2, stall_seconds=3600, times=None))
    script = (
        ASK
        + """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it
timers = []
def interrupt_once():
    if not timers:
        timers.append(threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)))
        timers[0].start()

client = MeliousClient()
def blocking():
    for chunk in client.chat.stream(**ASK):
        interrupt_once()
try:
    blocking()
except KeyboardInterrupt:
    print("interrupted", client.chat.create(**ASK).text != "")

timers.clear()
async def main():
    async for chunk in AsyncMeliousClient().chat.stream(**ASK):
        interrupt_once()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""
    )
    assert run_script(script) == "interrupted True\ninterrupted\n"
