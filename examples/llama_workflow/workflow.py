"""The workflow. Each step is one request to the service, and each event says what the step found."""

from __future__ import annotations

from typing import Any

from llama_index.core import PromptTemplate, VectorStoreIndex
from llama_index.core.schema import NodeWithScore
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step

from llama_index_melious import Melious, MeliousRerank

PROMPT = PromptTemplate(
    "Answer from the passages in one or two sentences, and cite those that you used as [1], [2].\n\n"
    "{passages}\n\nQuestion: {question}"
)


class Question(StartEvent):
    """What `run(question=…)` starts with."""

    question: str


class Retrieved(Event):
    """The passages that are near the question."""

    nodes: list[NodeWithScore]


class Reranked(Event):
    """The best of them, best first."""

    nodes: list[NodeWithScore]


class Answer(StopEvent):
    """The answer, and the passages that it may cite."""

    text: str
    sources: list[NodeWithScore]


class AnswerWithSources(Workflow):
    """Retrieve, rerank, answer.

    Args:
        index: What may be retrieved.
        retrieve: How many passages to retrieve.
        keep: How many of them the reranker keeps.
        options: `timeout` and other arguments of `Workflow`.
    """

    def __init__(self, index: VectorStoreIndex, retrieve: int = 8, keep: int = 3, **options: Any) -> None:
        super().__init__(**options)
        self._retriever = index.as_retriever(similarity_top_k=retrieve)
        self._reranker = MeliousRerank(model="bge-reranker-v2-m3", top_n=keep)
        self._llm = Melious(model="glm-4.7", preset="environment")

    @step
    async def retrieve(self, context: Context, event: Question) -> Retrieved:
        """Find passages by their vectors."""
        await context.store.set("question", event.question)
        retrieved = Retrieved(nodes=await self._retriever.aretrieve(event.question))
        context.write_event_to_stream(retrieved)
        return retrieved

    @step
    async def rerank(self, context: Context, event: Retrieved) -> Reranked:
        """Keep those that answer the question."""
        question = await context.store.get("question")
        nodes = await self._reranker.apostprocess_nodes(event.nodes, query_str=question)
        reranked = Reranked(nodes=nodes)
        context.write_event_to_stream(reranked)
        return reranked

    @step
    async def answer(self, context: Context, event: Reranked) -> Answer:
        """Answer from them."""
        question = await context.store.get("question")
        passages = "\n".join(f"[{number}] {node.text}" for number, node in enumerate(event.nodes, 1))
        text = await self._llm.apredict(PROMPT, passages=passages, question=question)
        return Answer(text=text, sources=event.nodes)
