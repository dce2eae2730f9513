"""Limits on what may be spent, and on where answers may come from."""

import copy

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from melious import (
    BudgetExceededError,
    ImpactBudget,
    InvalidArgumentError,
    NoProvidersAvailableError,
    ResidencyError,
)
from melious.errors import ResidencyWarning
from melious.sandbox import Fault

NODES = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in ("A heat pump.", "An oven.")]


@pytest.fixture
def asks(way, make_llm, make_embedding, make_rerank):
    """One call of each class, made with further arguments."""

    async def llm(**arguments):
        return await way(make_llm(**arguments), "complete", "Hello")

    async def stream(**arguments):
        return await way(make_llm(**arguments), "stream_complete", "Hello")

    async def embedding(**arguments):
        model = make_embedding(**arguments)
        return await (model.aget_text_embedding("heat") if way.name == "async" else _now(model, "heat"))

    async def rerank(**arguments):
        return await way(make_rerank(**arguments), "postprocess_nodes", NODES, query_str="heat")

    return {"llm": llm, "stream": stream, "embedding": embedding, "rerank": rerank}


async def _now(model, text):
    return model.get_text_embedding(text)


async def test_a_budget_stops_the_next_request_of_all_that_share_it(asks, sandbox):
    budget = ImpactBudget(max_requests=3)
    for kind in ("llm", "embedding", "rerank"):
        await asks[kind](budget=budget)
    for ask in asks.values():
        with pytest.raises(BudgetExceededError, match="max_requests"):
            await ask(budget=budget)
    assert len(sandbox.requests) == 3


async def test_copies_share_a_budget_and_to_dict_leaves_it_out(make_llm, make_embedding):
    budget = ImpactBudget(max_requests=5)
    for model in (make_llm(budget=budget), make_embedding(budget=budget)):
        assert copy.deepcopy(model).budget is budget
        assert "budget" not in model.to_dict()


@pytest.mark.parametrize("kind", ["llm", "embedding", "rerank"])
async def test_where_answers_came_from_is_held_against_the_countries(asks, sandbox, kind):
    filters = {"countries": ["FR"]}
    assert await asks[kind](filters=filters, verify_location="raise")
    sandbox.faults.add(Fault(impact="missing", times=None))
    with pytest.raises(ResidencyError):
        await asks[kind](filters=filters, verify_location="raise")
    with pytest.warns(ResidencyWarning):
        await asks[kind](filters=filters, verify_location="warn")
    assert await asks[kind](filters=filters)


async def test_a_buffered_stream_says_what_it_cost(way, make_llm):
    native = (await way(make_llm(), "stream_complete", "Hello"))[-1]
    buffered = (await way(make_llm(stream_impact="buffer"), "stream_complete", "Hello"))[-1]
    assert "environment_impact" not in native.additional_kwargs
    assert buffered.additional_kwargs["environment_impact"]["carbon_g_co2"] > 0
    assert buffered.text == native.text
    once = (await way(make_llm(), "stream_complete", "Hello", stream_impact="buffer"))[-1]
    assert once.additional_kwargs["billing_cost"]


async def test_filters_are_given_up_step_by_step_where_no_provider_fits(way, make_llm, asks):
    nowhere = {"countries": ["FR"], "max_carbon_intensity": 1}
    strict = make_llm(filters=nowhere)
    with pytest.raises(NoProvidersAvailableError):
        await way(strict, "complete", "Hello")
    relaxed = strict.with_routing_fallbacks({"max_carbon_intensity": 100}, "countries")
    answer = await way(relaxed, "complete", "Hello")
    assert answer.additional_kwargs["relaxed"] == ["max_carbon_intensity=100"]
    last = (await way(relaxed, "stream_complete", "Hello"))[-1]
    assert last.additional_kwargs["relaxed"] == ["max_carbon_intensity=100"]
    for kind in ("embedding", "rerank"):
        assert await asks[kind](filters=nowhere, routing_fallbacks=[None])
    with pytest.raises(InvalidArgumentError, match=r"routing_fallbacks\[1\]"):
        strict.with_routing_fallbacks("countries", 7)
