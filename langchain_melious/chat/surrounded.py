"""What LangChain does around a call: caches, batches, streams and their callbacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from langchain_core.runnables import RunnableConfig
from typing_extensions import override

import langchain_melious.blocks  # noqa: F401 - registers the content blocks
from langchain_melious.callbacks.spans import note_run, watched
from langchain_melious.chat.bindable import BindableModel
from langchain_melious.chat.described import DescribedModel
from langchain_melious.chat.results import summed, unpaid
from langchain_melious.errors import needs_asyncio


class SurroundedModel(DescribedModel, BindableModel):
    """A chat model whose calls LangChain surrounds."""

    @override
    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        if len(llm_outputs) == 1:
            return llm_outputs[0] or {}
        return summed(llm_outputs)

    @override
    def _convert_cached_generations(self, cache_val: list[Generation]) -> list[ChatGeneration]:
        """Leave out what cached answers cost, as their requests were paid before."""
        # The cache and earlier results hold these objects, so copies are changed.
        generations = super()._convert_cached_generations([each.model_copy() for each in cache_val])
        for generation in generations:
            if isinstance(generation.message, AIMessage):
                generation.message = unpaid(generation.message)
        return generations

    @override
    def _should_stream(
        self,
        *,
        async_api: bool,
        run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> bool:
        note_run(run_manager)
        if kwargs.get("streaming") is not None:
            kwargs["stream"] = kwargs["streaming"]
        return super()._should_stream(async_api=async_api, run_manager=run_manager, **kwargs)

    # LangChain's own code around async calls needs asyncio too, and fails less clearly without it.

    @override
    async def agenerate(self, *args: Any, **kwargs: Any) -> LLMResult:
        needs_asyncio()
        return await super().agenerate(*args, **kwargs)

    @override
    async def abatch(self, *args: Any, **kwargs: Any) -> list[AIMessage]:
        needs_asyncio()
        return await super().abatch(*args, **kwargs)

    @override
    def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        needs_asyncio()
        return super().astream(input, watched(config, self.callbacks), stop=stop, **kwargs)

    @override
    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        return super().stream(input, watched(config, self.callbacks), stop=stop, **kwargs)
