"""Batch jobs of an LLM: order, tools, objects, failures, events, another process."""

import json
import os
import subprocess
import sys

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

from llama_index_melious import MeliousUsageEvent, StructuredOutputError
from melious import MeliousClient, track_impact
from melious.errors import InvalidArgumentError, RateLimitError, ServerError
from melious.sandbox import Fault, Reply

SOON = {"poll": 0.01}


class Person(BaseModel):
    """A person."""

    name: str
    age: int


ANNA = Person(name="Anna", age=31)


class Events(BaseEventHandler):
    """Keeps the events of chats and of usage."""

    seen: list = Field(default_factory=list)

    def handle(self, event, **_):
        if isinstance(event, MeliousUsageEvent | LLMChatEndEvent):
            self.seen.append(event)


@pytest.fixture
def events():
    dispatcher, handler = get_dispatcher(), Events()
    dispatcher.add_event_handler(handler)
    yield handler.seen
    dispatcher.event_handlers.remove(handler)


def scripted(sandbox, *texts):
    sandbox.replies.add(*(Reply(text=text) for text in texts))


def failing(sandbox, line):
    """Let a line of a batch fail."""
    fault = Fault(endpoint="chat", code="rate_limit")
    sandbox.faults.add(fault, when=lambda request: request.custom_id == line)


def sent_to(sandbox):
    """The bodies of the latest batch, as the sandbox got them."""
    client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
    batch = client.batches.list().data[0]
    with client.files.content(batch.input_file_id) as content:
        return [json.loads(line)["body"] for line in content.lines()]


async def test_responses_come_in_the_order_of_the_conversations(way, make_llm, sandbox):
    scripted(sandbox, "one", "two")
    llm = make_llm(temperature=0.5, preset="speed", deadline=30, stream_impact="buffer")
    conversations = ["Say one.", [ChatMessage(role="system", content="Be brief."), ChatMessage("Say two.")]]
    job = await way(llm, "submit_batch", conversations, metadata={"project": "harbour"}, seed=7)
    responses = await way(llm, "collect_batch", job.id, **SOON)
    assert [response.message.content for response in responses] == ["one", "two"]
    assert responses[0].additional_kwargs["completion_tokens"] > 0
    assert responses[0].additional_kwargs["environment_impact"]
    sent = sent_to(sandbox)
    assert [body["messages"][-1]["content"] for body in sent] == ["Say one.", "Say two."]
    assert {(body["temperature"], body["preset"], body["seed"]) for body in sent} == {(0.5, "speed", 7)}
    assert job.batches[0].metadata["project"] == "harbour"


async def test_tools_are_offered_and_their_calls_read(way, make_llm, sandbox):
    def weather(city: str, days: int) -> str:
        """Tell the weather."""

    tool = FunctionTool.from_defaults(weather)
    calls = [("weather", '{"city": "Oslo", "days": "3"}'), ("weather", '{"city": "Rome", "days": 1}')]
    sandbox.replies.add(Reply(tool_calls=calls))
    llm = make_llm()
    job = await way(llm, "submit_batch", ["The weather in Oslo?"], tools=[tool], tool_required=True)
    (response,) = await way(llm, "collect_batch", job, tools=[tool], **SOON)
    (call,) = llm.get_tool_calls_from_response(response)
    assert (call.tool_name, call.tool_kwargs) == ("weather", {"city": "Oslo", "days": 3})
    (both,) = await way(llm, "collect_batch", job, tools=[tool], allow_parallel_tool_calls=True, **SOON)
    assert len(llm.get_tool_calls_from_response(both)) == 2
    with pytest.raises(TypeError, match="return_exception"):
        await way(llm, "collect_batch", job, return_exception=True)
    (body,) = sent_to(sandbox)
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)


