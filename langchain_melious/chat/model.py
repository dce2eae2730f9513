"""`ChatMelious`: the chat models of Melious for LangChain."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.utils import LC_ID_PREFIX
from pydantic import model_validator
from typing_extensions import override

import langchain_melious.blocks  # noqa: F401 - registers the content blocks
from langchain_melious.callbacks.retries import with_retry_callback
from langchain_melious.callbacks.spans import traced
from langchain_melious.chat.options import ChatOptions, per_call
from langchain_melious.chat.profiles import CatalogueProfile
from langchain_melious.chat.requests import call_of
from langchain_melious.chat.results import ReadOptions, result_of
from langchain_melious.chat.schemas import Method, Schema
from langchain_melious.chat.streams import ChunkReader
from langchain_melious.chat.surrounded import SurroundedModel
from langchain_melious.chat.tools import ToolArgument, ToolChoice, choice_to_wire, tools_to_wire
from langchain_melious.errors import langchain_errors
from melious._version import __version__

if TYPE_CHECKING:
    from langchain_protocol.protocol import MessagesData


class ChatMelious(SurroundedModel, ChatOptions, BaseChatModel, defer_build=False):
    """A chat model of Melious.

    Arguments, `model` included, can also be given per call (`llm.invoke(..., temperature=0)`) or bound
    (`llm.bind(preset="speed")`). Those of the client, such as `api_key` or `verify`, cannot: use
    `llm.model_copy(update={...})`. The cost of an answer is in `response_metadata["environment_impact"]` and
    `["billing_cost"]`, if the service reported it; its provider is in `["routing"]`. Answers of a LangChain
    cache cost nothing again and have `["from_cache"]` instead. Errors are those of
    `langchain_melious.errors`.

    Args:
        model: The model, with or without a flavor: `glm-4.7`, `glm-4.7:eco`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        temperature: 0 to 2; by default the model's own.
        max_tokens: The most tokens to generate, including reasoning; by default the model's maximum.
        top_p, stop, seed, ...: The rest of `melious.ChatParams`; not sent by default.
        streaming: True makes `invoke` stream internally, so that callbacks see tokens; False makes `stream`
            request the whole answer; None, the default, streams only where `stream` is called.
        stream_usage: Request the token counts of streamed answers; True by default.
        replay_reasoning: Send back the reasoning that preceded a tool call, and all of it to a model that
            refuses messages without it; True by default.
        null_content: Send null instead of "" as the text of mere tool calls; False by default.
        think_tags: Treat a leading `<think>` part of an answer as reasoning; True by default.
        include_response_headers: Include the headers as `response_metadata["headers"]`; False by default.
        langsmith_cost: Include the cost of whole answers, in euro, as `usage_metadata["total_cost"]`; False
            by default, because LangChain's own usage callback only adds integers.
        stream_impact: `buffer` makes streams request whole answers, which report impact; `native` by default.
        merge_system_messages: Merge system messages into one; by default where the model takes only one.
        convert_documents: Convert documents in messages to text first; False by default.
        raise_refusals: Raise a `ModelRefusalError` if a content filter withheld the answer; True by default.
        token_counter: `service` has the service count tokens for `get_num_tokens` and the like, a free
            request each time, approximate because it ignores the model; `estimate`, the default, sends none.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 300 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        routing_fallbacks, budget, verify, ...: The rest of `melious.ClientOptions`.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.

    Raises:
        langchain_melious.errors.ConfigurationError: The key is missing or the base URL is not valid.
        langchain_melious.errors.InvalidArgumentError: An argument is invalid or unknown.

    Examples:
        Instantiate; the key comes from `MELIOUS_API_KEY`:

        >>> from langchain_melious import ChatMelious
        >>> llm = ChatMelious("glm-4.7", temperature=0, filters={"countries": ["DE", "FR"]})
        >>> llm.profile["max_input_tokens"]
        131072

        Invoke:

        >>> answer = llm.invoke("Why is the sky blue?")
        >>> answer.text
        'Air scatters blue light most.'

        Stream:

        >>> for chunk in llm.stream("And the sunset?"):
        ...     print(chunk.text, end="")
        The blue is gone.

        Async, with `ainvoke`, `astream` and `abatch`:

        >>> import asyncio
        >>> asyncio.run(llm.ainvoke("Why is grass green?")).text
        'Chlorophyll reflects green light.'

        Tools:

        >>> def river_length(river: str) -> float:
        ...     '''Give the length of a river in km.'''
        >>> calls = llm.bind_tools([river_length]).invoke("How long is the Elbe?").tool_calls
        >>> [(call["name"], call["args"]) for call in calls]
        [('river_length', {'river': 'Elbe'})]

        Structured output:

        >>> from pydantic import BaseModel
        >>> class River(BaseModel):
        ...     name: str
        ...     length_km: float
        >>> llm.with_structured_output(River).invoke("The Elbe is 1094 km long.")
        River(name='Elbe', length_km=1094.0)

        In a batch job, outside the per-minute limit:

        >>> job = llm.submit_batch(["Why is the sky blue?", "Why is grass green?"])
        >>> [answer.text for answer in llm.collect_batch(job.id)]
        ['Air scatters blue light most.', 'Chlorophyll reflects green light.']

        Images, with a model that sees:

        >>> picture = {"type": "image", "url": "https://example.org/lighthouse.png"}
        >>> question = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]}
        >>> llm.invoke([question], model="gemma-3-27b-it").text
        'A lighthouse.'

        Usage and impact, of an answer or of all requests in a block:

        >>> answer.usage_metadata["output_tokens"]
        7
        >>> impact = answer.response_metadata["environment_impact"]
        >>> impact["location"], impact["carbon_g_co2"] > 0
        ('FR', True)
        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     answers = llm.batch(["One?", "Two?"])
        >>> ledger.total.requests
        2

        Metadata:

        >>> answer.response_metadata["model_name"], answer.response_metadata["finish_reason"]
        ('glm-4.7', 'stop')
        >>> answer.response_metadata["routing"]["filters"]
        {'countries': ['DE', 'FR']}
    """

    _kind: ClassVar[str] = "chat"

    @model_validator(mode="before")
    @classmethod
    def _forget_the_profile_of_another_model(cls, arguments: Any) -> Any:
        """Configurable models are created from all fields of another model, including its profile."""
        if isinstance(arguments, dict) and isinstance(arguments.get("profile"), CatalogueProfile):
            return {name: value for name, value in arguments.items() if name != "profile"}
        return arguments

    @model_validator(mode="after")
    def _set_melious_version(self) -> Self:
        self._add_version("melious", __version__)
        return self

    # --- requests ------------------------------------------------------------------------------------

    def _read_options(self, call: Mapping[str, Any], options: Mapping[str, Any]) -> ReadOptions:
        return ReadOptions(
            self._routing(call),
            options["think_tags"],
            options["include_response_headers"],
            options["langsmith_cost"],
            options["raise_refusals"],
            call.get("tools") or (),
        )

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors:
            given = with_retry_callback(kwargs, run_manager)
            options = per_call(self, given)
            call = call_of(self, messages, stop, given, options, stream=False)
            read_options = self._read_options(call, options)
            with traced(run_manager):
                completion = self._sync_client().chat.create(**call)
            return result_of(completion, read_options)

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors:
            given = with_retry_callback(kwargs, run_manager)
            options = per_call(self, given)
            call = call_of(self, messages, stop, given, options, stream=False)
            read_options = self._read_options(call, options)
            with traced(run_manager):
                completion = await self._async_client().chat.create(**call)
            return result_of(completion, read_options)

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        return self._streamed(messages, stop, kwargs, run_manager, ChunkReader)

    @override
    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        return self._astreamed(messages, stop, kwargs, run_manager, ChunkReader)

    def _stream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[MessagesData]:
        """The events of `stream_events(version="v3")`; LangChain looks up this name."""
        from langchain_melious.chat.events import EventWriter  # noqa: PLC0415 - only needed here

        kind = partial(EventWriter, message_id=_id_of(run_manager))
        return self._streamed(messages, stop, kwargs, run_manager, kind)

    def _astream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[MessagesData]:
        """The events of `astream_events(version="v3")`; LangChain looks up this name."""
        from langchain_melious.chat.events import EventWriter  # noqa: PLC0415 - only needed here

        kind = partial(EventWriter, message_id=_id_of(run_manager))
        return self._astreamed(messages, stop, kwargs, run_manager, kind)

    def _streamed(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: dict[str, Any],
        run_manager: CallbackManagerForLLMRun | None,
        kind: Callable[..., Any],
    ) -> Generator[Any]:
        with langchain_errors:
            given = with_retry_callback(kwargs, run_manager)
            options = per_call(self, given)
            call = call_of(self, messages, stop, given, options, stream=True)
            reader = kind(self._read_options(call, options))
            with traced(run_manager):
                opened = self._sync_client().chat.stream(**call)
            with opened as stream:
                for chunk in stream:
                    yield from reader.read(chunk)
                yield from reader.end(stream)
                reader.check(stream)

    async def _astreamed(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: dict[str, Any],
        run_manager: AsyncCallbackManagerForLLMRun | None,
        kind: Callable[..., Any],
    ) -> AsyncGenerator[Any]:
        with langchain_errors:
            given = with_retry_callback(kwargs, run_manager)
            options = per_call(self, given)
            call = call_of(self, messages, stop, given, options, stream=True)
            reader = kind(self._read_options(call, options))
            with traced(run_manager):
                opened = await self._async_client().chat.stream(**call)
            async with opened as stream:
                async for chunk in stream:
                    for item in reader.read(chunk):
                        yield item
                for item in reader.end(stream):
                    yield item
                reader.check(stream)

    # --- tools and structured output -----------------------------------------------------------------

    @override
    def bind_tools(
        self,
        tools: Sequence[ToolArgument],
        *,
        tool_choice: ToolChoice = None,
        parallel_tool_calls: bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let the model call tools.

        On a model made by `configurable_fields`, LangChain binds the tools to the default model; there,
        `llm.configurable_fields(...).bind(tools=tools)` keeps the choice.

        Args:
            tools: Functions, pydantic or TypedDict classes, LangChain tools, JSON
                schemas, or dicts in OpenAI's or Anthropic's form.
            tool_choice: `auto`, `none`, `any` or `required`, True (for required)
                or False (for none), a tool's name, or a dict with one.
            parallel_tool_calls: Whether one answer may call several tools.
            strict: Request arguments that match the schema exactly, if the model supports it.
            **kwargs: Further parameters to bind.

        Raises:
            langchain_melious.errors.InvalidArgumentError: `tool_choice` is not one of the tools.
        """
        wire = tools_to_wire(tools, strict=strict)
        if wire:
            kwargs["tools"] = wire
            choice = choice_to_wire(tool_choice, wire)
            if choice is not None:
                kwargs["tool_choice"] = choice
            if parallel_tool_calls is not None:
                kwargs["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(**kwargs)

    @override
    def with_structured_output(
        self,
        schema: Schema = None,
        *,
        method: Method | Literal["auto"] = "auto",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Make a runnable that returns instances of a schema.

        Tools beside the schema are an argument, `llm.with_structured_output(schema, tools=tools)`:
        LangChain drops those that `bind_tools` bound before.

        Args:
            schema: A pydantic class (v2 or v1), a TypedDict, a JSON schema, or a
                function or `response_format` in OpenAI's form. Pydantic classes give
                validated instances, the others dicts. None, with `json_mode`, allows
                any JSON object.
            method: `json_schema` makes the service enforce the schema,
                `function_calling` requests a tool call, `json_mode` any JSON (the
                prompt must then describe it). `auto` takes `json_schema` if the model's
                profile supports it.
            include_raw: Return `{"raw": message, "parsed": ..., "parsing_error": ...}`
                and never raise parsing errors.
            strict: Make the service enforce the schema exactly.
            **kwargs: Further parameters to bind.

        Raises:
            langchain_melious.errors.InvalidArgumentError: The schema cannot be converted,
                or the method is unknown.
            OutputParserException: At run time: the answer does not match the schema.
            ModelRefusalError: At run time: the model refused (langchain-core 1.7.5 or
                newer; before, an OutputParserException).
        """
        from langchain_melious.chat.structured import structured_output  # noqa: PLC0415 - only needed here

        return structured_output(
            self, schema, method=method, include_raw=include_raw, strict=strict, bound=kwargs
        )


def _id_of(run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None) -> str:
    return f"{LC_ID_PREFIX}-{run_manager.run_id}" if run_manager else ""
