"""Which chains a batch takes: where they are divided, and what is said of the others."""

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from pydantic import BaseModel

import langchain_melious
from langchain_melious import MeliousBatchChain
from langchain_melious.chat.bound import BoundChatMelious
from langchain_melious.errors import InvalidArgumentError

PROMPT = ChatPromptTemplate.from_template("Say {word}.")


class Person(BaseModel):
    """A person."""

    name: str


@pytest.fixture
def llm():
    return langchain_melious.ChatMelious("glm-4.7", api_key="sk-mel-for-no-server")


TAKEN = {
    "a model": lambda llm: llm,
    "a bound model": lambda llm: llm.bind(temperature=0),
    "a model with tools": lambda llm: llm.bind_tools([Person]),
    "a model with a config": lambda llm: llm.with_config(tags=["a"]),
    "a sequence": lambda llm: PROMPT | llm | StrOutputParser(),
    "a sequence with a config": lambda llm: (PROMPT | llm | StrOutputParser()).with_config(tags=["a"]),
    "a schema": lambda llm: llm.with_structured_output(Person),
    "a schema with the raw message": lambda llm: (
        PROMPT | llm.with_structured_output(Person, include_raw=True)
    ),
    "a dict before the model": lambda llm: {"word": RunnablePassthrough()} | PROMPT | llm,
    "another model before it": lambda llm: {"word": llm | StrOutputParser(), "b": PROMPT} | PROMPT | llm,
    "a configurable model": lambda llm: (
        PROMPT | llm.configurable_fields(temperature=ConfigurableField("temperature"))
    ),
    "alternatives": lambda llm: (
        PROMPT | llm.configurable_alternatives(ConfigurableField("llm"), default_key="a", b=llm.bind(seed=1))
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_chain_with_one_model_is_taken(llm, name):
    chain = TAKEN[name](llm)
    assert MeliousBatchChain(chain).chain is chain


def asking(llm):
    def ask(prompt):
        return llm.invoke(prompt)

    return ask


REFUSED = {
    "no model": (lambda llm: PROMPT | StrOutputParser(), "has no chat model of Melious"),
    "two models": (lambda llm: PROMPT | llm | StrOutputParser() | llm, "has 2 chat models of Melious"),
    "fallbacks": (lambda llm: PROMPT | llm.with_fallbacks([llm]), "inside a RunnableWithFallbacks"),
    "retries": (lambda llm: PROMPT | llm.with_retry(), "inside a RunnableRetry"),
    "a function": (lambda llm: PROMPT | RunnableLambda(asking(llm)), "inside a RunnableLambda"),
    "assign": (lambda llm: RunnablePassthrough.assign(a=PROMPT | llm), "inside a RunnableAssign"),
    "parallel": (lambda llm: RunnableParallel(a=llm, b=PROMPT), "inside a RunnableParallel"),
    "each": (lambda llm: (PROMPT | llm).map(), "inside a RunnableEach"),
    "a branch": (lambda llm: RunnableBranch((lambda _: True, llm), PROMPT), "inside a RunnableBranch"),
    "no runnable": (lambda llm: "glm-4.7", "must be a Runnable of LangChain, not str"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_wait_for_a_batch_is_refused_by_name(llm, name):
    chain, said = REFUSED[name]
    with pytest.raises(InvalidArgumentError, match=said):
        MeliousBatchChain(chain(llm))


BINDINGS = {
    "bind": lambda llm: llm.bind(seed=1),
    "bind twice": lambda llm: llm.bind(seed=2).bind(seed=1),
    "config first": lambda llm: llm.with_config(tags=["a"]).bind(seed=1),
    "config last": lambda llm: llm.bind(seed=1).with_config(tags=["a"]),
    "listeners": lambda llm: llm.with_listeners(on_end=lambda run: None).bind(seed=1),
    "async listeners": lambda llm: llm.with_alisteners(on_end=None).bind(seed=1),
    "types": lambda llm: llm.with_types(input_type=str).bind(seed=1),
}


@pytest.mark.parametrize("name", BINDINGS)
def test_every_binding_knows_batches(llm, name):
    bound = BINDINGS[name](llm)
    assert isinstance(bound, BoundChatMelious)
    assert bound.kwargs == {"seed": 1}
    assert bound.submit_batch.__self__ is bound


def test_a_binding_is_written_as_langchain_s_own(llm):
    from langchain_core.load import dumpd

    assert dumpd(llm.bind(seed=1))["id"] == ["langchain", "schema", "runnable", "RunnableBinding"]
