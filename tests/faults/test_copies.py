"""Clients that travel: pickled, copied, sent to other processes; and clients by the thousand."""

import asyncio
import copy
import gc
import multiprocessing
import pickle
import threading
import weakref

import pytest
from faults_kit import ASK, KEY, always, eventually, open_sockets, whole

from melious import AsyncMeliousClient, InvalidArgumentError, MeliousClient


def by_cloudpickle(client):
    return pickle.loads(pytest.importorskip("cloudpickle").dumps(client))


WAYS = {
    "pickle": lambda client: pickle.loads(pickle.dumps(client)),
    "oldest pickle": lambda client: pickle.loads(pickle.dumps(client, protocol=2)),
    "cloudpickle": by_cloudpickle,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy in a list": lambda client: copy.deepcopy([client, {"again": client}])[1]["again"],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_works_like_the_original(way, sandbox):
    original = MeliousClient(
        base_url=sandbox.base_url,
        api_key=sandbox.api_key,
        max_retries=7,
        preset="environment",
        filters={"countries": ["DE"]},
        default_headers={"x-team": "lights"},
    )
    text = original.chat.create(**ASK).text
    twin = WAYS[way](original)
    assert twin is not original
    assert twin.config == original.config
    assert twin.chat.create(**ASK).text == text
    assert len({request.connection for request in sandbox.requests}) == 1, "both lead to the same place"
    original.close()
    assert twin.chat.create(**ASK).text == text
    assert sandbox.requests[-1].headers["x-team"] == "lights"
    assert sandbox.requests[-1].body["filters"] == {"countries": ["DE"]}
    twin.close()
    assert eventually(lambda: sandbox.open_connections == 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_of_an_async_client(way, sandbox):
    async def main():
        original = AsyncMeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
        text = (await original.chat.create(**ASK)).text
        twin = WAYS[way](original)
        assert (await twin.chat.create(**ASK)).text == text
        assert len({request.connection for request in sandbox.requests}) == 1
        await original.aclose()
        assert (await twin.chat.create(**ASK)).text == text
        await twin.aclose()

    asyncio.run(main())


def test_a_pool_of_spawned_processes(sandbox):
    client = MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
    client.models.list()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(client.models.retrieve, ["llama-3.1-8b-instruct", "bge-m3"])
        pool.close()
        pool.join()
    assert [model.id for model in found] == ["llama-3.1-8b-instruct", "bge-m3"]
    client.close()


def test_a_thousand_short_lived_clients_share_one_connection(sandbox):
    before = open_sockets()
    for _ in range(200):
        MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key).models.list()
    assert len({request.connection for request in sandbox.requests}) == 1
    assert sandbox.open_connections == 1
    assert open_sockets() <= before + 2


def test_a_thousand_short_lived_async_clients_share_one_connection(sandbox):
    async def main():
        for _ in range(200):
            client = AsyncMeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
            await client.models.list()

    asyncio.run(main())
    assert len({request.connection for request in sandbox.requests}) == 1
    assert eventually(lambda: sandbox.open_connections == 0)


def test_a_client_is_collected_and_leaves_nothing(sandbox):
    client = MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key)
    client.models.list()
    list(client.chat.stream(**ASK))
    gone = weakref.ref(client)
    driver = weakref.ref(client._driver)
    del client
    assert gone() is None, "a cycle keeps the client alive until the collector comes"
    assert driver() is None


def test_whoever_is_closed_closes_the_idle_connections_of_all(sandbox):
    clients = [MeliousClient(base_url=sandbox.base_url, api_key=sandbox.api_key) for _ in range(3)]
    for client in clients:
        client.models.list()
    assert sandbox.open_connections == 1
    clients.pop().close()
    assert eventually(lambda: sandbox.open_connections == 0)
    for client in clients:
        client.models.list()
    assert len({request.connection for request in sandbox.requests}) == 2, "the others connect anew, once"
    assert sandbox.open_connections == 1
    clients.pop().close()
    assert eventually(lambda: sandbox.open_connections == 0)


def test_close_leaves_no_socket_and_the_client_works_again(serve):
    server = serve(always(whole()))
    before = open_sockets()
    client = MeliousClient(base_url=server.base_url, api_key=KEY)
    for turn in range(1, 4):
        assert client.chat.create(**ASK).text == "A light."
        client.close()
        client.close()
        assert eventually(lambda: open_sockets() == before)
        assert server.connections == turn


def test_clients_with_other_limits_or_trust_share_nothing(sandbox):
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    with MeliousClient(**options) as first, MeliousClient(max_connections=3, **options) as second:
        first.models.list()
        second.models.list()
        first.with_options(max_retries=5, timeout=3).models.list()
    assert len({request.connection for request in sandbox.requests}) == 2


def test_other_keys_share_the_connection(start_sandbox):
    sandbox = start_sandbox(keys={"sk-mel-second": ["*"]})
    for key in (sandbox.api_key, "sk-mel-second"):
        assert MeliousClient(base_url=sandbox.base_url, api_key=key).models.list().data
    assert len({request.connection for request in sandbox.requests}) == 1


def test_finalizers_that_run_in_the_middle_of_anything(sandbox):
    """Clients in cycles are dropped by the collector: at any moment, in any thread, inside any lock."""
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    thresholds = gc.get_threshold()
    errors = []

    def work():
        try:
            for _ in range(15):
                client = MeliousClient(**options)
                client.itself = client
                client.models.list()
                with MeliousClient(**options) as second:
                    second.models.list()
        except BaseException as error:
            errors.append(error)

    gc.set_threshold(5, 2, 2)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "a finalizer waits for a lock that its own thread holds"
    finally:
        gc.set_threshold(*thresholds)
    assert errors == []
    gc.collect()
    client = MeliousClient(**options)
    client.models.list()
    client.close()
    assert eventually(lambda: sandbox.open_connections == 0), "nobody closes the pool"


def test_an_ssl_context_cannot_travel_and_says_so(sandbox):
    import ssl

    client = MeliousClient(api_key="k", verify=ssl.create_default_context())
    with pytest.raises(TypeError, match="SSLContext"):
        pickle.dumps(client)
    assert client.with_options(max_retries=0).config.verify is client.config.verify
    with pytest.raises(InvalidArgumentError):
        client.with_options(verfy=True)
