"""MeliousUsageEvent: what it says, what it never says, and who hears it."""

import json
from decimal import Decimal

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index_instrumentation.dispatcher import instrument_tags
from llama_index_instrumentation.span import active_span_id
from pydantic import Field

from llama_index_melious import MeliousImpactEventHandler, MeliousUsageEvent
from llama_index_melious.events import dispatch_usage
from melious import BillingCost, EmbeddingsResult, EnvironmentImpact, Usage, track_impact
from melious.answers.meta import Meta
from melious.sandbox import Fault


class Keeper(BaseEventHandler):
    seen: list = Field(default_factory=list)

    def handle(self, event, **_):
        self.seen.append(event)


@pytest.fixture(params=["", "llama_index_melious.events"], ids=["root", "own"])
def events(request):
    keeper, dispatcher = Keeper(), get_dispatcher(request.param) if request.param else get_dispatcher()
    dispatcher.add_event_handler(keeper)
    yield keeper.seen
    dispatcher.event_handlers.remove(keeper)


HELLO = [ChatMessage("Hello")]
WIRE = {
    "model": "glm-4.7",
    "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}},
    "environment_impact": {"carbon_g_co2": 0.25, "location": "SE"},
    "billing_cost": {"credits": "0.0000144", "energy": "0.144", "paid_with": "credits"},
    "choices": [],
}


@pytest.mark.parametrize("answer", [WIRE, EmbeddingsResult.model_validate(WIRE)], ids=["wire", "result"])
def test_what_it_says(events, answer):
    dispatch_usage("chat", answer, origin=Meta("req-1"))
    (event,) = events
    assert isinstance(event, MeliousUsageEvent)
    assert (event.endpoint, event.model, event.request_id) == ("chat", "glm-4.7", "req-1")
    assert (event.usage.prompt_tokens, event.usage.cached_tokens, event.usage.completion_tokens) == (
        9,
        4,
        None,
    )
    assert (event.environment_impact.carbon_g_co2, event.environment_impact.energy_kwh) == (0.25, None)
    assert event.billing_cost.eur == Decimal("0.0000144")
    assert json.loads(event.model_dump_json())["environment_impact"]["location"] == "SE"
    assert event.model_dump()["class_name"] == event.class_name() == "MeliousUsageEvent"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        dict.fromkeys(["model", "usage", "environment_impact", "billing_cost"]),
        {"model": "", "usage": {}, "environment_impact": {}, "billing_cost": {}},
        {"model": 7, "usage": "many", "environment_impact": [1], "billing_cost": 0},
    ],
)
def test_missing_is_not_zero(events, answer):
    dispatch_usage("chat", answer, origin=Meta())
    (event,) = events
    told = (event.model, event.request_id, event.usage, event.environment_impact, event.billing_cost)
    assert told == (None,) * 5


def test_figures_that_cannot_be_are_unknown():
    event = MeliousUsageEvent(
        endpoint="chat",
        usage={"prompt_tokens": -1, "total_tokens": "x"},
        environment_impact={"carbon_g_co2": float("nan")},
        billing_cost={"credits": True},
    )
    assert event.usage == Usage()
    assert event.environment_impact == EnvironmentImpact()
    assert event.billing_cost == BillingCost()


def test_its_span_and_tags(events):
    token = active_span_id.set("a span")
    try:
        with instrument_tags({"tenant": "blue"}):
            dispatch_usage("chat", WIRE, origin=Meta())
        dispatch_usage("chat", WIRE, origin=Meta(), span_id="another")
    finally:
        active_span_id.reset(token)
    assert [(event.span_id, event.tags) for event in events] == [
        ("a span", {"tenant": "blue"}),
        ("another", {}),
    ]


