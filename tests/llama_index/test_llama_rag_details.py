"""Embeddings, rerank and objects: bounds, caches, options, and what is copied or shared."""

import asyncio
import copy
import math
import pickle

import pytest
from conformance.kit import leaves_the_loop_free
from core.held_server import HeldServer
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate, SelectorPromptTemplate
from llama_index.core.prompts.utils import is_chat_model
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.core.types import PydanticProgramMode
from llama_kit import piece, sse, whole
from pydantic import BaseModel, Field

from llama_index_melious import MeliousRerank
from melious import InvalidArgumentError
from melious.sandbox import Fault

TEXTS = ["Dunes move with the wind.", "Trains run on hydropower.", "The sea is deep."]
QUERY = "What do trains run on?"


def scored(*texts, **metadata):
    return [
        NodeWithScore(node=TextNode(text=text, id_=str(at), metadata=dict(metadata)), score=0.5)
        for at, text in enumerate(texts)
    ]


class Word(BaseModel):
    word: str


# --- objects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode", [PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION, PydanticProgramMode.LLM]
)
async def test_async_objects_leave_the_loop_free(make_llm, sandbox, mode):
    llm = make_llm(pydantic_program_mode=mode)
    function = {"name": "Word", "arguments": '{"word": "owl"}'}
    call = {"id": "c1", "type": "function", "function": function}
    answer = (
        whole({"content": None, "tool_calls": [call]}, "tool_calls")
        if mode is PydanticProgramMode.FUNCTION
        else whole({"content": '{"word": "owl"}'})
    )
    sandbox.faults.add(Fault(body=answer))
    await llm.astructured_predict(Word, PromptTemplate("A word?"))  # which may import
    sandbox.faults.add(Fault(body=answer, delay=30))
    assert await leaves_the_loop_free(llm.astructured_predict(Word, PromptTemplate("A word?")), sandbox)


async def test_async_streams_of_objects_leave_the_loop_free(make_llm, sandbox):
    llm, prompt = make_llm(), PromptTemplate("A word?")
    said = sse(piece({"content": '{"word": "owl"}'}), piece({}, "stop"))
    sandbox.faults.add(Fault(raw=said))
    stream = await llm.astream_structured_predict(Word, prompt)  # which may import
    assert [one async for one in stream][-1] == Word(word="owl")

    async def read() -> None:
        assert [one async for one in await llm.astream_structured_predict(Word, prompt)][-1].word == "owl"

    sandbox.faults.add(Fault(raw=said, delay=30))
    assert await leaves_the_loop_free(read(), sandbox)


@pytest.mark.parametrize("method", ["predict", "structured_predict"])
async def test_prompts_for_chat_models_are_taken(make_llm, way, sandbox, method):
    chat = ChatPromptTemplate([ChatMessage("Be brief.", role="system"), ChatMessage("A word?")])
    prompt = SelectorPromptTemplate(PromptTemplate("Complete: "), [(is_chat_model, chat)])
    sandbox.faults.add(Fault(body=whole({"content": '{"word": "owl"}'})))
    await way(make_llm(), method, *((Word, prompt) if "structured" in method else (prompt,)))
    assert [one["content"] for one in sandbox.requests[-1].body["messages"]] == ["Be brief.", "A word?"]


# --- embeddings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [{"extra_body": {"task": "retrieval"}}, {"additional_kwargs": {"task": "retrieval"}}, {"dimensions": 64}],
    ids=str,
)
@pytest.mark.parametrize("form", ["get_text_embedding", "get_query_embedding", "get_text_embedding_batch"])
async def test_the_cache_tells_settings_apart_in_every_form(make_embedding, way, sandbox, other, form):
    store, settings = SimpleKVStore(), {"model": "qwen3-embedding-8b", "dimensions": 32}
    for more in ({}, other):
        model = make_embedding(**{**settings, **more}, embeddings_cache=store)
        await way(model, form, ["dunes"] if "batch" in form else "dunes")
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("make", ["make_embedding", "make_rerank"])
def test_routing_words_of_older_pages_are_one_of_two(request, make):
    with pytest.raises(InvalidArgumentError, match="custom_weights"):
        request.getfixturevalue(make)(mode="balanced", custom_weights={"speed": 1.0})


async def test_weights_are_sent(make_embedding, make_rerank, way, sandbox):
    weights = {"speed": 0.5, "price": 0.5}
    await way(make_embedding(custom_weights=weights), "get_text_embedding_batch", TEXTS)
    await way(make_rerank(custom_weights=weights), "postprocess_nodes", scored(*TEXTS), query_str=QUERY)
    assert [request.body["custom_weights"] for request in sandbox.requests] == [weights] * 2


