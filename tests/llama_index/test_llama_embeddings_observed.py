"""MeliousEmbedding as others see it: caches, spans, costs, progress bars, limits and ingestion in processes."""

import asyncio
import json
import threading

import pytest
from core.held_server import HeldServer
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_kit import Way
from pydantic import Field

from llama_index_melious import MeliousEmbedding
from melious import BadRequestError, InvalidArgumentError
from melious.sandbox import Fault

TEXTS = ["Dunes move with the wind.", "Trains in Austria run on hydropower.", "The sea is deep."]
METHODS = ["get_query_embedding", "get_text_embedding", "get_text_embedding_batch"]


@pytest.fixture
def events():
    class Keeper(BaseEventHandler):
        seen: list = Field(default_factory=list)

        def handle(self, event, **_):
            self.seen.append(event)

    keeper, root = Keeper(), get_dispatcher()
    root.add_event_handler(keeper)
    yield keeper.seen
    root.event_handlers.remove(keeper)


@pytest.fixture
def spans():
    handler, root = SimpleSpanHandler(), get_dispatcher()
    root.add_span_handler(handler)
    yield lambda: [span.id_.partition("-")[0] for span in handler.completed_spans]
    root.span_handlers.remove(handler)


def argument(method, text="dunes"):
    return [text] if method.endswith("batch") else text


def inputs(sandbox):
    return [request.body["input"] for request in sandbox.requests]


# --- the embeddings cache of LlamaIndex --------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
async def test_the_cache_saves_requests(make_embedding, way, sandbox, method):
    model = make_embedding(embeddings_cache=SimpleKVStore())
    first = await way(model, method, argument(method))
    assert await way(model, method, argument(method)) == first
    assert len(sandbox.requests) == 1
    assert first == await way(make_embedding(), method, argument(method))


@pytest.mark.parametrize("first", METHODS)
async def test_the_cache_tells_queries_from_texts(make_embedding, way, sandbox, first):
    model = make_embedding(
        query_instruction="query: ", text_instruction="passage: ", embeddings_cache=SimpleKVStore()
    )
    bare = make_embedding(query_instruction="query: ", text_instruction="passage: ")
    straight = {method: await way(bare, method, argument(method)) for method in METHODS}
    sandbox.requests.clear()
    for method in [first, *METHODS]:
        assert await way(model, method, argument(method)) == straight[method]
    assert sorted(inputs(sandbox)) == [["passage: dunes"], ["query: dunes"]]


async def test_the_cache_serves_both_where_they_are_the_same(make_embedding, way, sandbox):
    model = make_embedding(embeddings_cache=SimpleKVStore())
    assert await way(model, "get_text_embedding", "dunes") == await way(model, "get_query_embedding", "dunes")
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"model": "qwen3-embedding-8b", "dimensions": None},
        {"dimensions": 64},
        {"normalize": True},
        {"text_instruction": "passage: "},
        {"additional_kwargs": {"task": "retrieval"}},
    ],
)
async def test_the_cache_tells_settings_apart(make_embedding, way, sandbox, other):
    store = SimpleKVStore()
    settings = {"model": "qwen3-embedding-8b", "dimensions": 32}
    one = make_embedding(**settings, embeddings_cache=store)
    two = make_embedding(**{**settings, **other}, embeddings_cache=store)
    await way(one, "get_text_embedding", "dunes")
    await way(two, "get_text_embedding", "dunes")
    assert len(sandbox.requests) == 2


async def test_the_cache_is_one_for_flavors_and_routing(make_embedding, way, sandbox):
    store = SimpleKVStore()
    await way(make_embedding(embeddings_cache=store), "get_text_embedding", "dunes")
    eco = make_embedding(model="bge-m3:eco", preset="environment", embeddings_cache=store)
    await way(eco, "get_text_embedding", "dunes")
    assert len(sandbox.requests) == 1


async def test_of_a_batch_only_new_texts_are_sent(make_embedding, way, sandbox):
    model = make_embedding(embeddings_cache=SimpleKVStore())
    await way(model, "get_text_embedding", TEXTS[1])
    vectors = await way(model, "get_text_embedding_batch", TEXTS)
    assert inputs(sandbox)[1:] == [[TEXTS[0], TEXTS[2]]]
    assert vectors == await way(make_embedding(), "get_text_embedding_batch", TEXTS)


def test_a_cache_is_no_setting_to_serialise(make_embedding):
    store = SimpleKVStore()
    model = make_embedding(embeddings_cache=store)
    assert model.embeddings_cache is store
    assert json.loads(model.to_json()) == make_embedding().to_dict()
    with pytest.raises(InvalidArgumentError, match="must be a BaseKVStore of LlamaIndex, not dict"):
        make_embedding(embeddings_cache={})


