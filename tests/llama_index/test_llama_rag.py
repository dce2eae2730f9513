"""Answers from a real vector store: Qdrant in this process; embeddings, rerank and chat of the sandbox."""

import asyncio
import gc
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.evaluation import FaithfulnessEvaluator, RelevancyEvaluator
from llama_index.core.extractors import QuestionsAnsweredExtractor
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.query_engine import CitationQueryEngine, RouterQueryEngine
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.core.selectors import PydanticSingleSelector
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.tools import QueryEngineTool
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.vector_stores.qdrant import QdrantVectorStore
from llama_kit import Way
from pydantic import BaseModel
from qdrant_client import AsyncQdrantClient, QdrantClient

from melious import track_impact
from melious.sandbox import Reply

GUIDE = {
    "lighthouse": "The lighthouse of Brask was built in 1871 by Ida Holm. Its lamp burns rapeseed oil.",
    "harbour": "The harbour of Brask holds forty boats. The harbour master is Jon Ness.",
    "bakery": "Bread in Brask is baked from rye. The bakery opens at five in the morning.",
    "ferry": "The ferry to Brask leaves from Tarn every two hours. A ticket costs nine crowns.",
    "winter": "In winter the sea of Brask freezes. Then a sledge brings the mail.",
}
QUESTION = "What does a ticket of the ferry cost?"
ANSWER = Reply(chunks=["It costs ", "nine ", "crowns."])

# Told whenever a collection is made in this process.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect in the local Qdrant:UserWarning"
)


def documents() -> list[Document]:
    return [Document(text=text, id_=name, metadata={"about": name}) for name, text in GUIDE.items()]


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    made = QdrantClient(":memory:")
    yield made
    made.close()


@pytest.fixture
def pipeline(make_embedding: Any) -> IngestionPipeline:
    splitter = SentenceSplitter(chunk_size=64, chunk_overlap=0)
    return IngestionPipeline(transformations=[splitter, make_embedding(model="qwen3-embedding-8b")])


class Guide:
    """An index over the guide that both ways of calling can ask: each has a Qdrant of its own."""

    def __init__(self, way: Way, client: QdrantClient, embedding: Any) -> None:
        self.way = way
        self.embedding = embedding
        self.aclient = AsyncQdrantClient(":memory:") if way.name == "async" else None
        self.store = QdrantVectorStore("guide", client=None if self.aclient else client, aclient=self.aclient)

    async def fill(self, pipeline: IngestionPipeline) -> VectorStoreIndex:
        pipeline.vector_store = self.store
        if self.aclient:
            await pipeline.arun(documents=documents())
        else:
            pipeline.run(documents=documents())
        return VectorStoreIndex.from_vector_store(self.store, embed_model=self.embedding)


@pytest.fixture
async def index(way, client, make_embedding, pipeline):
    guide = Guide(way, client, make_embedding(model="qwen3-embedding-8b"))
    yield await guide.fill(pipeline)
    if guide.aclient:
        await guide.aclient.close()


# --- engines -----------------------------------------------------------------------------------------


async def test_retrieval_rerank_answer(index, make_llm, make_rerank, way, sandbox):
    engine = index.as_query_engine(
        llm=make_llm(), node_postprocessors=[make_rerank(top_n=2)], similarity_top_k=5
    )
    sandbox.requests.clear()
    sandbox.replies.add(ANSWER)
    with track_impact() as ledger:
        response = await way(engine, "query", QUESTION)
    assert str(response) == "It costs nine crowns."
    assert GUIDE["ferry"] in str(sandbox.requests[-1].body["messages"])
    assert len(response.source_nodes) == 2
    assert response.source_nodes[0].node.metadata["about"] == "ferry"
    assert response.source_nodes[0].score > response.source_nodes[1].score
    assert [request.endpoint for request in sandbox.requests] == ["embeddings", "rerank", "chat"]
    assert ledger.total.requests == ledger.total.with_impact == 3


async def test_filters_of_the_store(index, make_llm, way):
    only = MetadataFilters(filters=[MetadataFilter(key="about", value="winter")])
    retriever = index.as_retriever(similarity_top_k=5, filters=only)
    (found,) = await way(retriever, "retrieve", QUESTION)
    assert found.node.metadata["about"] == "winter"


