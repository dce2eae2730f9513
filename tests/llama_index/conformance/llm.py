"""What is expected of an LLM: all forms of chat and completion, streams and their ends, and what is sent."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage, LLMMetadata, MessageRole
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW

from conformance.component import ComponentConformance
from conformance.kit import Way, attempts, connections_end, leaves_the_loop_free, observed
from conformance.messages import MessageTests
from conformance.service import Answer, count, piece, spoken, tokens, whole
from conformance.thinking import ThinkingTests

FORMS = ("chat", "stream_chat", "complete", "stream_complete")
HELLO = [ChatMessage("Hello, you!")]
LOGPROBS = {
    "content": [
        {
            "token": word,
            "logprob": -0.1,
            "bytes": [*word.encode()],
            "top_logprobs": [{"token": word, "logprob": -0.1, "bytes": [*word.encode()]}],
        }
        for word in ("Yes", ".")
    ]
}


def asked(form: str) -> Any:
    """What a form of the call takes first."""
    return "Hello, you!" if "complete" in form else HELLO


def said(response: Any) -> str:
    """The text of a chat or a completion."""
    return response.text if hasattr(response, "text") else response.message.content or ""


def final(result: Any) -> Any:
    """The whole response, or the last of a stream."""
    return result[-1] if isinstance(result, list) else result


def answers(form: str, text: str) -> Answer:
    """A plain answer in the form that a call wants."""
    return Answer(stream=spoken(*text)) if "stream" in form else Answer(body=whole({"content": text}))


class LLMConformance(MessageTests, ThinkingTests, ComponentConformance):
    """Checks an `LLM` that chats.

    Attributes:
        gives_logprobs: Whether log probabilities can be asked for, with `logprobs_arguments`.
        logprobs_arguments: The constructor's arguments that ask for them.
        merges_extra_body: Whether `extra_body` of a call is added to that of the constructor's
            `additional_kwargs`.
        model_argument: The constructor's word for the model.
        unknown_model: A model that no table knows.
        ends_early_streams: Whether a stream that stops without a finish is told as an error.
    """

    gives_logprobs: bool = True
    logprobs_arguments: dict[str, Any] = {"logprobs": True, "top_logprobs": 1}  # noqa: RUF012 - a switch
    merges_extra_body: bool = True
    model_argument: str = "model"
    unknown_model: str = "somebody/quite-new:model"
    ends_early_streams: bool = True

    def use(self, component: Any) -> Any:
        """Make one request."""
        return component.chat(HELLO)

    async def ause(self, component: Any) -> Any:
        """Make one request, for asyncio."""
        return await component.achat(HELLO)

    # --- all forms -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("form", FORMS)
    async def test_text_and_usage_in_every_form(self, service, way, form):
        service.answer(answers(form, "I am here."))
        last = final(await way(self.make(service), form, asked(form)))
        assert said(last) == "I am here."
        if not hasattr(last, "text"):
            assert last.message.role == MessageRole.ASSISTANT
        assert last.additional_kwargs.get("total_tokens") == 18, "no total_tokens in additional_kwargs"

    @pytest.mark.parametrize("form", ["stream_chat", "stream_complete"])
    async def test_streams_grow_by_their_deltas(self, service, way, form):
        service.answer(Answer(stream=spoken("\n\n", "Hel", "lo", " \n", "you")))
        responses = await way(self.make(service), form, asked(form))
        text = ""
        for response in responses:
            text += response.delta or ""
            assert said(response) == text, "a response of a stream is not what came so far"
        assert text == "\n\nHello \nyou", "white space at the edges of pieces was lost"

    @pytest.mark.parametrize("form", ["stream_chat", "stream_complete"])
    async def test_streams_ask_for_their_usage(self, service, way, form):
        await way(self.make(service), form, asked(form))
        options = service.requests[-1].body.get("stream_options") or {}
        assert options.get("include_usage"), "usage of streams is not asked for, so it is never counted"

    async def test_last_of_a_stream_is_the_whole_message(self, service, way):
        service.answer(Answer(stream=spoken("All", " of", " it")))
        *_, last = await way(self.make(service), "stream_chat", HELLO)
        assert last.message.content == "All of it", "the chunk with the usage does not repeat the message"

    @pytest.mark.parametrize("form", ["stream_chat", "stream_complete"])
    async def test_stream_without_a_word_has_an_end(self, service, way, form):
        service.answer(Answer(stream=spoken()))
        debug = LlamaDebugHandler(print_trace_on_end=False)
        llm = self.make(service, callback_manager=CallbackManager([debug]))
        responses = await way(llm, form, asked(form))
        assert responses, "a stream without a word gives no response at all, so agents find no last one"
        assert len(debug.get_llm_inputs_outputs()) == 1

    @pytest.mark.parametrize("form", ["chat", "stream_chat", "complete", "stream_complete"])
    async def test_async_calls_leave_the_loop_free(self, service, form):
        way = Way("async")
        llm = self.make(service)
        await llm.achat(HELLO)  # which may import modules
        service.answer(Answer(delay=30, times=None))
        free = await leaves_the_loop_free(way(llm, form, asked(form)), service)
        assert free, f"a{form} holds the event loop"

    def test_streams_on_one_event_loop_after_another(self, service):
        llm = self.make(service)

        async def main() -> str:
            return "".join([one.delta or "" async for one in await llm.astream_chat(HELLO)])

        assert len({asyncio.run(main()) for _ in range(3)}) == 1
        assert len(service.requests) == 3

    def test_streams_are_generators(self, service):
        llm = self.make(service)
        assert isinstance(llm.stream_chat(HELLO), Generator), "core gives no events for other iterators"
        assert isinstance(llm.stream_complete("Hello"), Generator)

    async def test_async_streams_are_awaited_generators(self, service):
        llm = self.make(service)
        for coroutine in (llm.astream_chat(HELLO), llm.astream_complete("Hello")):
            assert inspect.isawaitable(coroutine)
            stream = await coroutine
            assert isinstance(stream, AsyncGenerator)
            await stream.aclose()

    async def test_refusals_surface_where_the_stream_is_awaited(self, service):
        service.answer(Answer(status=400, body={"error": {"message": "never"}}, times=None))
        llm = self.make(service)
        with pytest.raises(Exception, match="never"):
            await llm.astream_chat(HELLO)

    async def test_answer_without_choices_is_no_accident(self, service, way):
        service.answer(Answer(body={**whole({"content": "x"}), "choices": []}, times=None))
        try:
            response = await way(self.make(service), "chat", HELLO)
        except (LookupError, TypeError, AttributeError) as accident:
            pytest.fail(f"an accident instead of an error: {accident!r}")
        except Exception:  # one that the integration raises on purpose
            return
        assert not response.message.content

    async def test_prompt_by_keyword_once(self, service, way):
        llm = self.make(service)
        response = await way(llm, "complete", prompt="Hello")
        assert response.text
        with pytest.raises(TypeError):
            await way(llm, "complete", "Hello", prompt="Hello")
        with pytest.raises((ValueError, TypeError)):
            await way(llm, "complete")

    async def test_messages_can_be_written_down_and_read_again(self, service, way):
        llm = self.make(service)
        for form in ("chat", "stream_chat"):
            message = final(await way(llm, form, HELLO)).message
            again = ChatMessage.model_validate_json(message.model_dump_json())
            assert again.content == message.content
            await way(llm, "chat", [*HELLO, again, ChatMessage("And now?")])

    async def test_caller_keeps_the_conversation(self, service, way):
        messages = [ChatMessage("Hello", additional_kwargs={"name": "me"})]
        before = [message.model_copy(deep=True) for message in messages]
        await way(self.make(service), "chat", messages)
        assert messages == before, "the caller's messages were changed"

    @pytest.mark.parametrize("form", ["stream_chat", "stream_complete"])
    async def test_clients_that_are_passed_in_carry_streams(self, service, way, form):
        self.offered(self.takes_clients, "clients of HTTP")
        with httpx.Client(headers={"x-mine": "sync"}, trust_env=False) as client:
            async with httpx.AsyncClient(headers={"x-mine": "async"}, trust_env=False) as other:
                component = self.make(service, http_client=client, async_http_client=other)
                await way(component, form, asked(form))
                assert not client.is_closed
                assert not other.is_closed
        assert service.requests[-1].headers.get("x-mine") == way.name, "another client carried the stream"

    # --- what is sent --------------------------------------------------------------------------------

    @pytest.mark.parametrize("temperature", [0.0, 1.7])
    async def test_temperature_is_sent_as_it_is(self, service, way, temperature):
        await way(self.make(service, temperature=temperature), "chat", HELLO)
        assert service.requests[-1].body["temperature"] == temperature

    @pytest.mark.parametrize("form", FORMS)
    async def test_nothing_is_sent_as_null(self, service, way, form):
        await way(self.make(service), form, asked(form))
        nulls = [name for name, value in service.requests[-1].body.items() if value is None]
        assert not nulls, f"sent as null: {nulls}"

    async def test_arguments_of_the_call_win(self, service, way):
        llm = self.make(service, temperature=0.5, additional_kwargs={"seed": 3, "top_p": 0.5})
        await way(llm, "chat", HELLO, temperature=0.1, top_p=0.9)
        body = service.requests[-1].body
        assert (body["temperature"], body["seed"]) == (0.1, 3)
        assert body["top_p"] == 0.9, "what the call says was replaced by what the constructor said"

    async def test_extra_body_of_both_is_sent(self, service, way):
        self.offered(self.merges_extra_body, "extra_body of constructor and call together")
        llm = self.make(service, additional_kwargs={"extra_body": {"one": 1, "both": 1}})
        await way(llm, "chat", HELLO, extra_body={"two": 2, "both": 2})
        body = service.requests[-1].body
        assert {name: body.get(name) for name in ("one", "two", "both")} == {"one": 1, "two": 2, "both": 2}

    @pytest.mark.parametrize("form", ["chat", "stream_chat", "complete", "stream_complete"])
    async def test_both_ways_send_the_same_in_every_form(self, service, form):
        llm = self.make(service, temperature=0.3)
        result = getattr(llm, form)(asked(form))
        if "stream" in form:
            list(result)
            [_ async for _ in await getattr(llm, f"a{form}")(asked(form))]
        else:
            await getattr(llm, f"a{form}")(asked(form))
        first, second = service.requests
        assert first.body == second.body, "the blocking and the async call send different bodies"

    # --- what LlamaIndex reads -----------------------------------------------------------------------

    def test_metadata_of_a_model_that_no_table_knows(self, service):
        metadata = self.make(service, **{self.model_argument: self.unknown_model}).metadata
        assert isinstance(metadata, LLMMetadata)
        assert metadata.model_name == self.unknown_model
        assert metadata.context_window == DEFAULT_CONTEXT_WINDOW, "the window is invented"
        assert metadata.is_chat_model
        assert not service.requests, "metadata asks the service"

    def test_what_was_set_is_kept(self, service):
        llm = self.make(service, max_tokens=77, context_window=12_345)
        assert (llm.metadata.num_output, llm.metadata.context_window) == (77, 12_345)
        kept = llm.to_dict()
        assert (kept["max_tokens"], kept["context_window"]) == (77, 12_345)

    @pytest.mark.parametrize("form", FORMS)
    async def test_one_pair_of_events_for_each_call(self, service, way, form):
        debug = LlamaDebugHandler(print_trace_on_end=False)
        llm = self.make(service, callback_manager=CallbackManager([debug]))
        with observed() as events:
            await way(llm, form, asked(form))
        names = [type(event).__name__ for event in events]
        kind = "Completion" if "complete" in form else "Chat"
        assert names.count(f"LLM{kind}StartEvent") == names.count(f"LLM{kind}EndEvent") == 1
        assert sum(name.endswith("EndEvent") for name in names) == 1, f"one call, several events: {names}"
        assert len(debug.get_event_pairs(CBEventType.LLM)) == 1, "one call, several callbacks"

    async def test_events_tell_model_and_temperature(self, service, way):
        with observed() as events:
            await way(self.make(service, temperature=0.25), "chat", HELLO)
        (start,) = [event for event in events if type(event).__name__ == "LLMChatStartEvent"]
        assert start.model_dict.get("temperature") == 0.25
        assert start.model_dict.get("model") == self.arguments[self.model_argument]

    async def test_observers_see_raw_as_the_caller_does(self, service, way):
        with observed() as events:
            response = await way(self.make(service), "chat", HELLO)
        (end,) = [event for event in events if type(event).__name__ == "LLMChatEndEvent"]
        assert end.response.raw == response.raw
        assert response.raw is not None

    @pytest.mark.parametrize("form", FORMS)
    async def test_tokens_are_counted_as_the_service_tells_them(self, service, way, form):
        chunks = [*spoken("Yes", usage=False), count(1234, 567)]
        body = {**whole({"content": "Yes"}), "usage": tokens(1234, 567)}
        service.answer(Answer(stream=chunks) if "stream" in form else Answer(body=body))
        counter = TokenCountingHandler(tokenizer=lambda text: [0] * len(text))
        await way(self.make(service, callback_manager=CallbackManager([counter])), form, asked(form))
        assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (1234, 567)

    @pytest.mark.parametrize("form", FORMS)
    async def test_logprobs_are_kept(self, service, way, form):
        self.offered(self.gives_logprobs, "log probabilities")
        chunks = [
            piece({"role": "assistant", "content": "Yes."}, logprobs=LOGPROBS),
            piece({}, "stop"),
        ]
        body = whole({"content": "Yes."}, logprobs=LOGPROBS)
        service.answer(Answer(stream=chunks) if "stream" in form else Answer(body=body))
        result = await way(self.make(service, **self.logprobs_arguments), form, asked(form))
        kept = [one for response in _each(result) for one in response.logprobs or []]
        assert kept, "the log probabilities were dropped"
        assert kept[0][0].token == "Yes"

    # --- ends of streams -----------------------------------------------------------------------------

    async def test_error_inside_a_stream_is_raised(self, service, way):
        chunks = [*spoken("Half an")[:2], {"error": {"message": "the provider fell over", "code": "x"}}]
        service.answer(Answer(stream=chunks, done=False))
        with pytest.raises(Exception, match="fell over"):
            await way(self.make(service), "stream_chat", HELLO)
        assert attempts(service) == 1, "after the first piece, the request was made again"

    async def test_stream_that_is_cut_off_is_an_error(self, service, way):
        self.offered(self.ends_early_streams, "an error for streams that stop early")
        service.answer(Answer(stream=spoken("Half an")[:2], done=False))
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the integration's own error
            await way(self.make(service), "stream_chat", HELLO)
        assert caught.type not in {IndexError, KeyError, TypeError}, f"an accident: {caught.value!r}"

    async def test_breaking_off_closes_the_connection(self, service):
        service.answer(Answer(stream=spoken("one", "two", "three"), silent_after=2))
        for _ in self.make(service).stream_chat(HELLO):
            break
        assert await connections_end(service), "the connection stays open after a break"

    async def test_closing_an_async_stream_closes_the_connection(self, service):
        service.answer(Answer(stream=spoken("one", "two", "three"), silent_after=2))
        stream = await self.make(service).astream_chat(HELLO)
        async for _ in stream:
            break
        await stream.aclose()
        assert await connections_end(service), "the connection stays open after aclose()"

    async def test_cancelling_closes_the_connection(self, service):
        service.answer(Answer(stream=spoken("one", "two", "three"), silent_after=2))
        llm = self.make(service)
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in await llm.astream_chat(HELLO):
                begun.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(begun.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await connections_end(service), "the connection stays open after a cancellation"
        assert (await llm.achat(HELLO)).message.content, "after a cancellation, the next call fails"


def _each(result: Any) -> Sequence[Any]:
    return result if isinstance(result, list) else [result]
