"""`MeliousRerank`: scores, documents, and its place in a chain."""

import logging
import pickle
from copy import deepcopy
from operator import itemgetter

import pytest
from core.held_server import HeldServer
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_melious.errors import InvalidArgumentError
from melious import track_impact
from melious.sandbox import Fault

TEXTS = [
    "A cat sleeps in the sun.",
    "A heat pump moves heat from outside into the house.",
    "Bread is baked in an oven.",
    "Heat pumps need electricity.",
]
QUERY = "how does a heat pump work"


def documents():
    return [Document(text, metadata={"n": n, "tags": ["x"]}, id=f"d{n}") for n, text in enumerate(TEXTS)]


def body(sandbox):
    return sandbox.requests.to("rerank")[-1].body


def test_documents_come_back_best_first_as_copies(way, rerank, sandbox):
    given = documents()
    kept = deepcopy(given)
    best = way.call(rerank(), "compress_documents", given, QUERY)
    assert len(best) == 4
    assert best[0].metadata["n"] == 1
    assert best[0].id == "d1"
    scores = [document.metadata["relevance_score"] for document in best]
    assert scores == sorted(scores, reverse=True)
    assert all(type(score) is float for score in scores)
    best[0].metadata["tags"].append("y")
    assert given == kept
    assert body(sandbox) == {
        "model": "bge-reranker-v2-m3",
        "query": QUERY,
        "documents": TEXTS,
        "return_documents": False,
    }


def test_how_many_and_how_good(way, rerank, sandbox):
    best = way.call(rerank(top_n=2), "compress_documents", documents(), QUERY)
    assert [document.metadata["n"] for document in best] == [1, 3]
    assert body(sandbox)["top_n"] == 2
    best = way.call(rerank(top_n=2), "compress_documents", documents(), QUERY, top_n=3)
    assert len(best) == 3
    good = way.call(rerank(min_score=0.2), "compress_documents", documents(), QUERY)
    assert [document.metadata["n"] for document in good] == [1, 3]
    assert way.call(rerank(min_score=0.2), "rerank", TEXTS, QUERY, min_score=1.0) == []


@pytest.mark.parametrize(
    "given", [TEXTS, documents(), [{"text": text} for text in TEXTS]], ids=["texts", "documents", "dicts"]
)
def test_scores_of_whatever_holds_text(way, rerank, given):
    ranked = way.call(rerank(), "rerank", given, QUERY)
    assert [item["index"] for item in ranked][:2] == [1, 3]
    assert set(ranked[0]) == {"index", "relevance_score"}


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
def test_parameters_in_the_constructor_and_per_call(way, rerank, sandbox):
    made = rerank(preset="environment", max_chunks_per_doc=3, user="ada", flavor="eco")
    way.call(made, "rerank", TEXTS, QUERY, filters={"countries": ["FR"]}, preset="speed")
    sent = body(sandbox)
    assert sent["model"] == "bge-reranker-v2-m3:eco"
    assert (sent["preset"], sent["max_chunks_per_doc"], sent["user"]) == ("speed", 3, "ada")
    assert sent["filters"] == {"countries": ["FR"]}


def test_nothing_to_rank_is_no_request(way, rerank, sandbox):
    assert way.call(rerank(), "compress_documents", [], QUERY) == []
    assert way.call(rerank(), "rerank", [], QUERY) == []
    assert not sandbox.requests


@pytest.mark.parametrize("given", [[{"body": "x"}], [""], [7]])
def test_what_is_no_text_is_refused_with_its_place(way, rerank, sandbox, given):
    with pytest.raises(InvalidArgumentError, match=r"documents\[0\]"):
        way.call(rerank(), "rerank", given, QUERY)
    assert not sandbox.requests


@pytest.mark.parametrize("arguments", [{"topn": 3}, {"minscore": 0.5}])
def test_misspelt_arguments(way, rerank, arguments):
    with pytest.raises(InvalidArgumentError, match="did you mean"):
        rerank(**arguments)
    with pytest.raises(InvalidArgumentError):
        way.call(rerank(), "rerank", TEXTS, QUERY, **arguments)


def test_scores_belong_to_their_documents_though_indices_are_shuffled(way, rerank, sandbox):
    sandbox.faults.add(Fault(shuffle_indices=True))
    best = way.call(rerank(), "compress_documents", documents(), QUERY)
    assert best[0].metadata["n"] == 1


def test_long_lists_travel_in_batches_and_are_one_order(way, rerank, sandbox):
    many = [Document(f"Note {n} on heat pumps.", metadata={"n": n}) for n in range(50)]
    many[41] = Document(TEXTS[1], metadata={"n": 41})
    best = way.call(rerank(batch_size=8, max_concurrency=3, top_n=5), "compress_documents", many, QUERY)
    assert len(best) == 5
    assert best[0].metadata["n"] == 41
    scores = [document.metadata["relevance_score"] for document in best]
    assert scores == sorted(scores, reverse=True)
    assert sorted(len(request.body["documents"]) for request in sandbox.requests) == [2, *[8] * 6]
    sandbox.reset()
    way.call(rerank(), "rerank", many, QUERY)
    assert len(sandbox.requests) == 1


