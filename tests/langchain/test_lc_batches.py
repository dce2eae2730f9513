"""Batch jobs of chat models and chains: order, bound things, failures, callbacks, another process."""

import json
import os
import subprocess
import sys

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel

from langchain_melious import MeliousBatchChain, get_melious_callback
from langchain_melious.errors import InvalidArgumentError, RateLimitError, ServerError
from melious import MeliousClient, track_impact
from melious.sandbox import Fault, Reply

SOON = {"poll": 0.01}
PROMPT = ChatPromptTemplate.from_template("Say {word}.")


class Person(BaseModel):
    """A person."""

    name: str
    age: int


ANNA, BERT = Person(name="Anna", age=31), Person(name="Bert", age=40)


class Seen(BaseCallbackHandler):
    """Keeps what callbacks are told."""

    def __init__(self):
        self.prompts, self.results, self.errors, self.tags = [], [], [], []

    def on_chat_model_start(self, serialized, messages, *, tags=None, **_):
        self.prompts += messages
        self.tags.append(tags)

    def on_llm_end(self, response, **_):
        self.results.append(response)

    def on_llm_error(self, error, **_):
        self.errors.append(error)


def scripted(sandbox, *texts):
    sandbox.replies.add(*(Reply(text=text) for text in texts))


def failing(sandbox, line, **fault):
    """Let a line of a batch fail."""
    fault = fault or {"code": "rate_limit"}
    sandbox.faults.add(Fault(endpoint="chat", **fault), when=lambda request: request.custom_id == line)


def sent_to(sandbox):
    """The bodies of the latest batch, as the sandbox got them."""
    client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
    batch = client.batches.list().data[0]
    with client.files.content(batch.input_file_id) as content:
        return [json.loads(line)["body"] for line in content.lines()]


def run(way, runnable, inputs, config=None, *, submit=None, **collect):
    """Submit inputs, and collect their answers by the id alone."""
    job = way.call(runnable, "submit_batch", inputs, config, **(submit or {}))
    return way.call(runnable, "collect_batch", job.id, config, **SOON, **collect)


def test_answers_are_messages_in_the_order_of_the_inputs(way, chat, sandbox):
    scripted(sandbox, "one", "two", "three", "four")
    messages = [SystemMessage("Be brief."), HumanMessage("Say two.")]
    inputs = ["Say one.", messages, [("user", "Say three.")], PROMPT.invoke({"word": "four"})]
    answers = run(way, chat(temperature=0.5), inputs)
    assert [answer.text for answer in answers] == ["one", "two", "three", "four"]
    assert all(isinstance(answer, AIMessage) and answer.usage_metadata for answer in answers)
    assert answers[0].response_metadata["environment_impact"]
    assert answers[0].response_metadata["model_name"] == "glm-4.7"
    sent = sent_to(sandbox)
    assert [body["messages"][-1]["content"] for body in sent] == [
        "Say one.",
        "Say two.",
        "Say three.",
        "Say four.",
    ]
    assert {body["temperature"] for body in sent} == {0.5}


def test_a_job_can_be_held_and_asked(way, chat, sandbox):
    scripted(sandbox, "one", "two")
    sandbox.batches.hold()
    llm = chat()
    job = way.call(llm, "submit_batch", ["Say one.", "Say two."], metadata={"project": "harbour"})
    assert not job.done
    assert job.batches[0].metadata["project"] == "harbour"
    sandbox.batches.release()
    assert [answer.text for answer in way.call(llm, "collect_batch", job, **SOON)] == ["one", "two"]


def test_tools_and_parameters_are_those_that_are_bound(way, chat, sandbox):
    def weather(city: str, days: int) -> str:
        """Tell the weather."""

    sandbox.replies.add(Reply(tool_calls=[("weather", '{"city": "Oslo", "days": "3"}')]))
    bound = chat().bind_tools([weather], tool_choice="any").bind(seed=7).with_config(tags=["harbour"])
    (answer,) = run(way, bound, ["The weather in Oslo?"], submit={"temperature": 0.25})
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [
        ("weather", {"city": "Oslo", "days": 3})
    ]
    (body,) = sent_to(sandbox)
    assert body["tools"][0]["function"]["name"] == "weather"
    assert (body["tool_choice"], body["seed"], body["temperature"]) == ("required", 7, 0.25)


def test_routing_is_that_of_the_model(way, chat, sandbox):
    llm = chat(preset="speed", filters={"countries": ["DE", "FR"]})
    (answer,) = run(way, llm, ["Hello"])
    (body,) = sent_to(sandbox)
    assert (body["preset"], body["filters"]) == ("speed", {"countries": ["DE", "FR"]})
    assert answer.response_metadata["routing"]["preset"] == "speed"


