"""Options beside the wire's parameters: headers, costs for LangSmith, timeouts, null content, lists of models."""

import pytest
from faults.faults_kit import RawServer, eventually
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage, merge_message_runs
from langchain_core.messages.ai import add_usage

from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank
from langchain_melious.errors import APITimeoutError, AuthenticationError, InvalidArgumentError
from melious.sandbox import Fault

CALLED = AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "call_1"}])
HISTORY = [HumanMessage("Hello"), CALLED, ToolMessage("found", tool_call_id="call_1"), HumanMessage("And?")]


def test_headers_of_the_answer_on_request(way, chat, whole):
    metadata = way.invoke(chat(), "Hello").response_metadata
    assert "headers" not in metadata
    llm = chat(include_response_headers=True)
    for message in (way.invoke(llm, "Hello"), whole(way.stream(llm, "Hello"))):
        headers = message.response_metadata["headers"]
        assert headers["x-request-id"] == message.response_metadata["request_id"]
        assert "set-cookie" not in headers


def test_the_cost_is_among_the_usage_only_where_that_is_asked_for(way, start_sandbox, chat, whole):
    answer = way.invoke(chat(langsmith_cost=True), "Hello")
    cost = answer.usage_metadata["total_cost"]
    assert type(cost) is float
    assert cost == pytest.approx(float(answer.response_metadata["billing_cost"]["credits"]))
    assert "total_cost" not in way.invoke(chat(), "Hello").usage_metadata
    there = start_sandbox(stream_impact=True)
    llm = chat(api_key=there.api_key, base_url=there.base_url, langsmith_cost=True)
    streamed = whole(way.stream(llm, "Hello"))
    assert "total_cost" not in streamed.usage_metadata  # LangChain could not add the chunks up
    assert streamed.response_metadata["billing_cost"]


def test_a_cost_that_was_not_reported_is_not_among_the_usage(way, chat, sandbox):
    sandbox.faults.add(Fault(cost="missing"))
    assert "total_cost" not in way.invoke(chat(langsmith_cost=True), "Hello").usage_metadata


def test_usage_and_messages_of_many_answers_add_up(way, chat):
    """Neither LangChain's usage callback nor its merging of messages stumbles over costs and impact."""
    usage, llm = UsageMetadataCallbackHandler(), chat()
    answers = [way.invoke(llm, f"Hello {n}", {"callbacks": [usage]}) for n in range(3)]
    total = None
    for answer in answers:
        assert "environment_impact" in answer.response_metadata
        total = add_usage(total, answer.usage_metadata)
    assert usage.usage_metadata["glm-4.7"] == total
    (merged,) = merge_message_runs(answers)
    assert merged.text == "\n".join(answer.text for answer in answers)


def test_the_text_beside_tool_calls_is_empty_or_null(way, chat, sandbox):
    way.invoke(chat(), HISTORY)
    way.invoke(chat(null_content=True), HISTORY)
    empty, null = (request.body["messages"] for request in sandbox.requests)
    assert (empty[1]["content"], null[1]["content"]) == ("", None)
    assert null[0]["content"] == "Hello"


@pytest.mark.parametrize(
    ("kind", "among"),
    [(ChatMelious, "glm-4.7"), (MeliousEmbeddings, "bge-m3"), (MeliousRerank, "bge-reranker-v2-m3")],
)
def test_the_models_that_a_class_can_take(way, sandbox, kind, among):
    model = kind(model="x", api_key=sandbox.api_key, base_url=sandbox.base_url)
    models = way.call(model, "available_models") if not way.asynchronous else _listed(model)
    assert among in models
    assert models == sorted(set(models))
    others = {"glm-4.7", "bge-m3", "bge-reranker-v2-m3", "flux-schnell"} - {among}
    assert not others & set(models)
    model = kind(model="x", api_key="sk-mel-other", base_url=sandbox.base_url)
    with pytest.raises(AuthenticationError):
        model.available_models()


def _listed(model):
    import asyncio

    return asyncio.run(model.aavailable_models())


@pytest.mark.parametrize("kind", [ChatMelious, MeliousEmbeddings, MeliousRerank])
def test_timeouts_are_seconds_in_every_form(kind, sandbox):
    import httpx

    place = {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
    for timeout in (20, 20.5, (5.0, 20.0), httpx.Timeout(20.0, connect=5.0)):
        kind(model="x", timeout=timeout, **place)
    for wrong in (0, -1, "20", (1, 2, 3, 4, 5)):
        with pytest.raises(InvalidArgumentError, match="timeout"):
            kind(model="x", timeout=wrong, **place)


@pytest.mark.parametrize("timeout", [0.2, (30.0, 0.2)])
def test_an_answer_that_takes_too_long_is_not_bought_twice_unless_that_is_wanted(way, chat, timeout):
    def never_answer(peer):
        if peer.request() is not None:
            peer.left()

    with RawServer(never_answer) as server:
        arguments = {"base_url": server.base_url, "timeout": timeout}
        with pytest.raises(APITimeoutError):
            way.invoke(chat(**arguments), "Hello")
        assert eventually(lambda: len(server.requests) == 1)
        with pytest.raises(APITimeoutError):
            way.invoke(chat(**arguments, max_retries=1, retry_timeouts=True), "Hello")
        with pytest.raises(APITimeoutError):
            way.invoke(chat(**arguments, max_retries=1), "Hello", retry_timeouts=True)
        assert eventually(lambda: len(server.requests) == 5)


def test_a_refusal_is_a_refusal(way, chat, sandbox):
    """LangChain has a class for refusals from 1.7.5 on; before, the parsing error says what happened."""
    from langchain_core import exceptions

    expected = getattr(exceptions, "ModelRefusalError", exceptions.OutputParserException)
    body = {
        "id": "a",
        "model": "glm-4.7",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": None, "refusal": "I would rather not."},
            }
        ],
    }
    schema = {"title": "Answer", "type": "object", "properties": {"text": {"type": "string"}}}
    for method in ("json_schema", "function_calling", "json_mode"):
        sandbox.faults.add(Fault(body=body, status=200), Fault(body=body, status=200))
        structured = chat().with_structured_output(schema, method=method)
        with pytest.raises(expected, match="I would rather not"):
            way.invoke(structured, "Hello")
        kept = way.invoke(chat().with_structured_output(schema, method=method, include_raw=True), "Hello")
        assert kept["parsed"] is None
        assert isinstance(kept["parsing_error"], expected)
        assert kept["raw"].additional_kwargs["refusal"] == "I would rather not."
    for version in ("v0", "v1"):
        sandbox.faults.add(Fault(body=body, status=200))
        message = way.invoke(chat(output_version=version), "Hello")
        assert [block["type"] for block in message.content_blocks] in (["refusal"], ["non_standard"])


def test_sums_are_message_chunks(way, chat):
    chunks = way.stream(chat(include_response_headers=True), "Hello")
    assert isinstance(chunks[0] + chunks[1:], AIMessageChunk)
