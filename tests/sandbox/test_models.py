"""The list of models."""

from melious.catalogue import all_models, find


def test_plain_list_has_four_fields(http):
    body = http.get("/models").json()
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == [card.id for card in all_models()]
    assert all(set(model) == {"id", "object", "created", "owned_by"} for model in body["data"])


def test_meta_on_request(http):
    models = {model["id"]: model for model in http.get("/models?include_meta=true").json()["data"]}
    assert {model["_meta"]["type"] for model in models.values()} >= {
        "chat",
        "embeddings",
        "rerank",
        "image",
        "audio",
    }
    meta = models["glm-4.7"]["_meta"]
    assert meta["context_length"] == find("glm-4.7").context_length
    assert meta["pricing"]["currency"] == "EUR"
    assert "_meta" in http.get("/models/glm-4.7?include_meta=true").json()


def test_one_model(http):
    assert http.get("/models/glm-4.7").json()["id"] == "glm-4.7"
    assert http.get("/models/glm-4.7:eco").status_code == 404
    assert http.get("/models/nobody/knows").json()["error"]["code"] == "model_not_found"


def test_unknown_paths_and_methods(http):
    assert http.get("/vector_stores").status_code == 404
    wrong = http.get("/embeddings")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "POST"
    assert wrong.json()["error"]["code"] == "method_not_allowed"