@pytest.mark.parametrize("include_raw", [False, True], ids=["parsed", "raw"])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_as_bound(way, chat, sandbox, method, include_raw):
    for person in (ANNA, BERT):
        text = person.model_dump_json()
        is_call = method == "function_calling"
        sandbox.replies.add(Reply(tool_calls=[("Person", text)]) if is_call else Reply(text=text))
    llm = chat("glm-5.3").with_structured_output(Person, method=method, include_raw=include_raw)
    made = run(way, MeliousBatchChain(llm), ["Anna is 31.", "Bert is 40."])
    if include_raw:
        assert all(isinstance(each["raw"], AIMessage) for each in made)
        made = [each["parsed"] for each in made]
    assert made == [ANNA, BERT]


def test_the_steps_before_run_with_the_inputs_and_those_after_with_the_answers(way, chat, sandbox):
    scripted(sandbox, "one", "two")
    chain = MeliousBatchChain((PROMPT | chat() | StrOutputParser()).with_config(tags=["harbour"]))
    seen = Seen()
    made = run(way, chain, [{"word": "one"}, {"word": "two"}], {"callbacks": [seen]})
    assert made == ["one", "two"]
    assert [body["messages"][0]["content"] for body in sent_to(sandbox)] == ["Say one.", "Say two."]
    assert len(seen.results) == 2


def test_the_config_chooses_the_model(way, chat, sandbox):
    llm = chat().configurable_fields(model=ConfigurableField("model"))
    config = {"configurable": {"model": "llama-3.1-8b-instruct"}}
    run(way, MeliousBatchChain(PROMPT | llm), [{"word": "one"}], config)
    assert sent_to(sandbox)[0]["model"] == "llama-3.1-8b-instruct"


COLLECT = """
import json, sys
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_melious import ChatMelious, MeliousBatchChain

prompt = ChatPromptTemplate.from_template("Say {word}.")
chain = MeliousBatchChain(prompt | ChatMelious("glm-4.7") | StrOutputParser())
print(json.dumps(chain.collect_batch(sys.argv[1], poll=0.01)))
"""


def test_another_process_collects_by_the_id(chat, sandbox):
    scripted(sandbox, "one", "two", "three")
    chain = MeliousBatchChain(PROMPT | chat() | StrOutputParser())
    job = chain.submit_batch([{"word": "one"}, {"word": "two"}, {"word": "three"}])
    env = os.environ | {"MELIOUS_API_KEY": sandbox.api_key, "MELIOUS_BASE_URL": sandbox.base_url}
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, job.id], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["one", "two", "three"]


def test_a_failed_line_is_in_its_place_or_raised(way, chat, sandbox):
    scripted(sandbox, "two", "three")
    failing(sandbox, "request-0")
    chain = MeliousBatchChain(PROMPT | chat() | StrOutputParser())
    words = [{"word": "one"}, {"word": "two"}, {"word": "three"}]
    job = way.call(chain, "submit_batch", words)
    found = way.call(chain, "collect_batch", job.id, return_exceptions=True, **SOON)
    assert found[1:] == ["two", "three"]
    assert isinstance(found[0], RateLimitError)
    with pytest.raises(RateLimitError) as caught:
        way.call(chain, "collect_batch", job.id, **SOON)
    assert "inputs[0]" in caught.value.__notes__[0]


def test_an_answer_that_does_not_fit_is_an_error_in_its_place(way, chat, sandbox):
    scripted(sandbox, ANNA.model_dump_json(), "I would rather not say.")
    chain = MeliousBatchChain(chat("glm-5.3").with_structured_output(Person, method="json_schema"))
    found = run(way, chain, ["Anna is 31.", "Bert is 40."], return_exceptions=True)
    assert found[0] == ANNA
    assert "I would rather not say." in str(found[1])


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_lines_of_a_job_that_ended_early_are_errors(way, chat, sandbox, end):
    scripted(sandbox, "one")
    sandbox.batches.hold()
    llm = chat()
    job = way.call(llm, "submit_batch", ["Say one.", "Say two.", "Say three."])
    sandbox.batches.step(1)
    while len(sandbox.replies):
        job = way.call(llm, "submit_batch", ["Say one.", "Say two.", "Say three."])  # finds the same job
    if end == "expired":
        sandbox.batches.expire()
    else:
        llm._sync_client().batches.cancel(job.id)
    found = way.call(llm, "collect_batch", job.id, return_exceptions=True, **SOON)
    assert found[0].text == "one"
    assert [(type(each), each.code) for each in found[1:]] == [(ServerError, f"batch_{end}")] * 2


