"""`ChatMelious`: what it sends, what it answers, and what it says about the answer."""

import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.messages.ai import add_usage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_melious.errors import InvalidArgumentError
from melious import ProviderFilters, Timeout, track_impact
from melious.sandbox import Fault

PARAMETERS = {
    "temperature": 0.5,
    "max_tokens": 600,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.05,
    "frequency_penalty": 0.1,
    "presence_penalty": -0.1,
    "stop": ["END"],
    "seed": 7,
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"50256": -1.0},
    "reasoning_effort": "low",
    "user": "ada",
    "preset": "environment",
    "filters": {"countries": ["SE", "FR", "DE"], "max_carbon_intensity": 400},
}


def chat_bodies(sandbox):
    return [request.body for request in sandbox.requests.to("chat")]


def test_every_parameter_is_sent_from_the_constructor_and_per_call_alike(way, chat, sandbox):
    way.invoke(chat(**PARAMETERS), "Hello")
    way.invoke(chat(), "Hello", **PARAMETERS)
    way.invoke(chat().bind(**PARAMETERS), "Hello")
    way.stream(chat(), "Hello", **PARAMETERS)
    bodies = chat_bodies(sandbox)
    for body in bodies:
        assert {name: body[name] for name in PARAMETERS} == PARAMETERS
        assert set(body) - set(PARAMETERS) <= {"model", "messages", "stream", "stream_options"}


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
def test_a_call_overrides_the_constructor_and_none_takes_it_back(way, chat, sandbox):
    llm = chat(temperature=0.5, preset="speed", flavor="price")
    way.invoke(llm, "Hello", model="llama-3.3-70b-instruct", temperature=None, preset="quality")
    way.invoke(llm, "Hello", model="glm-5.3:eco")
    way.invoke(llm, "Hello", flavor="eco", stop="x")
    first, second, third = chat_bodies(sandbox)
    assert first["model"] == "llama-3.3-70b-instruct:price"
    assert "temperature" not in first
    assert first["preset"] == "quality"
    assert second["model"] == "glm-5.3:eco"
    assert (third["model"], third["stop"], third["preset"]) == ("glm-4.7:eco", "x", "speed")


def test_extra_fields_and_headers(way, chat, sandbox):
    llm = chat(extra_body={"a": 1}, default_headers={"x-team": "blue"})
    way.invoke(llm, "Hello", extra_body={"b": 2}, extra_headers={"x-trace": "t1"})
    request = sandbox.requests.to("chat")[0]
    assert (request.body["a"], request.body["b"]) == (1, 2)
    assert (request.headers["x-team"], request.headers["x-trace"]) == ("blue", "t1")


def test_an_empty_stop_is_not_sent(chat, sandbox):
    chat(stop=[]).invoke("Hello", stop=[])
    assert "stop" not in chat_bodies(sandbox)[0]


def test_the_answer_says_what_it_cost_and_who_gave_it(way, chat):
    llm = chat("glm-4.7:eco", preset="environment", filters={"countries": ["SE"]})
    with pytest.warns(UserWarning, match="preset: 'environment' has no effect with the flavor 'eco'"):
        message = way.invoke(llm, "What is a heat pump?")
    said = message.response_metadata
    assert said["model_provider"] == "melious"
    assert said["model_name"] == "glm-4.7"
    assert said["finish_reason"] == "stop"
    assert said["request_id"]
    assert said["id"]
    assert said["system_fingerprint"]
    assert said["environment_impact"]["carbon_g_co2"] > 0
    assert said["billing_cost"]["paid_with"] == "credits"
    assert said["routing"] == {
        "flavor": "eco",
        "filters": {"countries": ["SE"]},
        "provider_id": said["environment_impact"]["provider_id"],
        "location": "SE",
    }
    usage = message.usage_metadata
    assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"]
    assert usage["output_token_details"]["reasoning"] > 0
    assert all(isinstance(count, int) for count in (usage["input_tokens"], usage["output_tokens"]))


@pytest.mark.parametrize("streamed", [False, True])
def test_what_was_not_reported_is_absent(way, chat, sandbox, whole, streamed):
    sandbox.faults.add(Fault(impact="missing", cost="missing", usage="missing"))
    message = whole(way.stream(chat(), "Hello")) if streamed else way.invoke(chat(), "Hello")
    assert not {"environment_impact", "billing_cost", "token_usage", "routing"} & set(
        message.response_metadata
    )
    assert message.usage_metadata is None


