"""The cache of embedded texts: what is sent again, and what is not."""

import threading
from array import array
from collections.abc import Callable
from typing import Any

import pytest

from melious import BadRequestError
from melious.endpoints.embedding_cache import EmbeddingCache
from melious.sandbox import Fault, Sandbox

from .clients import EMBEDDINGS, Clients


def _inputs(sandbox: Sandbox) -> list[list[str]]:
    return [request.body["input"] for request in sandbox.requests.to("embeddings")]


@pytest.fixture
def cached(clients: Clients, sandbox: Sandbox) -> Callable[..., Any]:
    """Embed with a client that keeps eight texts."""
    client = clients.client(sandbox, embedding_cache_size=8)

    def run(texts: Any, **params: Any) -> Any:
        return clients.call(client, "embeddings.create", **({"model": EMBEDDINGS, "input": texts} | params))

    return run


def test_a_text_that_was_asked_for_is_not_sent_again(sandbox: Sandbox, cached: Callable[..., Any]) -> None:
    first = cached(["a", "b"])
    second = cached(["b", "c", "a", "b"])
    assert _inputs(sandbox) == [["a", "b"], ["c"]]
    assert (first.cached, second.cached) == (0, 2)
    assert second.embeddings[2] == first.embeddings[0]
    assert second.embeddings[0] == second.embeddings[3] == first.embeddings[1]


def test_what_is_cached_costs_nothing(sandbox: Sandbox, cached: Callable[..., Any]) -> None:
    cached("a")
    again = cached("a")
    assert len(sandbox.requests) == 1
    assert again.usage.prompt_tokens == 0
    assert (again.environment_impact, again.billing_cost, again.batches) == (None, None, [])


def test_a_caller_may_change_what_it_got(cached: Callable[..., Any]) -> None:
    first = cached("a").embeddings[0]
    kept = list(first)
    first[0] = 99.0
    assert cached("a").embeddings[0] == kept


@pytest.mark.parametrize(
    "change",
    [
        {"model": "qwen3-embedding-8b"},
        {"preset": "quality"},
        {"extra_body": {"input_type": "query"}},
        {"flavor": "eco"},
    ],
)
def test_what_changes_the_vector_is_part_of_the_key(
    sandbox: Sandbox, cached: Callable[..., Any], change: dict[str, Any]
) -> None:
    cached("a")
    cached("a", **change)
    assert len(sandbox.requests) == 2


def test_without_being_asked_for_there_is_no_cache(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    for _ in range(2):
        clients.call(client, "embeddings.create", model=EMBEDDINGS, input="a")
    assert len(sandbox.requests) == 2


def test_an_error_is_not_kept(sandbox: Sandbox, cached: Callable[..., Any]) -> None:
    sandbox.faults.add(Fault(status=400))
    with pytest.raises(BadRequestError):
        cached("a")
    assert cached("a").cached == 0
    assert cached("a").cached == 1


def test_the_oldest_makes_room_and_the_old_are_asked_for_again() -> None:
    now = [0.0]
    cache = EmbeddingCache(2, 10.0, lambda: now[0])
    for name in (b"a", b"b"):
        cache.put(name, array("f", [1.0]))
    assert cache.get(b"a") is not None
    cache.put(b"c", array("d", [2.0]))
    assert (cache.get(b"b"), cache.get(b"a") is None) == (None, False)
    found = cache.get(b"c")
    assert found is not None
    assert found.typecode == "f"
    now[0] = 10.0
    assert cache.get(b"a") is not None
    now[0] = 10.1
    assert cache.get(b"a") is None


def test_a_text_on_its_way_is_asked_for_once(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, embedding_cache_size=8)
    sandbox.faults.add(Fault(delay=0.1, times=None))
    results = clients.together(client, "embeddings.create", [{"model": EMBEDDINGS, "input": ["a", "b"]}] * 8)
    assert len(sandbox.requests) == 1
    assert all(result.embeddings == results[0].embeddings for result in results)


def test_if_the_one_who_asked_fails_another_asks(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, embedding_cache_size=8, max_retries=0)
    sandbox.faults.add(Fault(status=400, delay=0.1))
    results = clients.together(client, "embeddings.create", [{"model": EMBEDDINGS, "input": "a"}] * 4)
    assert sum(isinstance(result, BadRequestError) for result in results) == 1
    assert len(sandbox.requests) == 2


def test_the_cache_holds_under_many_threads() -> None:
    cache = EmbeddingCache(16, 60.0)
    wrong: list[Any] = []

    def run(seed: int) -> None:
        number = seed
        for _ in range(5_000):
            number = (number * 31 + 7) % 64
            key = bytes([number])
            found = cache.get(key)
            if found is None:
                cache.put(key, array("f", [float(number)]))
            elif found[0] != number:
                wrong.append((number, found))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