# --- observers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
async def test_each_request_tells_what_it_cost(make_embedding, way, sandbox, events, method):
    await way(make_embedding(), method, argument(method))
    (event,) = [event for event in events if event.class_name() == "MeliousUsageEvent"]
    assert (event.endpoint, event.model) == ("embeddings", "bge-m3")
    assert event.request_id == sandbox.requests[0].request_id
    assert event.span_id.startswith("MeliousEmbedding.")
    assert event.usage.prompt_tokens > 0
    assert event.environment_impact.carbon_g_co2 > 0
    assert event.billing_cost.eur > 0
    assert json.loads(event.model_dump_json())["usage"]["prompt_tokens"] == event.usage.prompt_tokens


async def test_several_requests_tell_it_each(make_embedding, way, sandbox, events):
    sandbox.faults.add(Fault(endpoint="embeddings", status=413))
    await way(make_embedding(embed_batch_size=2), "get_text_embedding_batch", [*TEXTS, "more"])
    told = [event for event in events if event.class_name() == "MeliousUsageEvent"]
    answered = {request.request_id for request in sandbox.requests if request.status == 200}
    assert len(told) == len(answered) == 3
    assert {event.request_id for event in told} == answered


async def test_what_is_not_reported_is_not_told(make_embedding, way, sandbox, events):
    sandbox.faults.add(Fault(usage="missing", impact="missing", cost="missing"))
    await way(make_embedding(), "get_query_embedding", "dunes")
    (event,) = [event for event in events if event.class_name() == "MeliousUsageEvent"]
    assert event.usage is event.environment_impact is event.billing_cost is None


async def test_nothing_is_told_of_what_the_cache_had(make_embedding, way, events):
    model = make_embedding(embeddings_cache=SimpleKVStore())
    for _ in range(2):
        await way(model, "get_query_embedding", "dunes")
    assert len([event for event in events if event.class_name() == "MeliousUsageEvent"]) == 1


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("method", METHODS)
async def test_every_method_is_one_span_within_one(make_embedding, way, spans, method, cache):
    model = make_embedding(embeddings_cache=SimpleKVStore() if cache else None)
    await way(model, method, argument(method))
    prefix = "" if way.name == "sync" else "a"
    inner = "get_text_embeddings" if method.endswith("batch") else method
    assert [name for name in spans() if name.startswith("MeliousEmbedding.")] == [
        f"MeliousEmbedding._{prefix}{inner}",
        f"MeliousEmbedding.{prefix}{method}",
    ]


async def test_what_observers_read_of_the_model(make_embedding, way, events):
    handler = LlamaDebugHandler(print_trace_on_end=False)
    model = make_embedding(preset="environment", callback_manager=CallbackManager([handler]))
    await way(model, "get_query_embedding", "dunes")
    start, end = [event for event in events if event.class_name().startswith("Embedding")]
    assert start.model_dict["model_name"] == "bge-m3"
    assert start.model_dict["preset"] == "environment"
    assert (end.chunks, len(end.embeddings[0])) == (["dunes"], 1024)
    ((begun, _),) = handler.get_event_pairs(CBEventType.EMBEDDING)
    assert begun.payload[EventPayload.SERIALIZED]["model_name"] == "bge-m3"


@pytest.mark.parametrize("workers", [None, 1, 4])
async def test_a_progress_bar_on_request(make_embedding, way, capsys, workers):
    model = make_embedding(embed_batch_size=1, num_workers=workers)
    await way(model, "get_text_embedding_batch", TEXTS)
    assert capsys.readouterr().err == ""
    await way(model, "get_text_embedding_batch", TEXTS, show_progress=True)
    shown = capsys.readouterr().err
    assert "Generating embeddings" in shown
    assert "3/3" in shown


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("method", METHODS)
async def test_a_rate_limiter_is_asked_before_every_request(make_embedding, way, method, cache):
    limits = pytest.importorskip("llama_index.core.rate_limiter", reason="this llama-index-core has none")

    class Counter(limits.BaseRateLimiter):
        def __init__(self):
            self.asked = 0

        def acquire(self, num_tokens=0):
            self.asked += 1

        async def async_acquire(self, num_tokens=0):
            self.asked += 1

    counter = Counter()
    model = make_embedding(
        rate_limiter=counter, embed_batch_size=1, embeddings_cache=SimpleKVStore() if cache else None
    )
    await way(model, method, TEXTS[:2] if method.endswith("batch") else "dunes")
    assert counter.asked == (2 if method.endswith("batch") else 1)


# --- servers that differ -----------------------------------------------------------------------------


