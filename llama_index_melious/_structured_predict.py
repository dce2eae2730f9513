"""Structured prediction of an LLM: natively by JSON schema, or through LlamaIndex's programs by its mode."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any, TypeVar, cast

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.llms.llm import LLM
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from llama_index_instrumentation import get_dispatcher
from pydantic import BaseModel

from llama_index_melious._structured import PartialReader, read, with_schema

M = TypeVar("M", bound=BaseModel)

dispatcher = get_dispatcher(__name__)


class StructuredPredict(LLM):
    """The four ways to ask for an object; all of them put the system prompt in.

    With `pydantic_program_mode` left at its default the schema goes along with
    the request. `PydanticProgramMode.FUNCTION` asks through a tool call,
    `PydanticProgramMode.LLM` through the text of the prompt.
    """

    def _is_native(self) -> bool:
        return self.pydantic_program_mode == PydanticProgramMode.DEFAULT

    def _asked(self, prompt: BasePromptTemplate, prompt_args: dict[str, Any]) -> list[ChatMessage]:
        return list(self._extend_messages(prompt.format_messages(llm=self, **prompt_args)))

    def _through_program(self, prompt: BasePromptTemplate, prompt_args: dict[str, Any]) -> PromptTemplate:
        """The prompt with its values and the system prompt in place: not every program puts that in."""
        filled = ChatPromptTemplate(message_templates=self._asked(prompt, prompt_args))
        return cast("PromptTemplate", filled)  # the programs take any template, whatever their signature says

    @dispatcher.span
    def structured_predict(
        self,
        output_cls: type[M],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> M:
        """Answer a prompt with an object.

        Args:
            output_cls: Its class.
            prompt: The prompt.
            llm_kwargs: Parameters of the request, as for `chat`.
            **prompt_args: Values for the prompt.

        Raises:
            StructuredOutputError: The model answered something else.
            MeliousError: The call failed; its subclass says how.
        """
        if not self._is_native():
            through = self._through_program(prompt, prompt_args)
            return cast("M", super().structured_predict(output_cls, through, dict(llm_kwargs or {})))
        _begin(output_cls, prompt, prompt_args)
        response = self.chat(self._asked(prompt, prompt_args), **with_schema(llm_kwargs, output_cls))
        output = read(response, output_cls)
        dispatcher.event(LLMStructuredPredictEndEvent(output=output))
        return output

    @dispatcher.span
    async def astructured_predict(
        self,
        output_cls: type[M],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> M:
        """Like `structured_predict`, for asyncio."""
        if not self._is_native():
            through = self._through_program(prompt, prompt_args)
            return cast("M", await super().astructured_predict(output_cls, through, dict(llm_kwargs or {})))
        _begin(output_cls, prompt, prompt_args)
        messages = self._asked(prompt, prompt_args)
        output = read(await self.achat(messages, **with_schema(llm_kwargs, output_cls)), output_cls)
        dispatcher.event(LLMStructuredPredictEndEvent(output=output))
        return output

    def _structured_stream_call(
        self,
        output_cls: type[M],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[M | list[M] | FlexibleModel | list[FlexibleModel], None, None]:
        """The object as it grows; the last one is whole, or there is an error."""
        if not self._is_native():
            yield from super()._structured_stream_call(
                output_cls, self._through_program(prompt, prompt_args), dict(llm_kwargs or {})
            )
            return
        reader = PartialReader(output_cls)
        messages = self._asked(prompt, prompt_args)
        for response in self.stream_chat(messages, **with_schema(llm_kwargs, output_cls)):
            partial = reader.add(response)
            if partial is not None:
                yield partial
        yield reader.finish()

    async def _structured_astream_call(
        self,
        output_cls: type[M],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[M | list[M] | FlexibleModel | list[FlexibleModel], None]:
        """Like `_structured_stream_call`, for asyncio; the request is made when this is awaited."""
        if not self._is_native():
            return await super()._structured_astream_call(
                output_cls, self._through_program(prompt, prompt_args), dict(llm_kwargs or {})
            )
        messages = self._asked(prompt, prompt_args)
        responses = await self.astream_chat(messages, **with_schema(llm_kwargs, output_cls))

        async def objects() -> AsyncGenerator[M | list[M] | FlexibleModel | list[FlexibleModel], None]:
            reader = PartialReader(output_cls)
            async for response in responses:
                partial = reader.add(response)
                if partial is not None:
                    yield partial
            yield reader.finish()

        return objects()


def _begin(output_cls: type[BaseModel], prompt: BasePromptTemplate, prompt_args: dict[str, Any]) -> None:
    dispatcher.event(
        LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
    )
