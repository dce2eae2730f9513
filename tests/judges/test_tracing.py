"""OpenInference, OpenLLMetry and Langfuse beside `melious.otel`, read as Langfuse's server reads spans.

Whatever traces the framework, a backend that sums finds the tokens and the cost of each request once: as many
as the ledger.
"""
# ruff: noqa: E402 - what is imported may not be installed

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import pytest

for needed in (
    "langchain.agents",
    "langfuse.langchain",
    "openinference.instrumentation.langchain",
    "openinference.instrumentation.llama_index",
    "opentelemetry.instrumentation.langchain",
    "opentelemetry.instrumentation.llamaindex",
):
    pytest.importorskip(needed)

from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackManager
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langfuse import Langfuse
from langfuse.langchain import CallbackHandler
from llama_index.core import Document as Text
from llama_index.core import VectorStoreIndex
from llama_index.core.agent import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from openinference.instrumentation import suppress_tracing
from openinference.instrumentation.langchain import LangChainInstrumentor as OpenInferenceLangChain
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor as OpenInferenceLlamaIndex
from opentelemetry.instrumentation.langchain import LangchainInstrumentor as OpenLLMetryLangChain
from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor as OpenLLMetryLlamaIndex
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan
from telemetry import Telemetry

from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank
from llama_index_melious import Melious, MeliousEmbedding
from llama_index_melious import MeliousRerank as LlamaIndexRerank
from melious import MeliousError, otel, track_impact
from melious.sandbox import Fault, Reply, Sandbox

# What others wrote warns of itself, and their code is not ours to change.
pytestmark = [pytest.mark.judges, pytest.mark.filterwarnings("ignore")]

CHAT, EMBEDDINGS, RERANK = "llama-3.1-8b-instruct", "bge-m3", "bge-reranker-v2-m3"
QUESTION = "What is a lighthouse?"
HELLO = [ChatMessage(QUESTION)]
TYPES = {
    "langfuse.observation.type": {"generation": "GENERATION", "span": "SPAN", "chain": "CHAIN"},
    "openinference.span.kind": {"LLM": "GENERATION", "EMBEDDING": "EMBEDDING", "CHAIN": "CHAIN"},
    "gen_ai.operation.name": {"chat": "GENERATION", "embeddings": "EMBEDDING", "invoke_agent": "AGENT"},
}


def kind_of(span: ReadableSpan) -> str:
    """What Langfuse takes a span for: the first attribute that says so, then whether it names a model."""
    found = span.attributes
    for name, kinds in TYPES.items():
        if found.get(name) in kinds:
            return kinds[found[name]]
    return "GENERATION" if {"gen_ai.request.model", "gen_ai.response.model"} & set(found) else "SPAN"


def tokens_of(span: ReadableSpan) -> int:
    """The tokens that a backend finds on a span, under the first name that it knows."""
    found = span.attributes
    if "langfuse.observation.usage_details" in found:
        return json.loads(found["langfuse.observation.usage_details"])["total"]
    if "llm.token_count.prompt" in found:
        return found["llm.token_count.prompt"] + found.get("llm.token_count.completion", 0)
    return found.get("gen_ai.usage.input_tokens", 0) + found.get("gen_ai.usage.output_tokens", 0)


def cost_of(span: ReadableSpan) -> float:
    """The cost that Langfuse finds on a span."""
    found = span.attributes
    if "langfuse.observation.cost_details" in found:
        return json.loads(found["langfuse.observation.cost_details"])["total"]
    return found.get("gen_ai.usage.cost", 0.0)


def check(told: Telemetry, ledger: Any, sandbox: Sandbox) -> None:
    """What a backend sums is what the ledger counted, and each chat request is one call of a model."""
    spans, total = told.spans, ledger.total
    assert all(tokens_of(span) for span in spans if cost_of(span))
    assert sum(map(tokens_of, spans)) == (total.input_tokens or 0) + (total.output_tokens or 0)
    assert sum(map(cost_of, spans)) == pytest.approx(float(total.eur or 0))
    assert told.total("llm.cost.total") == pytest.approx(float(total.eur or 0))
    chats = [request for request in sandbox.requests if request.path.endswith("/chat/completions")]
    counting = [span for span in spans if kind_of(span) == "GENERATION" and tokens_of(span)]
    reranks = [span for span in told.ours if span.name.startswith("rerank")]
    assert len(counting) - len(reranks) == len(chats)
    known = {span.context.span_id for span in spans}
    assert all(span.parent is None or span.parent.span_id in known for span in told.ours)