async def test_answer_in_pieces(index, make_llm, make_rerank, way, sandbox):
    engine = index.as_query_engine(
        llm=make_llm(), node_postprocessors=[make_rerank(top_n=1)], similarity_top_k=5, streaming=True
    )
    sandbox.replies.add(ANSWER)
    response = await way(engine, "query", QUESTION)
    if way.name == "sync":
        pieces = list(response.response_gen)
    else:
        pieces = [piece async for piece in response.async_response_gen()]
    assert list(filter(None, pieces)) == ["It costs ", "nine ", "crowns."]


async def test_citations_with_reranker(index, make_llm, make_rerank, way, sandbox):
    engine = CitationQueryEngine.from_args(
        index, llm=make_llm(), similarity_top_k=5, node_postprocessors=[make_rerank(top_n=2)]
    )
    sandbox.replies.add(Reply(text="Nine crowns [1]."))
    response = await way(engine, "query", QUESTION)
    assert str(response) == "Nine crowns [1]."
    first, second = response.source_nodes
    assert first.node.get_content().startswith("Source 1:")
    assert second.node.get_content().startswith("Source 2:")
    assert first.node.metadata["about"] == "ferry"
    prompt = sandbox.requests[-1].body["messages"][-1]["content"]
    assert "Source 1:" in prompt
    assert "nine crowns" in prompt


class Fare(BaseModel):
    """What a journey costs."""

    ticket: str
    crowns: int | None = None


async def test_answer_is_an_object(index, make_llm, way, sandbox):
    fare = Fare(ticket="ferry", crowns=9)
    sandbox.replies.add(Reply(text=fare.model_dump_json()))
    engine = index.as_query_engine(llm=make_llm().as_structured_llm(Fare), similarity_top_k=1)
    response = await way(engine, "query", QUESTION)
    assert response.response == fare
    body = sandbox.requests[-1].body
    assert body["response_format"]["json_schema"]["schema"]["properties"].keys() == {"ticket", "crowns"}
    assert "nine crowns" in str(body["messages"])


async def test_router_asks_the_engine_that_fits(index, make_llm, way, sandbox):
    def about(name: str) -> QueryEngineTool:
        only = MetadataFilters(filters=[MetadataFilter(key="about", value=name)])
        engine = index.as_query_engine(llm=make_llm(), filters=only)
        return QueryEngineTool.from_defaults(engine, name=name, description=f"Knows the {name} of Brask.")

    chosen = {"index": 2, "reason": "It asks for the ferry."}
    sandbox.replies.add(Reply(tool_calls=[("SingleSelection", chosen)]), ANSWER)
    engine = RouterQueryEngine.from_defaults(
        [about("bakery"), about("ferry")],
        llm=make_llm(),
        selector=PydanticSingleSelector.from_defaults(llm=make_llm()),
    )
    response = await way(engine, "query", QUESTION)
    assert str(response) == "It costs nine crowns."
    assert [item.node.metadata["about"] for item in response.source_nodes] == ["ferry"]


async def test_tokens_of_a_whole_answer_are_the_servers(index, make_llm, way, sandbox, monkeypatch):
    counter = TokenCountingHandler(tokenizer=lambda text: [0] * 10_000)
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([counter]))
    engine = index.as_query_engine(llm=make_llm(), similarity_top_k=3)
    sandbox.requests.clear()
    with track_impact() as ledger:
        await way(engine, "query", QUESTION)
        await way(engine, "query", "When does the bakery open?")
    assert len(counter.llm_token_counts) == len(sandbox.requests.to("chat")) == 2
    told = ledger.by("endpoint")["chat"]
    assert counter.prompt_llm_token_count == told.input_tokens
    assert counter.completion_llm_token_count == told.output_tokens
    assert 0 < counter.total_llm_token_count < 10_000


# --- ingestion ---------------------------------------------------------------------------------------


def test_second_ingestion_asks_for_nothing(pipeline, client, sandbox, tmp_path):
    pipeline.docstore = SimpleDocumentStore()
    pipeline.vector_store = QdrantVectorStore("guide", client=client)
    assert len(pipeline.run(documents=documents())) == len(GUIDE)
    assert pipeline.run(documents=documents()) == []
    assert len(sandbox.requests) == 1
    changed = [*documents()[1:], Document(text="The lighthouse was painted.", id_="lighthouse")]
    (again,) = pipeline.run(documents=changed)
    assert again.text == "The lighthouse was painted."
    assert client.count("guide").count == len(GUIDE)