async def test_a_vector_of_zeros_stays_one(make_embedding, way, sandbox):
    data = [{"object": "embedding", "index": 0, "embedding": [0.0, 0.0]}]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    sandbox.faults.add(
        Fault(endpoint="embeddings", body={"object": "list", "model": "m", "data": data, "usage": usage})
    )
    vector = await way(make_embedding(normalize=True), "get_query_embedding", "dunes")
    assert vector == [0.0, 0.0]
    assert not any(map(math.isnan, vector))


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_copies_go_on_after_a_batch_on_a_loop_that_is_gone(make_embedding, how):
    model = make_embedding(embed_batch_size=1, num_workers=1)
    first = asyncio.run(model.aget_text_embedding_batch(TEXTS))
    other = pickle.loads(pickle.dumps(model)) if how == "pickle" else copy.deepcopy(model)
    assert asyncio.run(other.aget_text_embedding_batch(TEXTS)) == first
    assert asyncio.run(model.aget_text_embedding_batch(TEXTS)) == first


async def test_what_events_tell_of_the_model(make_embedding, way):
    class Keeper(BaseEventHandler):
        seen: list = Field(default_factory=list)

        def handle(self, event, **_):
            self.seen.append(event)

    keeper, root = Keeper(), get_dispatcher()
    root.add_event_handler(keeper)
    try:
        model = make_embedding(model="qwen3-embedding-8b", dimensions=64, embed_batch_size=7)
        await way(model, "get_query_embedding", "dunes")
    finally:
        root.event_handlers.remove(keeper)
    start = next(event for event in keeper.seen if event.class_name() == "EmbeddingStartEvent")
    told = {name: start.model_dict[name] for name in ("model_name", "dimensions", "embed_batch_size")}
    assert told == {"model_name": "qwen3-embedding-8b", "dimensions": 64, "embed_batch_size": 7}


# --- rerank ------------------------------------------------------------------------------------------------


async def test_async_ranking_leaves_the_loop_free(make_rerank, sandbox):
    rerank = make_rerank()
    await rerank.apostprocess_nodes(scored(*TEXTS), query_str=QUERY)
    sandbox.faults.add(Fault(endpoint="rerank", delay=30))
    assert await leaves_the_loop_free(rerank.apostprocess_nodes(scored(*TEXTS), query_str=QUERY), sandbox)


@pytest.mark.parametrize("where", ["constructor", "call"])
async def test_sizes_and_limits_hold_for_a_call_too(way, where):
    settings = {"max_batch_size": 2, "num_workers": 1, "max_document_chars": 5, "score_threshold": 0.0}
    given = settings if where == "constructor" else {}
    more = settings if where == "call" else {}
    with HeldServer(lambda asked: None) as server:
        place = {"api_key": server.api_key, "base_url": server.base_url}
        rerank = MeliousRerank(model="bge-reranker-v2-m3", **place, **given)
        ranked = await way(rerank, "postprocess_nodes", scored(*TEXTS), query_str=QUERY, **more)
        assert all(item.score >= 0 for item in ranked)
        assert sorted(map(len, server.texts)) == [1, 2]
        assert all(len(text) <= 5 for texts in server.texts for text in texts)
        assert server.at_once == 1
        beyond = await way(rerank, "postprocess_nodes", scored(*TEXTS), query_str=QUERY, score_threshold=1.0)
        assert beyond == []


async def test_the_kept_score_is_for_programs_and_hides_nothing_else(make_rerank, way):
    nodes = scored(*TEXTS, page=3, secret="x")
    for item in nodes:
        item.node.excluded_llm_metadata_keys = ["secret"]
        item.node.excluded_embed_metadata_keys = ["page"]
    ranked = await way(make_rerank(keep_retrieval_score=True), "postprocess_nodes", nodes, query_str=QUERY)
    for item in ranked:
        for mode, hidden in ((MetadataMode.LLM, "secret"), (MetadataMode.EMBED, "page")):
            shown = item.node.get_content(mode)
            assert "retrieval_score" not in shown
            assert hidden not in shown


async def test_a_threshold_leaves_nodes_without_a_score_out(make_rerank, way):
    nodes = [*scored(*TEXTS), NodeWithScore(node=TextNode(text="", id_="empty"), score=0.9)]
    ranked = await way(make_rerank(score_threshold=0.0), "postprocess_nodes", nodes, query_str=QUERY)
    assert "empty" not in {item.node.node_id for item in ranked}
    assert ranked


