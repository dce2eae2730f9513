"""Limits on what may be spent, and on where answers may come from."""

import copy
import pickle
import warnings

import pytest
from langchain_core.documents import Document
from langchain_core.exceptions import ModelError
from langchain_core.load import dumps, loads
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from langchain_melious import ChatMelious
from langchain_melious.errors import (
    BudgetExceededError,
    InvalidArgumentError,
    NoProvidersAvailableError,
    ResidencyError,
)
from melious import ImpactBudget, ProviderFilters, track_impact
from melious.errors import ResidencyWarning
from melious.sandbox import Fault


def test_a_budget_stops_the_next_request_of_all_models_that_share_it(way, chat, embeddings, rerank, sandbox):
    budget = ImpactBudget(max_requests=3)
    way.invoke(chat(budget=budget), "Hello")
    way.call(embeddings(budget=budget), "embed_query", "heat")
    way.call(rerank(budget=budget), "rerank", ["heat", "ice"], "heat")
    for ask in (
        lambda: way.invoke(chat(budget=budget), "Hello"),
        lambda: way.stream(chat(budget=budget), "Hello"),
        lambda: way.call(embeddings(budget=budget), "embed_documents", ["heat"]),
        lambda: way.call(rerank(budget=budget), "rerank", ["heat", "ice"], "heat"),
    ):
        with pytest.raises(BudgetExceededError, match="max_requests") as raised:
            ask()
        assert isinstance(raised.value, ModelError)
        assert not raised.value.is_retryable
        assert raised.value.spent.requests == 3
    assert len(sandbox.requests) == 3


def test_a_budget_in_carbon_of_a_whole_chain(way, chat, sandbox):
    chain = RunnableLambda(lambda text: f"Say more on this: {text}") | chat()
    with track_impact(budget=ImpactBudget(max_carbon_g=1e-9)) as ledger:
        way.invoke(chain, "heat")
        with pytest.raises(BudgetExceededError, match="max_carbon_g"):
            way.invoke(chain, "heat")
    assert ledger.total.requests == 1
    assert way.invoke(chain, "heat").text


def test_copies_share_a_budget_and_dumps_leave_it_out(chat):
    llm = chat(budget=ImpactBudget(max_requests=5))
    copied = copy.deepcopy(llm)
    assert copied.budget is llm.budget
    assert "budget" not in llm.model_dump()
    copied.invoke("Hello")
    carried = pickle.loads(pickle.dumps(llm))
    assert carried.budget.spent.requests == llm.budget.spent.requests == 1


def test_what_is_no_budget_is_refused(chat):
    with pytest.raises((InvalidArgumentError, ValueError), match="budget"):
        chat(budget=5)


@pytest.mark.parametrize("kind", ["chat", "embeddings", "rerank"])
def test_where_answers_came_from_is_held_against_the_countries(way, request, sandbox, kind):
    make = request.getfixturevalue(kind)
    asks = {
        "chat": lambda model, **more: way.invoke(model, "Hello", **more),
        "embeddings": lambda model, **more: way.call(model, "embed_query", "heat", **more),
        "rerank": lambda model, **more: way.call(model, "rerank", ["heat", "ice"], "heat", **more),
    }
    ask, filters = asks[kind], {"countries": ["FR"]}
    assert ask(make(filters=filters, verify_location="raise"))
    with pytest.raises(InvalidArgumentError, match="verify_location: 'raise' needs countries"):
        make(verify_location="raise")
    with pytest.raises(InvalidArgumentError, match="verify_location: 'raise' needs countries"):
        ask(make(), verify_location="raise")
    with pytest.raises(InvalidArgumentError, match="verify_location: 'raise' needs countries"):
        ask(make(filters=filters, verify_location="raise"), filters={"min_speed_tps": 1})
    sandbox.faults.add(Fault(impact="missing", times=None))
    with pytest.raises(ResidencyError) as raised:
        ask(make(filters=filters, verify_location="raise"))
    assert raised.value.answer is not None
    assert isinstance(raised.value, ModelError)
    with pytest.raises(ResidencyError):
        ask(make(filters=filters), verify_location="raise")
    with pytest.warns(ResidencyWarning):
        ask(make(filters=filters, verify_location="warn"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ask(make(filters=filters))


def test_a_buffered_stream_says_what_it_cost(way, chat, whole):
    native, buffered = (whole(way.stream(chat(stream_impact=how), "Hello")) for how in ("native", "buffer"))
    assert "environment_impact" not in native.response_metadata
    assert buffered.response_metadata["environment_impact"]["carbon_g_co2"] > 0
    assert buffered.response_metadata["billing_cost"]
    assert buffered.text == native.text
    llm, given = chat(filters={"countries": ["FR"]}, verify_location="raise"), {"stream_impact": "buffer"}
    assert len(way.stream(llm, "Hello", **given)) > 5
    with pytest.raises(ResidencyError):
        way.stream(llm, "Hello")


def test_filters_are_given_up_step_by_step_where_no_provider_fits(way, chat, embeddings, rerank, whole):
    nowhere = {"countries": ["FR"], "max_carbon_intensity": 1}
    steps = ({"max_carbon_intensity": 100}, "countries")
    llm = chat(filters=nowhere)
    with pytest.raises(NoProvidersAvailableError):
        way.invoke(llm, "Hello")
    relaxed = llm.with_routing_fallbacks(*steps)
    assert llm.routing_fallbacks is None
    for message in (way.invoke(relaxed, "Hello"), whole(way.stream(relaxed, "Hello"))):
        assert message.response_metadata["routing"]["relaxed"] == ["max_carbon_intensity=100"]
    assert way.invoke(llm, "Hello", routing_fallbacks=["max_carbon_intensity"]).text
    assert "relaxed" not in way.invoke(chat(), "Hello").response_metadata.get("routing", {})
    assert way.call(embeddings(filters=nowhere, routing_fallbacks=steps), "embed_query", "heat")
    runs = RunCollectorCallbackHandler()
    ranked = rerank(filters=nowhere, routing_fallbacks=[None])
    assert way.call(ranked, "compress_documents", [Document("heat")], "heat", [runs])
    assert runs.traced_runs[0].outputs["routing"]["relaxed"]


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_what_may_be_given_up_is_part_of_a_dump(chat):
    steps = [{"max_carbon_intensity": 400}, "countries"]
    dumped = dumps(chat(routing_fallbacks=[ProviderFilters(max_carbon_intensity=400), "countries"]))
    loaded = loads(
        dumped,
        valid_namespaces=["langchain_melious"],
        allowed_objects=[ChatMelious],
        secrets_map={"MELIOUS_API_KEY": "sk-mel-test"},
    )
    assert loaded.routing_fallbacks == steps


def test_a_step_that_is_no_filter_is_refused(chat):
    with pytest.raises(InvalidArgumentError, match="routing_fallbacks"):
        chat(routing_fallbacks=[7])
    with pytest.raises(InvalidArgumentError, match=r"routing_fallbacks\[1\]"):
        chat().with_routing_fallbacks("countries", 7)
