"""The LangChain part: a retrieval chain with reranking, streamed, and an agent's turn with a tool."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank
from melious.demo.corpus import Passage, topics
from melious.demo.models import CHAT_MODEL, EMBEDDING_MODEL, MIN_RELEVANCE, RERANK_MODEL
from melious.demo.screen import Screen

PROMPT = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            "Answer from the context in a few sentences and cite the passages that you used as [1], [2].\n\n"
            "Context:\n{context}",
        ),
        ("human", "{question}"),
    ]
)


class RetrievalChain:
    """Retrieve 20, rerank to the best 4 that are relevant at all, answer with sources."""

    def __init__(self, access: dict[str, Any]) -> None:
        self._store = InMemoryVectorStore(MeliousEmbeddings(model=EMBEDDING_MODEL, **access))
        self._rerank = MeliousRerank(model=RERANK_MODEL, top_n=4, min_score=MIN_RELEVANCE, **access)
        self._llm = ChatMelious(model=CHAT_MODEL, flavor="eco", **access)
        self.sources: Sequence[Document] = ()

    def index(self, passages: Sequence[Passage], screen: Screen) -> None:
        """Embed and store the passages."""
        for portion in screen.progress("indexing", passages, 64):
            self._store.add_texts(
                [passage.text for passage in portion], [{"topic": passage.topic} for passage in portion]
            )

    def stream(self, question: str) -> Iterator[str]:
        """Stream the answer; `sources` then has the passages."""
        retriever = self._store.as_retriever(search_kwargs={"k": 20})
        chain: Runnable[str, str] = (
            {"documents": retriever, "question": RunnablePassthrough()}
            | RunnablePassthrough.assign(context=RunnableLambda(self._reranked))
            | PROMPT
            | self._llm
            | StrOutputParser()
        )
        return chain.stream(question)

    def _reranked(self, found: dict[str, Any]) -> str:
        self.sources = self._rerank.compress_documents(found["documents"], found["question"])
        return "\n\n".join(
            f"[{number}] {source.page_content}" for number, source in enumerate(self.sources, 1)
        )


@tool
def count_words(topic: str) -> str:
    """Count the words and the characters of one topic of the Python documentation.

    Args:
        topic: The name of the topic, such as "lambda".
    """
    text = topics().get(topic)
    if text is None:
        return f"There is no topic {topic!r}."
    words = len(re.findall(r"\w+", text))
    return f"The topic {topic!r} has {words} words and {len(text)} characters."


def agent_turn(question: str, access: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Let the model call the tool until it answers; returns the calls and the answer."""
    model = ChatMelious(model=CHAT_MODEL, flavor="eco", **access).bind_tools([count_words])
    messages: list[BaseMessage] = [HumanMessage(question)]
    calls: list[dict[str, Any]] = []
    for _ in range(5):
        answer = model.invoke(messages)
        messages.append(answer)
        if not answer.tool_calls:
            return calls, str(answer.text)
        for call in answer.tool_calls:
            result = count_words.invoke(call)
            assert isinstance(result, ToolMessage)  # noqa: S101 - the result of a tool for a tool call
            messages.append(result)
            calls.append({"name": call["name"], "arguments": call["args"], "result": result.text})
    return calls, "The model did not stop calling tools."
