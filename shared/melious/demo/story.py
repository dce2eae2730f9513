"""The steps of the demo."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from melious.demo.corpus import passages
from melious.demo.screen import Screen
from melious.impact import ImpactLedger, track_impact

DEFAULT_QUESTION = "What does the with statement guarantee when an exception is raised?"
_FITS = 0.3
"""The relevance from which a passage fits a question."""
AGENT_QUESTION = 'How many words does the topic "lambda" have?'


class Story:
    """A chain, an agent and a query engine answer; then the cost is shown.

    Args:
        access: `base_url` and `api_key`, for every class.
        screen: Where to write.
    """

    def __init__(self, access: dict[str, Any], screen: Screen) -> None:
        self._access = access
        self._screen = screen
        self._steps: list[tuple[str, ImpactLedger]] = []

    def run(self, question: str) -> None:
        """Answer the question twice, let an agent answer another, and show the cost."""
        began = time.monotonic()
        corpus = passages()
        self._langchain(question, corpus)
        self._agent()
        self._llama_index(question, corpus)
        self._screen.heading("What it cost")
        self._screen.bill(self._steps)
        self._screen.line()
        self._screen.fact(f"Done in {time.monotonic() - began:.0f} s.")

    def _langchain(self, question: str, corpus: Sequence[Any]) -> None:
        from melious.demo.langchain_part import RetrievalChain

        self._screen.heading("LangChain: retrieve 20 passages, rerank to 4, answer with sources")
        chain = RetrievalChain(self._access)
        with self._step("LangChain index"):
            chain.index(corpus, self._screen)
        self._ask(question)
        self._screen.line()
        with self._step("LangChain chain"):
            self._screen.streamed(chain.stream(question))
        self._sources([(each.metadata["topic"], each.metadata["relevance_score"]) for each in chain.sources])

    def _ask(self, question: str) -> None:
        self._screen.line(f"  {self._screen.paint('Q:', 'bold')} {question}")

    def _agent(self) -> None:
        from melious.demo.langchain_part import agent_turn

        self._screen.heading("LangChain: an agent with a tool")
        self._ask(AGENT_QUESTION)
        with self._step("LangChain agent"):
            calls, answer = agent_turn(AGENT_QUESTION, self._access)
        for call in calls:
            arguments = ", ".join(f"{name}={value!r}" for name, value in call["arguments"].items())
            self._screen.fact(f"→ {call['name']}({arguments}) = {call['result']}")
        self._screen.paragraph(answer)

    def _llama_index(self, question: str, corpus: Sequence[Any]) -> None:
        from melious.demo.llama_index_part import Engine

        self._screen.heading("LlamaIndex: the same question through a query engine with the reranker")
        engine = Engine(self._access)
        with self._step("LlamaIndex index"):
            engine.index(corpus, self._screen)
        self._ask(question)
        self._screen.line()
        with self._step("LlamaIndex query"):
            answer, sources = engine.query(question)
        self._screen.paragraph(answer)
        self._sources([(each.node.metadata["topic"], each.score or 0.0) for each in sources])

    def _sources(self, sources: Sequence[tuple[str, float]]) -> None:
        """Show where an answer comes from, and say so if the documents hardly fit the question."""
        self._screen.line()
        for number, (topic, relevance) in enumerate(sources, 1):
            self._screen.fact(f"[{number}] help({topic!r})  relevance {relevance:.2f}")
        if max((relevance for _, relevance in sources), default=0.0) < _FITS:
            self._screen.paragraph(
                "No passage fits this question well: the documents are those of the Python language."
            )

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        with track_impact() as ledger:
            yield
        self._steps.append((name, ledger))
