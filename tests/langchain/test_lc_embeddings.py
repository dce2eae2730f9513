"""`MeliousEmbeddings`: both ways, in batches, at unit length, with prefixes."""

import math
import sys

import pytest
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_melious.errors import InvalidArgumentError
from melious import track_impact
from melious.endpoints.unit_length import has_numpy
from melious.sandbox import Fault


def bodies(sandbox):
    return [request.body for request in sandbox.requests.to("embeddings")]


def test_vectors_of_documents_and_queries(way, embeddings):
    made = embeddings()
    first, second = way.call(made, "embed_documents", ["a heat pump", "a kettle"])
    query = way.call(made, "embed_query", "a heat pump")
    assert len(first) == len(second) == 1024
    assert all(type(value) is float for value in first)
    assert query == first != second
    assert math.hypot(*first) != pytest.approx(1.0)


def test_unit_length(way, embeddings):
    made = embeddings(normalize=True)
    for vector in (*way.call(made, "embed_documents", ["a", "b"]), way.call(made, "embed_query", "c")):
        assert math.hypot(*vector) == pytest.approx(1.0)


def test_unit_length_where_there_is_no_numpy(way, embeddings, sandbox, monkeypatch):
    made, texts = embeddings(normalize=True), ["a", "b"]
    scaled = way.call(made, "embed_documents", texts)
    monkeypatch.setitem(sys.modules, "numpy", None)
    has_numpy.cache_clear()
    try:
        alone = way.call(made, "embed_documents", texts)
    finally:
        has_numpy.cache_clear()
    assert alone == [pytest.approx(vector) for vector in scaled]
    assert len(bodies(sandbox)) == 2


def test_prefixes_of_queries_and_documents(way, embeddings, sandbox):
    made = embeddings("multilingual-e5-large", query_prefix="query: ", document_prefix="passage: ")
    way.call(made, "embed_documents", ["heat"])
    way.call(made, "embed_query", "heat")
    assert [body["input"] for body in bodies(sandbox)] == [["passage: heat"], ["query: heat"]]


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
def test_parameters_in_the_constructor_and_per_call(way, embeddings, sandbox):
    made = embeddings("qwen3-embedding-8b", dimensions=64, preset="quality", user="ada", flavor="eco")
    assert len(way.call(made, "embed_query", "heat")) == 64
    way.call(made, "embed_documents", ["heat"], dimensions=32, filters={"countries": ["DE"]}, preset="price")
    first, second = bodies(sandbox)
    assert (first["model"], first["preset"], first["user"]) == ("qwen3-embedding-8b:eco", "quality", "ada")
    assert (second["dimensions"], second["preset"]) == (32, "price")
    assert second["filters"] == {"countries": ["DE"]}


def test_batches_keep_the_order_and_equal_texts_travel_once(way, embeddings, sandbox):
    made = embeddings(batch_size=4, max_concurrency=3)
    texts = [f"text {i % 10}" for i in range(25)]
    vectors = way.call(made, "embed_documents", texts)
    sent = [text for body in bodies(sandbox) for text in body["input"]]
    assert sorted(sent) == sorted(set(texts))
    assert [len(body["input"]) for body in bodies(sandbox)].count(4) == 2
    assert vectors[3] == vectors[13] == way.call(made, "embed_query", "text 3")


def test_nothing_to_embed_is_no_request(way, embeddings, sandbox):
    assert way.call(embeddings(), "embed_documents", []) == []
    assert not sandbox.requests


@pytest.mark.parametrize("prefix", ["", "passage: "])
def test_an_empty_text_is_refused_with_its_place(way, embeddings, sandbox, prefix):
    made = embeddings(document_prefix=prefix, query_prefix=prefix)
    with pytest.raises(InvalidArgumentError, match=r"\[2\]"):
        way.call(made, "embed_documents", ["a", "b", ""])
    with pytest.raises(InvalidArgumentError):
        way.call(made, "embed_query", "")
    assert not sandbox.requests


