"""Chats in a batch job of the service, outside the per-minute limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.tools.types import BaseTool
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher
from pydantic import BaseModel

from llama_index_melious.llm.decorators import chat_callback, check_messages, span
from llama_index_melious.llm.described import DescribedLLM
from llama_index_melious.llm.structured import check_class, parse_object
from llama_index_melious.llm.tools import check_tools
from melious.endpoints.batch_reading import check_endpoint, id_of, in_order
from melious.errors import InvalidArgumentError, MeliousError
from melious.http.asyncio_only import running_loop
from melious.settings.fields import OPERATIONAL

if TYPE_CHECKING:
    from melious.answers.batches import BatchResult
    from melious.answers.results import ChatCompletion
    from melious.clients._async.jobs import AsyncBatchJob
    from melious.clients._sync.jobs import BatchJob

_NOT_IN_BATCHES = OPERATIONAL | {"routing_fallbacks"}
"""The model's settings that the requests of a batch cannot have: nothing is sent again."""

_OF_ALL = ("tools", "output_cls")
"""Arguments that are the same for all conversations: an error about them is about no single one."""

dispatcher: Dispatcher = get_dispatcher(__name__)


class BatchedLLM(DescribedLLM):
    """An LLM that answers many conversations in one batch job."""

    if TYPE_CHECKING:

        def _request(self, messages: Sequence[ChatMessage], call: Mapping[str, Any]) -> dict[str, Any]: ...

        def _response(self, completion: ChatCompletion, request: Mapping[str, Any]) -> ChatResponse: ...

        def _prompt(self, prompt: str, *, formatted: bool) -> list[ChatMessage]: ...

    @span(dispatcher)
    def submit_batch(
        self,
        conversations: Sequence[Sequence[ChatMessage] | str],
        *,
        tools: Sequence[BaseTool] | None = None,
        output_cls: type[BaseModel] | None = None,
        metadata: Mapping[str, str] | None = None,
        reuse: bool = True,
        **kwargs: Any,
    ) -> BatchJob:
        """Send conversations as one batch job, whose requests do not count towards the per-minute limit.

        Answers may take up to 24 hours. `collect_batch` waits for them, here or in another process.

        Args:
            conversations: Lists of messages, as for `chat`, or prompts, as for `complete`.
            tools: Tools that the model may call; `tool_choice`, `tool_required` and
                `allow_parallel_tool_calls` are arguments too. None by default.
            output_cls: Ask for objects of this class, as `as_structured_llm` does; none by default.
            metadata: Up to 13 texts by name, kept by the service with the job.
            reuse: Find the job that was submitted before with the same contents, instead of paying twice.
            **kwargs: Parameters of every request, as for `chat`.

        Returns:
            The job: `id`, `status`, `counts`, `wait()`, `cancel()`.

        Raises:
            InvalidArgumentError: A conversation or an argument is wrong. Its place is named, and no job is
                created.
            MeliousError: A request failed.
        """
        _check_wanted(tools, output_cls)
        bodies = self._bodies(_checked(conversations), tools, output_cls, kwargs)
        return self._client().batches.submit(bodies, metadata=metadata, reuse=reuse)

    @span(dispatcher)
    async def asubmit_batch(
        self,
        conversations: Sequence[Sequence[ChatMessage] | str],
        *,
        tools: Sequence[BaseTool] | None = None,
        output_cls: type[BaseModel] | None = None,
        metadata: Mapping[str, str] | None = None,
        reuse: bool = True,
        **kwargs: Any,
    ) -> AsyncBatchJob:
        """Like `submit_batch`, for asyncio."""
        running_loop()
        _check_wanted(tools, output_cls)
        bodies = self._bodies(_checked(conversations), tools, output_cls, kwargs)
        return await self._aclient().batches.submit(bodies, metadata=metadata, reuse=reuse)

    @overload
    def collect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        tools: Sequence[BaseTool] | None = None,
        allow_parallel_tool_calls: bool = False,
        output_cls: type[BaseModel] | None = None,
        return_exceptions: Literal[False] = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,
    ) -> list[ChatResponse]: ...

    @overload
    def collect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        tools: Sequence[BaseTool] | None = None,
        allow_parallel_tool_calls: bool = False,
        output_cls: type[BaseModel] | None = None,
        return_exceptions: Literal[True],
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,
    ) -> list[ChatResponse | MeliousError]: ...

    @span(dispatcher)
    def collect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        tools: Sequence[BaseTool] | None = None,
        allow_parallel_tool_calls: bool = False,
        output_cls: type[BaseModel] | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,
    ) -> list[Any]:
        """Wait for a batch job, and return its responses in the order of the conversations.

        They are like those of `chat`, with the same events, whose messages are empty.

        Args:
            job: The job, or its id.
            tools: The tools of `submit_batch`.
            allow_parallel_tool_calls: Keep several calls in one answer; by default the first.
            output_cls: The class of `submit_batch`; the objects are the `raw` of the responses.
            return_exceptions: Return the errors of failed lines in their places; by default the first is
                raised, and the other responses can be collected again.
            progress: Show how many requests are done while waiting.
            poll: Seconds between two status requests; by default from one second to a minute, growing.
            timeout: The most seconds to wait; by default as long as it takes.

        Raises:
            MeliousError: A line failed, or a request did.
        """
        _check_wanted(tools, output_cls)
        held = self._client().batches.resume(id_of(job))
        check_endpoint(held, "chat")
        held.wait(progress=progress, poll=poll, timeout=timeout)
        how = self._reading_of(tools, parallel=allow_parallel_tool_calls)
        return self._responses(list(held), how, output_cls, return_exceptions=return_exceptions)

    @overload
    async def acollect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        tools: Sequence[BaseTool] | None = None,
        allow_parallel_tool_calls: bool = False,
        output_cls: type[BaseModel] | None = None,
        return_exceptions: Literal[False] = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the same as in `collect_batch`
    ) -> list[ChatResponse]: ...

    @overload
    async def acollect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        tools: Sequence[BaseTool] | None = None,
        allow_parallel_tool_calls: bool = False,
        output_cls: type[BaseModel] | None = None,
        return_exceptions: Literal[True],
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the same as in `collect_batch`
    ) -> list[ChatResponse | MeliousError]: ...

    @span(dispatcher)
    async def acollect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        tools: Sequence[BaseTool] | None = None,
        allow_parallel_tool_calls: bool = False,
        output_cls: type[BaseModel] | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the same as in `collect_batch`
    ) -> list[Any]:
        """Like `collect_batch`, for asyncio."""
        running_loop()
        _check_wanted(tools, output_cls)
        held = await self._aclient().batches.resume(id_of(job))
        check_endpoint(held, "chat")
        await held.wait(progress=progress, poll=poll, timeout=timeout)
        results = [result async for result in held]
        how = self._reading_of(tools, parallel=allow_parallel_tool_calls)
        return self._responses(results, how, output_cls, return_exceptions=return_exceptions)

    def _bodies(
        self,
        conversations: Iterable[Any],
        tools: Sequence[BaseTool] | None,
        output_cls: type[BaseModel] | None,
        kwargs: Mapping[str, Any],
    ) -> Iterator[dict[str, Any]]:
        """The arguments of each request; an error names the place of its conversation."""
        for place, conversation in enumerate(conversations):
            try:
                request = self._batch_request(conversation, tools, output_cls, kwargs)
            except InvalidArgumentError as error:
                if error.param in _OF_ALL:
                    raise
                raise InvalidArgumentError(
                    f"conversations[{place}]: {error.message}", param="conversations", advice=error.advice
                ) from error
            yield {
                name: value
                for name, value in request.items()
                if value is not None and (name not in _NOT_IN_BATCHES or name in kwargs)
            }

    def _batch_request(
        self,
        conversation: Any,
        tools: Sequence[BaseTool] | None,
        output_cls: type[BaseModel] | None,
        kwargs: Mapping[str, Any],
    ) -> dict[str, Any]:
        if isinstance(conversation, str):
            conversation = self._prompt(conversation, formatted=False)
        check_messages(conversation)
        call = self._batch_call(list(conversation), tools, output_cls, kwargs)
        return self._request(call.pop("messages"), call)

    def _batch_call(
        self,
        messages: list[ChatMessage],
        tools: Sequence[BaseTool] | None,
        output_cls: type[BaseModel] | None,
        kwargs: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The arguments of `chat` for one conversation of a batch."""
        if "messages" in kwargs:
            raise InvalidArgumentError("messages: is not an argument of batches", param="messages")
        if output_cls is None:
            if not tools:
                return {"messages": messages, **kwargs}
            return self._prepare_chat_with_tools(tools, chat_history=messages, **kwargs)
        if tools:
            raise InvalidArgumentError("tools: cannot be combined with output_cls", param="tools")
        call = self._object_call(output_cls, self._extend_messages(messages), dict(kwargs))
        if call is None:
            raise InvalidArgumentError(
                f"output_cls: a batch does not support pydantic_program_mode={self.pydantic_program_mode}",
                param="output_cls",
            )
        return call

    def _reading_of(self, tools: Sequence[BaseTool] | None, *, parallel: bool) -> dict[str, Any]:
        """What the answers are read with: the part of a request that is about tools."""
        if not tools:
            return {}
        return self._prepare_chat_with_tools(tools, allow_parallel_tool_calls=parallel)

    def _responses(
        self,
        results: list[BatchResult],
        request: Mapping[str, Any],
        output_cls: type[BaseModel] | None,
        *,
        return_exceptions: bool,
    ) -> list[ChatResponse | MeliousError]:
        reader = self.model_copy(update={"rate_limiter": None})  # nothing is sent any more
        responses: list[ChatResponse | MeliousError] = []
        for result in in_order(results, "conversations"):
            try:
                response = _reading(result, request)(reader, [])
                responses.append(response if output_cls is None else _with_object(response, output_cls))
            except MeliousError as error:
                if not return_exceptions:
                    raise
                responses.append(error)
        return responses


def _reading(result: BatchResult, request: Mapping[str, Any]) -> Callable[..., ChatResponse]:
    """Reads a result as a call of `chat`, with its events."""

    @chat_callback()
    def read(llm: BatchedLLM, messages: Sequence[ChatMessage]) -> ChatResponse:  # noqa: ARG001 - as in `chat`
        return llm._response(result.unwrap(), request)  # noqa: SLF001 - its own module

    return read


def _with_object(response: ChatResponse, output_cls: type[BaseModel]) -> ChatResponse:
    """A response with the object, as an LLM of `as_structured_llm` gives it, and what it cost."""
    found = parse_object(response, output_cls)
    message = ChatMessage(role=MessageRole.ASSISTANT, content=found.model_dump_json())
    return ChatResponse(message=message, raw=found, additional_kwargs=response.additional_kwargs)


def _check_wanted(tools: object, output_cls: object) -> None:
    """Refuse what cannot be the tools or the class of the objects."""
    if output_cls is not None:
        check_class(output_cls)
    elif tools is not None:
        check_tools(tools)


def _checked(conversations: object) -> list[Any]:
    if isinstance(conversations, str | bytes | Mapping | ChatMessage) or not isinstance(
        conversations, Iterable
    ):
        raise InvalidArgumentError(
            f"conversations: must be a list of conversations, not {type(conversations).__name__}",
            param="conversations",
        )
    given = list(conversations)
    if not given:
        raise InvalidArgumentError("conversations: must not be empty", param="conversations")
    return given
