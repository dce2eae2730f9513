"""A chain step that returns documents and is a run in traces. Imported on first use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypedDict, cast

from langchain_core.documents import Document
from langchain_core.runnables import Runnable, RunnableConfig
from typing_extensions import override

from langchain_melious.errors import needs_asyncio


class RerankInput(TypedDict):
    """The input of a rerank step."""

    query: str
    documents: Sequence[Document]


class RerankStep(Runnable[RerankInput, list[Document]]):
    """Sorts documents by relevance; in traces, the outputs of the run include the cost."""

    def __init__(
        self,
        name: str,
        run: Callable[[RerankInput], Any],
        arun: Callable[[RerankInput], Awaitable[Any]],
    ) -> None:
        """Make a step, named in traces; `run` and `arun` return its outputs, `documents` among them."""
        self.name: str | None = name
        self._run = run
        self._arun = arun

    @override
    def invoke(
        self,
        input: RerankInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Sort the documents of `{"query": ..., "documents": [...]}`, best first."""
        outputs: Any = self._call_with_config(self._run, input, config, **kwargs)
        return cast("list[Document]", outputs["documents"])

    @override
    async def ainvoke(
        self,
        input: RerankInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Sort the documents of `{"query": ..., "documents": [...]}`, best first."""
        needs_asyncio()
        outputs: Any = await self._acall_with_config(self._arun, input, config, **kwargs)
        return cast("list[Document]", outputs["documents"])
