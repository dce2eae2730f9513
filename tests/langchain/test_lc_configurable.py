"""Models whose fields are chosen when a chain is called: configurable fields, alternatives, fallbacks, kwargs."""

import asyncio

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.output_parsers import PydanticOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel

from langchain_melious.errors import (
    AuthenticationError,
    InvalidArgumentError,
    ModelNotFoundError,
    RateLimitError,
    ServerError,
)
from melious.sandbox import Fault

FIRST, OTHER = "llama-3.3-70b-instruct", "qwen3-32b"


class Person(BaseModel):
    """Somebody."""

    name: str


def get_weather(city: str) -> str:
    """Get the current weather in a given city."""
    return f"It is sunny in {city}."


def configured(**values):
    return {"configurable": values}


def sent(sandbox):
    return sandbox.requests.to("chat")[-1].body


class Params(BaseCallbackHandler):
    """What callbacks are told about a call of the model."""

    def on_chat_model_start(self, _serialized, _messages, *, metadata=None, invocation_params=None, **_):
        self.metadata, self.invocation = metadata, invocation_params


@pytest.fixture
def open_llm(chat):
    """Everything that is chosen per call, under names of one's own."""
    return chat(FIRST, temperature=0.1).configurable_fields(
        model=ConfigurableField(id="model", name="Model"),
        temperature=ConfigurableField(id="temperature"),
        preset=ConfigurableField(id="preset"),
        filters=ConfigurableField(id="filters"),
        max_tokens=ConfigurableField(id="most"),
    )


# --- fields ------------------------------------------------------------------------------------------


def test_fields_are_chosen_by_the_call(way, open_llm, sandbox):
    filters = {"countries": ["FR", "DE"], "max_carbon_intensity": 400}
    config = configured(model=OTHER, temperature=0.9, preset="environment", filters=filters, most=300)
    message = way.invoke(open_llm, "Hello", config)
    body = sent(sandbox)
    assert (body["model"], body["temperature"], body["preset"]) == (OTHER, 0.9, "environment")
    assert (body["filters"], body["max_tokens"]) == (filters, 300)
    assert message.response_metadata["model_name"] == OTHER
    assert message.response_metadata["routing"]["preset"] == "environment"
    way.invoke(open_llm, "Hello")
    assert (sent(sandbox)["model"], sent(sandbox)["temperature"]) == (FIRST, 0.1)
    assert "preset" not in sent(sandbox)


def test_fields_are_chosen_for_a_stream_and_a_batch(way, open_llm, sandbox):
    assert len(way.stream(open_llm, "Hello", configured(model=OTHER))) > 3
    assert sent(sandbox)["model"] == OTHER
    way.call(
        open_llm, "batch", ["a", "b"], [configured(model=OTHER), configured(model=FIRST, preset="speed")]
    )
    seen = {request.body["messages"][0]["content"]: request.body for request in sandbox.requests.to("chat")}
    assert seen["a"]["model"] == OTHER
    assert (seen["b"]["model"], seen["b"]["preset"]) == (FIRST, "speed")


def test_a_config_can_be_fixed_beforehand(way, open_llm, sandbox):
    fixed = open_llm.with_config(configured(model=OTHER, preset="price"), tags=["cheap"])
    way.invoke(fixed, "Hello")
    assert (sent(sandbox)["model"], sent(sandbox)["preset"]) == (OTHER, "price")
    way.invoke(fixed, "Hello", configured(preset="speed"))
    assert (sent(sandbox)["model"], sent(sandbox)["preset"]) == (OTHER, "speed")


def test_a_wrong_value_is_refused_before_anything_is_sent(way, open_llm, sandbox):
    for wrong in ({"filters": {"max_carbon_intensity": -1}}, {"model": ""}, {"temperature": "hot"}):
        with pytest.raises(ValueError, match=r"."):
            way.invoke(open_llm, "Hello", configured(**wrong))
    assert not sandbox.requests


def test_what_was_chosen_shows_in_traces(way, open_llm):
    seen = Params()
    way.invoke(open_llm, "Hello", {"callbacks": [seen], **configured(model=OTHER, preset="speed")})
    assert seen.metadata["ls_model_name"] == OTHER
    assert seen.metadata["ls_temperature"] == 0.1
    assert (seen.invocation["model"], seen.invocation["preset"]) == (OTHER, "speed")