def counted(call: Callable[[], Any]) -> Any:
    """The ledger of a call; contexts that tracers leave attached end with it."""

    def run() -> Any:
        with track_impact() as ledger:
            call()
        return ledger

    return copy_context().run(run)


@contextmanager
def openinference(told: Telemetry) -> Iterator[dict[str, Any]]:
    instrumentor = OpenInferenceLangChain()
    instrumentor.instrument(tracer_provider=told.tracer_provider)
    yield {}
    instrumentor.uninstrument()


@contextmanager
def openllmetry(told: Telemetry) -> Iterator[dict[str, Any]]:
    before = BaseCallbackManager.__init__
    instrumentor = OpenLLMetryLangChain()
    instrumentor.instrument(tracer_provider=told.tracer_provider, meter_provider=told.meter_provider)
    yield {}
    instrumentor.uninstrument()
    BaseCallbackManager.__init__ = before  # it leaves its own in place


@contextmanager
def langfuse(told: Telemetry) -> Iterator[dict[str, Any]]:
    client = Langfuse(
        public_key="pk-lf-judge",
        secret_key="sk-lf-judge",
        base_url="http://127.0.0.1:9",
        tracer_provider=told.tracer_provider,
        should_export_span=lambda _: False,
    )
    yield {"callbacks": [CallbackHandler(public_key="pk-lf-judge")]}
    client.shutdown()


@pytest.fixture(
    scope="module", params=[openinference, openllmetry, langfuse], ids=lambda tracer: tracer.__name__
)
def langchain_traced(request: pytest.FixtureRequest) -> Iterator[tuple[Telemetry, dict[str, Any]]]:
    """A tracer of LangChain, and the config that its runs take; none can be taken out and in again."""
    telemetry = Telemetry()
    with request.param(telemetry) as config:
        yield telemetry, config
    telemetry.close()


@pytest.fixture
def config(langchain_traced: Any) -> dict[str, Any]:
    return langchain_traced[1]


@pytest.fixture
def told(langchain_traced: Any) -> Iterator[Telemetry]:
    yield from _observed(langchain_traced[0])


def _observed(telemetry: Telemetry) -> Iterator[Telemetry]:
    telemetry.clear()
    telemetry.instrument()
    yield telemetry
    otel.uninstrument()


@pytest.fixture
def place(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "base_url": sandbox.base_url}


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"Sunny in {city}."


async def listed(items: Any) -> list[Any]:
    return [item async for item in items]


async def _astreamed(llm: Any, config: Any) -> list[Any]:
    return await listed(llm.astream(QUESTION, config))


def _chain(llm: ChatMelious) -> Any:
    return ChatPromptTemplate.from_template("{text}") | llm


LANGCHAIN_CALLS: dict[str, Callable[[ChatMelious, Any], Any]] = {
    "invoke": lambda llm, config: llm.invoke(QUESTION, config),
    "stream": lambda llm, config: list(llm.stream(QUESTION, config)),
    "ainvoke": lambda llm, config: asyncio.run(llm.ainvoke(QUESTION, config)),
    "astream": lambda llm, config: asyncio.run(_astreamed(llm, config)),
    "streaming": lambda llm, config: llm.model_copy(update={"streaming": True}).invoke(QUESTION, config),
    "batch": lambda llm, config: llm.batch([QUESTION, "And a buoy?"], config),
    "v3": lambda llm, config: list(llm.stream_events(QUESTION, config, version="v3")),
    "chain": lambda llm, config: _chain(llm).invoke({"text": QUESTION}, config),
    "stream of a chain": lambda llm, config: list(_chain(llm).stream({"text": QUESTION}, config)),
    "achain": lambda llm, config: asyncio.run(_chain(llm).ainvoke({"text": QUESTION}, config)),
}


