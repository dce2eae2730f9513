"""Models that are changed after they were made: by assignment, as copies, and for one call."""

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from langchain_melious.errors import AuthenticationError, InvalidArgumentError
from melious.sandbox import Fault

CALLED = AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "call_1"}])
HISTORY = [HumanMessage("Hello"), CALLED, ToolMessage("found", tool_call_id="call_1")]
NEW_KEY = "sk-mel-of-another-account"


class Tokens(BaseCallbackHandler):
    """Counts the tokens that callbacks see."""

    def __init__(self) -> None:
        self.seen = 0

    def on_llm_new_token(self, token, **kwargs):
        self.seen += 1


@pytest.mark.parametrize("kind", ["chat", "embeddings", "rerank"])
def test_a_key_that_is_changed_stays_a_secret(request, kind):
    model = request.getfixturevalue(kind)()
    copied = model.model_copy(update={"api_key": NEW_KEY})
    model.api_key = NEW_KEY
    for changed in (model, copied):
        assert NEW_KEY not in f"{changed!r} {changed.model_dump()}"
        with pytest.raises(AuthenticationError):
            changed.available_models()


def test_a_changed_model_is_another_one_for_caches(way, chat, sandbox):
    llm = chat(cache=InMemoryCache(), seed=1)
    for made in (llm, llm.model_copy(update={"temperature": 0.5}), llm.with_routing_fallbacks("countries")):
        way.invoke(made, "Hello")
    assert len(sandbox.requests) == 3
    llm.seed = 2
    way.invoke(llm, "Hello")
    assert [request.body.get("seed") for request in sandbox.requests] == [1, 1, 1, 2]
    way.invoke(llm, "Hello")
    assert len(sandbox.requests) == 4


def test_the_profile_follows_the_model_unless_it_was_given(chat):
    llm = chat(model="glm-4.7")
    assert llm.model_copy(update={"model": "qwen3-32b"}).profile["name"] == "Qwen3 32B"
    llm.model = "qwen3-32b"
    assert llm.profile["name"] == "Qwen3 32B"
    given = {"max_input_tokens": 10}
    assert chat(profile=given).model_copy(update={"model": "qwen3-32b"}).profile == given


@pytest.mark.parametrize("kind", ["chat", "embeddings", "rerank"])
def test_a_copy_with_a_misspelt_argument_is_refused(request, kind):
    with pytest.raises(InvalidArgumentError, match="did you mean 'preset'"):
        request.getfixturevalue(kind)().model_copy(update={"pre_set": "speed"})


def test_how_a_request_is_made_and_read_can_be_said_per_call(way, chat, whole, sandbox):
    llm = chat()
    way.invoke(llm, HISTORY, null_content=True)
    assert sandbox.requests[-1].body["messages"][1]["content"] is None
    said = {"choices": [{"message": {"role": "assistant", "content": "<think>Hm.</think>Yes."}}]}
    sandbox.faults.add(Fault(body=said, status=200))
    assert way.invoke(llm, "Hello", think_tags=False).text == "<think>Hm.</think>Yes."
    for message in (
        way.invoke(llm, "Hello", include_response_headers=True),
        whole(way.stream(llm.bind(include_response_headers=True), "Hello")),
    ):
        assert message.response_metadata["headers"]
    assert type(way.invoke(llm, "Hello", langsmith_cost=True).usage_metadata["total_cost"]) is float
    assert whole(way.stream(llm, "Hello", stream_usage=False)).usage_metadata is None


def test_streaming_under_the_hood_can_be_said_per_call(way, chat):
    for llm, streaming in ((chat(), True), (chat(streaming=True), False)):
        tokens = Tokens()
        assert way.invoke(llm, "Hello", {"callbacks": [tokens]}, streaming=streaming).text
        assert (tokens.seen > 1) is streaming
    assert len(way.stream(chat(), "Hello", streaming=False)) == 1


@pytest.mark.parametrize("kind", ["chat", "embeddings", "rerank"])
def test_what_makes_the_client_is_refused_per_call(way, request, sandbox, kind):
    model = request.getfixturevalue(kind)()
    ask = {
        "chat": lambda **more: way.invoke(model, "Hello", **more),
        "embeddings": lambda **more: way.call(model, "embed_query", "heat", **more),
        "rerank": lambda **more: way.call(model, "rerank", ["heat", "ice"], "heat", **more),
    }[kind]
    for name in ("api_key", "base_url", "default_headers", "http_client", "budget"):
        with pytest.raises(InvalidArgumentError, match=rf"^{name}: .*model_copy\(update="):
            ask(**{name: None})
    assert len(sandbox.requests) == 0


def test_embeddings_take_their_own_arguments_per_call_too(way, embeddings, sandbox):
    model = embeddings()
    (plain,) = way.call(model, "embed_documents", ["heat"])
    (unit,) = way.call(model, "embed_documents", ["heat"], normalize=True)
    assert sum(value * value for value in unit) == pytest.approx(1)
    assert sum(value * value for value in plain) != pytest.approx(1)
    way.call(model, "embed_documents", ["heat"], document_prefix="passage: ")
    way.call(model, "embed_query", "heat", query_prefix="query: ")
    assert [request.body["input"] for request in sandbox.requests[-2:]] == [
        ["passage: heat"],
        ["query: heat"],
    ]


def test_a_reranker_keeps_the_score_of_a_search_per_call_too(way, rerank):
    given = [Document("heat", metadata={"relevance_score": 0.25})]
    (kept,) = way.call(rerank(), "compress_documents", given, "heat", keep_retrieval_score=True)
    assert kept.metadata["retrieval_score"] == 0.25
    (lost,) = way.call(
        rerank(keep_retrieval_score=True), "compress_documents", given, "heat", keep_retrieval_score=False
    )
    assert "retrieval_score" not in lost.metadata


@pytest.mark.parametrize(
    ("method", "arguments", "more", "problem"),
    [
        ("rerank", ["heat", "query"], {}, "documents: must be a list"),
        (
            "rerank",
            [["heat"], "query"],
            {"min_score": "high"},
            "min_score: must be a number from 0 to 1, not 'high'",
        ),
        ("compress_documents", ["heat", "query"], {}, "documents: must be a list"),
        ("compress_documents", [["heat"], "query"], {}, r"documents\[0\]: must be a Document, not str"),
    ],
)
def test_what_a_reranker_cannot_take_is_named_and_not_sent(
    way, rerank, sandbox, method, arguments, more, problem
):
    with pytest.raises(InvalidArgumentError, match=problem):
        way.call(rerank(), method, *arguments, **more)
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("given", ["heat", {"question": "heat", "documents": []}])
def test_a_step_of_a_chain_says_what_it_needs(way, rerank, given):
    with pytest.raises(InvalidArgumentError, match=r"^input: must be"):
        way.invoke(rerank().as_runnable(), given)


@pytest.mark.parametrize(
    ("method", "given", "problem"),
    [
        ("embed_documents", None, "texts: must be a list of strings, not NoneType"),
        ("embed_documents", ["heat", ""], r"texts\[1\]: must be a string that is not blank, not ''"),
        ("embed_documents", ["heat", 5], r"texts\[1\]: must be a string that is not blank, not 5"),
        ("embed_query", None, "text: must be a string that is not blank, not None"),
    ],
)
def test_what_cannot_be_embedded_is_named_and_not_sent(way, embeddings, sandbox, method, given, problem):
    with pytest.raises(InvalidArgumentError, match=problem):
        way.call(embeddings(), method, given)
    assert len(sandbox.requests) == 0