def test_tools_and_schemas_bound_to_a_configurable_model(way, open_llm, sandbox):
    """LangChain's `bind_tools` there would bind the default model; `bind` waits for the choice."""
    tools = open_llm.bind(tools=[get_weather], tool_choice="any")
    message = way.invoke(tools, "What is the weather in Rome?", configured(model=OTHER))
    assert message.tool_calls[0]["args"] == {"city": "Rome"}
    assert (sent(sandbox)["model"], sent(sandbox)["tool_choice"]) == (OTHER, "required")
    structured = open_llm.bind(response_format=Person) | PydanticOutputParser(pydantic_object=Person)
    assert way.invoke(structured, "My name is Maria.", configured(model=OTHER)) == Person(name="Maria")
    assert sent(sandbox)["model"] == OTHER
    assert sent(sandbox)["response_format"]["json_schema"]["name"] == "Person"


def test_tools_and_schemas_of_a_model_whose_name_is_given_with_the_call(way, chat, sandbox):
    message = way.invoke(chat(FIRST).bind_tools([get_weather]), "What is the weather in Rome?", model=OTHER)
    assert message.tool_calls[0]["args"] == {"city": "Rome"}
    assert message.response_metadata["model_name"] == OTHER
    alternatives = (
        chat("glm-4.6")
        .with_structured_output(Person)
        .configurable_alternatives(
            ConfigurableField(id="llm"), other=chat(OTHER).with_structured_output(Person)
        )
    )
    for chosen, field in (("default", "tools"), ("other", "response_format")):
        made = way.invoke(alternatives, "My name is Maria.", configured(llm=chosen))
        assert made == Person(name="Maria")
        assert field in sent(sandbox)


def test_embeddings_and_rerank_take_their_choices_per_call(way, embeddings, rerank, sandbox):
    way.call(embeddings(), "embed_query", "Hello", model="multilingual-e5-large", preset="speed")
    assert (sandbox.requests[-1].body["model"], sandbox.requests[-1].body["preset"]) == (
        *("multilingual-e5-large", "speed"),
    )
    step = rerank().as_runnable(top_n=1, preset="speed")
    assert len(way.invoke(step, {"query": "a", "documents": []})) == 0
    way.call(rerank(), "rerank", ["a", "b"], "a", preset="speed", top_n=1)
    assert (sandbox.requests[-1].body["preset"], sandbox.requests[-1].body["top_n"]) == ("speed", 1)


# --- alternatives and fallbacks ----------------------------------------------------------------------


def test_alternatives_are_chosen_by_name(way, chat, sandbox):
    llm = chat(FIRST).configurable_alternatives(
        ConfigurableField(id="llm"), default_key="plain", thinks=chat("glm-4.7"), cheap=lambda: chat(OTHER)
    )
    chain = ChatPromptTemplate.from_template("Tell me about {topic}.") | llm
    for chosen, model in ((None, FIRST), ("plain", FIRST), ("thinks", "glm-4.7"), ("cheap", OTHER)):
        config = configured(llm=chosen) if chosen else None
        assert "ice" in way.invoke(chain, {"topic": "ice"}, config).text
        assert sent(sandbox)["model"] == model
    with pytest.raises(ValueError, match="unknown"):
        way.invoke(chain, {"topic": "ice"}, configured(llm="unknown"))


def test_a_fallback_answers_when_the_first_cannot(way, chat, sandbox):
    llm = chat(FIRST, max_retries=0).with_fallbacks([chat(OTHER)])
    for fault in (Fault(status=503), Fault(code="no_providers"), Fault(code="model_not_found")):
        sandbox.faults.add(fault)
        assert way.invoke(llm, "Hello").response_metadata["model_name"] == OTHER
    sandbox.faults.add(Fault(status=503))
    assert "".join(chunk.text for chunk in way.stream(llm, "Hello"))
    assert sent(sandbox)["model"] == OTHER


def test_a_fallback_for_some_errors_only(way, chat, sandbox):
    llm = chat(FIRST, max_retries=0).with_fallbacks([chat(OTHER)], exceptions_to_handle=(ServerError,))
    sandbox.faults.add(Fault(status=503))
    assert way.invoke(llm, "Hello").text
    sandbox.faults.add(Fault(code="auth"))
    with pytest.raises(AuthenticationError):
        way.invoke(llm, "Hello")


def test_tools_and_schemas_with_fallbacks(way, chat, sandbox):
    llm = chat("glm-4.6", max_retries=0).with_fallbacks([chat(FIRST)])
    sandbox.faults.add(Fault(status=503))
    assert way.invoke(llm.with_structured_output(Person), "My name is Maria.") == Person(name="Maria")
    first, second = (request.body for request in sandbox.requests.to("chat"))
    assert first["tools"][0]["function"]["name"] == "Person"
    assert second["response_format"]["type"] == "json_schema"
    sandbox.faults.add(Fault(status=503))
    message = way.invoke(llm.bind_tools([get_weather]), "What is the weather in Rome?")
    assert message.tool_calls[0]["name"] == "get_weather"


