"""Blank texts that are skipped: zeros in their places, and nothing sent for them."""

from collections.abc import Callable
from typing import Any

import pytest

from melious import InvalidArgumentError, track_impact
from melious.sandbox import Sandbox

from .clients import EMBEDDINGS, Clients

TEXTS = ["", "heat", " \n", "ice", "heat", "\t"]
ZEROS = [0.0] * 1024


def sent(sandbox: Sandbox) -> list[list[str]]:
    return [request.body["input"] for request in sandbox.requests]


def test_blank_texts_are_not_sent_and_get_zeros(sandbox: Sandbox, embed: Callable[..., Any]) -> None:
    result = embed(TEXTS, blank_texts="skip")
    assert sent(sandbox) == [["heat", "ice"]]
    assert result.skipped == [0, 2, 5]
    assert [vector == ZEROS for vector in result.embeddings] == [True, False, True, False, False, True]
    assert result.embeddings[1] == result.embeddings[4] == embed("heat").embeddings[0]
    assert embed("heat").skipped == []


def test_the_client_says_it_for_all_calls_and_a_call_for_itself(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    skipping = client.with_options(blank_texts="skip")
    result = clients.call(skipping, "embeddings.create", model=EMBEDDINGS, input=["a", ""])
    assert result.skipped == [1]
    with pytest.raises(InvalidArgumentError, match=r"input\[1\]: must not be empty"):
        clients.call(skipping, "embeddings.create", model=EMBEDDINGS, input=["a", ""], blank_texts="refuse")
    assert len(sandbox.requests) == 1


def test_zeros_are_as_long_as_the_other_vectors(
    clients: Clients, client: Any, embed: Callable[..., Any]
) -> None:
    given = {"model": "qwen3-embedding-8b", "dimensions": 64, "blank_texts": "skip"}
    result = clients.call(client, "embeddings.create", input=["a", ""], **given)
    assert [len(vector) for vector in result.embeddings] == [64, 64]
    numpy = pytest.importorskip("numpy")
    array = embed(TEXTS, as_numpy=True, blank_texts="skip").embeddings
    assert array.shape == (6, 1024)
    assert array.dtype == numpy.float32
    assert not array[[0, 2, 5]].any()


def test_texts_that_are_all_blank_send_nothing(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    def embed(model: str, **params: Any) -> Any:
        given = {"model": model, "input": ["", " "], "blank_texts": "skip", **params}
        return clients.call(client, "embeddings.create", **given).embeddings

    with track_impact() as ledger:
        assert embed(EMBEDDINGS) == [ZEROS, ZEROS]
        assert embed("my-embedder", dimensions=8) == [[0.0] * 8] * 2
        with pytest.raises(InvalidArgumentError, match=r"every text is blank.*pass dimensions"):
            embed("my-embedder")
    assert not sandbox.requests
    assert ledger.total.requests == 0


def test_progress_counts_blank_texts_as_done(embed: Callable[..., Any]) -> None:
    seen: list[tuple[int, int]] = []
    embed(
        TEXTS,
        blank_texts="skip",
        batch_size=1,
        max_concurrency=1,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(3, 6), (5, 6), (6, 6)]


def test_the_cache_keeps_no_zeros(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    caching = client.with_options(embedding_cache_size=8, blank_texts="skip")
    for texts in (["a", ""], ["", "a"]):
        result = clients.call(caching, "embeddings.create", model=EMBEDDINGS, input=texts)
    assert result.embeddings[0] == ZEROS
    assert (result.cached, result.skipped) == (1, [0])
    assert sent(sandbox) == [["a"]]


@pytest.mark.parametrize("value", ["drop", 5, True])
def test_another_word_is_refused(embed: Callable[..., Any], value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="blank_texts: must be 'refuse' or 'skip'"):
        embed(["a"], blank_texts=value)
