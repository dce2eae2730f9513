"""Chat models of LangChain: ours, those of peers, and one that costs nothing but what the framework costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from pydantic import SecretStr

from benchmarks import contenders as names
from benchmarks.bare import Bare
from benchmarks.contenders import KEY
from benchmarks.server import ANSWER, MODEL, WORD

Make = Callable[[str], Any]
"""Makes a chat model for a base URL."""


def melious(url: str, **options: Any) -> Any:
    """Ours."""
    from langchain_melious import ChatMelious

    return ChatMelious(model=MODEL, api_key=SecretStr(KEY), base_url=url, temperature=0.2, **options)


def melious_aiohttp(url: str) -> Any:
    """Ours on aiohttp."""
    return melious(url, async_transport="aiohttp")


def openai(url: str, **options: Any) -> Any:
    """The partner package of OpenAI."""
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=MODEL, api_key=SecretStr(KEY), base_url=url, temperature=0.2, stream_usage=True, **options
    )


def openai_aiohttp(url: str) -> Any:
    """The partner package of OpenAI with a client on aiohttp brought along."""
    from openai import DefaultAioHttpClient

    return openai(url, http_async_client=DefaultAioHttpClient())


def mistral(url: str) -> Any:
    """The partner package of Mistral."""
    from langchain_mistralai import ChatMistralAI

    model: Any = ChatMistralAI
    return model(model=MODEL, api_key=SecretStr(KEY), base_url=url, temperature=0.2)


def fake(words: int) -> Make:
    """Gives a model that has its answers ready: what is left is LangChain itself.

    Args:
        words: How many words it streams.
    """

    def make(_: str) -> Any:
        from langchain_core.language_models import BaseChatModel
        from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
        from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

        class Fake(BaseChatModel):
            @property
            def _llm_type(self) -> str:
                return "fake"

            def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
                return ChatResult(generations=[ChatGeneration(message=AIMessage(content=ANSWER))])

            async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
                return self._generate(messages)

            def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
                for _number in range(words):
                    yield ChatGenerationChunk(message=AIMessageChunk(content=WORD))
                yield ChatGenerationChunk(message=AIMessageChunk(content="", chunk_position="last"))

            async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
                for chunk in self._stream():
                    yield chunk

        return Fake()

    return make


def bare(url: str) -> Any:
    """A model that is one POST: what is left of a real request is LangChain itself."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

    service = Bare(url)

    def wire(messages: list[BaseMessage]) -> list[dict[str, Any]]:
        return [{"role": "user", "content": message.content} for message in messages]

    def result(text: str) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])

    def chunk(text: str, **more: Any) -> ChatGenerationChunk:
        return ChatGenerationChunk(message=AIMessageChunk(content=text, **more))

    class BareModel(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "bare"

        def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
            return result(service.ask(wire(messages)))

        async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
            return result(await service.aask(wire(messages)))

        def _stream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
            for text in service.read(wire(messages)):
                yield chunk(text)
            yield chunk("", chunk_position="last")

        async def _astream(
            self, messages: list[BaseMessage], *_: Any, **__: Any
        ) -> AsyncIterator[ChatGenerationChunk]:
            async for text in service.aread(wire(messages)):
                yield chunk(text)
            yield chunk("", chunk_position="last")

    return BareModel()


def everyone(words: int) -> dict[str, Make]:
    """The models, by contender.

    Args:
        words: How many words the server streams.
    """
    return {
        names.LANGCHAIN_FAKE: fake(words),
        names.LANGCHAIN_BARE: bare,
        names.LANGCHAIN_MELIOUS: melious,
        names.LANGCHAIN_MISTRAL: mistral,
        names.LANGCHAIN_OPENAI: openai,
    }


ON_AIOHTTP: dict[str, Make] = {
    names.LANGCHAIN_MELIOUS_AIOHTTP: melious_aiohttp,
    names.LANGCHAIN_OPENAI_AIOHTTP: openai_aiohttp,
}