def test_cache_on_disk_serves_another_process_and_another_key(
    make_embedding, sandbox, start_sandbox, tmp_path
):
    cached = tmp_path / "cache"
    first = IngestionPipeline(transformations=[SentenceSplitter(), make_embedding()])
    expected = [node.embedding for node in first.run(documents=documents())]
    first.persist(str(cached))
    keys = start_sandbox(keys={"sk-mel-new": []})
    embedding = make_embedding(api_key="sk-mel-new")
    second = IngestionPipeline(transformations=[SentenceSplitter(), embedding])
    second.load(str(cached))
    assert [node.embedding for node in second.run(documents=documents())] == expected
    assert len(sandbox.requests) == 1
    assert not keys.requests


async def test_asynchronous_ingestion_with_workers_and_cache(make_embedding, sandbox):
    """Blocking, workers are processes: `test_llama_embeddings_observed.py` starts some."""
    nodes = [TextNode(text=f"Boat number {at} is blue.", id_=str(at)) for at in range(8)]
    pipeline = IngestionPipeline(transformations=[make_embedding(embed_batch_size=2)], cache=IngestionCache())
    done = await pipeline.arun(nodes=nodes, num_workers=2)
    assert sorted(node.text for node in done) == [node.text for node in nodes]
    assert all(len(node.embedding) == 1024 for node in done)
    embedded = [text for request in sandbox.requests for text in request.body["input"]]
    assert sorted(embedded) == [node.get_content(MetadataMode.EMBED) for node in nodes]
    assert len(sandbox.requests) == 4


async def test_extractors_ask_for_every_node(make_llm, pipeline, sandbox):
    extractor = QuestionsAnsweredExtractor(llm=make_llm(), questions=1, num_workers=3)
    pipeline.transformations = [pipeline.transformations[0], extractor]
    sandbox.replies.add(Reply(text="Who built it?"), times=None)
    nodes = await pipeline.arun(documents=documents())
    assert {node.metadata["questions_this_excerpt_can_answer"] for node in nodes} == {"Who built it?"}
    assert len(sandbox.requests.to("chat")) == len(GUIDE)


# --- judges ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "passing"), [("YES", True), ("NO", False)])
@pytest.mark.parametrize("judge", [RelevancyEvaluator, FaithfulnessEvaluator])
async def test_judges(index, make_llm, way, sandbox, judge, verdict, passing):
    sandbox.replies.add(ANSWER, Reply(text=verdict))
    response = await way(index.as_query_engine(llm=make_llm()), "query", QUESTION)
    result = await judge(llm=make_llm()).aevaluate_response(query=QUESTION, response=response)
    assert (result.passing, result.feedback) == (passing, verdict)
    assert "nine crowns" in str(sandbox.requests[-1].body["messages"])


# --- loops -------------------------------------------------------------------------------------------


def test_blocking_judge_inside_a_running_loop(make_llm, sandbox):
    """`evaluate` starts a loop of its own in a thread, and the LLM serves both loops."""
    llm = make_llm()
    sandbox.replies.add(Reply(text="YES"), times=3)
    given = {"query": QUESTION, "response": "Nine crowns.", "contexts": [GUIDE["ferry"]]}
    evaluator = RelevancyEvaluator(llm=llm)

    async def main() -> None:
        assert (await evaluator.aevaluate(**given)).passing
        assert evaluator.evaluate(**given).passing
        assert (await evaluator.aevaluate(**given)).passing

    with warnings.catch_warnings():
        # LlamaIndex closes that loop without ending its generators, so that nothing can close its
        # connection before it is collected.
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(main())
        asyncio.run(llm.acomplete("Hello"))
        gc.collect()
    assert [request.status for request in sandbox.requests] == [200] * 4


def test_one_engine_on_several_loops(make_embedding, make_llm, make_rerank, sandbox):
    nodes = [TextNode(text=text) for text in GUIDE.values()]
    engine = VectorStoreIndex(nodes, embed_model=make_embedding()).as_query_engine(
        llm=make_llm(), node_postprocessors=[make_rerank(top_n=1)], similarity_top_k=5
    )
    sandbox.replies.add(ANSWER, times=None)
    answers = [str(asyncio.run(engine.aquery(QUESTION))) for _ in range(3)]

    async def together() -> list[Any]:
        return await asyncio.gather(*(engine.aquery(QUESTION) for _ in range(5)))

    answers += [str(response) for response in asyncio.run(together())]
    answers.append(str(engine.query(QUESTION)))
    assert answers == ["It costs nine crowns."] * 9
    assert {request.status for request in sandbox.requests} == {200}
    assert len(sandbox.requests.to("rerank")) == 9
