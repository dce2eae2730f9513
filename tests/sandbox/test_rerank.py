"""Rerank."""

import pytest

DOCUMENTS = [
    "Bread rises because yeast makes gas.",
    "The lighthouse of Genoa is one of the oldest standing.",
    "Lighthouses warn ships of rocks.",
]


@pytest.fixture
def rerank(http):
    def send(documents=DOCUMENTS, query="oldest lighthouse", **fields):
        body = {"model": "bge-reranker-v2-m3", "query": query, "documents": documents, **fields}
        return http.post("/rerank", json={name: value for name, value in body.items() if value is not None})

    return send


def test_best_first_with_documents(rerank):
    body = rerank().json()
    assert body["results"][0]["index"] == 1
    assert body["results"][0]["document"] == {"text": DOCUMENTS[1]}
    scores = [result["relevance_score"] for result in body["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert sorted(result["index"] for result in body["results"]) == [0, 1, 2]
    assert body["usage"]["total_tokens"] > 0
    assert body["billing_cost"]["paid_with"] == "credits"


def test_top_n_and_return_documents(rerank):
    results = rerank(top_n=2, return_documents=False).json()["results"]
    assert len(results) == 2
    assert all(set(result) == {"index", "relevance_score"} for result in results)
    assert len(rerank(top_n=99).json()["results"]) == 3


def test_documents_as_objects_come_back_as_they_were(rerank):
    document = {"text": DOCUMENTS[1], "page": 4}
    assert rerank([DOCUMENTS[0], document]).json()["results"][0]["document"] == document


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"documents": None}, "documents"),
        ({"documents": []}, "documents"),
        ({"documents": "text"}, "documents"),
        ({"documents": ["a", {"title": "b"}]}, "documents[1]"),
        ({"top_n": 0}, "top_n"),
        ({"max_chunks_per_doc": "two"}, "max_chunks_per_doc"),
        ({"return_documents": 1}, "return_documents"),
        ({"model": "bge-m3"}, "model"),
    ],
)
def test_refused(rerank, fields, param):
    response = rerank(**fields)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_routing_fields(rerank):
    fields = {"mode": "environment", "filters": {"countries": ["SE", "FR"]}}
    assert rerank(**fields).json()["environment_impact"]["location"] == "SE"
