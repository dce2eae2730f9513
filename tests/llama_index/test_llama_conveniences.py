"""The model by position, its other name, and LlamaIndex's usual import paths."""

import copy
import pickle
from copy import deepcopy

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.utilities.token_counting import TokenCounter

import llama_index_melious
from melious.errors import InvalidArgumentError, NotFoundError
from melious.sandbox import Fault

KEY = "sk-mel-0123456789"
CLASSES = ["Melious", "MeliousEmbedding", "MeliousRerank", "MeliousAudioReader", "MeliousToolSpec"]


@pytest.mark.parametrize("name", CLASSES)
def test_the_model_by_position(name):
    kind = getattr(llama_index_melious, name)
    assert kind("some-model", api_key=KEY).model == "some-model"
    with pytest.raises(InvalidArgumentError, match=f"{name}: takes only the model by position"):
        kind("some-model", KEY)
    with pytest.raises(InvalidArgumentError, match=f"{name}: model: is given twice"):
        kind("some-model", model="another", api_key=KEY)


@pytest.mark.parametrize("name", ["Melious", "MeliousEmbedding"])
def test_the_name_of_the_model(name):
    assert getattr(llama_index_melious, name)("some-model", api_key=KEY).model_name == "some-model"


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(
    "argument", ["is_chat_model", "reuse_client", "api_version", "should_use_structured_outputs", "tokenizer"]
)
def test_arguments_of_other_integrations_that_nothing_needs(name, argument):
    with pytest.raises(InvalidArgumentError, match=f"{argument}'; leave it out, it is not needed"):
        getattr(llama_index_melious, name)("some-model", api_key=KEY, **{argument: True})


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("additional_headers", "default_headers"),
        ("max_completion_tokens", "max_tokens"),
        ("model_name", "model"),
        ("request_timeout", "timeout"),
    ],
)
def test_what_other_integrations_call_an_argument(argument, meant):
    with pytest.raises(InvalidArgumentError, match=f"did you mean '{meant}'"):
        llama_index_melious.Melious("some-model", api_key=KEY, **{argument: 1})


def test_readers_and_tools_have_their_usual_paths():
    from llama_index.readers.melious import MeliousAudioReader
    from llama_index.tools.melious import MeliousHostedToolSpec, MeliousToolSpec

    assert MeliousAudioReader is llama_index_melious.MeliousAudioReader
    assert MeliousToolSpec is llama_index_melious.MeliousToolSpec
    assert MeliousHostedToolSpec is llama_index_melious.MeliousHostedToolSpec


@pytest.mark.parametrize("text", ["", " \n", None, 5], ids=repr)
async def test_a_bad_text_is_named_by_its_place_before_anything_is_sent(make_embedding, way, sandbox, text):
    texts = ["a text"] * 250
    texts[205] = text
    with pytest.raises(InvalidArgumentError, match=r"texts\[205\]: must be a string that is not blank"):
        await way(make_embedding(), "get_text_embedding_batch", texts)
    assert not sandbox.requests


def test_the_service_counts_for_the_counters_of_llama_index(make_llm, sandbox):
    llm = make_llm()
    counter = TokenCounter(tokenizer=llm.service_tokenizer(cache_size=2))
    assert len(sandbox.requests) == 0
    short, longer = (counter.get_string_tokens(text) for text in ("Hi", "Hi. " * 50))
    assert 0 < short < longer
    assert counter.get_string_tokens("Hi") == short
    assert [request.path for request in sandbox.requests] == ["/v1/messages/count_tokens"] * 2
    assert llm.service_tokenizer()("") == []
    sandbox.faults.add(Fault(endpoint="messages", code="not_found"))
    with pytest.raises(NotFoundError):
        llm.service_tokenizer()("Hi")


@pytest.mark.parametrize("how", ["copied", "pickled"])
def test_a_memory_that_counts_by_the_service_can_be_copied(sandbox, monkeypatch, how):
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    llm = llama_index_melious.Melious("gpt-oss-120b", base_url=sandbox.base_url)
    memory = ChatMemoryBuffer.from_defaults(token_limit=1000, tokenizer_fn=llm.service_tokenizer())
    memory.put(ChatMessage(role="user", content="Hi"))
    again = deepcopy(memory) if how == "copied" else pickle.loads(pickle.dumps(memory))
    assert [message.content for message in again.get()] == ["Hi"]
    assert {request.path for request in sandbox.requests} == {"/v1/messages/count_tokens"}


def test_counts_are_forgotten_in_their_order(make_llm, sandbox):
    tokenizer = make_llm().service_tokenizer(cache_size=1)
    for text in ("a", "b", "b", "a"):
        tokenizer(text)
    assert len(sandbox.requests) == 3
    with pytest.raises(InvalidArgumentError, match="cache_size"):
        make_llm().service_tokenizer(cache_size=-1)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda whole: pickle.loads(pickle.dumps(whole))])
def test_a_copy_of_the_tokenizer_counts_the_same(make_llm, duplicate):
    tokenizer = make_llm().service_tokenizer()
    assert duplicate(tokenizer)("What is a heat pump?") == tokenizer("What is a heat pump?")


@pytest.mark.parametrize("wrong", [5, b"text", ["text"]], ids=repr)
def test_the_tokenizer_takes_text(make_llm, sandbox, wrong):
    with pytest.raises(InvalidArgumentError, match="text: must be a string"):
        make_llm().service_tokenizer()(wrong)
    assert len(sandbox.requests) == 0
