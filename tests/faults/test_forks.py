"""After a fork, parent and child both go on: no garbled answers, and the parent's connections stay alive."""

import os
import subprocess
import sys
import textwrap

from faults_kit import environment, eventually

# Python 3.12 and later warn of a fork beside threads, which is what some of these scripts are about.
FORKS = ("-W", "ignore:This process:DeprecationWarning")

SYNC = """
import os, sys, threading
from melious import MeliousClient

ASK = {"model": "llama-3.1-8b-instruct"}
def ask(client, word):
    # The sandbox repeats what it was asked, so an answer to somebody else's question shows.
    answer = client.chat.create(messages=[{"role": "user", "content": f"Say {word}."}], **ASK)
    assert word in answer.text, (word, answer.text)

client = MeliousClient(max_retries=0)
ask(client, "harbour")
stream = client.chat.stream(messages=[{"role": "user", "content": "Tell me of the sea."}], **ASK)
next(stream)

for turn in range(3):
    child = os.fork()
    if child == 0:
        for number in range(10):
            ask(client, f"child{number}")
        stream.close()                      # the parent's stream: to leave it must not hurt the parent
        ask(client.with_options(max_retries=1), "other")
        client.close()
        ask(client, "again")
        sys.stdout.flush()
        os._exit(7)
    for number in range(10):
        ask(client, f"parent{number}")
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7, status

print(len(list(stream)) > 3, stream.completion().finish_reason)
client.close()
"""


def test_parent_and_child_both_go_on(run_script, sandbox):
    assert run_script(SYNC, *FORKS).split() == ["True", "stop"]
    # The parent: one connection for its requests, one for its stream; a child: one for its requests, and a new
    # one after it closed its client.
    assert len({request.connection for request in sandbox.requests}) == 2 + 3 * 2
    assert all(request.status == 200 for request in sandbox.requests)


ASYNC = """
import asyncio, os
from melious import AsyncMeliousClient

ASK = {"model": "llama-3.1-8b-instruct", "messages": [{"role": "user", "content": "What is a harbour?"}]}
client = AsyncMeliousClient(max_retries=0)

async def several(count=10):
    return {(await client.chat.create(**ASK)).text for _ in range(count)}

async def main():
    before = await several()
    child = os.fork()
    if child == 0:
        try:
            assert asyncio.run(several()) == before
            assert asyncio.run(several()) == before
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    assert await several() == before
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    assert await several() == before
    await client.aclose()

asyncio.run(main())
print("done")
"""


def test_an_async_client_in_the_child(run_script, sandbox):
    assert run_script(ASYNC, *FORKS) == "done\n"
    connections = [request.connection for request in sandbox.requests]
    assert connections[0] == connections[-1], "the parent lost its connection"
    assert len(set(connections)) == 3


def test_the_child_does_not_keep_the_parents_connections_open(run_script, sandbox):
    """What the parent closes is closed for the server, although the child lives on."""
    script = """
    import asyncio, os, signal, sys
    from melious import AsyncMeliousClient, MeliousClient

    client, other = MeliousClient(), AsyncMeliousClient()
    client.models.list()

    async def main():
        await other.models.list()
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(tell, b"x")
            signal.pause()
        os.read(ready, 1)
        client.close()
        await other.aclose()
        print(child, flush=True)
        sys.stdin.read()
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)

    asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=environment(sandbox.base_url, sandbox.api_key),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            assert eventually(lambda: sandbox.open_connections == 0)
            os.kill(child, 0)  # it lives
        finally:
            process.stdin.close()
            process.wait()
    assert process.returncode == 0


def test_forks_while_other_threads_are_busy(run_script, sandbox):
    """Whatever lock another thread held at the moment of the fork, the child does not wait for it."""
    script = """
    import os, signal, threading, warnings
    from melious import MeliousClient

    # What other threads were opening at the moment of the fork, Python itself drops in the child, and complains.
    warnings.simplefilter("ignore", ResourceWarning)
    client = MeliousClient(max_connections=6)
    client.models.list()    # an import in another thread at the moment of a fork is Python's own trouble
    stop = threading.Event()

    def work():
        while not stop.is_set():
            MeliousClient().models.list()
            client.models.list()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    codes = []
    for turn in range(25):
        child = os.fork()
        if child == 0:
            signal.alarm(60)                # a child that waits for ever is killed, and counts as a failure
            client.models.list()
            MeliousClient().models.list()
            os._exit(0)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for thread in threads:
        thread.join()
    client.models.list()
    print(set(codes))
    """
    assert run_script(script, *FORKS) == "{0}\n"


def test_multiprocessing_fork_and_spawn(run_script, sandbox):
    script = """
    import multiprocessing
    from melious import MeliousClient

    def main():
        client = MeliousClient()
        client.models.list()
        for method in ("fork", "forkserver"):
            with multiprocessing.get_context(method).Pool(2) as pool:
                found = pool.map(client.models.retrieve, ["llama-3.1-8b-instruct", "bge-m3"] * 2)
                pool.close()
                pool.join()
            print([one.id for one in found])
        client.close()

    main()
    """
    lines = run_script(script, *FORKS).splitlines()
    assert lines == [str(["llama-3.1-8b-instruct", "bge-m3"] * 2)] * 2