@pytest.mark.parametrize("mode", [PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION])
async def test_objects_are_the_raw_of_the_responses(way, make_llm, sandbox, mode):
    is_call = mode == PydanticProgramMode.FUNCTION
    text = ANNA.model_dump_json()
    sandbox.replies.add(Reply(tool_calls=[("Person", text)]) if is_call else Reply(text=text))
    llm = make_llm(model="glm-5.3", pydantic_program_mode=mode, system_prompt="Be brief.")
    job = await way(llm, "submit_batch", ["{Anna} is 31."], output_cls=Person)
    (response,) = await way(llm, "collect_batch", job.id, output_cls=Person, **SOON)
    assert response.raw == ANNA
    assert json.loads(response.message.content) == {"name": "Anna", "age": 31}
    assert response.additional_kwargs["completion_tokens"] > 0
    (body,) = sent_to(sandbox)
    assert [message["content"] for message in body["messages"]] == ["Be brief.", "{Anna} is 31."]


async def test_failed_lines_are_in_their_places_or_raised(way, make_llm, sandbox):
    scripted(sandbox, ANNA.model_dump_json(), "I would rather not say.")
    failing(sandbox, "request-0")
    llm = make_llm()
    job = await way(llm, "submit_batch", ["Carl?", "Anna?", "Bert?"], output_cls=Person)
    found = await way(llm, "collect_batch", job.id, output_cls=Person, return_exceptions=True, **SOON)
    assert isinstance(found[0], RateLimitError)
    assert found[1].raw == ANNA
    assert isinstance(found[2], StructuredOutputError)
    with pytest.raises(RateLimitError) as caught:
        await way(llm, "collect_batch", job.id, **SOON)
    assert "conversations[0]" in caught.value.__notes__[0]


@pytest.mark.parametrize("end", ["expired", "cancelled"])
async def test_lines_of_a_job_that_ended_early_are_errors(way, make_llm, sandbox, end):
    sandbox.batches.hold()
    llm = make_llm()
    job = await way(llm, "submit_batch", ["One?", "Two?"])
    if end == "expired":
        sandbox.batches.expire()
    else:
        MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url).batches.cancel(job.id)
    found = await way(llm, "collect_batch", job.id, return_exceptions=True, **SOON)
    assert [(type(each), each.code) for each in found] == [(ServerError, f"batch_{end}")] * 2


async def test_events_and_ledgers_count_each_line(way, make_llm, sandbox, events):
    failing(sandbox, "request-1")
    counter = TokenCountingHandler(tokenizer=str.split)
    llm = make_llm(callback_manager=CallbackManager([counter]))
    with track_impact() as ledger:
        job = await way(llm, "submit_batch", ["One?", "Two?", "Three?"])
        found = await way(llm, "collect_batch", job.id, return_exceptions=True, **SOON)
    usages = [event for event in events if isinstance(event, MeliousUsageEvent)]
    chats = [event for event in events if isinstance(event, LLMChatEndEvent)]
    assert len(usages) == len(chats) == 2
    assert [event.response for event in chats] == [found[0], found[2]]
    assert sum(event.billing_cost.eur for event in usages) == ledger.total.eur
    assert (ledger.total.requests, ledger.total.failed) == (2, 1)
    written = sum(found[place].additional_kwargs["completion_tokens"] for place in (0, 2))
    assert counter.completion_llm_token_count == written


COLLECT = """
import json, sys
from llama_index_melious import Melious

responses = Melious(sys.argv[1]).collect_batch(sys.argv[2], poll=0.01)
print(json.dumps([response.message.content for response in responses]))
"""


def test_another_process_collects_by_the_id(make_llm, sandbox):
    scripted(sandbox, "one", "two")
    llm = make_llm()
    job = llm.submit_batch(["Say one.", "Say two."])
    env = os.environ | {"MELIOUS_API_KEY": sandbox.api_key, "MELIOUS_BASE_URL": sandbox.base_url}
    command = [sys.executable, "-c", COLLECT, llm.model, job.id]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["one", "two"]