@pytest.mark.parametrize("stream_impact", ["native", "buffer"])
@pytest.mark.parametrize("call", LANGCHAIN_CALLS.values(), ids=LANGCHAIN_CALLS)
def test_langchain_chat(
    config: Any, told: Telemetry, place: Any, sandbox: Sandbox, call: Any, stream_impact: Any
) -> None:
    ledger = counted(lambda: call(ChatMelious(CHAT, stream_impact=stream_impact, **place), config))
    assert stream_impact == "native" or ledger.total.eur
    check(told, ledger, sandbox)
    for span in told.ours:
        assert span.parent is not None
        assert not [name for name in span.attributes if name.startswith(("gen_ai.", "llm."))]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_langchain_agent(
    config: Any, told: Telemetry, place: Any, sandbox: Sandbox, asynchronous: bool, streamed: bool
) -> None:
    sandbox.replies.add(Reply(tool_calls=[("get_weather", {"city": "Oslo"})]))
    agent = create_agent(ChatMelious(CHAT, **place), [get_weather])
    asked = {"messages": [("user", "The weather in Oslo?")]}

    def run() -> None:
        if asynchronous:
            call = listed(agent.astream(asked, config)) if streamed else agent.ainvoke(asked, config)
            asyncio.run(call)
        else:
            list(agent.stream(asked, config)) if streamed else agent.invoke(asked, config)

    ledger = counted(run)
    assert len(told.ours) == 2
    check(told, ledger, sandbox)


def test_langchain_retrieval(config: Any, told: Telemetry, place: Any, sandbox: Sandbox) -> None:
    embeddings, rerank = MeliousEmbeddings(EMBEDDINGS, **place), MeliousRerank(RERANK, **place)
    documents = [Document("A lighthouse."), Document("A loaf.")]

    def search(question: str) -> Any:
        embeddings.embed_query(question)
        return rerank.compress_documents(documents, question)

    ledger = counted(lambda: RunnableLambda(search).invoke(QUESTION, config))
    check(told, ledger, sandbox)
    assert all(span.parent is not None for span in told.ours)
    assert sorted(span.name for span in told.ours) == [f"embeddings {EMBEDDINGS}", f"rerank {RERANK}"]


@pytest.mark.parametrize("call", LANGCHAIN_CALLS.values(), ids=LANGCHAIN_CALLS)
def test_langchain_error(config: Any, told: Telemetry, place: Any, sandbox: Sandbox, call: Any) -> None:
    sandbox.faults.add(Fault(status=400, body={"error": {"message": "no", "code": "bad"}}, times=2))
    with pytest.raises(MeliousError):
        counted(lambda: call(ChatMelious(CHAT, **place), config))
    assert {span.attributes["error.type"] for span in told.ours} == {"BadRequestError"}
    assert all(span.parent is not None for span in told.ours)
    assert sum(map(cost_of, told.spans)) == 0


@pytest.mark.parametrize("call", ["invoke", "astream"])
def test_langchain_skip(config: Any, told: Telemetry, place: Any, sandbox: Sandbox, call: str) -> None:
    told.instrument(when_nested="skip")
    ledger = counted(lambda: LANGCHAIN_CALLS[call](ChatMelious(CHAT, **place), config))
    assert told.ours == []
    check(told, ledger, sandbox)
    (theirs,) = told.spans
    assert theirs.attributes["melious.usage.output_tokens"] == ledger.total.output_tokens


def _measured(told: Telemetry, name: str, part: str) -> float:
    return sum(getattr(point, part) for point in told.points(name))


def test_langchain_metrics(told: Telemetry, place: Any, config: Any) -> None:
    """OpenLLMetry records the metrics of the conventions; beside the others, we do."""
    tokens, durations = "gen_ai.client.token.usage", "gen_ai.client.operation.duration"
    before = _measured(told, tokens, "sum"), _measured(told, durations, "count")
    total = counted(lambda: ChatMelious(CHAT, **place).invoke(QUESTION, config)).total
    assert _measured(told, tokens, "sum") - before[0] == total.input_tokens + total.output_tokens
    assert _measured(told, durations, "count") - before[1] == 1


@pytest.mark.parametrize("suppress", [suppress_tracing, suppress_instrumentation])
def test_suppressed(told: Telemetry, place: Any, suppress: Any) -> None:
    with suppress():
        counted(lambda: ChatMelious(CHAT, **place).invoke(QUESTION))
    assert told.ours == []


