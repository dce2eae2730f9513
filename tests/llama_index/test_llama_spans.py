"""OpenTelemetry under LlamaIndex: spans of chat requests leave the counting to OpenInference's."""

import pytest
from llama_index.core.base.llms.types import ChatMessage
from telemetry import recorded

HELLO = [ChatMessage("Hello")]
CALLS = [
    ("chat", HELLO),
    ("stream_chat", HELLO),
    ("complete", "Hello"),
    ("stream_complete", "Hello"),
]


@pytest.fixture
def told():
    with recorded() as telemetry:
        yield telemetry


@pytest.fixture
def around(told):
    """A current span of the tracer that OpenInference traces LlamaIndex with; it has no attributes yet."""
    tracer = told.tracer_provider.get_tracer("openinference.instrumentation.llama_index")
    with tracer.start_as_current_span("Melious.chat") as span:
        yield span


@pytest.mark.parametrize(("method", "argument"), CALLS, ids=[method for method, _ in CALLS])
async def test_the_span_of_a_chat_request_is_the_child_and_counts_nothing(
    way, make_llm, told, around, method, argument
):
    await way(make_llm(), method, argument)
    (ours,) = told.ours
    assert ours.parent.span_id == around.context.span_id
    assert ours.attributes["melious.usage.output_tokens"] > 0
    assert not [name for name in ours.attributes if name.startswith(("gen_ai.", "llm."))]
    assert ("gen_ai.usage.cost" in around.attributes) == ("stream" not in method)


async def test_embeddings_and_reranks_are_counted_by_ours(way, make_embedding, told, around):
    await way(make_embedding(), "get_query_embedding", "a")
    (ours,) = told.ours
    assert ours.parent.span_id == around.context.span_id
    assert ours.attributes["gen_ai.usage.input_tokens"] > 0
    assert ours.attributes["gen_ai.usage.cost"] > 0
    assert dict(around.attributes) == {}


async def test_below_a_span_of_the_application_ours_counts(way, make_llm, told):
    with told.tracer_provider.get_tracer("app").start_as_current_span("request") as around:
        await way(make_llm(), "chat", HELLO)
    (ours,) = told.ours
    assert ours.attributes["gen_ai.usage.cost"] > 0
    assert dict(around.attributes) == {}