async def test_submitting_the_same_again_finds_the_job(way, make_llm, sandbox):
    llm = make_llm()
    ids = [(await way(llm, "submit_batch", ["Hello"], reuse=reuse)).id for reuse in (True, True, False)]
    assert ids[0] == ids[1] != ids[2]


WRONG = {
    "nothing": ([], {}, "conversations: must not be empty"),
    "a text": ("Hello", {}, "conversations: must be a list of conversations, not str"),
    "no message": (["Hello", [7]], {}, r"conversations\[1\]: messages\[0\]: must be a ChatMessage"),
    "a bare message": (["Hello", ChatMessage("Hello")], {}, r"conversations\[1\]: messages: .*into a list"),
    "an unknown parameter": (["Hello"], {"temprature": 1}, "temprature"),
    "an option of calls": (["Hello"], {"timeout": 3}, "timeout"),
    "tools and a class": (["Hello"], {"tools": [1], "output_cls": Person}, "^tools: cannot be combined"),
    "no list of tools": (["Hello"], {"tools": 7}, r"^tools: must be a list of tools, not int"),
    "a bare function": (["Hello"], {"tools": [print]}, r"^tools\[0\]: must be a tool .*FunctionTool"),
    "no class": (["Hello"], {"output_cls": dict}, r"^output_cls: must be a subclass of pydantic.BaseModel"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_named_and_nothing_is_sent(way, make_llm, sandbox, name):
    conversations, options, said = WRONG[name]
    with pytest.raises(InvalidArgumentError, match=said):
        await way(make_llm(), "submit_batch", conversations, **options)
    assert not sandbox.requests


@pytest.mark.parametrize("job", [7, None, " "], ids=repr)
async def test_what_is_no_job_is_refused(way, make_llm, sandbox, job):
    with pytest.raises(InvalidArgumentError, match="job: must be a job or its id"):
        await way(make_llm(), "collect_batch", job)
    assert not sandbox.requests


async def test_a_job_of_embeddings_is_refused(way, make_llm, sandbox):
    client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
    job = client.batches.submit([{"model": "bge-m3", "input": "Tea."}], endpoint="/v1/embeddings")
    with pytest.raises(
        InvalidArgumentError, match=r"must have requests for chat, but those of .* embeddings"
    ):
        await way(make_llm(), "collect_batch", job.id)


async def test_a_program_of_llamaindex_cannot_wait_for_a_batch(way, make_llm, sandbox):
    llm = make_llm(pydantic_program_mode=PydanticProgramMode.OPENAI)
    with pytest.raises(InvalidArgumentError, match="output_cls: a batch does not support"):
        await way(llm, "submit_batch", ["Hello"], output_cls=Person)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tools": 5}, "tools: must be a list of tools"),
        ({"tools": "search"}, "tools: must be a list of tools"),
        ({"tools": [5]}, r"tools\[0\]: must be a tool of LlamaIndex"),
        ({"output_cls": 5}, "output_cls: must be a subclass of pydantic.BaseModel"),
        ({"output_cls": dict}, "output_cls: must be a subclass of pydantic.BaseModel"),
    ],
    ids=repr,
)
async def test_what_cannot_be_tools_or_a_class_is_refused(way, make_llm, sandbox, wrong, said):
    with pytest.raises(InvalidArgumentError, match=said):
        await way(make_llm(), "submit_batch", ["Hello."], **wrong)
    with pytest.raises(InvalidArgumentError, match=said):
        await way(make_llm(), "collect_batch", "batch_1", **wrong)
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("wrong", [{"messages": []}, {"reuse": "no"}], ids=repr)
async def test_what_a_batch_would_ignore_or_mistake_is_refused(way, make_llm, sandbox, wrong):
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        await way(make_llm(), "submit_batch", ["Hello."], **wrong)
    assert len(sandbox.requests) == 0