def test_langchains_retries_take_over_where_ours_are_off(way, chat, sandbox):
    sandbox.faults.add(Fault(status=503), Fault(code="rate_limit"))
    llm = chat(FIRST, max_retries=0, max_rate_limit_wait=0.0).with_retry(
        retry_if_exception_type=(ServerError, RateLimitError),
        wait_exponential_jitter=False,
        stop_after_attempt=3,
    )
    assert way.invoke(llm, "Hello").text
    assert len(sandbox.requests) == 3
    with pytest.raises(ModelNotFoundError):
        way.invoke(
            chat("no-such-model", max_retries=0).with_retry(retry_if_exception_type=(ServerError,)), "x"
        )
    assert len(sandbox.requests) == 4


# --- arguments of a call -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
def test_arguments_given_to_a_chain_reach_its_model(way, chat, sandbox):
    chain = ChatPromptTemplate.from_template("Tell me about {topic}.") | chat(FIRST, preset="speed")
    way.invoke(chain.last.bind(preset="quality"), "Hello")
    assert sent(sandbox)["preset"] == "quality"
    bound = (ChatPromptTemplate.from_template("{topic}") | chat(FIRST).bind(stop=["END"])) | StrOutputParser()
    way.invoke(bound, {"topic": "Hello"})
    assert sent(sandbox)["stop"] == ["END"]
    llm = chat(FIRST, preset="speed")
    way.invoke(llm.bind(preset="price").bind(temperature=0.0), "Hello", model=f"{OTHER}:eco")
    body = sent(sandbox)
    assert (body["preset"], body["temperature"], body["model"]) == ("price", 0.0, f"{OTHER}:eco")


def test_arguments_of_a_call_show_in_traces(way, chat):
    seen = Params()
    filters = {"countries": ["FR"]}
    llm = chat(FIRST, temperature=0.7, preset="speed")
    way.invoke(
        llm,
        "Hello",
        {"callbacks": [seen]},
        model=OTHER,
        temperature=0.0,
        max_tokens=300,
        stop=["END"],
        preset="price",
        filters=filters,
    )
    expected = {
        "ls_provider": "melious",
        "ls_model_type": "chat",
        "ls_model_name": OTHER,
        "ls_temperature": 0.0,
        "ls_max_tokens": 300,
        "ls_stop": ["END"],
    }
    assert {name: seen.metadata[name] for name in expected} == expected
    for name, value in {"model": OTHER, "temperature": 0.0, "preset": "price", "filters": filters}.items():
        assert seen.invocation[name] == value


def test_a_changed_model_is_another_one_for_the_cache(chat):
    """What identifies a model for a cache of answers changes with every field that changes the answer."""
    base = chat(FIRST)
    changes = (
        *({"model": OTHER}, {"temperature": 0.0}, {"preset": "price"}, {"filters": {"countries": ["FR"]}}),
        *({"flavor": "eco"}, {"seed": 1}, {"max_tokens": 5}, {"extra_body": {"a": 1}}),
    )
    made = {chat(**{"model": FIRST} | change)._get_llm_string() for change in changes}
    called = {base._get_llm_string(**change) for change in changes}
    assert len({base._get_llm_string(), *made}) == len({base._get_llm_string(), *called}) == 9
    assert base._get_llm_string() == chat(FIRST)._get_llm_string()


def test_a_misspelt_argument_is_refused_through_a_chain(way, chat, sandbox):
    chain = ChatPromptTemplate.from_template("{topic}") | chat(FIRST).bind(tempreature=1)
    with pytest.raises(InvalidArgumentError, match="temperature"):
        way.invoke(chain, {"topic": "Hello"})
    assert not sandbox.requests


def test_many_choices_at_once_do_not_mix(open_llm, sandbox):
    models = [FIRST, OTHER, "glm-4.7", "gpt-oss-120b"] * 4

    async def run():
        return await asyncio.gather(
            *(open_llm.ainvoke(f"Hello {n}", configured(model=model)) for n, model in enumerate(models))
        )

    answers = asyncio.run(run())
    assert [answer.response_metadata["model_name"] for answer in answers] == models


def test_the_profile_follows_the_model_unless_it_was_given(chat):
    field, seeing = ConfigurableField(id="model"), {"configurable": {"model": "gemma-4-31b"}}
    chosen, _ = chat("glm-4.6").configurable_fields(model=field)._prepare(seeing)
    assert chosen.profile == chat("gemma-4-31b").profile
    given = chat("glm-4.6", profile={"max_input_tokens": 77})
    chosen, _ = given.configurable_fields(model=field)._prepare(seeing)
    assert chosen.profile == {"max_input_tokens": 77}