def test_batches_run_at_the_same_time(way, rerank):
    with HeldServer(lambda asked: asked.once_asked(4)) as there:
        model = rerank(api_key=there.api_key, base_url=there.base_url, batch_size=1, max_concurrency=4)
        assert len(way.call(model, "rerank", TEXTS, QUERY)) == 4
        assert there.at_once == 4


def test_the_score_of_the_search_is_kept_on_request(way, rerank):
    given = [Document(TEXTS[1], metadata={"relevance_score": 0.25}), Document(TEXTS[0])]
    kept = way.call(rerank(keep_retrieval_score=True), "compress_documents", given, QUERY)
    assert kept[0].metadata["retrieval_score"] == 0.25
    assert kept[0].metadata["relevance_score"] != 0.25
    assert "retrieval_score" not in kept[1].metadata
    replaced = way.call(rerank(), "compress_documents", given, QUERY)
    assert set(replaced[0].metadata) == {"relevance_score"}
    assert given[0].metadata == {"relevance_score": 0.25}


def test_a_blank_page_stops_no_chain(way, rerank, sandbox):
    given = [Document("", metadata={"n": 0}), *documents()[1:], Document(" \n", metadata={"n": 9})]
    best = way.call(rerank(), "compress_documents", given, QUERY)
    assert [document.metadata["n"] for document in best][-2:] == [0, 9]
    assert [document.metadata["relevance_score"] for document in best][-2:] == [0.0, 0.0]
    assert body(sandbox)["documents"] == TEXTS[1:]
    assert len(way.call(rerank(min_score=0.01), "compress_documents", given, QUERY)) <= 3
    assert len(way.call(rerank(top_n=4), "compress_documents", given, QUERY)) == 4
    sandbox.reset()
    assert len(way.call(rerank(), "compress_documents", given[:1], QUERY)) == 1
    assert not sandbox.requests


@pytest.mark.parametrize("left", [[], [2], [2, 0]], ids=str)
@pytest.mark.parametrize("top_n", [None, 2])
def test_documents_that_the_service_leaves_out_come_last(way, rerank, sandbox, caplog, left, top_n):
    results = [{"index": index, "relevance_score": 0.9 - place / 10} for place, index in enumerate(left)]
    sandbox.faults.add(Fault(endpoint="rerank", body={"results": results}))
    given = [Document(text, metadata={"relevance_score": 0.1}) for text in "abc"]
    with caplog.at_level(logging.WARNING):
        ranked = way.call(rerank(top_n=top_n), "compress_documents", [*given, Document(" ")], QUERY)
    order = [*("abc"[index] for index in left), *(text for at, text in enumerate("abc") if at not in left)]
    assert [document.page_content for document in ranked] == [*order, " "][:top_n]
    scores = [0.9 - place / 10 for place in range(len(left))] + [None] * (3 - len(left)) + [0.0]
    assert [document.metadata.get("relevance_score") for document in ranked] == scores[:top_n]
    short = len(left) < (top_n or 3)
    assert (f"the service ranked only {len(left)} of 3 documents" in caplog.text) is short


def test_a_minimal_score_drops_documents_without_one(way, rerank, sandbox):
    sandbox.faults.add(Fault(body={"results": [{"index": 1, "relevance_score": 0.9}]}, times=2))
    given = [Document(text, metadata={"relevance_score": 0.1}) for text in "abc"]
    best = way.call(rerank(min_score=0.0), "compress_documents", given, QUERY)
    assert [document.page_content for document in best] == ["b"]
    kept = way.call(rerank(keep_retrieval_score=True), "compress_documents", given, QUERY)
    assert [document.metadata.get("retrieval_score") for document in kept] == [0.1] * 3


def test_the_step_of_a_chain_is_batched_and_can_be_carried(way, rerank):
    step = rerank().as_runnable(top_n=1)
    given = {"query": QUERY, "documents": documents()}
    for each in (step, pickle.loads(pickle.dumps(step)), deepcopy(step)):
        assert [found.metadata["n"] for found in way.invoke(each, given)] == [1]
    assert [len(found) for found in way.call(step, "batch", [given, given])] == [1, 1]


def test_costs_go_to_the_ledger(way, rerank):
    with track_impact() as ledger:
        way.call(rerank(), "rerank", TEXTS, QUERY)
    assert ledger.by("endpoint")["rerank"].carbon_g_co2 > 0


def test_a_chain_from_search_to_answer(way, chat, embeddings, rerank):
    store = InMemoryVectorStore.from_documents(documents(), embeddings())
    prompt = ChatPromptTemplate.from_template(
        "Answer the question from the context.\n\nContext:\n{context}\n\nQuestion: {query}"
    )

    def joined(found):
        return "\n\n".join(document.page_content for document in found)

    chain = (
        {"query": RunnablePassthrough(), "documents": store.as_retriever(search_kwargs={"k": 4})}
        | RunnablePassthrough.assign(context=rerank().as_runnable(top_n=2) | joined)
        | {"context": itemgetter("context"), "query": itemgetter("query")}
        | prompt
        | chat("llama-3.3-70b-instruct")
        | StrOutputParser()
    )
    asked = "What does a heat pump move?"
    assert "heat from outside" in way.invoke(chain, asked)
    pieces = way.stream(chain, asked)
    assert len(pieces) > 3
    assert "heat from outside" in "".join(pieces)
