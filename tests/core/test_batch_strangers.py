"""Results whose ids no request has: they take no request's place, and hide no request without a result."""

from __future__ import annotations

from typing import Any

import pytest

from melious import ServerError

from .batch_server import BatchServer, embedded

REQUESTS = [{"model": "bge-m3", "input": [text]} for text in "ab"]
BOTH = [embedded("request-1", 2.0), embedded("request-0", 1.0)]
STRANGERS = [
    "request-2",
    "request-99",
    "request--1",
    "request-00",
    "request-\u0661",
    "elbe",
    f"request-{'9' * 5000}",
    0,
]


def results_of(clients: Any, server: BatchServer, requests: Any = REQUESTS) -> dict[str, Any]:
    client = clients.client(server)
    job = clients.call(client, "batches.submit", requests, endpoint="/v1/embeddings")
    found: dict[str, Any] = clients.call(job, "results")
    return found


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda name: str(name)[:12])
def test_a_result_that_no_request_asked_for_is_left_out(clients, stranger, caplog):
    with BatchServer([*BOTH, embedded(stranger)]) as server:
        found = results_of(clients, server)
    assert {name: answer.embeddings for name, answer in found.items()} == {
        "request-0": [[1.0]],
        "request-1": [[2.0]],
    }
    assert "which it does not have" in caplog.text


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda name: str(name)[:12])
def test_it_is_not_counted_as_the_result_that_is_missing(clients, stranger):
    with BatchServer([BOTH[1], embedded(stranger)]) as server:
        found = results_of(clients, server)
    assert list(found) == ["request-0", "request-1"]
    assert isinstance(found["request-1"], ServerError)


def test_without_the_metadata_the_missing_result_is_noticed_too(clients):
    lines = [BOTH[1], embedded("request-99")]
    with BatchServer(lines, metadata=False, counts={"succeeded": 2, "errored": 0, "processing": 0}) as server:
        found = results_of(clients, server)
    assert found["request-0"].embeddings == [[1.0]]
    assert isinstance(found["request-1"], ServerError)


def test_ids_of_the_caller_s_own_are_kept(clients):
    lines = [embedded("elbe", 1.0), embedded("request-0", 2.0)]
    named = [("elbe", REQUESTS[0]), ("request-0", REQUESTS[1])]
    with BatchServer(lines) as server:
        found = results_of(clients, server, named)
    assert found["elbe"].embeddings == [[1.0]]
    assert found["request-0"].embeddings == [[2.0]]


@pytest.mark.parametrize("metadata", [True, False])
@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda name: str(name)[:12])
class TestInTheFrameworks:
    """Each text has its own vector, or is known to have none."""

    def lines(self, stranger: object) -> list[Any]:
        return [embedded(stranger, 3.0), *BOTH]

    def test_langchain(self, metadata, stranger):
        kind = pytest.importorskip("langchain_melious").MeliousEmbeddings
        with BatchServer(self.lines(stranger), metadata=metadata) as server:
            model = kind("bge-m3", **server.place)
            vectors = model.collect_batch(model.submit_batch(["a", "b"]))
        assert vectors[:2] == [[1.0], [2.0]]

    def test_llama_index(self, metadata, stranger):
        kind = pytest.importorskip("llama_index_melious").MeliousBatchEmbedding
        with BatchServer(self.lines(stranger), metadata=metadata) as server:
            model = kind("bge-m3", **server.place)
            assert model.get_text_embedding_batch(["a", "b"]) == [[1.0], [2.0]]

    def test_scale(self, metadata, stranger):
        from melious.scale import Embedder

        with BatchServer(self.lines(stranger), metadata=metadata) as server:
            rows = Embedder("bge-m3", engine="batch", **server.place)(["a", "b"])
        assert [(row["embedding"], row["error"]) for row in rows] == [([1.0], None), ([2.0], None)]


def test_a_row_without_a_result_has_an_error():
    from melious.scale import Embedder

    with BatchServer([embedded(0), embedded(1)], metadata=False) as server:
        rows = Embedder("bge-m3", engine="batch", normalize=True, **server.place)(["a", "b"])
    assert [row["embedding"] for row in rows] == [None, None]
    assert all("no result" in row["error"] for row in rows)
