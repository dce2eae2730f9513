"""Wrong arguments of calls: an error that says what to give instead, before LlamaIndex or the service sees them."""

import inspect
import re

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import NodeWithScore, TextNode

from llama_index_melious import MeliousEmbedding
from melious import InvalidArgumentError


@pytest.mark.parametrize("method", ["chat", "stream_chat"])
@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ("hi", "messages: must be a list of ChatMessage, not str; complete() takes a prompt"),
        (ChatMessage("hi"), "messages: must be a list of ChatMessage, not ChatMessage; put it into a list"),
        (None, "messages: must be a list of ChatMessage, not NoneType"),
        ([ChatMessage("hi"), "hi"], "messages[1]: must be a ChatMessage, not str"),
        ([{"role": "user", "content": "hi"}], "messages[0]: must be a ChatMessage, not dict"),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_messages_must_be_a_list(make_llm, way, sandbox, method, messages, problem):
    with pytest.raises(InvalidArgumentError, match=f"^{re.escape(problem)}$"):
        await way(make_llm(), method, messages)
    assert not sandbox.requests


def test_async_methods_stay_coroutine_functions(make_llm):
    llm = make_llm()
    assert inspect.iscoroutinefunction(inspect.unwrap(type(llm).achat))
    assert next(iter(inspect.signature(llm.chat).parameters)) == "messages"


async def test_a_text_is_not_a_list_of_texts(make_embedding, way, sandbox):
    with pytest.raises(
        InvalidArgumentError, match="texts: must be a list of texts, not str; get_text_embedding"
    ):
        await way(make_embedding(), "get_text_embedding_batch", "abc")
    with pytest.raises(InvalidArgumentError, match="texts: must be a list of texts, not NoneType"):
        await way(make_embedding(), "get_text_embedding_batch", None)
    assert not sandbox.requests


async def test_texts_may_come_from_a_generator(make_embedding, way):
    texts = ["dunes", "lighthouses"]
    vectors = await way(make_embedding(), "get_text_embedding_batch", (text for text in texts))
    assert vectors == await way(make_embedding(), "get_text_embedding_batch", texts)


async def test_nodes_need_a_place_for_their_score(make_rerank, way, sandbox):
    good = NodeWithScore(node=TextNode(text="dunes"))
    problem = "nodes[1]: must be a NodeWithScore, not TextNode; wrap it: NodeWithScore(node=...)"
    with pytest.raises(InvalidArgumentError, match=f"^{re.escape(problem)}$"):
        await way(make_rerank(), "postprocess_nodes", [good, TextNode(text="seas")], query_str="sand")
    assert not sandbox.requests


@pytest.mark.parametrize("threshold", [2, -0.1])
async def test_scores_are_from_0_to_1(make_rerank, way, sandbox, threshold):
    nodes = [NodeWithScore(node=TextNode(text="dunes"))]
    with pytest.raises(InvalidArgumentError, match=r"score_threshold: must be at (most 1|least 0)$"):
        make_rerank(score_threshold=threshold)
    with pytest.raises(InvalidArgumentError, match=r"score_threshold: must be at (most 1|least 0)$"):
        await way(make_rerank(), "postprocess_nodes", nodes, query_str="sand", score_threshold=threshold)
    assert not sandbox.requests


def test_a_cache_must_be_a_store(place):
    with pytest.raises(
        InvalidArgumentError, match="embeddings_cache: must be a BaseKVStore of LlamaIndex, not dict"
    ):
        MeliousEmbedding("bge-m3", embeddings_cache={}, **place)
