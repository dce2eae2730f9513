"""Structured prediction of an LLM: by JSON schema, through a tool call, or through the text of the prompt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.program.utils import FlexibleModel
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher
from pydantic import BaseModel

from llama_index_melious.llm.structured import (
    PartialReader,
    TextOf,
    content_of,
    read,
    told_schema,
    with_schema,
    without_tools,
)
from llama_index_melious.llm.tool_calling import ToolCalling
from llama_index_melious.llm.tools import arguments_of

M = TypeVar("M", bound=BaseModel)

dispatcher: Dispatcher = get_dispatcher(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    """A request for an object: the arguments of `chat`, and where in the answer the object is."""

    arguments: dict[str, Any]
    text_of: TextOf


class StructuredPredict(ToolCalling):
    """The four ways to ask for an object; all of them put the system prompt in.

    With `pydantic_program_mode` left at its default the schema goes along with
    the request. `PydanticProgramMode.FUNCTION` asks through a tool call,
    `PydanticProgramMode.LLM` through the text of the prompt; the other modes
    are those of LlamaIndex's own programs.
    """

    def _object_request(
        self,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None,
        prompt_args: dict[str, Any],
    ) -> _Request | None:
        """The request for an object; None in the modes that need a program of LlamaIndex."""
        messages = self._asked(prompt, prompt_args)
        match self.pydantic_program_mode:
            case PydanticProgramMode.DEFAULT:
                arguments = {"messages": messages, **with_schema(llm_kwargs, output_cls)}
                return _Request(arguments, content_of)
            case PydanticProgramMode.FUNCTION:
                return _Request(self._through_tool(output_cls, messages, llm_kwargs), arguments_of)
            case PydanticProgramMode.LLM:
                told = {"messages": told_schema(messages, output_cls), **without_tools(llm_kwargs)}
                return _Request(told, content_of)
        return None

    def _asked(self, prompt: BasePromptTemplate, prompt_args: dict[str, Any]) -> list[ChatMessage]:
        return list(self._extend_messages(prompt.format_messages(llm=self, **prompt_args)))

    def _through_tool(
        self, output_cls: type[BaseModel], messages: list[ChatMessage], llm_kwargs: dict[str, Any] | None
    ) -> dict[str, Any]:
        from llama_index.core.program.function_program import get_function_tool  # noqa: PLC0415

        if not self.metadata.is_function_calling_model:
            raise ValueError(
                f"{self.metadata.model_name} calls no tools: set `pydantic_program_mode` to its default, "
                "or `is_function_calling_model` to True"
            )
        return self._prepare_chat_with_tools(
            [get_function_tool(output_cls)],
            chat_history=messages,
            tool_required=True,
            **without_tools(llm_kwargs),
        )

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
        request = self._object_request(output_cls, prompt, llm_kwargs, prompt_args)
        if request is None:
            through = self._through_program(prompt, prompt_args)
            return cast("M", super().structured_predict(output_cls, through, dict(llm_kwargs or {})))
        _begin(output_cls, prompt, prompt_args)
        output = read(self.chat(**request.arguments), output_cls, request.text_of)
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
        request = self._object_request(output_cls, prompt, llm_kwargs, prompt_args)
        if request is None:
            through = self._through_program(prompt, prompt_args)
            return cast("M", await super().astructured_predict(output_cls, through, dict(llm_kwargs or {})))
        _begin(output_cls, prompt, prompt_args)
        output = read(await self.achat(**request.arguments), output_cls, request.text_of)
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
        request = self._object_request(output_cls, prompt, llm_kwargs, prompt_args)
        if request is None:
            yield from super()._structured_stream_call(
                output_cls, self._through_program(prompt, prompt_args), dict(llm_kwargs or {})
            )
            return
        reader = PartialReader(output_cls, request.text_of)
        for response in self.stream_chat(**request.arguments):
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
        request = self._object_request(output_cls, prompt, llm_kwargs, prompt_args)
        if request is None:
            return await super()._structured_astream_call(
                output_cls, self._through_program(prompt, prompt_args), dict(llm_kwargs or {})
            )
        responses = await self.astream_chat(**request.arguments)
        reader = PartialReader(output_cls, request.text_of)

        async def objects() -> AsyncGenerator[M | list[M] | FlexibleModel | list[FlexibleModel], None]:
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
