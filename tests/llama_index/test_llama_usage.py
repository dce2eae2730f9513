"""What a chat cost, as LlamaIndex's handlers hear of it: once for each request, with the server's numbers."""

import asyncio
from decimal import Decimal

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import PydanticProgramMode
from llama_kit import TOOLS, WEATHER, piece, sse, usage, whole
from pydantic import BaseModel, Field

from llama_index_melious.events import MeliousUsageEvent
from melious import BadRequestError, ProviderError, track_impact
from melious.sandbox import Fault, Reply

HELLO = [ChatMessage("Hello, you!")]
FORMS = {
    "chat": (HELLO,),
    "stream_chat": (HELLO,),
    "complete": ("Hello, you!",),
    "stream_complete": ("Hello, you!",),
    "chat_with_tools": (TOOLS, "What is the weather in Oslo?"),
    "stream_chat_with_tools": (TOOLS, "What is the weather in Oslo?"),
    "predict": (PromptTemplate("Hello, you!"),),
}
# To find its steps, a workflow reads every attribute of an agent, and so the ones that pydantic deprecates.
agents_warn = [
    pytest.mark.filterwarnings(
        "ignore:The `__fields(_set)?__` attribute is deprecated:pydantic.warnings.PydanticDeprecatedSince20"
    ),
    pytest.mark.filterwarnings(
        "ignore:Accessing the 'model_(computed_)?fields' attribute:"
        "pydantic.warnings.PydanticDeprecatedSince211"
    ),
]


class Keeper(BaseEventHandler):
    seen: list = Field(default_factory=list)

    def handle(self, event, **_):
        self.seen.append(event)

    def of(self, kind):
        return [event for event in self.seen if isinstance(event, kind)]

    def named(self, name):
        return [event for event in self.seen if event.class_name() == name]


@pytest.fixture
def keeper():
    keeper, root = Keeper(), get_dispatcher()
    root.add_event_handler(keeper)
    yield keeper
    root.event_handlers.remove(keeper)


@pytest.fixture
def spans():
    spans, root = SimpleSpanHandler(), get_dispatcher()
    root.add_span_handler(spans)
    yield spans
    root.span_handlers.remove(spans)


class Book(BaseModel):
    title: str


# --- the event -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", FORMS)
async def test_one_event_for_each_request(make_llm, way, sandbox, keeper, spans, method):
    await way(make_llm(model="glm-4.7:eco"), method, *FORMS[method])
    (event,) = keeper.of(MeliousUsageEvent)
    (request,) = sandbox.requests
    assert (event.endpoint, event.model, event.request_id) == ("chat", "glm-4.7", request.request_id)
    assert event.usage.prompt_tokens + event.usage.completion_tokens == event.usage.total_tokens > 0
    assert (event.environment_impact is None) == ("stream" in method)  # streams do not tell it
    if event.environment_impact:
        assert event.environment_impact.carbon_g_co2 > 0
        assert isinstance(event.billing_cost.credits, Decimal)
    inner = {"predict": "chat", "chat_with_tools": "chat", "stream_chat_with_tools": "stream_chat"}
    name = ("a" if way.name == "async" else "") + inner.get(method, method)
    assert event.span_id.startswith(f"Melious.{name}-")
    assert event.span_id in {span.id_ for span in spans.completed_spans}


@pytest.mark.parametrize("mode", [PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION])
@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_one_event_for_each_object(make_llm, way, keeper, sandbox, method, mode):
    llm = make_llm(pydantic_program_mode=mode)
    by_tool = Reply(tool_calls=[("Book", {"title": "Dune"})])
    sandbox.replies.add(by_tool if mode is PydanticProgramMode.FUNCTION else Reply(text='{"title": "Dune"}'))
    await way(llm, method, Book, PromptTemplate('Title: "Dune"'))
    assert len(keeper.of(MeliousUsageEvent)) == 1


async def test_one_event_through_a_structured_llm(make_llm, way, keeper, sandbox):
    sandbox.replies.add(Reply(text='{"title": "Dune"}'))
    await way(make_llm().as_structured_llm(Book), "chat", [ChatMessage('Title: "Dune"')])
    assert len(keeper.of(MeliousUsageEvent)) == 1


async def test_the_event_comes_when_the_answer_is_whole(make_llm, way, keeper):
    await way(make_llm(), "stream_chat", HELLO)
    names = [event.class_name() for event in keeper.seen]
    told = names.index("MeliousUsageEvent")
    assert names.index("LLMChatInProgressEvent") < told < names.index("LLMChatEndEvent")


def test_a_stream_that_is_left_tells_nothing(make_llm, keeper):
    stream = make_llm().stream_chat(HELLO)
    next(stream)
    stream.close()
    assert keeper.of(MeliousUsageEvent) == []


@pytest.mark.parametrize(
    ("method", "fault", "error"),
    [
        ("chat", Fault(status=400), BadRequestError),
        ("stream_chat", Fault(code="provider_error", error_after_events=3), ProviderError),
    ],
)
async def test_a_failure_tells_nothing(make_llm, way, sandbox, keeper, method, fault, error):
    sandbox.faults.add(fault)
    with pytest.raises(error):
        await way(make_llm(), method, HELLO)
    assert keeper.of(MeliousUsageEvent) == []


async def test_a_retry_is_one_request_that_was_answered(make_llm, way, sandbox, keeper):
    sandbox.faults.add(Fault(code="provider_error", headers={"retry-after": "0"}))
    await way(make_llm(), "chat", HELLO)
    assert len(sandbox.requests) == 2
    assert len(keeper.of(MeliousUsageEvent)) == 1


