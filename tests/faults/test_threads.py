"""One blocking client in many threads."""

import threading

import pytest
from faults_kit import ASK, eventually, open_sockets

from melious import APITimeoutError, MeliousClient
from melious.sandbox import Fault

pytestmark = pytest.mark.http_library


def together(count, work):
    """Run the same work in many threads that start at the same moment; gives what went wrong."""
    barrier = threading.Barrier(count)
    errors = []

    def run(number):
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_64_threads_on_one_new_client(sandbox):
    before = open_sockets()
    client = MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=0)
    texts = [f"What is number {number}?" for number in range(64)]
    expected = {}
    wrong = []

    def work(number):
        for turn in range(3):
            messages = [{"role": "user", "content": texts[(number + turn) % 64]}]
            answer = client.chat.create(model=ASK["model"], messages=messages)
            if expected.setdefault(messages[0]["content"], answer.text) != answer.text:
                wrong.append(number)
            chunks = client.chat.stream(model=ASK["model"], messages=messages)
            text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
            if text != answer.text:
                wrong.append(number)

    assert together(64, work) == []
    assert wrong == []
    assert len(sandbox.requests) == 64 * 6
    assert eventually(lambda: sandbox.open_connections <= 20), "few connections stay warm"
    client.close()
    assert eventually(lambda: sandbox.open_connections == 0)
    assert eventually(lambda: open_sockets() == before)


def test_64_threads_on_four_connections(sandbox):
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    with MeliousClient(max_connections=4, max_retries=0, **options) as client:
        most = []

        def work(_):
            for _ in range(4):
                client.models.list()
                most.append(sandbox.open_connections)

        assert together(64, work) == []
    assert len(sandbox.requests) == 256
    assert max(most) <= 4
    assert len({request.connection for request in sandbox.requests}) <= 4


def test_64_clients_in_64_threads_share(sandbox):
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}

    def work(_):
        with MeliousClient(**options) as client:
            client.models.list()

    assert together(64, work) == []
    assert eventually(lambda: sandbox.open_connections == 0)


def test_closing_in_one_thread_while_others_ask(sandbox):
    client = MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=0)

    def work(number):
        for _ in range(5):
            client.models.list()
            if number % 4 == 0:
                client.close()

    assert together(16, work) == []
    client.close()
    assert eventually(lambda: sandbox.open_connections == 0)


def test_failures_give_their_slots_back(sandbox):
    sandbox.faults.add(Fault(endpoint="chat", delay=3600, times=None))
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    with MeliousClient(max_connections=4, max_retries=0, **options) as client:

        def work(_):
            with pytest.raises(APITimeoutError):
                client.chat.create(**ASK, timeout=0.3)

        assert together(16, work) == []
        sandbox.faults.clear()
        assert client.models.list().data
        assert together(16, lambda _: client.models.list()) == []