# --- LlamaIndex ----------------------------------------------------------------------------------------------


@pytest.fixture(
    scope="module",
    params=[OpenInferenceLlamaIndex, OpenLLMetryLlamaIndex],
    ids=["openinference", "openllmetry"],
)
def llama_index_traced(request: pytest.FixtureRequest) -> Iterator[Telemetry]:
    """A tracer of LlamaIndex."""
    telemetry = Telemetry()
    instrumentor = request.param()
    instrumentor.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    yield telemetry
    instrumentor.uninstrument()
    telemetry.close()


@pytest.fixture
def llama_told(llama_index_traced: Telemetry) -> Iterator[Telemetry]:
    yield from _observed(llama_index_traced)


async def _astream(llm: Melious) -> list[Any]:
    return await listed(await llm.astream_chat(HELLO))


LLAMA_CALLS: dict[str, Callable[[Melious], Any]] = {
    "chat": lambda llm: llm.chat(HELLO),
    "complete": lambda llm: llm.complete(QUESTION),
    "stream_chat": lambda llm: list(llm.stream_chat(HELLO)),
    "stream_complete": lambda llm: list(llm.stream_complete(QUESTION)),
    "achat": lambda llm: asyncio.run(llm.achat(HELLO)),
    "acomplete": lambda llm: asyncio.run(llm.acomplete(QUESTION)),
    "astream_chat": lambda llm: asyncio.run(_astream(llm)),
}


@pytest.mark.parametrize("stream_impact", ["native", "buffer"])
@pytest.mark.parametrize("call", LLAMA_CALLS.values(), ids=LLAMA_CALLS)
def test_llama_index_chat(
    llama_told: Telemetry, place: Any, sandbox: Sandbox, call: Any, stream_impact: Any
) -> None:
    ledger = counted(lambda: call(Melious(CHAT, stream_impact=stream_impact, **place)))
    assert stream_impact == "native" or ledger.total.eur
    assert all(span.parent is not None for span in llama_told.ours)
    check(llama_told, ledger, sandbox)


@pytest.mark.parametrize("way", ["whole", "streamed", "async"])
def test_llama_index_query_engine(llama_told: Telemetry, place: Any, sandbox: Sandbox, way: str) -> None:
    embedding, llm = MeliousEmbedding(EMBEDDINGS, **place), Melious(CHAT, **place)
    rerank = LlamaIndexRerank(RERANK, top_n=1, **place)

    def run() -> None:
        index = VectorStoreIndex.from_documents(
            [Text(text="A lighthouse is a tower.")], embed_model=embedding
        )
        engine = index.as_query_engine(llm=llm, node_postprocessors=[rerank], streaming=way == "streamed")
        if way == "async":
            asyncio.run(engine.aquery(QUESTION))
        else:
            answer = engine.query(QUESTION)
            if way == "streamed":
                list(answer.response_gen)

    ledger = counted(run)
    assert all(span.parent is not None for span in llama_told.ours)
    assert len(llama_told.ours) == 4
    check(llama_told, ledger, sandbox)


def test_llama_index_agent(llama_told: Telemetry, place: Any, sandbox: Sandbox) -> None:
    sandbox.replies.add(Reply(tool_calls=[("get_weather", {"city": "Oslo"})]))

    async def run() -> Any:
        return await FunctionAgent(tools=[get_weather], llm=Melious(CHAT, **place)).run(
            "The weather in Oslo?"
        )

    ledger = counted(lambda: asyncio.run(run()))
    assert len(llama_told.ours) == 2
    check(llama_told, ledger, sandbox)


@pytest.mark.parametrize("call", LLAMA_CALLS.values(), ids=LLAMA_CALLS)
def test_llama_index_error(llama_told: Telemetry, place: Any, sandbox: Sandbox, call: Any) -> None:
    sandbox.faults.add(Fault(status=400, body={"error": {"message": "no", "code": "bad"}}))
    with pytest.raises(MeliousError):
        counted(lambda: call(Melious(CHAT, **place)))
    (ours,) = llama_told.ours
    assert ours.attributes["error.type"] == "BadRequestError"
    assert ours.parent is not None
    assert sum(map(cost_of, llama_told.spans)) == 0
