"""The classes together, in LlamaIndex's own engines and observers."""

import pytest
from llama_index.core import Settings, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.chat_engine import CondensePlusContextChatEngine
from llama_index.core.evaluation import RelevancyEvaluator
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import CitationQueryEngine
from llama_index.core.schema import TextNode

from melious import track_impact
from melious.sandbox import Fault, Reply

TEXTS = [
    "The lighthouse of Alexandria was built on the island of Pharos.",
    "Trains in Austria run on hydropower.",
    "Cats sleep for most of the day.",
    "Dunes move with the wind.",
    "The sea is salty because rivers carry minerals into it.",
]
QUESTION = "What do trains in Austria run on?"
ANSWER = Reply(chunks=["On ", "hydro", "power."])


@pytest.fixture
def index(make_embedding):
    return VectorStoreIndex([TextNode(text=text) for text in TEXTS], embed_model=make_embedding())


async def test_query_engine_with_reranker(index, make_llm, make_rerank, way, sandbox):
    engine = index.as_query_engine(
        llm=make_llm(), node_postprocessors=[make_rerank(top_n=2)], similarity_top_k=5
    )
    sandbox.requests.clear()
    sandbox.replies.add(ANSWER)
    with track_impact() as ledger:
        response = await way(engine, "query", QUESTION)
    assert str(response) == "On hydropower."
    assert response.source_nodes[0].node.text == TEXTS[1]
    assert len(response.source_nodes) == 2
    assert [request.endpoint for request in sandbox.requests] == ["embeddings", "rerank", "chat"]
    assert len(sandbox.requests[1].body["documents"]) == 5
    assert TEXTS[1] in str(sandbox.requests[2].body["messages"])
    assert ledger.total.requests == ledger.total.with_impact == 3


def test_query_engine_streams(index, make_llm, make_rerank, sandbox):
    engine = index.as_query_engine(
        llm=make_llm(), node_postprocessors=[make_rerank(top_n=2)], similarity_top_k=5, streaming=True
    )
    sandbox.replies.add(ANSWER)
    pieces = list(engine.query(QUESTION).response_gen)
    assert list(filter(None, pieces)) == ["On ", "hydro", "power."]


async def test_query_engine_streams_async(index, make_llm, make_rerank, sandbox):
    engine = index.as_query_engine(
        llm=make_llm(), node_postprocessors=[make_rerank(top_n=2)], similarity_top_k=5, streaming=True
    )
    sandbox.replies.add(ANSWER)
    response = await engine.aquery(QUESTION)
    pieces = [piece async for piece in response.async_response_gen()]
    assert list(filter(None, pieces)) == ["On ", "hydro", "power."]


async def test_engine_goes_on_without_its_reranker(index, make_llm, make_rerank, way, sandbox):
    rerank = make_rerank(top_n=3, on_error="passthrough", max_retries=0)
    engine = index.as_query_engine(llm=make_llm(), node_postprocessors=[rerank], similarity_top_k=5)
    sandbox.faults.add(Fault(endpoint="rerank", status=503))
    sandbox.replies.add(ANSWER)
    response = await way(engine, "query", QUESTION)
    assert str(response) == "On hydropower."
    assert len(response.source_nodes) == 3


async def test_chat_engine(index, make_llm, make_rerank, way, sandbox):
    llm = make_llm()
    engine = CondensePlusContextChatEngine.from_defaults(
        index.as_retriever(similarity_top_k=5),
        llm=llm,
        node_postprocessors=[make_rerank(top_n=2)],
        memory=ChatMemoryBuffer.from_defaults(llm=llm),
    )
    sandbox.replies.add(ANSWER)
    assert str(await way(engine, "chat", QUESTION)) == "On hydropower."
    assert TEXTS[1] in str(sandbox.requests[-1].body["messages"])


async def test_citations(index, make_llm, way, sandbox):
    engine = CitationQueryEngine.from_args(index, llm=make_llm(), similarity_top_k=2)
    sandbox.replies.add(Reply(text="On hydropower [1]."))
    response = await way(engine, "query", QUESTION)
    assert str(response) == "On hydropower [1]."
    assert response.source_nodes[0].node.get_content().startswith("Source 1")


async def test_relevancy_evaluator(make_llm, sandbox):
    evaluator = RelevancyEvaluator(llm=make_llm())
    sandbox.replies.add(Reply(text="YES"))
    result = await evaluator.aevaluate(query=QUESTION, response="Hydropower.", contexts=[TEXTS[1]])
    assert (result.passing, result.feedback) == (True, "YES")


@pytest.mark.parametrize("method", ["chat", "stream_chat", "complete", "stream_complete"])
async def test_token_counts_are_the_servers(make_llm, way, method):
    from llama_index.core.base.llms.types import ChatMessage

    counter = TokenCountingHandler(tokenizer=lambda text: [0] * 1000)
    llm = make_llm(callback_manager=CallbackManager([counter]))
    result = await way(llm, method, "Hello, you!" if "complete" in method else [ChatMessage("Hello, you!")])
    last = result[-1] if isinstance(result, list) else result
    assert counter.prompt_llm_token_count == last.raw["usage"]["prompt_tokens"] < 1000
    assert counter.completion_llm_token_count == last.raw["usage"]["completion_tokens"] < 1000


def test_settings(make_llm, make_embedding, sandbox):
    before = Settings._llm, Settings._embed_model
    try:
        Settings.llm, Settings.embed_model = make_llm(model="somebody/new-model"), make_embedding()
        index = VectorStoreIndex([TextNode(text=TEXTS[0])])
        sandbox.faults.add(Fault(endpoint="chat", status=404, code="model_not_found"))
        with pytest.raises(Exception, match="404"):
            index.as_query_engine().query("Where was the lighthouse?")
    finally:
        Settings._llm, Settings._embed_model = before