async def test_nodes_without_text_count_for_the_bound_too(make_rerank, way):
    empty = [NodeWithScore(node=TextNode(text="", id_=f"empty {at}")) for at in range(2)]
    ranked = await way(make_rerank(top_n=4), "postprocess_nodes", [*scored(*TEXTS), *empty], query_str=QUERY)
    assert [item.node.node_id for item in ranked][3:] == ["empty 0"]


async def test_a_lost_connection_can_be_passed_over(make_rerank, way, start_sandbox):
    gone = start_sandbox()
    rerank = make_rerank(base_url=gone.base_url, on_error="passthrough", max_retries=0, top_n=2)
    gone.stop()
    nodes = scored(*TEXTS)
    assert await way(rerank, "postprocess_nodes", nodes, query_str=QUERY) == nodes[:2]


async def test_the_list_that_was_given_is_not_the_one_that_comes_back(make_rerank, way, sandbox):
    sandbox.faults.add(Fault(endpoint="rerank", status=503))
    nodes = scored(*TEXTS)
    rerank = make_rerank(on_error="passthrough", max_retries=0)
    passed = await way(rerank, "postprocess_nodes", nodes, query_str=QUERY)
    passed.pop()
    assert len(nodes) == 3


# --- components --------------------------------------------------------------------------------------------


def test_another_client_takes_over(make_embedding, sandbox):
    import httpx

    one, two = (httpx.Client(headers={"x-mine": name}, trust_env=False) for name in ("one", "two"))
    with one, two:
        model = make_embedding(http_client=one)
        model.get_query_embedding("dunes")
        model.http_client = two
        model.get_query_embedding("dunes")
    assert [request.headers["x-mine"] for request in sandbox.requests] == ["one", "two"]


async def test_async_settings_that_change_take_effect(make_llm, sandbox):
    llm = make_llm()
    await llm.acomplete("Hello")
    llm.default_headers = {"x-team": "red"}
    await llm.acomplete("Hello")
    assert sandbox.requests[-1].headers["x-team"] == "red"


async def test_options_keep_what_was_injected(make_llm, sandbox):
    import httpx

    with httpx.Client(headers={"x-mine": "yes"}, trust_env=False) as client:
        llm = make_llm(http_client=client, default_headers={"x-team": "blue"})
        llm.with_options(preset="speed").complete("Hello")
    headers = sandbox.requests[-1].headers
    assert (headers["x-mine"], headers["x-team"]) == ("yes", "blue")


def test_a_deadline_of_ten_minutes_unless_another_is_given(make_llm, make_embedding, make_rerank):
    for make in (make_llm, make_embedding, make_rerank):
        assert make().deadline == 600
        assert make(deadline=None).deadline is None


@pytest.mark.parametrize("where", ["constructor", "call"])
async def test_a_deadline_ends_the_call(make_llm, way, sandbox, where):
    sandbox.faults.add(Fault(delay=600, times=None))
    limit = {"deadline": 0.1}
    llm = make_llm(**(limit if where == "constructor" else {}))
    with pytest.raises(TimeoutError):
        await way(llm, "chat", [ChatMessage("Hello")], **(limit if where == "call" else {}))


def test_without_its_extra_aiohttp_is_not_silently_something_else(make_llm, make_embedding, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "aiohttp", None)
    for make, method in ((make_llm, "acomplete"), (make_embedding, "aget_query_embedding")):
        with pytest.raises(Exception, match=r"melious\[aiohttp\]"):
            asyncio.run(getattr(make(async_transport="aiohttp"), method)("Hello"))


def test_headers_that_change_in_place_take_effect(make_embedding, sandbox):
    model = make_embedding(default_headers={"x-team": "blue"})
    model.get_query_embedding("dunes")
    model.default_headers["x-team"] = "red"
    model.get_query_embedding("dunes")
    assert [request.headers["x-team"] for request in sandbox.requests] == ["blue", "red"]


@pytest.mark.parametrize("make", ["make_llm", "make_embedding", "make_rerank"])
def test_what_is_no_async_client_is_refused_early(request, make):
    with pytest.raises(InvalidArgumentError, match="async_http_client"):
        request.getfixturevalue(make)(async_http_client=5)


@pytest.mark.parametrize("make", ["make_llm", "make_embedding", "make_rerank"])
def test_a_key_may_go_in_clear_where_that_is_allowed(request, make):
    component = request.getfixturevalue(make)(base_url="http://melious.example/v1", allow_insecure_http=True)
    assert component.with_options(preset="speed").base_url == "http://melious.example/v1"