def test_callbacks_and_ledgers_count_each_line(way, chat, sandbox):
    failing(sandbox, "request-1")
    seen, llm = Seen(), chat(streaming=True)
    with track_impact() as ledger, get_melious_callback() as callback, get_usage_metadata_callback() as usage:
        found = run(way, llm, ["One?", "Two?", "Three?"], {"callbacks": [seen]}, return_exceptions=True)
    assert [isinstance(each, AIMessage) for each in found] == [True, False, True]
    assert (len(seen.results), len(seen.errors)) == (2, 1)
    assert isinstance(seen.errors[0], RateLimitError)
    assert (ledger.total.requests, ledger.total.failed) == (2, 1)
    assert (callback.total.requests, callback.total.failed) == (2, 1)
    assert callback.total.eur == ledger.total.eur > 0
    written = sum(each.usage_metadata["output_tokens"] for each in (found[0], found[2]))
    assert sum(each["output_tokens"] for each in usage.usage_metadata.values()) == written


def test_callbacks_see_prompts_where_they_are_asked_for(way, chat, sandbox):
    seen, llm = Seen(), chat()
    inputs = [[SystemMessage("Be brief."), HumanMessage("One?")], "Two?"]
    job = way.call(llm, "submit_batch", inputs)
    way.call(llm, "collect_batch", job.id, {"callbacks": [seen]}, **SOON)
    assert seen.prompts == [[], []]
    seen.prompts.clear()
    way.call(llm, "collect_batch", job.id, {"callbacks": [seen]}, prompts=True, **SOON)
    texts = sorted([(message.type, message.text) for message in prompt] for prompt in seen.prompts)
    assert texts == [[("human", "Two?")], [("system", "Be brief."), ("human", "One?")]]


def test_the_cache_is_neither_asked_nor_filled(way, chat, sandbox):
    cache = InMemoryCache()
    llm = chat(cache=cache)
    scripted(sandbox, "cached", "in the job")
    assert way.invoke(llm, "Hello").text == "cached"
    (answer,) = run(way, llm, ["Hello"])
    assert answer.text == "in the job"
    assert len(cache._cache) == 1


def test_many_answers_have_a_config_each(way, chat, sandbox):
    places = range(1005)
    seen = Seen()
    configs = [{"callbacks": [seen], "tags": [str(place)]} for place in places]
    answers = run(way, chat("llama-3.1-8b-instruct"), [f"Say {place}." for place in places], configs)
    assert len(answers) == len({answer.id for answer in answers}) == len(seen.results) == 1005
    assert sorted(tags[0] for tags in seen.tags) == sorted(map(str, places))


def test_submitting_the_same_again_finds_the_job(way, chat, sandbox):
    llm = chat()
    first, second, third = (
        way.call(llm, "submit_batch", ["Hello"], reuse=reuse) for reuse in (True, True, False)
    )
    assert first.id == second.id != third.id


WRONG = {
    "nothing": ([], {}, "inputs: must not be empty"),
    "a text": ("Hello", {}, "inputs: must be a list of inputs, not str"),
    "not a prompt": (["Hello", 7], {}, r"inputs\[1\]: "),
    "a message instead of a list": (["Hello", HumanMessage("Hello")], {}, r"inputs\[1\]: "),
    "a filter": (["Hello"], {"filters": {"countries": ["XX"]}}, "XX"),
    "an unknown parameter": (["Hello"], {"temprature": 1}, "temprature"),
    "an option of calls": (["Hello"], {"timeout": 3}, "timeout"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_and_nothing_is_sent(way, chat, sandbox, name):
    inputs, options, said = WRONG[name]
    with pytest.raises(InvalidArgumentError, match=said):
        way.call(chat(), "submit_batch", inputs, **options)
    assert not sandbox.requests


@pytest.mark.parametrize("job", [7, None, " "], ids=repr)
def test_what_is_no_job_is_refused(way, chat, sandbox, job):
    with pytest.raises(InvalidArgumentError, match="job: must be a job or its id"):
        way.call(chat(), "collect_batch", job)
    assert not sandbox.requests


def test_a_job_of_another_kind_is_refused(way, chat, embeddings, sandbox):
    job = way.call(embeddings(), "submit_batch", ["a kettle"])
    with pytest.raises(
        InvalidArgumentError, match=r"must have requests for chat, but those of .* embeddings"
    ):
        way.call(chat(), "collect_batch", job.id)


@pytest.mark.parametrize(
    "wrong", [["a", 5], b"bytes", [("tool", "a result without its call")]], ids=["number", "bytes", "tool"]
)
def test_inputs_that_are_no_messages_are_named(way, chat, sandbox, wrong):
    with pytest.raises(InvalidArgumentError, match=r"inputs\[1\]"):
        way.call(chat(), "submit_batch", ["Hello.", wrong])
    assert len(sandbox.requests) == 0
