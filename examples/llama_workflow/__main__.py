"""Ask the workflow, show its events, and save the receipt: `python -m examples.llama_workflow [QUESTION]`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import NodeWithScore, TextNode

from examples.llama_workflow.passages import PASSAGES
from examples.llama_workflow.workflow import Answer, AnswerWithSources, Reranked, Retrieved
from examples.service import answering, service
from llama_index_melious import MeliousEmbedding
from melious import track_impact

QUESTION = "Which rivers flow through Hamburg?"
ANSWERS = {
    QUESTION: "The Elbe flows through Hamburg [3]; the Alster [2] and the Bille [1] join it there.",
}


def titles(nodes: Sequence[NodeWithScore]) -> str:
    """The titles of passages with their scores."""
    return ", ".join(f"{node.metadata['title']} {node.score:.2f}" for node in nodes)


def passages() -> VectorStoreIndex:
    """The passages with their vectors."""
    nodes = [TextNode(text=text, metadata={"title": title}) for title, text in PASSAGES.items()]
    return VectorStoreIndex(nodes, embed_model=MeliousEmbedding(model="bge-m3"))


async def ask(index: VectorStoreIndex, question: str) -> None:
    """Run the workflow and print its events and the answer."""
    print(f"Q: {question}\n")
    run = AnswerWithSources(index, timeout=120).run(question=question)
    async for event in run.stream_events():
        if isinstance(event, Retrieved | Reranked):
            print(f"{type(event).__name__:10} {titles(event.nodes)}\n")
    answer: Answer = await run
    print(f"A: {answer.text}\n")


def main(arguments: Sequence[str]) -> None:
    """Ask the question of the command line, or one that is prepared."""
    with service(answering(ANSWERS)), track_impact(keep_rows=100) as ledger:
        asyncio.run(ask(passages(), " ".join(arguments) or QUESTION))
    print(ledger.summary())
    ledger.save("receipt.html", title="One question")
    print("\nThe receipt is in receipt.html.")


if __name__ == "__main__":
    main(sys.argv[1:])