@pytest.mark.parametrize("prefix", ["", "passage: "])
def test_blank_texts_can_be_skipped(way, embeddings, sandbox, prefix):
    made = embeddings(document_prefix=prefix, blank_texts="skip", normalize=True)
    vectors = way.call(made, "embed_documents", ["", "heat", " \n", "ice"])
    assert [any(vector) for vector in vectors] == [False, True, False, True]
    assert {len(vector) for vector in vectors} == {1024}
    assert [body["input"] for body in bodies(sandbox)] == [[f"{prefix}heat", f"{prefix}ice"]]
    assert way.call(embeddings(), "embed_documents", [" "], blank_texts="skip") == [[0.0] * 1024]
    with pytest.raises(InvalidArgumentError, match=r"texts\[2\]: must be a string"):
        way.call(made, "embed_documents", ["a", "", None])
    with pytest.raises(InvalidArgumentError, match=r"texts\[1\]: must be a string that is not blank"):
        way.call(made, "embed_documents", ["a", " \n"], blank_texts="refuse")
    with pytest.raises(InvalidArgumentError, match="text: must be a string that is not blank"):
        way.call(made, "embed_query", " ")
    assert len(sandbox.requests) == 1


def test_a_store_finds_no_document_whose_text_is_blank(embeddings):
    store = InMemoryVectorStore.from_texts(["", "A heat pump moves heat."], embeddings(blank_texts="skip"))
    found = store.similarity_search_with_score("how does a heat pump work", k=2)
    assert [document.page_content for document, _ in found] == ["A heat pump moves heat.", ""]
    assert found[1][1] == 0.0


def test_a_single_text_is_no_list_of_letters(way, embeddings):
    with pytest.raises(InvalidArgumentError, match="embed_query"):
        way.call(embeddings(), "embed_documents", "heat")


@pytest.mark.parametrize("arguments", [{"dimension": 3}, {"batchsize": 3}])
def test_misspelt_arguments(way, embeddings, arguments):
    with pytest.raises(InvalidArgumentError, match="did you mean"):
        embeddings(**arguments)
    with pytest.raises(InvalidArgumentError, match="did you mean"):
        way.call(embeddings(), "embed_query", "a", **arguments)


def test_floats_where_the_service_refuses_base64(way, embeddings, sandbox):
    sandbox.faults.add(Fault(refuse_base64=True, endpoint="embeddings"))
    assert len(way.call(embeddings(), "embed_query", "heat")) == 1024


def test_the_cache_keeps_texts(way, embeddings, sandbox):
    made = embeddings(embedding_cache_size=10)
    way.call(made, "embed_documents", ["heat", "ice"])
    way.call(made, "embed_documents", ["ice", "heat"])
    assert len(sandbox.requests) == 1


def test_costs_go_to_the_ledger(way, embeddings):
    with track_impact() as ledger:
        way.call(embeddings(), "embed_documents", ["heat"])
    assert ledger.by("endpoint")["embeddings"].input_tokens > 0
    assert ledger.total.carbon_g_co2 > 0


def test_a_request_holds_so_many_tokens_at_most(way, embeddings, sandbox):
    texts = [f"{n} heat" for n in range(6)]
    made = embeddings(max_batch_tokens=4, count_tokens=lambda text: len(text.split()))
    assert len(way.call(made, "embed_documents", texts)) == 6
    assert [len(request.body["input"]) for request in sandbox.requests] == [2, 2, 2]


def test_a_bar_shows_how_far_it_has_come(way, embeddings, capsys):
    texts = [f"text {n}" for n in range(8)]
    made = embeddings(batch_size=2, max_concurrency=1, show_progress_bar=True)
    assert len(way.call(made, "embed_documents", texts)) == 8
    shown = capsys.readouterr().err
    assert "8/8" in shown
    way.call(embeddings(batch_size=2), "embed_documents", texts)
    assert not capsys.readouterr().err


def test_a_vector_store(embeddings):
    store = InMemoryVectorStore.from_texts(
        ["A heat pump moves heat.", "A cat sleeps.", "Bread is baked."], embeddings()
    )
    assert store.similarity_search("how does a heat pump work", k=1)[0].page_content.startswith("A heat")