async def test_it_says_what_ledgers_say(make_embedding, make_rerank, way, sandbox, events):
    nodes = [NodeWithScore(node=TextNode(text=f"Text {number}")) for number in range(5)]
    with track_impact() as ledger:
        await way(make_embedding(), "get_text_embedding_batch", ["dunes", "trains"])
        sandbox.faults.add(Fault(endpoint="rerank", cost="missing"))
        await way(make_rerank(max_batch_size=2), "postprocess_nodes", nodes, query_str="trains")
    told = [event for event in events if isinstance(event, MeliousUsageEvent)]
    assert [event.endpoint for event in told] == ["embeddings", "rerank", "rerank", "rerank"]
    total = ledger.total
    assert total.requests == len(told)
    assert total.input_tokens == sum(event.usage.prompt_tokens for event in told)
    assert total.carbon_g_co2 == pytest.approx(sum(event.environment_impact.carbon_g_co2 for event in told))
    assert total.eur == sum(event.billing_cost.eur for event in told if event.billing_cost)
    assert total.without_cost == sum(event.billing_cost is None for event in told) == 1


CHAT = {"chat": (HELLO,), "stream_chat": (HELLO,), "complete": ("Hello",), "stream_complete": ("Hello",)}
NODES = [NodeWithScore(node=TextNode(text="dunes"))]


@pytest.fixture
def handler():
    handler, root = MeliousImpactEventHandler(), get_dispatcher()
    root.add_event_handler(handler)
    yield handler
    root.event_handlers.remove(handler)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("method", CHAT)
@pytest.mark.parametrize(
    ("settings", "options", "held"),
    [
        ({}, {}, None),
        ({"preset": "speed"}, {}, "speed"),
        ({"preset": "speed"}, {"preset": "price"}, "price"),
        ({"flavor": "eco"}, {}, "eco"),
        ({"model": "glm-4.7:eco"}, {}, "eco"),
        ({"model": "glm-4.7:eco", "preset": "speed"}, {}, "eco"),
        ({"preset": "speed"}, {"flavor": "batch"}, "batch"),
        ({"preset": "speed"}, {"extra_body": {"preset": "newer"}}, "newer"),
    ],
)
@pytest.mark.filterwarnings("ignore:preset. .* has no effect with the flavor:UserWarning")
async def test_a_chat_tells_the_routing_that_held(
    make_llm, way, events, handler, method, settings, options, held
):
    with track_impact() as ledger:
        await way(make_llm(**settings), method, *CHAT[method], **options)
    (event,) = [event for event in events if isinstance(event, MeliousUsageEvent)]
    assert event.routing == held
    assert list(ledger.by("routing")) == list(handler.ledger.by("routing")) == [held]


@pytest.mark.filterwarnings("ignore:preset. .* has no effect with the flavor:UserWarning")
async def test_every_request_of_a_batch_tells_the_routing_that_held(
    make_embedding, make_rerank, way, events, handler
):
    embedding = make_embedding(model="bge-m3:price", preset="speed", embed_batch_size=1)
    await way(embedding, "get_text_embedding_batch", ["dunes", "trains"])
    await way(make_rerank(preset="speed"), "postprocess_nodes", NODES, query_str="trains")
    told = [event for event in events if isinstance(event, MeliousUsageEvent)]
    assert [event.routing for event in told] == ["price", "price", "speed"]
    assert {name: sums.requests for name, sums in handler.ledger.by("routing").items()} == {
        "price": 2,
        "speed": 1,
    }


@pytest.mark.parametrize("method", CHAT)
async def test_filters_that_were_given_up_are_told(make_llm, way, events, handler, method):
    strict = make_llm(filters={"countries": ["LU"]}).with_routing_fallbacks("countries")
    await way(strict, method, *CHAT[method])
    (event,) = [event for event in events if isinstance(event, MeliousUsageEvent)]
    assert event.relaxed == ("countries",)
    assert handler.total.relaxed == 1


async def test_a_handler_that_fails_harms_nobody(make_embedding, way):
    class Broken(BaseEventHandler):
        def handle(self, event, **_):
            raise RuntimeError("no")

    broken, root = Broken(), get_dispatcher()
    root.add_event_handler(broken)
    try:
        assert len(await way(make_embedding(), "get_query_embedding", "dunes")) == 1024
    finally:
        root.event_handlers.remove(broken)
