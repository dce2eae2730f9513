"""Language models of LlamaIndex: ours, those of peers, and one that costs only what the framework costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import contenders as names
from benchmarks.bare import Bare
from benchmarks.contenders import KEY
from benchmarks.server import ANSWER, MODEL, WORD

Make = Callable[[str], Any]
"""Makes a language model for a base URL."""


def melious(url: str, **options: Any) -> Any:
    """Ours."""
    from llama_index_melious import Melious

    model: Any = Melious
    return model(model=MODEL, api_key=KEY, api_base=url, temperature=0.2, **options)


def melious_aiohttp(url: str) -> Any:
    """Ours on aiohttp."""
    return melious(url, async_transport="aiohttp")


def openai_like(url: str) -> Any:
    """The integration for servers that speak OpenAI's protocol."""
    from llama_index.llms.openai_like import OpenAILike

    return OpenAILike(
        model=MODEL,
        api_key=KEY,
        api_base=url,
        temperature=0.2,
        is_chat_model=True,
        is_function_calling_model=True,
    )


def openai(url: str) -> Any:
    """The integration of OpenAI, with a model that it knows."""
    from llama_index.llms.openai import OpenAI

    return OpenAI(model="gpt-4o", api_key=KEY, api_base=url, temperature=0.2)


def mistral(url: str) -> Any:
    """The integration of Mistral, with a model that it knows."""
    from llama_index.llms.mistralai import MistralAI

    endpoint = url.removesuffix("/v1")
    return MistralAI(model="mistral-large-latest", api_key=KEY, endpoint=endpoint, temperature=0.2)


def fake(words: int) -> Make:
    """Gives a model that has its answers ready: what is left is LlamaIndex itself.

    Args:
        words: How many words it streams.
    """

    def make(_: str) -> Any:
        from llama_index.core.base.llms.types import (
            ChatMessage,
            ChatResponse,
            ChatResponseAsyncGen,
            ChatResponseGen,
            CompletionResponse,
            LLMMetadata,
        )
        from llama_index.core.llms import CustomLLM
        from llama_index.core.llms.callbacks import llm_chat_callback

        class Fake(CustomLLM):
            @property
            def metadata(self) -> LLMMetadata:
                return LLMMetadata(is_chat_model=True)

            def complete(self, *_: Any, **__: Any) -> CompletionResponse:
                raise NotImplementedError

            def stream_complete(self, *_: Any, **__: Any) -> Any:
                raise NotImplementedError

            @llm_chat_callback()
            def chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
                return ChatResponse(message=ChatMessage(role="assistant", content=ANSWER))

            @llm_chat_callback()
            async def achat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
                return ChatResponse(message=ChatMessage(role="assistant", content=ANSWER))

            @llm_chat_callback()
            def stream_chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponseGen:
                return self._chunks()

            @llm_chat_callback()
            async def astream_chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponseAsyncGen:
                async def chunks() -> ChatResponseAsyncGen:
                    for chunk in self._chunks():
                        yield chunk

                return chunks()

            def _chunks(self) -> ChatResponseGen:
                text = ""
                for _ in range(words):
                    text += WORD
                    yield ChatResponse(message=ChatMessage(role="assistant", content=text), delta=WORD)

        return Fake()

    return make


def bare(url: str) -> Any:
    """A model that is one POST: what is left of a real request is LlamaIndex itself."""
    from llama_index.core.base.llms.types import (
        ChatMessage,
        ChatResponse,
        ChatResponseAsyncGen,
        ChatResponseGen,
        CompletionResponse,
        LLMMetadata,
    )
    from llama_index.core.llms import CustomLLM
    from llama_index.core.llms.callbacks import llm_chat_callback

    service = Bare(url)

    def wire(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
        return [{"role": message.role.value, "content": message.content} for message in messages]

    def response(text: str, delta: str | None = None) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role="assistant", content=text), delta=delta)

    class BareModel(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(is_chat_model=True)

        def complete(self, *_: Any, **__: Any) -> CompletionResponse:
            raise NotImplementedError

        def stream_complete(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

        @llm_chat_callback()
        def chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
            return response(service.ask(wire(messages)))

        @llm_chat_callback()
        async def achat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
            return response(await service.aask(wire(messages)))

        @llm_chat_callback()
        def stream_chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponseGen:
            def chunks() -> ChatResponseGen:
                text = ""
                for delta in service.read(wire(messages)):
                    text += delta
                    yield response(text, delta)

            return chunks()

        @llm_chat_callback()
        async def astream_chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponseAsyncGen:
            async def chunks() -> ChatResponseAsyncGen:
                text = ""
                async for delta in service.aread(wire(messages)):
                    text += delta
                    yield response(text, delta)

            return chunks()

    return BareModel()


def everyone(words: int) -> dict[str, Make]:
    """The models, by contender.

    Args:
        words: How many words the server streams.
    """
    return {names.LLAMA_FAKE: fake(words), names.LLAMA_BARE: bare, **OVER_HTTP}


OVER_HTTP: dict[str, Make] = {
    names.LLAMA_MELIOUS: melious,
    names.LLAMA_MISTRAL: mistral,
    names.LLAMA_OPENAI: openai_like,
}
# The SDK of Mistral refuses a tool call whose arguments come in pieces.
WITH_TOOLS: dict[str, Make] = {
    names.LLAMA_MELIOUS: melious,
    names.LLAMA_OPENAI: openai_like,
    names.LLAMA_OPENAI_ITSELF: openai,
}
ON_AIOHTTP: dict[str, Make] = {names.LLAMA_MELIOUS_AIOHTTP: melious_aiohttp}
