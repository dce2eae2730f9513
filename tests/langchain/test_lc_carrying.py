"""Models and chains on their way to other processes: cloudpickle, spawned workers, deep copies, dumps."""

import copy
import json
import multiprocessing
import pickle
import warnings

import cloudpickle
import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.storage import LocalFileStore
from langchain_core.caches import InMemoryCache
from langchain_core.documents import Document
from langchain_core.load import dumpd, dumps, load, loads
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from lc_carried_job import embed, key_of
from pydantic import BaseModel

from langchain_melious import ChatMelious
from melious import Timeout

SECRET = "sk-mel-very-secret-key"
PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "Tell me about {topic}.")])
OURS = ChatMelious.lc_id()[:-1]


class Person(BaseModel):
    """Somebody."""

    name: str


def get_weather(city: str) -> str:
    """Get the current weather in a given city."""
    return f"It is sunny in {city}."


def carried(made):
    """As cloudpickle carries it to a worker of Ray or Spark."""
    return cloudpickle.loads(cloudpickle.dumps(made))


WAYS = {
    "pickle": lambda made: pickle.loads(pickle.dumps(made)),
    "cloudpickle": carried,
    "deepcopy": copy.deepcopy,
    "twice": lambda made: carried(copy.deepcopy(carried(made))),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def carry(request):
    return request.param


# --- pickles and copies ------------------------------------------------------------------------------


def test_models_work_where_they_arrive(way, carry, chat, embeddings, rerank):
    llm, embed_model, order = chat(preset="speed"), embeddings(normalize=True), rerank(top_n=1)
    for _ in range(2):  # before and after use
        assert way.invoke(carry(llm), "Hello").text == way.invoke(llm, "Hello").text
        assert way.call(carry(embed_model), "embed_query", "x") == way.call(embed_model, "embed_query", "x")
        assert way.call(carry(order), "rerank", ["a", "b"], "b")[0]["index"] == 1
    assert carry(llm).model_dump() == llm.model_dump()
    assert carry(llm).api_key.get_secret_value() == llm.api_key.get_secret_value()


def test_chains_work_where_they_arrive(way, chat, carry):
    chain = PROMPT | chat("llama-3.3-70b-instruct", temperature=0.0) | StrOutputParser()
    asked = way.invoke(chain, {"topic": "ice"})
    copied = carry(chain)
    assert way.invoke(copied, {"topic": "ice"}) == asked
    assert "".join(way.stream(copied, {"topic": "ice"})) == asked


def test_what_was_bound_arrives_too(way, chat, sandbox, carry):
    llm = chat("llama-3.3-70b-instruct", max_retries=0)
    tools = carry(llm.bind_tools([get_weather], tool_choice="any").with_retry())
    assert way.invoke(tools, "What is the weather in Rome?").tool_calls[0]["args"] == {"city": "Rome"}
    structured = carry(llm.with_structured_output(Person))
    assert way.invoke(structured, "My name is Maria.") == Person(name="Maria")
    fallback = carry(chat("no-such-model", max_retries=0).with_fallbacks([llm]))
    assert way.invoke(fallback, "Hello").response_metadata["model_name"] == "llama-3.3-70b-instruct"


def test_structured_output_with_its_raw_message_is_carried_by_cloudpickle(way, chat):
    structured = carried(chat("llama-3.3-70b-instruct").with_structured_output(Person, include_raw=True))
    made = way.invoke(structured, "My name is Maria.")
    assert (made["parsed"], made["parsing_error"]) == (Person(name="Maria"), None)
    assert made["raw"].response_metadata["model_name"] == "llama-3.3-70b-instruct"


def test_a_local_function_in_a_chain_is_carried_by_cloudpickle(way, chat, rerank):
    ending = "!"
    chain = (
        RunnablePassthrough.assign(
            documents=lambda given: [Document(text) for text in ("bread", given["query"])]
        )
        | rerank().as_runnable(top_n=1)
        | RunnableLambda(lambda documents: documents[0].page_content + ending)
        | chat()
        | StrOutputParser()
    )
    assert "heat pumps!" in way.invoke(carried(chain), {"query": "heat pumps"})


def test_kept_embeddings_are_carried_with_their_store(way, carry, embeddings, sandbox, tmp_path):
    kept = CacheBackedEmbeddings.from_bytes_store(embeddings(), LocalFileStore(tmp_path), key_encoder=key_of)
    first = way.call(kept, "embed_documents", ["a", "b"])
    copied = carry(kept)
    assert way.call(copied, "embed_documents", ["a", "b"]) == first
    assert len(sandbox.requests) == 1
    assert len(way.call(copied, "embed_documents", ["c"])[0]) == 1024


def test_a_deep_copy_is_on_its_own(chat, sandbox):
    chain = PROMPT | chat("llama-3.3-70b-instruct", extra_body={"salt": {"a": 1}}, cache=InMemoryCache())
    copied = copy.deepcopy(chain)
    copied.last.preset = "speed"
    copied.last.extra_body["salt"]["a"] = 2
    chain.invoke({"topic": "ice"})
    copied.invoke({"topic": "ice"})
    first, second = (request.body for request in sandbox.requests)
    assert ("preset" in first, first["salt"]) == (False, {"a": 1})
    assert (second["preset"], second["salt"]) == ("speed", {"a": 2})


def test_a_spawned_worker_embeds(embeddings, sandbox):
    texts = [f"text {n}" for n in range(6)]
    model = embeddings(batch_size=2, normalize=True)
    here = model.embed_documents(texts)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(embed, [(model, texts), (model, texts[:1])]) == [here, here[:1]]
        pool.close()
        pool.join()
    assert len({request.connection for request in sandbox.requests}) > 1


# --- dumps -------------------------------------------------------------------------------------------


def brought_back(text):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The function `loads?` is in beta")
        return loads(
            text, valid_namespaces=["langchain_melious"], allowed_objects=KNOWN, secrets_from_env=True
        )


KNOWN = [
    *(ChatMelious, ChatPromptTemplate, StrOutputParser),
    *(type(part) for part in (PROMPT | StrOutputParser(), *PROMPT.messages)),
    *(type(message.prompt) for message in PROMPT.messages),
]


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
def test_a_chain_is_dumped_and_comes_back(way, chat, sandbox, monkeypatch):
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    llm = chat(
        "llama-3.3-70b-instruct",
        api_key=SECRET,
        preset="environment",
        flavor="eco",
        filters={"countries": ["FR", "DE"]},
        temperature=0.0,
        timeout=Timeout(connect=2.0, answer=30.0),
        extra_body={"salt": "x"},
        default_headers={"x-token": "hush-hush"},
    )
    chain = PROMPT | llm | StrOutputParser()
    text = dumps(chain)
    assert "very-secret" not in text
    assert "hush-hush" not in text
    again = brought_back(text)
    assert dumps(again) == text
    assert way.invoke(again, {"topic": "ice"})
    assert len(way.stream(again, {"topic": "ice"})) > 3
    body = sandbox.requests[0].body
    assert body["model"] == "llama-3.3-70b-instruct:eco"
    assert (body["preset"], body["filters"], body["salt"]) == (
        "environment",
        {"countries": ["FR", "DE"]},
        "x",
    )


def test_a_dump_names_the_class_where_it_can_be_imported(chat):
    dumped = dumpd(chat())
    assert dumped["id"] == [*OURS, "ChatMelious"]
    assert dumped["id"][0] == "langchain_melious"
    assert dumped["kwargs"]["api_key"] == {"lc": 1, "type": "secret", "id": ["MELIOUS_API_KEY"]}
    json.loads(dumps(chat()))


def test_a_dump_is_not_loaded_unasked(chat):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The function `loads?` is in beta")
        with pytest.raises(ValueError, match=r"langchain_melious|allowed"):
            load(dumpd(chat()), allowed_objects="core")


def test_answers_are_dumped_and_come_back(way, chat, whole):
    llm = chat("glm-4.7", preset="speed").bind_tools([get_weather])
    for message in (
        way.invoke(llm, "What is the weather in Rome?"),
        whole(way.stream(llm, "What is the weather in Rome?")),
    ):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The function `loads?` is in beta")
            again = loads(dumps(message), allowed_objects="core")
        assert again == message
        assert again.response_metadata == message.response_metadata
        assert again.content_blocks == message.content_blocks
