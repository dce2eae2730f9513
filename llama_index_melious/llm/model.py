"""`Melious`, an LLM with the chat models of Melious."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    MessageRole,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

from llama_index_melious.llm.batches import BatchedLLM
from llama_index_melious.llm.decorators import chat_callback, completion_callback, with_checked_messages
from llama_index_melious.llm.messages import to_wire
from llama_index_melious.llm.responses import (
    ResponseBuilder,
    as_completion,
    chat_response,
    check_not_withheld,
)
from llama_index_melious.llm.streaming import (
    ChatResponseStream,
    CompletionResponseStream,
    ResponseStream,
    astream_callback,
    stream_callback,
)
from melious import catalogue
from melious.clients.surroundings import FrameworkRun, made_by
from melious.endpoints.chat_params import PARAMETERS
from melious.errors import InvalidArgumentError
from melious.settings.fields import with_model
from melious.settings.keys import hide_key
from melious.wire.thinking import ReasoningReplay, ReplayWhen

if TYPE_CHECKING:
    from melious.answers.results import ChatCompletion
    from melious.catalogue import ModelCard
    from melious.clients.streams import AsyncChatStream, ChatStream

_ABOUT_TOOLS = ("tools", "tool_choice", "parallel_tool_calls")
_OWN = (
    "temperature",
    "max_tokens",
    "top_p",
    "stop",
    "seed",
    "reasoning_effort",
    "logprobs",
    "top_logprobs",
)
_REPLAY: Mapping[bool | None, ReplayWhen] = {True: "always", None: "when_needed", False: "never"}


class Melious(BatchedLLM, defer_build=False):
    """The chat models of Melious.

    Routing can be set here, for every request, or per call:
    `llm.chat(messages, preset="speed")`. A response, in a stream the last one,
    carries the service's answer as `raw` (a dict) and in `additional_kwargs` the
    token counts, `finish_reason`, `environment_impact`, `billing_cost`,
    `request_id` and the `model` that answered, as far as reported. A failed call
    raises a `melious.MeliousError`.

    Args:
        model: The model, with or without a flavor: `glm-4.7`, `glm-4.7:eco`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        api_base: LlamaIndex's name for `base_url`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        temperature: 0 to 2; not sent by default, so the model's own applies.
        max_tokens: Maximum tokens to generate, reasoning included; by default the model's maximum.
        top_p, stop, seed, ...: The rest of `melious.ChatParams`; not sent by default.
        context_window: Tokens the model can read; by default as in the catalogue. For a model that is not
            in it, LlamaIndex's default applies: 3900, to which engines and memories cut their prompts.
        is_function_calling_model: Whether the model supports tools; by default as in the catalogue. For a
            model that is not in it, set True to use it in a `FunctionAgent`.
        strict: Ask for tool arguments that follow the schema exactly; False by default.
        think_tags: Treat a leading `<think>` part of an answer as reasoning; True by default.
        echo_thinking: Send earlier reasoning back to the model as `reasoning_content`; by default only to a
            model that refuses messages without it, with False to none.
        stream_impact: `buffer` makes streams request whole answers, which report impact; `native` by default.
        merge_system_messages: Merge system messages into one; by default where the model takes only one.
        convert_documents: Convert documents in messages to text first; False by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 300 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        routing_fallbacks, budget, verify, ...: The rest of `melious.ClientOptions`.
        additional_kwargs: Further parameters of every request; those of a call replace them.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.
        **arguments: See LlamaIndex's `LLM` for `callback_manager`, `system_prompt`, `output_parser`,
            `pydantic_program_mode`, `rate_limiter` and the like.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
        InvalidArgumentError: Another argument is wrong or unknown.

    Examples:
        Instantiate; the key comes from `MELIOUS_API_KEY`:

        >>> from llama_index_melious import Melious
        >>> llm = Melious("glm-4.7", temperature=0, filters={"countries": ["DE", "FR"]})
        >>> llm.metadata.context_window
        131072

        Complete a prompt, or answer a conversation:

        >>> print(llm.complete("Why is the sky blue?"))
        Air scatters blue light most.
        >>> from llama_index.core.llms import ChatMessage
        >>> answer = llm.chat([ChatMessage("Why is the sky blue?")])
        >>> answer.message.content
        'Air scatters blue light most.'

        Stream:

        >>> for chunk in llm.stream_complete("And the sunset?"):
        ...     print(chunk.delta, end="")
        The blue is gone.

        Async, with `acomplete`, `achat`, `astream_chat` and `astream_complete`:

        >>> import asyncio
        >>> asyncio.run(llm.acomplete("Why is grass green?")).text
        'Chlorophyll reflects green light.'

        Tools:

        >>> from llama_index.core.tools import FunctionTool
        >>> def river_length(river: str) -> float:
        ...     '''Give the length of a river in km.'''
        >>> tool = FunctionTool.from_defaults(river_length)
        >>> asked = llm.chat_with_tools([tool], "How long is the Elbe?")
        >>> [(call.tool_name, call.tool_kwargs) for call in llm.get_tool_calls_from_response(asked)]
        [('river_length', {'river': 'Elbe'})]

        Structured output:

        >>> from pydantic import BaseModel
        >>> class River(BaseModel):
        ...     name: str
        ...     length_km: float
        >>> llm.as_structured_llm(River).complete("The Elbe is 1094 km long.").raw
        River(name='Elbe', length_km=1094.0)

        In a batch job, outside the per-minute limit:

        >>> job = llm.submit_batch(["Why is the sky blue?", "Why is grass green?"])
        >>> [answer.message.content for answer in llm.collect_batch(job.id)]
        ['Air scatters blue light most.', 'Chlorophyll reflects green light.']

        Images, with a model that sees:

        >>> from llama_index.core.llms import ImageBlock, TextBlock
        >>> picture = ImageBlock(url="https://example.org/lighthouse.png")
        >>> question = ChatMessage(blocks=[TextBlock(text="What is this?"), picture])
        >>> llm.chat([question], model="gemma-3-27b-it").message.content
        'A lighthouse.'

        Usage and impact, of an answer or of all requests in a block:

        >>> answer.additional_kwargs["completion_tokens"]
        7
        >>> impact = answer.additional_kwargs["environment_impact"]
        >>> impact["location"], impact["carbon_g_co2"] > 0
        ('FR', True)
        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     answers = [llm.complete("One?"), llm.complete("Two?")]
        >>> ledger.total.requests
        2

        Metadata:

        >>> answer.additional_kwargs["model"], answer.additional_kwargs["finish_reason"]
        ('glm-4.7', 'stop')
    """

    if not TYPE_CHECKING:  # type checkers take the signature from the fields

        def __init__(self, *positional: Any, **arguments: Any) -> None:
            hide_key(arguments)  # before LlamaIndex's own constructor, whose frame would show it
            super().__init__(**with_model(type(self).__name__, positional, arguments))

    @property
    def model_name(self) -> str:
        """The same as `model`, under the name that other integrations use."""
        return self.model

    @classmethod
    def class_name(cls) -> str:
        """The name for LlamaIndex's serialisation."""
        return "Melious_llm"

    def _extend_messages(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Put the system prompt first, unless one of LlamaIndex's programs has done so."""
        if self.system_prompt and not (
            messages and messages[0].role == MessageRole.SYSTEM and messages[0].content == self.system_prompt
        ):
            return [ChatMessage(role=MessageRole.SYSTEM, content=self.system_prompt), *messages]
        return list(messages)

    def _request(self, messages: Sequence[ChatMessage], call: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the core's chat, from the settings and the call."""
        params = dict(call)
        if "stream" in params:
            raise InvalidArgumentError(
                "chat: 'stream' is not an argument; call stream_chat or stream_complete", param="stream"
            )
        model = params.pop("model", None) or self.model
        if not isinstance(model, str):
            raise InvalidArgumentError(f"model: must be the name of a model, not {model!r}", param="model")
        if "tools" in params and not params["tools"]:  # the service refuses options for no tools
            params = {name: value for name, value in params.items() if name not in _ABOUT_TOOLS}
        card = catalogue.known(model, self.base_url)
        wire = to_wire(
            messages,
            model=model,
            echo_thinking=self.echo_thinking is not False,
            refused=_not_read_by(card),
            converts=bool(
                self.convert_documents
                if params.get("convert_documents") is None
                else params["convert_documents"]
            ),
        )
        fields = self.__dict__
        own = {name: fields[name] for name in _OWN}
        own["replay_reasoning"] = ReasoningReplay(_REPLAY[self.echo_thinking], switch="echo_thinking")
        return {"model": model, "messages": wire, **self._parameters(PARAMETERS, own, params)}

    def service_tokenizer(self, cache_size: int = 1024) -> Callable[[str], list[int]]:
        """A tokenizer that has the service count, for `TokenCountingHandler` or `Memory`.

        Each text is a free, blocking request, and the count approximates what a model reads, because the
        service ignores the model. It is too slow for splitters.

        Args:
            cache_size: How many texts to remember the counts of; 0 for none.
        """
        from llama_index_melious.llm.tokenizer import ServiceTokenizer  # noqa: PLC0415 - rarely needed

        return ServiceTokenizer(self._client, cache_size)

    # --- chat ----------------------------------------------------------------------------------

    @with_checked_messages
    @chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation.

        Args:
            messages: The conversation, oldest first.
            **kwargs: Any parameter of the endpoint or of routing, for this call only. With `n`, all answers
                are billed; the response holds the first, and its `raw` all of them.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed.
        """
        return self._chat(messages, kwargs)

    @with_checked_messages
    @chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Like `chat`, for asyncio."""
        return await self._achat(messages, kwargs)

    @with_checked_messages
    @stream_callback(llm_chat_callback)
    def stream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ResponseStream[ChatStream, ChatResponse]:
        """Answer a conversation in pieces; the request is sent at once.

        Each response holds the message so far, and the new text in `delta`. The last
        one holds the whole message, usage, impact and cost. Closing or dropping the
        generator closes the connection.
        """
        return ChatResponseStream(*self._stream(messages, kwargs))

    @with_checked_messages
    @astream_callback(llm_chat_callback)
    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ResponseStream[AsyncChatStream, ChatResponse]:
        """Like `stream_chat`, for asyncio; the request is sent when this is awaited."""
        return ChatResponseStream(*await self._astream(messages, kwargs))

    def _chat(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatResponse:
        request = self._request(messages, kwargs)
        with made_by(_RUN):
            completion = self._client().chat.create(**request)
        return self._response(completion, request)

    async def _achat(self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> ChatResponse:
        request = self._request(messages, kwargs)
        with made_by(_RUN):
            completion = await self._aclient().chat.create(**request)
        return self._response(completion, request)

    def _response(self, completion: ChatCompletion, request: Mapping[str, Any]) -> ChatResponse:
        from llama_index_melious.events import dispatch_usage  # noqa: PLC0415 - needed by the first answer

        dispatch_usage("chat", completion, origin=completion.meta)
        response = chat_response(completion, **self._response_options(request))
        check_not_withheld(response)
        return response

    def _response_options(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """How to read the answer to a request."""
        return {
            "think_tags": self.think_tags,
            "single_call": request.get("parallel_tool_calls") is False,
            "tools": request.get("tools") or (),
        }

    def _stream(
        self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]
    ) -> tuple[ChatStream, ResponseBuilder]:
        request = self._request(messages, kwargs)
        with made_by(_RUN):
            stream = self._client().chat.stream(**request)
        return stream, ResponseBuilder(**self._response_options(request))

    async def _astream(
        self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]
    ) -> tuple[AsyncChatStream, ResponseBuilder]:
        request = self._request(messages, kwargs)
        with made_by(_RUN):
            stream = await self._aclient().chat.stream(**request)
        return stream, ResponseBuilder(**self._response_options(request))

    # --- completion: a prompt is a conversation of one message ------------------------------------

    def _prompt(self, prompt: str, *, formatted: bool) -> list[ChatMessage]:
        if not isinstance(prompt, str):
            raise InvalidArgumentError(f"prompt: must be text, not {type(prompt).__name__}", param="prompt")
        text = prompt if formatted or self.completion_to_prompt is None else self.completion_to_prompt(prompt)
        return [ChatMessage(role=MessageRole.USER, content=text)]

    @completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002 - the base class's signature
        """Answer a prompt; see `chat` for the arguments and errors."""
        return as_completion(self._chat(self._prompt(prompt, formatted=formatted), kwargs))

    @completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002 - the base class's signature
        """Like `complete`, for asyncio."""
        return as_completion(await self._achat(self._prompt(prompt, formatted=formatted), kwargs))

    @stream_callback(llm_completion_callback)
    def stream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002 - the base class's signature
        **kwargs: Any,
    ) -> ResponseStream[ChatStream, CompletionResponse]:
        """Answer a prompt in pieces; see `stream_chat`."""
        return CompletionResponseStream(*self._stream(self._prompt(prompt, formatted=formatted), kwargs))

    @astream_callback(llm_completion_callback)
    async def astream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002 - the base class's signature
        **kwargs: Any,
    ) -> ResponseStream[AsyncChatStream, CompletionResponse]:
        """Like `stream_complete`, for asyncio; the request is sent when this is awaited."""
        return CompletionResponseStream(
            *await self._astream(self._prompt(prompt, formatted=formatted), kwargs)
        )


_RUN = FrameworkRun(tracers=frozenset({"openinference.instrumentation.llama_index"}))


def _not_read_by(card: ModelCard | None) -> frozenset[str]:
    """What a model is known not to read; no model is documented to watch videos."""
    if card is None:
        return frozenset({"video"})
    known = {"image": card.vision, "audio": card.takes("audio"), "video": card.takes("video")}
    if not card.input_modalities:
        known["audio"] = True
    return frozenset(kind for kind, reads in known.items() if reads is False)