async def test_servers_without_base64(make_embedding, way, sandbox):
    straight = await way(make_embedding(), "get_text_embedding", "dunes")
    sandbox.requests.clear()
    sandbox.faults.add(Fault(endpoint="embeddings", refuse_base64=True))
    assert await way(make_embedding(), "get_text_embedding", "dunes") == pytest.approx(straight, rel=1e-6)
    assert [request.body["encoding_format"] for request in sandbox.requests] == ["base64", "float"]


async def test_a_batch_over_the_limit_is_halved_on_422_too(make_embedding, way, sandbox):
    error = {"error": {"message": "batch size 3 is too large, maximum batch size is 2", "param": "input"}}
    sandbox.faults.add(Fault(endpoint="embeddings", status=422, body=error))
    assert len(await way(make_embedding(), "get_text_embedding_batch", TEXTS)) == 3
    assert [len(batch) for batch in inputs(sandbox)] == [3, 1, 2]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("cache", [False, True])
async def test_after_a_failure_no_further_batch_is_sent(workers, cache):
    """The first of the batches under way fails; the others are held until the failure was raised."""
    raised = threading.Event()

    def script(asked):
        if asked.number == 0:
            asked.once_asked(workers)
            return 400, {"error": {"message": "no"}}
        asked.once(raised.is_set)
        return None

    with HeldServer(script) as server:
        model = MeliousEmbedding(
            model="bge-m3",
            api_key=server.api_key,
            base_url=server.base_url,
            embed_batch_size=1,
            num_workers=workers,
            embeddings_cache=SimpleKVStore() if cache else None,
        )
        with pytest.raises(BadRequestError):
            await model.aget_text_embedding_batch([f"text {number}" for number in range(20)])
        raised.set()
        # LlamaIndex leaves its workers to themselves when one has failed.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        assert len(server.asked) == workers
        assert len(await model.aget_text_embedding_batch(TEXTS)) == 3
        assert len(server.asked) == workers + 3


@pytest.mark.parametrize("limit", [0.1, (5, 0.1)], ids=str)
async def test_timeouts(make_embedding, way, sandbox, limit):
    sandbox.faults.add(Fault(endpoint="embeddings", delay=600))
    with pytest.raises(TimeoutError):
        await way(make_embedding(max_retries=0, timeout=limit), "get_query_embedding", "dunes")
    assert len(await way(make_embedding(timeout=60), "get_query_embedding", "dunes")) == 1024


@pytest.mark.parametrize("size", [0, 2049])
def test_batch_sizes_that_no_server_takes(make_embedding, size):
    with pytest.raises(ValueError, match="embed_batch_size"):
        make_embedding(embed_batch_size=size)


# --- ingestion ---------------------------------------------------------------------------------------


def chunks():
    return [TextNode(text=text, id_=str(place)) for place, text in enumerate(TEXTS * 4)]


def test_ingestion_in_several_processes(make_embedding, sandbox):
    """The order stays, and what is in the cache goes along and is not asked for again."""
    model = make_embedding(embed_batch_size=3, embeddings_cache=SimpleKVStore())
    known = model.get_text_embedding(TEXTS[0])
    sandbox.requests.clear()
    pipeline = IngestionPipeline(transformations=[model], disable_cache=True)
    nodes = pipeline.run(nodes=chunks(), num_workers=2)
    asked = [text for request in sandbox.requests for text in request.body["input"]]
    assert len({request.connection for request in sandbox.requests}) >= 2
    assert set(asked) == set(TEXTS[1:])
    assert [node.text for node in nodes] == TEXTS * 4
    assert [node.embedding for node in nodes] == [
        known,
        *make_embedding().get_text_embedding_batch(TEXTS[1:]),
    ] * 4


async def test_ingestion_and_its_cache(make_embedding, way, sandbox):
    cache = IngestionCache()
    for key in ("sk-mel-one", "sk-mel-two"):
        model = make_embedding(default_headers={"x-team": key}, callback_manager=CallbackManager([]))
        pipeline = IngestionPipeline(transformations=[model], cache=cache)
        nodes = await way(pipeline, "run", nodes=chunks())
        assert len(nodes[0].embedding) == 1024
    assert len(sandbox.requests) == 1
    changed = IngestionPipeline(transformations=[make_embedding(normalize=True)], cache=cache)
    await way(changed, "run", nodes=chunks())
    assert len(sandbox.requests) == 2


async def test_options_that_change(make_embedding, sandbox):
    model = make_embedding(embeddings_cache=SimpleKVStore())
    other = model.with_options(preset="speed", text_instruction="passage: ")
    assert other.embeddings_cache is model.embeddings_cache
    await Way("async")(other, "get_text_embedding", "dunes")
    assert sandbox.requests[-1].body["input"] == ["passage: dunes"]
    assert sandbox.requests[-1].body["preset"] == "speed"
    assert isinstance(other, MeliousEmbedding)
