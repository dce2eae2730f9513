"""OpenTelemetry under LangChain: spans of requests are children of those that tracers keep by run."""

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from opentelemetry import trace
from telemetry import recorded

from langchain_melious.errors import BadRequestError
from melious.sandbox import Fault


class Tracer(BaseCallbackHandler):
    """Keeps a span by run and makes none of them current, as OpenInference does.

    Runs are known by its `get_span`; it counts the tokens of chat calls.
    """

    def __init__(self, provider):
        self._tracer = provider.get_tracer("openinference.instrumentation.langchain")
        self._open = {}

    def get_span(self, run_id):
        return self._open.get(run_id)

    def _begin(self, name, run_id, parent_run_id):
        above = self._open.get(parent_run_id)
        within = trace.set_span_in_context(above) if above else None
        self._open[run_id] = self._tracer.start_span(name, within)

    def _end(self, run_id, **attributes):
        span = self._open.pop(run_id)
        span.set_attributes(attributes)
        span.end()

    def on_chain_start(self, serialized, inputs, *, run_id, parent_run_id=None, name=None, **_):
        self._begin(name or "chain", run_id, parent_run_id)

    def on_chain_end(self, outputs, *, run_id, **_):
        self._end(run_id)

    def on_chain_error(self, error, *, run_id, **_):
        self._end(run_id)

    def on_chat_model_start(self, serialized, messages, *, run_id, parent_run_id=None, **_):
        self._begin("model", run_id, parent_run_id)

    def on_llm_end(self, response, *, run_id, **_):
        usage = response.generations[0][0].message.usage_metadata
        self._end(run_id, **{"llm.token_count.total": usage["total_tokens"]})

    def on_llm_error(self, error, *, run_id, **_):
        self._end(run_id)


# As the lookup knows it.
Tracer.__module__ = "openinference.instrumentation.langchain.stand_in"


@pytest.fixture
def told():
    with recorded() as telemetry:
        yield telemetry


@pytest.fixture
def config(told):
    return {"callbacks": [Tracer(told.tracer_provider)]}


def by_name(told):
    return {span.name: span for span in told.spans}


def child_of(told, parent):
    """Our span, which is the child of the span of this name."""
    (ours,) = told.ours
    assert ours.parent is not None
    assert ours.parent.span_id == by_name(told)[parent].context.span_id
    return ours


def ways_to_call():
    """Every way in which LangChain calls a chat model."""
    yield "invoke", {}, lambda way, llm, config: way.invoke(llm, "Hello", config)
    yield "stream", {}, lambda way, llm, config: way.stream(llm, "Hello", config)
    yield "streaming", {"streaming": True}, lambda way, llm, config: way.invoke(llm, "Hello", config)
    yield "batch", {}, lambda way, llm, config: way.call(llm, "batch", ["Hello"], config)
    yield "whole", {"streaming": False}, lambda way, llm, config: way.stream(llm, "Hello", config)


@pytest.mark.parametrize(
    ("arguments", "call"), [case[1:] for case in ways_to_call()], ids=[case[0] for case in ways_to_call()]
)
def test_the_span_of_a_chat_request_is_the_child_of_that_of_its_run(way, chat, told, config, arguments, call):
    call(way, chat(**arguments), config)
    ours = child_of(told, "model")
    assert ours.attributes["melious.usage.output_tokens"] > 0
    tokens = by_name(told)["model"].attributes["llm.token_count.total"]
    assert told.total("llm.token_count.total", "gen_ai.usage.input_tokens") == tokens


def test_events_of_the_third_version_have_the_same_parent(chat, told, config):
    list(chat().stream_events("Hello", config, version="v3"))
    assert "melious.usage.output_tokens" in child_of(told, "model").attributes


def test_the_cost_is_on_the_span_that_counts_the_tokens(way, chat, told, config):
    message = way.invoke(chat(), "Hello", config)
    theirs = by_name(told)["model"].attributes
    eur = float(message.response_metadata["billing_cost"]["credits"])
    assert theirs["gen_ai.usage.cost"] == theirs["llm.cost.total"] == eur
    assert told.total("gen_ai.usage.cost") == eur


def test_in_a_chain_it_is_below_the_model_and_not_the_chain(way, chat, told, config):
    chain = ChatPromptTemplate.from_template("Say {word}") | chat()
    way.invoke(chain, {"word": "hello"}, config)
    child_of(told, "model")


def test_streams_read_in_turn_have_their_own_parents(chat, told, config):
    llm = chat()
    first, second = llm.stream("Hello", config), llm.stream("Hello", config)
    next(first), next(second)
    list(first), list(second)
    theirs = [span.context.span_id for span in told.spans if span.name == "model"]
    assert sorted(span.parent.span_id for span in told.ours) == sorted(theirs)
    assert len(set(theirs)) == 2


def test_embeddings_and_reranks_are_below_the_run_around_them_and_count(
    way, embeddings, rerank, told, config
):
    documents = [Document("a"), Document("b")]
    way.call(rerank(), "compress_documents", documents, "a", callbacks=config["callbacks"])
    reranked = child_of(told, "MeliousRerank")
    assert reranked.attributes["gen_ai.usage.cost"] > 0

    model = embeddings()

    async def aembed(text):
        return await model.aembed_query(text)

    def embed(text):
        return model.embed_query(text)

    way.invoke(RunnableLambda(embed, aembed, name="embed"), "a", config)
    (embedded,) = [span for span in told.ours if span.name.startswith("embeddings")]
    assert embedded.parent.span_id == by_name(told)["embed"].context.span_id
    assert embedded.attributes["gen_ai.usage.input_tokens"] > 0


def test_a_span_of_the_application_inside_a_run_is_the_inner_one(embeddings, told, config):
    model = embeddings()

    def embed(text):
        with told.tracer_provider.get_tracer("app").start_as_current_span("inner"):
            return model.embed_query(text)

    with told.tracer_provider.get_tracer("app").start_as_current_span("outer"):
        RunnableLambda(embed, name="embed").invoke("a", config)
    child_of(told, "inner")
    assert by_name(told)["embed"].parent.span_id == by_name(told)["outer"].context.span_id


def test_a_call_that_fails_is_the_child_of_its_run_too(way, chat, told, config, sandbox):
    sandbox.faults.add(Fault(status=400, body={"error": {"message": "no", "code": "bad"}}))
    with pytest.raises(BadRequestError, match="no"):
        way.invoke(chat(), "Hello", config)
    assert child_of(told, "model").attributes["melious.error.code"] == "bad"


def test_without_a_tracer_the_span_counts_everything(way, chat, told):
    way.stream(chat(), "Hello", {"callbacks": [BaseCallbackHandler()]})
    assert told.span.attributes["gen_ai.usage.output_tokens"] > 0
    assert told.span.parent is None


def test_it_can_be_left_out(way, chat, told, config):
    told.instrument(when_nested="skip")
    way.stream(chat(), "Hello", config)
    assert told.ours == []
    assert told.span.attributes["melious.usage.output_tokens"] > 0
