"""Tags and metadata of LangChain's runs, as tags in the rows and sums of ledgers."""

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.checkpoint.memory import InMemorySaver

from langchain_melious import MeliousImpactHandler
from melious import MeliousError, track_impact
from melious.sandbox import Fault

RUN = {"tags": ["summary"], "metadata": {"project": "website", "budget": 7, "urgent": True, "notes": ["no"]}}
TAGS = {"project": "website", "budget": "7", "urgent": "true", "summary": "true"}


def _tags(ledger):
    return [dict(row.entry.tags) for row in ledger.rows]


@pytest.mark.parametrize("call", ["invoke", "stream"])
def test_a_call_has_the_tags_and_metadata_of_its_config(way, chat, call):
    with track_impact(keep_rows=9) as ledger:
        getattr(way, call)(chat(), "Hello", RUN)
        getattr(way, call)(chat(), "Hello")
    assert _tags(ledger) == [TAGS, {}]
    assert {value: sums.requests for value, sums in ledger.by_tag("project").items()} == {
        "website": 1,
        None: 1,
    }


@pytest.mark.parametrize("call", ["invoke", "stream"])
def test_a_model_has_tags_of_its_own(way, chat, call):
    llm = chat(tags=["cheap"], metadata={"team": "north"})
    with track_impact(keep_rows=9) as ledger:
        getattr(way, call)(llm, "Hello", {"metadata": {"project": "website"}})
    assert _tags(ledger) == [{"project": "website", "team": "north", "cheap": "true"}]


def test_every_request_of_a_chain_has_the_tags_of_its_run(way, chat, embeddings, rerank):
    store = InMemoryVectorStore(embeddings())
    way.call(store, "add_texts", ["A heat pump moves heat.", "Bread is baked."])
    ranked = {"query": RunnablePassthrough(), "documents": store.as_retriever(k=2)} | rerank().as_runnable()
    chain = ranked | RunnableLambda(lambda found: found[0].page_content) | chat()
    with track_impact(keep_rows=9) as ledger:
        way.invoke(chain, "heat", RUN)
    assert {row.entry.endpoint for row in ledger.rows} == {"embeddings", "rerank", "chat"}
    assert _tags(ledger) == [TAGS] * 3


def test_what_the_frameworks_add_to_runs_is_left_out(way, chat):
    agent = create_agent(chat(), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t-1"}, "metadata": {"project": "website"}}
    with track_impact(keep_rows=9) as ledger:
        way.invoke(agent, {"messages": [("user", "Hello")]}, config)
    assert _tags(ledger) == [{"project": "website"}]


def test_the_tags_of_a_run_win_over_those_of_a_block(way, chat):
    with track_impact(keep_rows=9, tags={"project": "block", "team": "north"}) as ledger:
        way.invoke(chat(), "Hello", {"metadata": {"project": "run"}})
    assert _tags(ledger) == [{"project": "run", "team": "north"}]


def test_batches_have_the_tags_of_each_config(way, chat):
    configs = [{"metadata": {"project": name}} for name in ("a", "b")]
    with track_impact() as ledger:
        way.call(chat(), "batch", ["One", "Two"], configs)
    assert {value: sums.requests for value, sums in ledger.by_tag("project").items()} == {"a": 1, "b": 1}


def test_the_handler_has_the_same_tags(way, chat, embeddings, sandbox):
    handler = MeliousImpactHandler()
    chain = RunnableLambda(embeddings().embed_query) | RunnableLambda(lambda _: "Hello") | chat(max_retries=0)
    config = RUN | {"callbacks": [handler]}
    way.invoke(chain, "heat", config)
    way.stream(chat(), "Hello", config)
    sandbox.faults.add(Fault(status=400))
    with pytest.raises(MeliousError):
        way.invoke(chat(max_retries=0), "Hello", config)
    (sums,) = handler.ledger.by_tag("project").values()
    assert (sums.requests, sums.failed) == (3, 1)
    assert handler.ledger.tag_names == ("budget", "project", "summary", "urgent")
