"""What the core and the adapters must reach, in figures, ratios and differences of the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import core
from benchmarks.contenders import (
    CORE,
    CORE_AIOHTTP,
    LANGCHAIN_BARE,
    LANGCHAIN_MELIOUS,
    LANGCHAIN_MELIOUS_AIOHTTP,
    LANGCHAIN_UNIT,
    LLAMA_BARE,
    LLAMA_MELIOUS,
    LLAMA_UNIT,
    OPENAI,
    raw,
)
from benchmarks.langchain import starts as langchain_starts
from benchmarks.llama_index import RERANKS
from benchmarks.llama_index import starts as llama_starts
from benchmarks.measure import Table

Tables = Mapping[str, Table]


@dataclass(frozen=True)
class Limit:
    """A limit beside what was reached; None where it was not measured."""

    what: str
    bound: float
    at_most: bool
    reached: float | None
    unit: str = "x"

    @property
    def holds(self) -> bool | None:
        """Whether it was reached."""
        if self.reached is None:
            return None
        return self.reached <= self.bound if self.at_most else self.reached >= self.bound


class _Figures:
    """The figures of a run, as limits ask for them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def ratio(self, title: str, of: str, to: str) -> float | None:
        return self._tables[title].ratio(of, to) if title in self._tables else None

    def at_most(self, bound: float, title: str, of: str = CORE, to: str | None = None) -> Limit:
        to = to or raw()
        return Limit(f"{title}: {of} / {to}", bound, True, self.ratio(title, of, to))

    def at_least(self, bound: float, title: str, of: str = OPENAI, to: str = CORE) -> Limit:
        return Limit(f"{title}: {of} / {to}", bound, False, self.ratio(title, of, to))

    def itself(self, bound: float, title: str, of: str) -> Limit:
        table = self._tables.get(title)
        reached = table.figures.get(of) if table else None
        return Limit(f"{title}: {of}", bound, True, reached, table.unit if table else "")

    def beyond(self, bound: float, title: str, of: str, floor: str) -> Limit:
        table = self._tables.get(title)
        reached = table.figures[of] - table.figures[floor] if table else None
        return Limit(f"{title}: {of} beyond {floor}", bound, True, reached, "ms")


def of_core(tables: Tables) -> list[Limit]:
    """The client's.

    Args:
        tables: By title.
    """
    figures = _Figures(tables)
    at_most, at_least = figures.at_most, figures.at_least
    return [
        at_most(1.0, "request, sync"),
        at_most(1.0, "request, async"),
        at_most(1.0, "request, async x64"),
        at_least(4.0, "request, sync"),
        at_least(2.2, "request, async x64"),
        at_least(6.0, "request, async x64", to=CORE_AIOHTTP),
        at_most(1.1, "streamed chunk, sync"),
        at_most(1.1, "streamed chunk, async"),
        at_least(7.0, "streamed chunk, sync"),
        at_least(7.0, "streamed chunk, async"),
        at_most(1.1, "embeddings"),
        at_most(1.1, "rerank"),
        figures.beyond(40.0, "import", CORE, core.FLOOR),
        figures.beyond(40.0, "import, construction and first answer", CORE, core.FLOOR),
        figures.itself(1.0, "construction, after the first", CORE),
    ]


def of_langchain(tables: Tables) -> list[Limit]:
    """The adapter's for LangChain.

    Args:
        tables: By title.
    """
    figures = _Figures(tables)
    itself, at_most, starts = figures.itself, figures.at_most, langchain_starts
    return [
        at_most(1.15, "LangChain, invoke", LANGCHAIN_MELIOUS, LANGCHAIN_BARE),
        at_most(1.1, "LangChain, streamed chunk, sync", LANGCHAIN_MELIOUS, LANGCHAIN_BARE),
        at_most(1.1, "LangChain, streamed chunk, async", LANGCHAIN_MELIOUS, LANGCHAIN_BARE),
        at_most(1.2, "LangChain, embed_documents", LANGCHAIN_UNIT, LANGCHAIN_MELIOUS),
        at_most(1.5, "LangChain, compress_documents", LANGCHAIN_MELIOUS, LANGCHAIN_BARE),
        itself(1300.0, "LangChain, invoke", LANGCHAIN_MELIOUS),
        itself(2000.0, "LangChain, ainvoke", LANGCHAIN_MELIOUS),
        itself(600.0, "LangChain, ainvoke x64", LANGCHAIN_MELIOUS_AIOHTTP),
        itself(30.0, "LangChain, streamed chunk, sync", LANGCHAIN_MELIOUS),
        itself(30.0, "LangChain, streamed chunk, async", LANGCHAIN_MELIOUS),
        itself(15.0, "LangChain, v3 events made, per chunk", LANGCHAIN_MELIOUS),
        itself(200.0, "LangChain, embed_documents", LANGCHAIN_MELIOUS),
        itself(20.0, "LangChain chat, import", starts.NAME_ONLY),
        itself(40.0, "LangChain chat, import, over its floor", LANGCHAIN_MELIOUS),
        itself(0.5, "LangChain chat, construction, after the first", LANGCHAIN_MELIOUS),
        itself(35.0, "LangChain embeddings, import, over its floor", LANGCHAIN_MELIOUS),
        itself(40.0, "LangChain rerank, import, over its floor", LANGCHAIN_MELIOUS),
    ]


def of_llama_index(tables: Tables) -> list[Limit]:
    """The adapter's for LlamaIndex.

    Args:
        tables: By title.
    """
    figures = _Figures(tables)
    itself, at_most, starts = figures.itself, figures.at_most, llama_starts
    return [
        at_most(1.15, "LlamaIndex, chat", LLAMA_MELIOUS, LLAMA_BARE),
        at_most(1.1, "LlamaIndex, text chunk, sync", LLAMA_MELIOUS, LLAMA_BARE),
        at_most(1.1, "LlamaIndex, text chunk, async", LLAMA_MELIOUS, LLAMA_BARE),
        at_most(1.2, "LlamaIndex, get_text_embedding_batch", LLAMA_UNIT, LLAMA_MELIOUS),
        at_most(1.4, "LlamaIndex, postprocess_nodes", LLAMA_MELIOUS, LLAMA_BARE),
        itself(1000.0, "LlamaIndex, chat", LLAMA_MELIOUS),
        itself(30.0, "LlamaIndex, text chunk, sync", LLAMA_MELIOUS),
        itself(30.0, "LlamaIndex, text chunk, async", LLAMA_MELIOUS),
        itself(35.0, "LlamaIndex, tool chunk with its calls", LLAMA_MELIOUS),
        itself(60.0, "LlamaIndex, structured chunk", LLAMA_MELIOUS),
        itself(227.0, "LlamaIndex, get_text_embedding_batch", LLAMA_MELIOUS),
        itself(1500.0, "LlamaIndex, postprocess_nodes", LLAMA_MELIOUS),
        itself(1.0, f"LlamaIndex, threads of apostprocess_nodes x{RERANKS}", LLAMA_MELIOUS),
        itself(45.0, "LlamaIndex, import, over its floor", LLAMA_MELIOUS),
        itself(30.0, "LlamaIndex, import, over its floor", starts.EMBEDDING),
        itself(45.0, "LlamaIndex, import, over its floor", starts.RERANKER),
    ]
