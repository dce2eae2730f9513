"""Structured prediction: by JSON schema, by a tool call, or by instructions in the prompt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
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

from llama_index_melious.llm.decorators import span
from llama_index_melious.llm.structured import (
    PartialReader,
    parse_object,
    with_object,
    with_schema_in_prompt,
    without_tools,
)
from llama_index_melious.llm.tool_calling import ToolCalling
from melious.errors import InvalidArgumentError

M = TypeVar("M", bound=BaseModel)

dispatcher: Dispatcher = get_dispatcher(__name__)


class StructuredPredict(ToolCalling):
    """The ways to ask for an object, all with the system prompt.

    By default the request carries the schema. `PydanticProgramMode.FUNCTION`
    uses a tool call, `PydanticProgramMode.LLM` the text of the prompt; the other
    modes use LlamaIndex's own programs.
    """

    def _object_request(
        self,
        output_cls: type[BaseModel],
        prompt: BasePromptTemplate,
        llm_kwargs: dict[str, Any] | None,
        prompt_args: dict[str, Any],
    ) -> dict[str, Any] | None:
        """The arguments of `chat` for an object; None in the modes that use a program of LlamaIndex."""
        return self._object_call(output_cls, self._formatted(prompt, prompt_args), llm_kwargs)

    def _object_call(
        self, output_cls: type[BaseModel], messages: list[ChatMessage], llm_kwargs: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """See `_object_request`."""
        match self.pydantic_program_mode:
            case PydanticProgramMode.DEFAULT:
                return {"messages": messages, **with_object(llm_kwargs, output_cls, "json_schema")}
            case PydanticProgramMode.FUNCTION:
                self._check_calls_tools()
                return {"messages": messages, **with_object(llm_kwargs, output_cls, "forced_tool")}
            case PydanticProgramMode.LLM:
                asking = with_schema_in_prompt(messages, output_cls)
                return {"messages": asking, **without_tools(llm_kwargs)}
        return None

    def _formatted(self, prompt: BasePromptTemplate, prompt_args: dict[str, Any]) -> list[ChatMessage]:
        return list(self._extend_messages(prompt.format_messages(llm=self, **prompt_args)))

    def _check_calls_tools(self) -> None:
        if not self.metadata.is_function_calling_model:
            raise InvalidArgumentError(
                f"pydantic_program_mode: {self.metadata.model_name} is not known to support tools; use "
                "the default mode, or set `is_function_calling_model=True`",
                param="pydantic_program_mode",
            )

    def _through_program(self, prompt: BasePromptTemplate, prompt_args: dict[str, Any]) -> PromptTemplate:
        """The prompt with its values and the system prompt, which some programs leave out."""
        filled = ChatPromptTemplate(message_templates=self._formatted(prompt, prompt_args))
        return cast("PromptTemplate", filled)  # the programs accept any template

    @span(dispatcher)
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
            StructuredOutputError: The answer is not a valid object.
            MeliousError: The call failed.
        """
        request = self._object_request(output_cls, prompt, llm_kwargs, prompt_args)
        if request is None:
            through = self._through_program(prompt, prompt_args)
            return cast("M", super().structured_predict(output_cls, through, dict(llm_kwargs or {})))
        _report_start(output_cls, prompt, prompt_args)
        output = parse_object(self.chat(**request), output_cls)
        dispatcher.event(LLMStructuredPredictEndEvent(output=output))
        return output

    @span(dispatcher)
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
        _report_start(output_cls, prompt, prompt_args)
        output = parse_object(await self.achat(**request), output_cls)
        dispatcher.event(LLMStructuredPredictEndEvent(output=output))
        return output

    def _structured_stream_call(
        self,
        output_cls: type[M],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[M | list[M] | FlexibleModel | list[FlexibleModel], None, None]:
        """The growing object; the last one is whole, else an error is raised."""
        request = self._object_request(output_cls, prompt, llm_kwargs, prompt_args)
        if request is None:
            yield from super()._structured_stream_call(
                output_cls, self._through_program(prompt, prompt_args), dict(llm_kwargs or {})
            )
            return
        reader = PartialReader(output_cls)
        for response in self.stream_chat(**request):
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
        """Like `_structured_stream_call`, for asyncio; the request is sent when this is awaited."""
        request = self._object_request(output_cls, prompt, llm_kwargs, prompt_args)
        if request is None:
            return await super()._structured_astream_call(
                output_cls, self._through_program(prompt, prompt_args), dict(llm_kwargs or {})
            )
        responses = await self.astream_chat(**request)
        reader = PartialReader(output_cls)

        async def objects() -> AsyncGenerator[M | list[M] | FlexibleModel | list[FlexibleModel], None]:
            async for response in responses:
                partial = reader.add(response)
                if partial is not None:
                    yield partial
            yield reader.finish()

        return objects()


def _report_start(
    output_cls: type[BaseModel], prompt: BasePromptTemplate, prompt_args: dict[str, Any]
) -> None:
    dispatcher.event(
        LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
    )
