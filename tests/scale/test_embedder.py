"""Batches of every kind in, the same kind out; what is sent, and what the columns hold."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from melious import InvalidArgumentError, MeliousClient
from melious.sandbox import Sandbox
from melious.scale import Embedder

from .conftest import MODEL, texts_sent

TEXTS = ["a heat pump", "a kettle", "a lighthouse"]
Make = Callable[..., Embedder]


@pytest.fixture
def expected(sandbox: Sandbox) -> list[list[float]]:
    """What the client gives for the texts."""
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        vectors: list[list[float]] = client.embeddings.create(model=MODEL, input=TEXTS).embeddings
    sandbox.reset()
    return vectors


# --- kinds of batches ------------------------------------------------------------------------------------


def test_a_dict_of_lists_gets_lists(embedder: Make, expected: list[list[float]]) -> None:
    batch = {"id": [1, 2, 3], "text": TEXTS}
    done = embedder()(batch)
    assert done == {"id": [1, 2, 3], "text": TEXTS, "embedding": expected, "error": [None] * 3}
    assert list(batch) == ["id", "text"], "what was given stays as it was"


def test_rows_may_be_dicts_or_texts(embedder: Make, expected: list[list[float]]) -> None:
    rows = embedder()([{"id": 1, "text": TEXTS[0]}, *TEXTS[1:]])
    assert [row["embedding"] for row in rows] == expected
    assert [row["text"] for row in rows] == TEXTS
    assert rows[0]["id"] == 1


def test_a_frame_keeps_its_index_and_gets_arrays(embedder: Make, expected: list[list[float]]) -> None:
    frame = pd.DataFrame({"id": [1, 2, 3], "text": TEXTS}, index=[30, 10, 20])
    done = embedder()(frame)
    assert list(frame.columns) == ["id", "text"], "what was given stays as it was"
    assert list(done.columns) == ["id", "text", "embedding", "error"]
    assert list(done.index) == [30, 10, 20]
    assert [vector.dtype for vector in done["embedding"]] == [np.float32] * 3
    assert np.allclose(np.stack(list(done["embedding"])), expected)
    assert done["error"].tolist() == [None] * 3


def test_numpy_columns_may_have_gaps(embedder: Make, expected: list[list[float]]) -> None:
    done = embedder()({"id": np.arange(4), "text": np.array([*TEXTS, ""])})
    vectors = list(done["embedding"])
    assert len(vectors) == 4
    assert np.allclose(np.stack(vectors[:3]), expected)
    assert vectors[3] is None
    assert done["id"].tolist() == [0, 1, 2, 3]


def test_an_iterator_as_spark_gives_it_is_taken_batch_by_batch(sandbox: Sandbox, embedder: Make) -> None:
    frames = (pd.DataFrame({"text": [text]}) for text in TEXTS)
    done = embedder()(frames)
    assert not sandbox.requests
    first = next(done)
    assert first["embedding"][0].shape == (1024,)
    assert texts_sent(sandbox) == TEXTS[:1]
    assert len(list(done)) == 2


@pytest.mark.parametrize(
    "batch",
    [
        {"text": []},
        [],
        pd.DataFrame({"text": []}),
        {"text": np.array([], dtype=object)},
    ],
    ids=["dict", "rows", "frame", "arrays"],
)
def test_an_empty_batch_sends_nothing(batch: Any, sandbox: Sandbox) -> None:
    done = Embedder(MODEL, base_url=sandbox.base_url)(batch)
    assert not sandbox.requests
    assert isinstance(done, list) or set(done) == {"text", "embedding", "error"}


def test_the_columns_of_a_frame_are_known_without_a_request(sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"id": [1], "text": ["a kettle"]})
    meta = Embedder(MODEL, base_url=sandbox.base_url, report_column="spent").meta(frame)
    assert list(meta.columns) == ["id", "text", "embedding", "error", "spent"]
    assert len(meta) == 0
    assert not sandbox.requests


@pytest.mark.parametrize("batch", ["a kettle", 7, None, [7]], ids=repr)
def test_other_things_are_no_batches(batch: Any, embedder: Make) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^batch"):
        embedder()(batch)


def test_a_batch_without_texts_says_what_it_has(embedder: Make) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no column 'text'; it has id, body"):
        embedder()({"id": [1], "body": ["a kettle"]})


# --- what is sent ----------------------------------------------------------------------------------------


def test_equal_texts_are_sent_once(sandbox: Sandbox, embedder: Make) -> None:
    done = embedder()({"text": ["a kettle", "a pot", "a kettle"]})
    assert texts_sent(sandbox) == ["a kettle", "a pot"]
    assert done["embedding"][0] == done["embedding"][2] != done["embedding"][1]


def test_a_batch_takes_as_many_requests_as_its_size_asks_for(sandbox: Sandbox, embedder: Make) -> None:
    texts = [f"lighthouse {number}" for number in range(10)]
    done = embedder(batch_size=3)({"text": texts})
    assert sorted(len(request.body["input"]) for request in sandbox.requests) == [1, 3, 3, 3]
    assert done["embedding"] == embedder()({"text": texts})["embedding"], "the order holds"


def test_long_texts_are_counted_once_each_and_split_by_tokens(sandbox: Sandbox, embedder: Make) -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return 10

    embedder(max_batch_tokens=20, count_tokens=count)({"text": [f"text {number}" for number in range(6)]})
    assert len(sandbox.requests) == 3
    assert sorted(counted) == [f"text {number}" for number in range(6)]


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
def test_options_reach_the_wire(sandbox: Sandbox) -> None:
    embed = Embedder(
        "qwen3-embedding-8b:eco",
        api_key=sandbox.api_key,
        base_url=sandbox.base_url,
        text_column="body",
        output_column="vector",
        prefix="passage: ",
        dimensions=64,
        normalize=True,
        preset="environment",
        filters={"countries": ["DE", "FR", "FI", "NL", "SE"]},
    )
    done = embed({"body": ["a kettle"]})
    body = sandbox.requests[0].body
    assert body["model"] == "qwen3-embedding-8b:eco"
    assert body["input"] == ["passage: a kettle"]
    assert body["dimensions"] == 64
    assert body["preset"] == "environment"
    assert body["filters"] == {"countries": ["DE", "FR", "FI", "NL", "SE"]}
    assert done["body"] == ["a kettle"]
    assert len(done["vector"][0]) == 64
    assert math.isclose(math.hypot(*done["vector"][0]), 1.0, rel_tol=1e-6)


def test_arrays_are_normalised_too(embedder: Make) -> None:
    done = embedder(normalize=True)(pd.DataFrame({"text": TEXTS}))
    assert np.allclose([np.linalg.norm(vector) for vector in done["embedding"]], 1.0, rtol=1e-6)
    assert {vector.dtype for vector in done["embedding"]} == {np.dtype(np.float32)}


# --- wrong arguments are known before any worker starts --------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_retrys": 3}, "did you mean 'max_retries'"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"timeout": -1}, "timeout"),
        ({"on_error": "ignore"}, "on_error"),
        ({"output_column": "text"}, "output_column: 'text' is also text_column"),
        ({"report_column": "error"}, "report_column: 'error' is also error_column"),
        ({"error_column": 7}, "error_column: must be the name of a column, not 7"),
        ({"text_column": ""}, "text_column: must be the name of a column, not ''"),
        ({"key_from": "a vault"}, "key_from"),
        ({"prefix": 7}, "prefix"),
        ({"normalize": "yes"}, "normalize: must be True or False, not 'yes'"),
        ({"pickle_key": 1}, "pickle_key: must be True or False, not 1"),
        ({"async_transport": "aiohttp"}, "async_transport"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_refused_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        Embedder(MODEL, **options)


def test_a_budget_is_refused_since_workers_share_nothing() -> None:
    from melious import ImpactBudget

    with pytest.raises(InvalidArgumentError, match="workers share nothing"):
        Embedder(MODEL, budget=ImpactBudget(max_requests=1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"filters": {"country": ["DE"]}}, "unknown filter 'country'; did you mean 'countries'"),
        ({"blank_texts": "skip"}, "blank_texts: not supported: a row with a blank text has an error"),
        ({"filters": {"countries": ["Germany"]}}, "'Germany' is not an ISO 3166 alpha-2"),
        ({"flavor": "ecco"}, "did you mean 'eco'"),
        ({"verify_location": "raise"}, "needs countries"),
        ({"routing_fallbacks": ["country"]}, "did you mean 'countries'"),
    ],
    ids=str,
)
def test_wrong_words_of_routing_show_before_the_job_begins(options, said):
    with pytest.raises(InvalidArgumentError, match=said):
        Embedder("bge-m3", **options)
    assert Embedder("bge-m3", filters={"countries": ["de"]}, verify_location="raise")