def test_reasoning_is_kept_and_a_block(way, chat):
    message = way.invoke(chat(), "What is a heat pump?")
    assert message.additional_kwargs["reasoning_content"]
    thought, said = message.content_blocks
    assert thought == {"type": "reasoning", "reasoning": message.additional_kwargs["reasoning_content"]}
    assert said == {"type": "text", "text": message.content}
    quiet = way.invoke(chat(reasoning_effort="none"), "What is a heat pump?")
    assert "reasoning_content" not in quiet.additional_kwargs


def test_several_answers_and_their_costs_once(way, chat):
    llm = chat("llama-3.3-70b-instruct", n=2)
    (generations,) = way.call(llm, "generate", [[HumanMessage("Hello")]]).generations
    first, second = (generation.message for generation in generations)
    assert first.usage_metadata
    assert first.response_metadata["environment_impact"]
    assert second.usage_metadata is None
    assert "environment_impact" not in second.response_metadata
    assert second.response_metadata["finish_reason"] == "stop"
    with pytest.raises(InvalidArgumentError, match="generate"):
        way.stream(llm, "Hello")


def test_the_costs_of_several_prompts_are_added_up(way, chat):
    result = way.call(chat(), "generate", [[HumanMessage("Hello")], [HumanMessage("Good morning")]])
    messages = [generations[0].message for generations in result.generations]
    output = result.llm_output
    assert output["token_usage"]["total_tokens"] == sum(m.usage_metadata["total_tokens"] for m in messages)
    assert output["environment_impact"]["carbon_g_co2"] == pytest.approx(
        sum(m.response_metadata["environment_impact"]["carbon_g_co2"] for m in messages)
    )
    assert output["billing_cost"]["eur"] > 0
    add_usage(messages[0].usage_metadata, messages[1].usage_metadata)


def test_log_probabilities(way, chat, whole):
    llm = chat("llama-3.3-70b-instruct", logprobs=True)
    asked = way.invoke(llm, "Hello").response_metadata["logprobs"]["content"]
    streamed = whole(way.stream(llm, "Hello")).response_metadata["logprobs"]["content"]
    assert [entry["token"] for entry in asked] == [entry["token"] for entry in streamed]


def test_a_chain_batches_and_callbacks_see_tokens_and_usage(way, chat):
    class Tokens(BaseCallbackHandler):
        seen = ""

        def on_llm_new_token(self, token, **_):
            self.seen += token

    chain = ChatPromptTemplate.from_template("Tell me about {topic}.") | chat() | StrOutputParser()
    usage, tokens = UsageMetadataCallbackHandler(), Tokens()
    answers = way.call(chain, "batch", [{"topic": "ice"}, {"topic": "fire"}], {"callbacks": [usage]})
    assert ["ice" in answers[0], "fire" in answers[1]] == [True, True]
    assert usage.usage_metadata["glm-4.7"]["output_tokens"] > 0
    message = way.invoke(chat(streaming=True), "Hello", {"callbacks": [tokens]})
    assert tokens.seen == message.content


def test_the_ledger_hears_of_every_call(way, chat):
    with track_impact() as ledger:
        way.invoke(chat(), "Hello")
        way.stream(chat(), "Hello")
    assert ledger.total.requests == 2
    assert ledger.total.with_usage == 2


def test_parameters_show_in_traces(chat):
    llm = chat(temperature=0.2, preset="environment", filters=ProviderFilters(countries=["DE"]), stop="x")
    shown = llm._get_invocation_params(preset="speed")
    assert shown["_type"] == "melious-chat"
    assert (shown["temperature"], shown["preset"], shown["filters"]) == (0.2, "speed", {"countries": ["DE"]})
    assert "api_key" not in shown
    assert "default_headers" not in shown
    asked = llm._get_ls_params(model="glm-5.3", max_tokens=3)
    assert asked == {
        "ls_provider": "melious",
        "ls_model_name": "glm-5.3",
        "ls_model_type": "chat",
        "ls_temperature": 0.2,
        "ls_max_tokens": 3,
        "ls_stop": ["x"],
    }
    assert llm.metadata["lc_versions"]["melious"]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("model", ""),
        ("model", None),
        ("temperature", "hot"),
        ("max_tokens", "many"),
        ("stop", 5),
        ("n", 0),
        ("response_format", "json"),
        ("preset", 5),
        ("flavor", "fast"),
        ("filters", {"countries": 5}),
        ("timeout", "soon"),
        ("deadline", -1),
        ("max_retries", -1),
        ("auth", "basic"),
        ("streaming", "perhaps"),
        ("stream_impact", "both"),
        ("default_headers", [1]),
        ("rate_limiter", 5),
        ("cache", "x"),
        ("profile", 5),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_argument(chat, argument, value):
    with pytest.raises(InvalidArgumentError, match=rf"\b{argument}\b") as raised:
        chat(**{argument: value})
    assert "pydantic.dev" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"tempreature": 1}, "'temperature'"),
        ({"max_token": 1}, "'max_tokens'"),
        ({"baseurl": "x"}, "'base_url'"),
        ({"modle": "x"}, "'model'"),
        ({"stop_sequences": ["x"]}, "'stop'"),
        ({"model_kwargs": {}}, "'extra_body'"),
        ({"request_timeout": 5}, "'timeout'"),
        ({"hologram": 1}, "'hologram'.* go into extra_body"),
    ],
)
def test_a_misspelt_argument_is_an_error_with_a_hint(way, chat, sandbox, arguments, said):
    with pytest.raises(InvalidArgumentError, match=said):
        chat(**arguments)
    if "baseurl" not in arguments:
        with pytest.raises(InvalidArgumentError, match=said):
            way.invoke(chat(), "Hello", **arguments)
    assert not sandbox.requests


