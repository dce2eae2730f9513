"""llama.cpp's own `/v1/rerank`, whose results are not sorted and whose scores are raw logits."""

from collections.abc import Iterator

import httpx
import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

from langchain_melious import MeliousRerank as LangChainRerank
from llama_index_melious import MeliousRerank as LlamaIndexRerank
from melious import MeliousClient

from .llama_process import LlamaServer, start_llama_server

QUERY = "Which river flows through Hamburg?"
TEXTS = ["The Elbe flows through Hamburg.", "A cat sleeps.", "Rome has seven hills.", "Water is wet."]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    with start_llama_server("rank", tmp_path_factory.mktemp("llama")) as server:
        yield server


@pytest.fixture(scope="module")
def scores(server: LlamaServer) -> dict[str, float]:
    """What the server itself says of each text."""
    body = {"model": "smollm2", "query": QUERY, "documents": TEXTS}
    answer = httpx.post(
        f"{server.base_url}/rerank", json=body, timeout=500.0, trust_env=False
    ).raise_for_status()
    return {TEXTS[result["index"]]: result["relevance_score"] for result in answer.json()["results"]}


def _options(server: LlamaServer) -> dict[str, object]:
    return {"base_url": server.base_url, "api_key": "sk-none", "timeout": 500.0}


def _best(scores: dict[str, float]) -> list[str]:
    return sorted(scores, key=lambda text: -scores[text])


def test_the_client_sorts_and_keeps_the_scores(server: LlamaServer, scores: dict[str, float]) -> None:
    with MeliousClient(**_options(server)) as client:
        answer = client.rerank.create(model="smollm2", query=QUERY, documents=TEXTS)
    assert [TEXTS[result.index] for result in answer.results] == _best(scores)
    assert [result.relevance_score for result in answer.results] == pytest.approx(
        sorted(scores.values(), reverse=True)
    )


@pytest.mark.parametrize("top_n", [2, 4])
def test_langchain_takes_the_best(top_n: int, server: LlamaServer, scores: dict[str, float]) -> None:
    rerank = LangChainRerank("smollm2", top_n=top_n, **_options(server))
    best = rerank.compress_documents([Document(text, metadata={"from": text}) for text in TEXTS], QUERY)
    assert [document.page_content for document in best] == _best(scores)[:top_n]
    assert all(document.metadata["from"] == document.page_content for document in best)
    assert [document.metadata["relevance_score"] for document in best] == pytest.approx(
        [scores[text] for text in _best(scores)[:top_n]]
    )


@pytest.mark.parametrize("top_n", [2, 4])
def test_llama_index_takes_the_best(top_n: int, server: LlamaServer, scores: dict[str, float]) -> None:
    rerank = LlamaIndexRerank("smollm2", top_n=top_n, **_options(server))
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in TEXTS]
    best = rerank.postprocess_nodes(nodes, query_str=QUERY)
    assert [node.text for node in best] == _best(scores)[:top_n]
    assert [node.score for node in best] == pytest.approx([scores[text] for text in _best(scores)[:top_n]])


async def test_both_rerank_in_async_code(server: LlamaServer, scores: dict[str, float]) -> None:
    documents = await LangChainRerank("smollm2", **_options(server)).acompress_documents(
        [Document(text) for text in TEXTS], QUERY
    )
    nodes = await LlamaIndexRerank("smollm2", **_options(server)).apostprocess_nodes(
        [NodeWithScore(node=TextNode(text=text)) for text in TEXTS], query_str=QUERY
    )
    assert documents[0].page_content == nodes[0].text == _best(scores)[0]