async def test_missing_is_none(make_llm, way, sandbox, keeper):
    sandbox.faults.add(Fault(impact="missing", cost="missing", usage="missing"))
    await way(make_llm(), "chat", HELLO)
    sandbox.faults.add(Fault(raw=sse(piece({"content": "Hi"}), piece({}, "stop"))))
    await way(make_llm(), "stream_chat", HELLO)
    assert len(keeper.of(MeliousUsageEvent)) == 2
    for event in keeper.of(MeliousUsageEvent):
        assert event.usage is event.environment_impact is event.billing_cost is None


async def test_impact_of_a_stream_where_it_is_sent(start_sandbox, make_llm, way, keeper):
    other = start_sandbox(stream_impact=True)
    await way(make_llm(base_url=other.base_url, api_key=other.api_key), "stream_chat", HELLO)
    (event,) = keeper.of(MeliousUsageEvent)
    assert event.environment_impact.location
    assert event.billing_cost.credits is not None


async def test_strange_numbers_spoil_no_answer(make_llm, way, sandbox, keeper):
    strange = {"usage": {"prompt_tokens": "many"}, "environment_impact": {"carbon_g_co2": "lots"}}
    sandbox.faults.add(Fault(body=whole({"content": "Hi"}, **strange)))
    sandbox.faults.add(
        Fault(raw=sse(piece({"content": "Hi"}), piece({}, "stop"), usage(prompt_tokens="many")))
    )
    assert (await way(make_llm(), "chat", HELLO)).message.content == "Hi"
    assert (await way(make_llm(), "stream_chat", HELLO))[-1].message.content == "Hi"
    assert [event.usage.prompt_tokens for event in keeper.of(MeliousUsageEvent)] == [None, None]


def test_loops_side_by_side_tell_their_own(make_llm, sandbox, keeper):
    llm = make_llm()

    async def main():
        await asyncio.gather(*(llm.achat([ChatMessage(f"Number {n}")]) for n in range(8)))

    asyncio.run(main())
    events = keeper.of(MeliousUsageEvent)
    assert {event.request_id for event in events} == {request.request_id for request in sandbox.requests}
    assert len({event.span_id for event in events}) == 8


class TestAgents:
    pytestmark = agents_warn

    async def test_totals_of_an_agent(self, make_llm, sandbox, keeper):
        agent = FunctionAgent(tools=[WEATHER], llm=make_llm(), streaming=False)
        with track_impact() as ledger:
            await agent.run("What is the weather in Oslo?")
        events = keeper.of(MeliousUsageEvent)
        assert len(events) == len(sandbox.requests) == ledger.total.requests > 1
        grams = [event.environment_impact.carbon_g_co2 for event in events]
        assert ledger.total.carbon_g_co2 == pytest.approx(sum(grams))


# --- LlamaIndex's own observers ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["chat", "stream_chat", "complete", "stream_complete"])
async def test_token_counting_handler_counts_the_servers_numbers(make_llm, way, method):
    counter = TokenCountingHandler(tokenizer=lambda _: pytest.fail("the tokens were guessed"))
    llm = make_llm(callback_manager=CallbackManager([counter]))
    result = await way(llm, method, *FORMS[method])
    counts = (result[-1] if isinstance(result, list) else result).raw["usage"]
    assert counter.prompt_llm_token_count == counts["prompt_tokens"] > 0
    assert counter.completion_llm_token_count == counts["completion_tokens"] > 0


@pytest.mark.parametrize("method", ["chat", "stream_chat", "complete", "stream_complete"])
async def test_one_callback_for_each_call(make_llm, way, method):
    handler = LlamaDebugHandler(print_trace_on_end=False)
    llm = make_llm(callback_manager=CallbackManager([handler]))
    await way(llm, method, *FORMS[method])
    assert len(handler.get_llm_inputs_outputs()) == 1


@pytest.mark.parametrize("method", ["chat", "stream_chat", "complete", "stream_complete"])
async def test_start_and_end_are_paired(make_llm, way, keeper, method):
    await way(make_llm(), method, *FORMS[method])
    kind = "LLMCompletion" if "complete" in method else "LLMChat"
    for name in (f"{kind}StartEvent", f"{kind}EndEvent"):
        assert len(keeper.named(name)) == 1
    other = "LLMChat" if "complete" in method else "LLMCompletion"
    assert not [event for event in keeper.seen if event.class_name().startswith(other)]


async def test_events_leave_raw_as_it_is(make_llm, way, sandbox, keeper):
    answer = whole({"content": "Hi"}, usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    sandbox.faults.add(Fault(body=answer))
    response = await way(make_llm(), "chat", HELLO)
    for event in keeper.seen:
        event.model_dump()
    assert response.raw == answer
    assert keeper.named("LLMChatEndEvent")[0].response is response


async def test_what_observers_read_of_the_call(make_llm, way, keeper):
    await way(make_llm(temperature=0.2, preset="speed"), "chat", HELLO, top_p=0.5)
    (start,) = keeper.named("LLMChatStartEvent")
    assert start.model_dict["model"] == "llama-3.1-8b-instruct"
    assert start.model_dict["temperature"] == 0.2
    assert start.model_dict["preset"] == "speed"
    assert start.additional_kwargs == {"top_p": 0.5}


async def test_a_stream_of_a_server_without_stream_options(make_llm, way, sandbox, keeper):
    sandbox.faults.add(Fault(refuse_stream_options=True))
    *_, last = await way(make_llm(), "stream_chat", HELLO)
    assert last.message.content
    assert "usage" not in last.additional_kwargs
    (event,) = keeper.of(MeliousUsageEvent)
    assert event.usage is None
