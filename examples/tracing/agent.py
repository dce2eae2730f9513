"""What is traced: an agent that searches, which embeds the question and reranks what is found."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank

NOTES = [
    "Parcels within Germany are delivered in two working days.",
    "Parcels to Norway take five working days, because they pass the customs.",
    "Returns are free for thirty days.",
    "The warehouse is in Hamburg and ships on weekdays until four o'clock.",
]


def make_agent() -> Any:
    """An agent that answers questions of customers from the notes."""
    store = InMemoryVectorStore(MeliousEmbeddings(model="bge-m3"))
    store.add_texts(NOTES)
    reranker = MeliousRerank(model="bge-reranker-v2-m3", top_n=2)

    @tool
    def search(query: str) -> str:
        """Search the notes of the shop."""
        found = store.similarity_search(query, k=4)
        return "\n".join(document.page_content for document in reranker.compress_documents(found, query))

    prompt = "You answer customers of a shop. Search the notes before you answer, and keep it short."
    return create_agent(ChatMelious(model="glm-4.7"), tools=[search], system_prompt=prompt, name="shop")
