"""A long request leaves turns to the others, and answers as if it had been alone."""

import threading
import time

import pytest

from melious_sandbox.brain import relevance, vectors

WORDS = [
    "harbour",
    "lighthouse",
    "keeper",
    "storm",
    "ship",
    "captain",
    "rope",
    "anchor",
    "tide",
    "moon",
    "gull",
    "fog",
    "horn",
    "lamp",
    "rock",
    "sea",
    "wind",
]
TEXTS = [" ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 60)) for number in range(2048)]
LONG = {
    "embeddings": {"model": "bge-m3", "input": TEXTS, "encoding_format": "base64"},
    "rerank": {
        "model": "bge-reranker-v2-m3",
        "query": "keeper of the light",
        "documents": [text * 8 for text in TEXTS[:1000]],
    },
}


@pytest.mark.parametrize("path", LONG)
def test_others_are_answered_meanwhile(sandbox, client_of, path):
    long, short = client_of(sandbox), client_of(sandbox)
    short.get("/models/bge-m3")
    thread = threading.Thread(target=lambda: long.post(f"/{path}", json=LONG[path]))
    thread.start()
    while not sandbox.requests.to(path):
        time.sleep(0.001)
    first = sandbox.requests.to(path)[0]
    answered = 0
    while first.duration is None:
        assert short.get("/models/bge-m3").status_code == 200
        answered += 1
    thread.join()
    assert first.status == 200
    assert answered >= 2, "the others wait until it is over"


def test_the_answers_are_those_of_the_plain_functions(http):
    answer = http.post("/embeddings", json={"model": "bge-m3", "input": TEXTS[:40]}).json()
    assert [item["embedding"] for item in answer["data"]] == [
        vectors.embed(text, 1024) for text in TEXTS[:40]
    ]
    assert [item["index"] for item in answer["data"]] == list(range(40))
    body = {"model": "bge-reranker-v2-m3", "query": "keeper of the light", "documents": TEXTS[:40]}
    found = {
        item["index"]: item["relevance_score"] for item in http.post("/rerank", json=body).json()["results"]
    }
    assert [found[index] for index in range(40)] == relevance.scores(body["query"], TEXTS[:40])
