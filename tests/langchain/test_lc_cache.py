"""Answers out of LangChain's cache: they cost nothing again, wherever costs are counted."""

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from langchain_melious import get_melious_callback
from melious import track_impact
from melious.sandbox import Fault

COSTS = {"environment_impact", "billing_cost"}


@pytest.fixture(params=["memory", "sqlite"])
def cache(request, tmp_path):
    """Caches that keep objects, and that keep JSON."""
    if request.param == "memory":
        yield InMemoryCache()
        return
    caches = pytest.importorskip("langchain_community.cache")
    made = caches.SQLiteCache(database_path=str(tmp_path / "answers.db"))
    yield made
    made.engine.dispose()


class Results(BaseCallbackHandler):
    """Keeps the results of chat models."""

    def __init__(self):
        self.seen = []

    def on_llm_end(self, response, **_):
        self.seen.append(response)


@pytest.mark.filterwarnings("ignore:The default value of `allowed_objects`")
def test_a_cached_answer_is_marked_and_has_no_cost(way, chat, sandbox, cache):
    llm = chat(cache=cache)
    results, runs = Results(), RunCollectorCallbackHandler()
    with track_impact() as ledger, get_melious_callback() as callback:
        paid, cached, again = (way.invoke(llm, "Hello", {"callbacks": [results, runs]}) for _ in range(3))
    assert len(sandbox.requests) == ledger.total.requests == callback.total.requests == 1
    assert callback.total.eur == ledger.total.eur > 0
    assert paid.response_metadata.keys() >= COSTS
    for answer in (cached, again):
        assert answer.content == paid.content
        assert answer.response_metadata["from_cache"] is True
        assert not COSTS & answer.response_metadata.keys()
        assert answer.response_metadata["request_id"] == paid.response_metadata["request_id"]
        assert answer.usage_metadata == {**paid.usage_metadata, "total_cost": 0}
    assert "from_cache" not in paid.response_metadata
    reported = [result.generations[0][0].message.response_metadata.keys() for result in results.seen]
    assert [keys >= COSTS for keys in reported] == [True, False, False]
    assert [str(run.outputs).count("billing_cost") > 0 for run in runs.traced_runs] == [True, False, False]


def test_a_cache_of_the_process_and_what_a_batch_cost(way, chat, sandbox):
    asked = [[HumanMessage("Hello")], [HumanMessage("Bye")]]
    set_llm_cache(InMemoryCache())
    try:
        first = way.call(chat(), "generate", asked)
        second = way.call(chat(), "generate", asked)
    finally:
        set_llm_cache(None)
    assert len(sandbox.requests) == 2
    assert first.llm_output.keys() >= COSTS
    assert not COSTS & second.llm_output.keys()
    kept = [generations[0].message.response_metadata.keys() for generations in first.generations]
    assert all(keys >= COSTS and "from_cache" not in keys for keys in kept)


def test_an_answer_without_usage_from_a_cache_adds_up(way, chat, sandbox):
    sandbox.faults.add(Fault(usage="missing"))
    llm = chat(cache=InMemoryCache())
    with get_usage_metadata_callback() as counted:
        way.invoke(llm, "Hello")
        cached = way.invoke(llm, "Hello")
        usage = way.invoke(llm, "Bye").usage_metadata
    assert cached.response_metadata["from_cache"]
    assert counted.usage_metadata["glm-4.7"]["total_tokens"] == usage["total_tokens"]
