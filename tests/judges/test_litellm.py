"""The litellm proxy in front of the sandbox: what comes through it, there and back."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import BaseModel

from langchain_melious import ChatMelious, MeliousEmbeddings
from langchain_melious import MeliousRerank as LangChainRerank
from llama_index_melious import Melious, MeliousEmbedding
from llama_index_melious import MeliousRerank as LlamaIndexRerank
from melious import BadRequestError, MeliousClient, MeliousError, RateLimitError, track_impact
from melious.sandbox import Fault, Reply, Sandbox

from .installed import LITELLM
from .processes import free_port, serving

KEY = "sk-mel-litellm"
CHAT = "glm-4.7"
TEXTS = ["The Elbe flows through Hamburg.", "A cat sleeps."]


def _config(sandbox: Sandbox) -> str:
    """litellm reads YAML, and JSON is YAML."""
    behind = {"api_base": sandbox.base_url, "api_key": sandbox.api_key}
    models = [(name, f"openai/{name}", behind) for name in (CHAT, f"{CHAT}:eco", "bge-m3")]
    rerank = behind | {"api_base": f"{sandbox.base_url}/rerank"}
    models.append(("bge-reranker-v2-m3", "cohere/bge-reranker-v2-m3", rerank))
    return json.dumps(
        {
            "model_list": [
                {"model_name": name, "litellm_params": {"model": model} | params}
                for name, model, params in models
            ],
            "general_settings": {"master_key": KEY},
            "litellm_settings": {"telemetry": False, "num_retries": 0},
        }
    )


@pytest.fixture(scope="module")
def behind() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def base_url(behind: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    command = LITELLM / "bin" / "litellm"
    if not os.access(command, os.X_OK):
        pytest.skip("litellm is not installed")
    folder = tmp_path_factory.mktemp("litellm")
    config = folder / "config.yaml"
    config.write_text(_config(behind), "utf-8")
    port = free_port()
    arguments = [str(command), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    # Neither the price list nor a proxy of this machine is asked for.
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    root = f"http://127.0.0.1:{port}"
    with serving(arguments, f"{root}/health/liveliness", folder / "log", environment):
        yield f"{root}/v1"


@pytest.fixture(autouse=True)
def _afresh(behind: Sandbox) -> None:
    behind.reset()


@pytest.fixture
def options(base_url: str) -> dict[str, object]:
    return {"base_url": base_url, "api_key": KEY, "max_retries": 0}


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def get_weather(city: str) -> str:
    """Weather of a city."""
    return city


def _joined(chunks: Iterator[AIMessageChunk]) -> AIMessageChunk:
    message = next(chunks)
    for chunk in chunks:
        message += chunk
    return message


def test_an_answer_comes_with_its_impact_and_bill(behind: Sandbox, options: dict[str, object]) -> None:
    behind.replies.add(Reply(text="Hello."))
    with track_impact() as ledger:
        answer = ChatMelious(CHAT, **options).invoke("Say hello")
    assert answer.text == "Hello."
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["environment_impact"]["carbon_g_co2"] > 0
    assert (ledger.total.requests, ledger.total.with_impact) == (1, 1)
    assert ledger.total.carbon_g_co2 == pytest.approx(
        answer.response_metadata["environment_impact"]["carbon_g_co2"]
    )
    assert ledger.total.eur


def test_a_stream_comes_in_pieces_with_its_usage(behind: Sandbox, options: dict[str, object]) -> None:
    behind.replies.add(Reply(chunks=["One, ", "two, ", "three."]))
    chunks = list(ChatMelious(CHAT, **options).stream("Count"))
    assert [chunk.text for chunk in chunks if chunk.text] == ["One, ", "two, ", "three."]
    message = _joined(iter(chunks))
    assert message.usage_metadata["total_tokens"] > 0
    assert message.response_metadata["finish_reason"] == "stop"


async def test_async_answers_and_streams(behind: Sandbox, options: dict[str, object]) -> None:
    behind.replies.add(Reply(text="Hello."), times=2)
    llm = ChatMelious(CHAT, **options)
    assert (await llm.ainvoke("Say hello")).text == "Hello."
    assert "".join([chunk.text async for chunk in llm.astream("Say hello")]) == "Hello."


def test_reasoning_comes_through(behind: Sandbox, options: dict[str, object]) -> None:
    behind.replies.add(Reply(text="42", reasoning="Six times seven."), times=2)
    llm = ChatMelious(CHAT, **options)
    for message in (llm.invoke("6*7"), _joined(llm.stream("6*7"))):
        assert message.additional_kwargs["reasoning_content"] == "Six times seven."


def test_parallel_tool_calls_come_whole_and_in_a_stream(behind: Sandbox, options: dict[str, object]) -> None:
    calls = [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
    behind.replies.add(Reply(tool_calls=calls), times=2)
    llm = ChatMelious(CHAT, **options).bind_tools([get_weather])
    for message in (llm.invoke("Weather?"), _joined(llm.stream("Weather?"))):
        assert [(call["name"], call["args"]) for call in message.tool_calls] == calls
        assert len({call["id"] for call in message.tool_calls}) == 2


def test_a_tools_result_goes_through(behind: Sandbox, options: dict[str, object]) -> None:
    behind.replies.add(Reply(tool_calls=[("get_weather", {"city": "Oslo"})]), Reply(text="It rains."))
    llm = ChatMelious(CHAT, **options).bind_tools([get_weather])
    asked = llm.invoke("Weather?")
    result = {"role": "tool", "content": "Rain", "tool_call_id": asked.tool_calls[0]["id"]}
    assert llm.invoke([("user", "Weather?"), asked, result]).text == "It rains."
    assert behind.requests[-1].body["messages"][-1]["content"] == "Rain"


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output(method: str, behind: Sandbox, options: dict[str, object]) -> None:
    anna = {"name": "Anna", "age": 31}
    behind.replies.add(
        Reply(tool_calls=[("Person", anna)]) if method == "function_calling" else Reply(text=json.dumps(anna))
    )
    llm = ChatMelious(CHAT, **options).with_structured_output(Person, method=method)
    assert llm.invoke("Anna is 31 years old. JSON.") == Person(**anna)
    assert len(behind.requests) == 1


def test_routing_goes_through(behind: Sandbox, options: dict[str, object]) -> None:
    llm = ChatMelious(CHAT, flavor="eco", filters={"countries": ["SE"]}, **options)
    assert llm.invoke("Hello").response_metadata["routing"]["location"] == "SE"
    assert behind.requests[-1].body["model"] == f"{CHAT}:eco"
    assert behind.requests[-1].body["filters"] == {"countries": ["SE"]}


def test_llama_index_chats_streams_and_fills_schemas(behind: Sandbox, options: dict[str, object]) -> None:
    llm = Melious(CHAT, **options)
    behind.replies.add(Reply(text="Hello."), times=2)
    behind.replies.add(Reply(text=json.dumps({"name": "Anna", "age": 31})))
    messages = [ChatMessage(role="user", content="Say hello")]
    assert llm.chat(messages).message.content == "Hello."
    assert [*llm.stream_chat(messages)][-1].message.content == "Hello."
    assert llm.as_structured_llm(Person).complete("Anna is 31.").raw == Person(name="Anna", age=31)


def test_embeddings_come_through_in_both(behind: Sandbox, options: dict[str, object]) -> None:
    with MeliousClient(api_key=behind.api_key, base_url=behind.base_url) as client:
        vectors = client.embeddings.create(model="bge-m3", input=TEXTS).embeddings
    with track_impact() as ledger:
        langchain = MeliousEmbeddings("bge-m3", **options).embed_documents(TEXTS)
        llama_index = MeliousEmbedding("bge-m3", **options).get_text_embedding_batch(TEXTS)
    for found in (langchain, llama_index):
        for one, other in zip(found, vectors, strict=True):
            assert one == pytest.approx(other, abs=1e-6)
    assert ledger.total.requests == 2


def test_rerank_comes_through_in_both(options: dict[str, object]) -> None:
    query = "Which river flows through Hamburg?"
    documents = LangChainRerank("bge-reranker-v2-m3", top_n=1, **options).compress_documents(
        [Document(text) for text in reversed(TEXTS)], query
    )
    nodes = LlamaIndexRerank("bge-reranker-v2-m3", top_n=1, **options).postprocess_nodes(
        [NodeWithScore(node=TextNode(text=text)) for text in reversed(TEXTS)], query_str=query
    )
    assert [document.page_content for document in documents] == [node.text for node in nodes] == TEXTS[:1]


def test_errors_keep_their_kind(behind: Sandbox, options: dict[str, object]) -> None:
    behind.faults.add(Fault(code="invalid_value"))
    with pytest.raises(BadRequestError):
        ChatMelious(CHAT, **options).invoke("Hello")
    behind.faults.add(Fault(code="rate_limit"))
    with pytest.raises(RateLimitError):
        ChatMelious(CHAT, **options).invoke("Hello")
    with pytest.raises(BadRequestError, match="Invalid model name"):
        ChatMelious("nobody-7b", **options).invoke("Hello")


def test_a_stream_cut_behind_the_proxy_is_not_whole(behind: Sandbox, options: dict[str, object]) -> None:
    behind.replies.add(Reply(chunks=["One, ", "two, ", "three."]))
    behind.faults.add(Fault(cut_after_events=3))
    with pytest.raises(MeliousError):
        list(ChatMelious(CHAT, **options).stream("Count"))


def test_twenty_at_a_time(behind: Sandbox, options: dict[str, object]) -> None:
    behind.replies.add(Reply(text="Hello."), times=None)
    llm = ChatMelious(CHAT, **options)
    with track_impact() as ledger, ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(copy_context().run, llm.invoke, f"Hello {number}") for number in range(20)]
        assert {answer.result().text for answer in answers} == {"Hello."}
    assert ledger.total.requests == ledger.total.with_impact == len(behind.requests) == 20


def test_the_models_of_the_proxy_are_listed(options: dict[str, object]) -> None:
    with MeliousClient(**options) as client:
        assert [model.id for model in client.models.list().data] == [
            CHAT,
            f"{CHAT}:eco",
            "bge-m3",
            "bge-reranker-v2-m3",
        ]
