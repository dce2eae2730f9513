"""Streams and LlamaIndex's observers: whoever listens hears everything; where nobody does, nothing is made for it."""

import asyncio

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import callbacks
from llama_kit import eventually, piece, sse
from pydantic import Field

from melious import APIStatusError, StreamTruncatedError
from melious.sandbox import Fault

HELLO = [ChatMessage("Hello, you!")]
FORMS = {"stream_chat": HELLO, "stream_complete": "Hello, you!"}
KINDS = {"stream_chat": "LLMChat", "stream_complete": "LLMCompletion"}
WORDS = [piece({"content": word}) for word in ("One", " two", " three", " four")]
ENDED = sse(*WORDS, piece({}, "stop"))
CUT = sse(*WORDS[:2], done=False)


class Listener(BaseEventHandler):
    seen: list = Field(default_factory=list)

    def handle(self, event, **_):
        self.seen.append(event)

    def named(self, name):
        return [event for event in self.seen if event.class_name() == name]


@pytest.fixture
def listen():
    """Attach listeners to dispatchers, for the time of a test."""
    attached = []

    def attach(name="root"):
        listener, dispatcher = Listener(), get_dispatcher(name)
        dispatcher.add_event_handler(listener)
        attached.append((dispatcher, listener))
        return listener

    yield attach
    for dispatcher, listener in attached:
        dispatcher.event_handlers.remove(listener)


@pytest.fixture
def debug():
    return LlamaDebugHandler(print_trace_on_end=False)


@pytest.fixture
def llm(make_llm, debug):
    return make_llm(callback_manager=CallbackManager([debug]))


@pytest.fixture
def made(monkeypatch):
    """The events that are made for responses, heard or not."""
    made = []
    for kind in KINDS.values():
        name = f"{kind}InProgressEvent"
        event = getattr(callbacks, name)
        monkeypatch.setattr(
            callbacks, name, lambda event=event, **fields: made.append(fields["response"]) or event(**fields)
        )
    return made


def payload_at_the_end(debug):
    """What the callbacks were told at the end of the one call."""
    ((_, end),) = debug.get_event_pairs(CBEventType.LLM)
    return end.payload


@pytest.mark.parametrize("dispatcher", ["root", "llama_index.core.llms.callbacks"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_listener_hears_of_every_response(llm, way, sandbox, listen, form, dispatcher):
    listener = listen(dispatcher)
    sandbox.faults.add(Fault(raw=ENDED))
    responses = await way(llm, form, FORMS[form])
    assert [response.delta for response in responses] == ["One", " two", " three", " four", ""]
    heard = [event.response for event in listener.named(f"{KINDS[form]}InProgressEvent")]
    assert all(one is other for one, other in zip(heard, responses, strict=True))
    (end,) = listener.named(f"{KINDS[form]}EndEvent")
    assert end.response is responses[-1]


@pytest.mark.parametrize("form", FORMS)
async def test_nothing_is_made_for_nobody(llm, way, sandbox, made, debug, form):
    sandbox.faults.add(Fault(raw=ENDED))
    responses = await way(llm, form, FORMS[form])
    assert made == [responses[0], responses[-1]]
    told = payload_at_the_end(debug)
    assert told.get(EventPayload.RESPONSE, told.get(EventPayload.COMPLETION)) is responses[-1]


def test_who_comes_later_hears_the_rest(llm, sandbox, listen, made):
    sandbox.faults.add(Fault(raw=ENDED))
    stream = llm.stream_chat(HELLO)
    early = [next(stream), next(stream)]
    listener = listen()
    late = list(stream)
    assert [event.response for event in listener.named("LLMChatInProgressEvent")] == late
    assert made == [early[0], *late]


async def test_who_comes_later_hears_the_rest_with_asyncio(llm, sandbox, listen):
    sandbox.faults.add(Fault(raw=ENDED))
    stream = await llm.astream_chat(HELLO)
    await anext(stream)
    listener = listen()
    late = [response async for response in stream]
    assert [event.response for event in listener.named("LLMChatInProgressEvent")] == late


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
@pytest.mark.parametrize("form", FORMS)
async def test_an_error_ends_the_call_for_everybody(llm, way, sandbox, listen, debug, form, heard):
    listener = listen() if heard else None
    sandbox.faults.add(Fault(raw=CUT))
    with pytest.raises(StreamTruncatedError) as caught:
        await way(llm, form, FORMS[form])
    assert payload_at_the_end(debug)[EventPayload.EXCEPTION] is caught.value
    if listener is not None:
        (event,) = listener.named("ExceptionEvent")
        assert event.exception is caught.value
        assert not listener.named(f"{KINDS[form]}EndEvent")


async def test_an_error_before_the_first_response(llm, way, sandbox, listen, debug):
    listener = listen()
    nothing = [piece({"role": "assistant", "content": ""})]
    sandbox.faults.add(
        Fault(raw=sse(*nothing, {"error": {"message": "it fell over"}}, done=False), times=None)
    )
    with pytest.raises(APIStatusError, match="fell over") as caught:
        await way(llm.with_options(max_retries=0), "stream_chat", HELLO)
    assert payload_at_the_end(debug)[EventPayload.EXCEPTION] is caught.value
    assert not listener.named("LLMChatInProgressEvent")


async def test_a_stream_without_a_response_ends_like_any_other(llm, way, sandbox, listen, debug):
    listener = listen()
    sandbox.faults.add(Fault(raw=sse(piece({}, "stop"))))
    (only,) = await way(llm, "stream_chat", HELLO)
    assert payload_at_the_end(debug)[EventPayload.RESPONSE] is only
    assert listener.named("LLMChatEndEvent")[0].response is only


@pytest.mark.parametrize("taken", [1, 2])
@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
def test_a_stream_that_is_left_ends_the_call(llm, sandbox, listen, debug, heard, taken):
    listener = listen() if heard else None
    stream = llm.stream_chat(HELLO)
    for _ in range(taken):
        next(stream)
    stream.close()
    assert isinstance(payload_at_the_end(debug)[EventPayload.EXCEPTION], GeneratorExit)
    if listener is not None:
        assert len(listener.named("LLMChatInProgressEvent")) == taken


async def test_a_cancelled_stream_ends_the_call(llm, sandbox, debug):
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=600))
    begun = asyncio.Event()

    async def read():
        async for _ in await llm.astream_chat(HELLO):
            begun.set()

    task = asyncio.create_task(read())
    assert await eventually(begun.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(payload_at_the_end(debug)[EventPayload.EXCEPTION], asyncio.CancelledError)
