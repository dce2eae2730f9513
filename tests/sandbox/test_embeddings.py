"""Embeddings: input rules, encodings, dimensions."""

import base64
import math
import struct

import pytest

from melious.catalogue import find
from melious_sandbox.brain import tokens


@pytest.fixture
def embed(http):
    def send(texts, model="bge-m3", **fields):
        return http.post("/embeddings", json={"model": model, "input": texts, **fields})

    return send


@pytest.mark.parametrize(
    ("texts", "param"),
    [
        (None, "input"),
        ([], "input"),
        ("", "input[0]"),
        (["a", "b", ""], "input[2]"),
        (["a", 7], "input[1]"),
        ({"text": "a"}, "input"),
        (["a"] * 2049, "input"),
    ],
)
def test_refused_input(embed, texts, param):
    response = embed(texts)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_empty_input_has_its_own_code(start_sandbox, client_of):
    http = client_of(start_sandbox("g2"))
    answers = [
        http.post("/embeddings", json={"model": "bge-m3", "input": text}) for text in ("", [], ["a", ""])
    ]
    assert {answer.json()["error"]["code"] for answer in answers} == {"VALIDATION_4005"}
    assert http.post("/embeddings", json={"model": "bge-m3"}).json()["error"]["code"] == "VALIDATION_4002"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 256}, "dimensions"),
        ({"dimensions": 0}, "dimensions"),
        ({"model": "glm-4.7"}, "model"),
        ({"mode": "speed", "custom_weights": {"speed": 1}}, "custom_weights"),
    ],
)
def test_refused_fields(embed, fields, param):
    response = embed("a", **fields)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_unknown_model(embed):
    assert embed("a", model="ada-002").status_code == 404


def test_one_input_over_the_context(embed):
    card = find("bge-large-en-v1.5")
    response = embed(["short", "long " * (card.context_length + 1)], model=card.id)
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert "input[1]" in response.json()["error"]["message"]


def test_shape_and_usage(embed):
    body = embed(["a cat", "two cats sat"]).json()
    assert [item["index"] for item in body["data"]] == [0, 1]
    assert {len(item["embedding"]) for item in body["data"]} == {1024}
    count = tokens.count("a cat") + tokens.count("two cats sat")
    assert body["usage"] == {"prompt_tokens": count, "total_tokens": count}
    assert body["environment_impact"]["provider_id"] == "regolo"


def test_both_encodings_carry_the_same_numbers(embed):
    floats = embed("a cat").json()["data"][0]["embedding"]
    packed = base64.b64decode(embed("a cat", encoding_format="base64").json()["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(floats)}f", packed)) == floats
    assert not math.isclose(math.hypot(*floats), 1.0, rel_tol=0.01)


@pytest.mark.parametrize("model", ["bge-m3", "bge-multilingual-gemma2", "paraphrase-multilingual-mpnet"])
def test_every_model_has_its_own_size(embed, model):
    assert len(embed("a", model=model).json()["data"][0]["embedding"]) == find(model).dimensions


def test_dimensions_where_the_model_allows_them(embed):
    whole = embed("a red fox", model="qwen3-embedding-8b").json()["data"][0]["embedding"]
    short = embed("a red fox", model="qwen3-embedding-8b", dimensions=512).json()["data"][0]["embedding"]
    assert short == whole[:512]


def test_a_full_batch(embed):
    texts = [f"paragraph {number} about harbours and lighthouses" for number in range(2048)]
    assert len(embed(texts, encoding_format="base64").json()["data"]) == 2048