@pytest.mark.parametrize(
    "arguments",
    [
        {"temperature": "hot"},
        {"filters": {"max_carbon_intensity": -1}},
        {"timeout": -1},
        {"max_retries": -1},
        {"flavor": "spicy"},
        {"flavor": "eco", "model": "glm-4.7:price"},
        {"model": ""},
        {"base_url": "ftp://x"},
        {"api_key": " "},
        {"http_client": 5},
        {"async_http_client": 5},
    ],
)
def test_a_wrong_value_is_refused_at_construction_without_telling_the_key(chat, arguments):
    with pytest.raises(ValueError, match=r".") as caught:
        chat(**{"api_key": "sk-mel-very-secret"} | arguments)
    assert "very-secret" not in str(caught.value)


def test_no_key_names_the_variable(monkeypatch, chat):
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    with pytest.raises(ValueError, match="MELIOUS_API_KEY"):
        chat(api_key=None)


def test_key_and_address_from_the_environment(way, monkeypatch, sandbox, chat):
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url.removesuffix("/v1"))
    from langchain_melious import ChatMelious

    assert way.invoke(ChatMelious(model="glm-4.7"), "Hello").content


def test_the_profile_comes_from_the_catalogue(chat):
    profile = chat("glm-4.7:eco").profile
    assert profile["max_input_tokens"] == 131072
    assert profile["tool_calling"]
    assert profile["reasoning_output"]
    assert not profile["image_inputs"]
    assert not profile["structured_output"]
    assert chat("gemma-4-26b-a4b").profile["structured_output"]
    assert chat("gemma-4-26b-a4b").profile["image_inputs"]
    assert chat("brand-new").profile is None
    assert chat(profile={"max_input_tokens": 5}).profile == {"max_input_tokens": 5}


def test_tool_images_follow_the_profile(chat, sandbox):
    from langchain_core.messages import ToolMessage

    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    history = [
        HumanMessage("draw"),
        AIMessage("", tool_calls=[{"name": "draw", "args": {}, "id": "1"}]),
        ToolMessage([image], tool_call_id="1"),
    ]
    chat("gemma-4-26b-a4b").invoke(history)
    llm = chat("qwen3.5-9b", profile={"image_tool_message": True})
    llm.invoke(history)
    moved, kept = chat_bodies(sandbox)
    assert [m["role"] for m in moved["messages"]] == ["user", "assistant", "tool", "user"]
    assert kept["messages"][-1] == {"role": "tool", "content": [image], "tool_call_id": "1"}


def test_tokens_are_estimated_without_a_download(chat):
    llm = chat()
    assert 80 <= llm.get_num_tokens("heat pumps " * 40) <= 160
    tool = {"type": "function", "function": {"name": "search", "description": "Search " * 50}}
    plain = llm.get_num_tokens_from_messages([HumanMessage("Hello")])
    assert plain < llm.get_num_tokens_from_messages([HumanMessage("Hello")], [tool])
    with pytest.raises(NotImplementedError, match="custom_get_token_ids"):
        llm.get_token_ids("Hello")
    counted = chat(custom_get_token_ids=lambda text: [1] * len(text))
    assert counted.get_num_tokens("Hello") == 5


def test_a_timeout_in_parts(way, chat):
    assert way.invoke(chat(timeout=Timeout(connect=1.0, answer=20.0)), "Hello").content
    assert way.invoke(chat(), "Hello", timeout=20, deadline=30, max_retries=0).content


def test_chunks_are_message_chunks(way, chat):
    assert all(isinstance(chunk, AIMessageChunk) for chunk in way.stream(chat(), "Hello"))
