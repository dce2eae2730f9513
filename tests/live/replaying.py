"""What our clients and adapters must make of a recorded exchange.

The recorded answer comes over loopback HTTP to a sound request to the same endpoint, and what is read of it
is compared with what stands in the recording.
"""

from __future__ import annotations

import asyncio
import base64
import json
from array import array
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import recordings
from langchain_core.documents import Document
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.schema import NodeWithScore, TextNode
from loopback import Answer, Asked, Loopback

import langchain_melious
import llama_index_melious
from melious import (
    APIStatusError,
    AsyncMeliousClient,
    AuthenticationError,
    BadRequestError,
    ContextLengthExceededError,
    InsufficientBalanceError,
    MeliousClient,
    MeliousError,
    ModelNotFoundError,
    NoProvidersAvailableError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from melious.probe.cassette import Exchange

KEY = "sk-mel-of-the-replay"
READ = ("chat", "embeddings", "rerank", "audio", "models")
"""The endpoints that our clients read."""
_MODEL = "glm-4.7"
_QUESTION = [{"role": "user", "content": "Hello"}]
_NOT_REPLAYED = {"content-length", "content-encoding", "transfer-encoding", "date", "retry-after"}
_CLASSES: dict[int, tuple[type[MeliousError], ...]] = {
    400: (BadRequestError,),
    401: (AuthenticationError,),
    402: (InsufficientBalanceError,),
    403: (PermissionDeniedError, InsufficientBalanceError),
    404: (NotFoundError,),
    413: (BadRequestError, APIStatusError),
    422: (BadRequestError,),
    429: (RateLimitError, InsufficientBalanceError),
}


def server() -> Loopback:
    """A server that replays whatever `play` gives it."""
    return Loopback(lambda _: Answer(500, {}, b""))


def play(loopback: Loopback, exchange: Exchange) -> None:
    """Answer every request with the recorded answer."""
    headers = {name: value for name, value in exchange.headers.items() if name not in _NOT_REPLAYED}

    def answer(_: Asked) -> Answer:
        return Answer(exchange.status, headers, exchange.body)

    loopback.answer = answer


def check(loopback: Loopback, exchange: Exchange) -> int:
    """Hold every reader of ours against an exchange; gives how many there are."""
    play(loopback, exchange)
    if exchange.endpoint not in READ:
        return 0
    calls = _calls(loopback.base_url, exchange)
    for call in calls:
        if _is_refusal(exchange):
            _check_refusal(exchange, call)
        else:
            call()
    return len(calls)


def _is_refusal(exchange: Exchange) -> bool:
    return exchange.status >= 300 or _error_in(exchange) is not None


def _error_in(exchange: Exchange) -> Any:
    """What the body, or an event of a stream, says under `error`; None if nothing."""
    places = [_object_in(exchange), *(_events(exchange) if _is_stream(exchange) else ())]
    return next((place["error"] for place in places if place.get("error")), None)


def _events(exchange: Exchange) -> list[dict[str, Any]]:
    lines = exchange.body.decode().splitlines()
    return [json.loads(line[5:]) for line in lines if line.startswith("data: {")]


def _check_refusal(exchange: Exchange, call: Callable[[], None]) -> None:
    with pytest.raises(MeliousError) as caught:
        call()
    error = caught.value
    said = _error_in(exchange)
    usual: tuple[type[MeliousError], ...] = (ServerError,) if exchange.status >= 500 else (APIStatusError,)
    assert isinstance(error, _CLASSES.get(exchange.status, usual)), f"{exchange.name}: {error!r}"
    assert exchange.status < 300 or error.status_code == exchange.status
    if isinstance(said, dict):
        assert error.code == said.get("code")
        assert said.get("message", "").rstrip(".") in str(error)
    assert error.request_id == exchange.headers.get("x-request-id")
    assert KEY not in str(error)
    for words, status, kind in (
        ("too long", 400, ContextLengthExceededError),
        ("unknown model", 404, ModelNotFoundError),
        ("bad key", 401, AuthenticationError),
        ("1 gram", 503, NoProvidersAvailableError),
    ):
        # With another status the service says something else, which the probe reports as new.
        if words in exchange.name and exchange.status == status:
            assert isinstance(error, kind), f"{exchange.name}: {error!r}"


def _calls(base_url: str, exchange: Exchange) -> list[Callable[[], None]]:
    """The calls to make, each of which compares what it read."""
    body = _object_in(exchange)
    if exchange.endpoint == "chat":
        return _streams(base_url, exchange) if _is_stream(exchange) else _chats(base_url, body)
    reads = {"embeddings": _embeddings, "rerank": _rerank, "audio": _transcriptions, "models": _models}
    return reads[exchange.endpoint](base_url, body)


def _object_in(exchange: Exchange) -> dict[str, Any]:
    """The body, if it is a JSON object; an answer of something in between may be a page."""
    try:
        found = json.loads(exchange.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_stream(exchange: Exchange) -> bool:
    return exchange.headers.get("content-type", "").startswith("text/event-stream")


def _client(base_url: str) -> MeliousClient:
    return MeliousClient(api_key=KEY, base_url=base_url, max_retries=0)


def _in_async(base_url: str, call: Callable[[AsyncMeliousClient], Any]) -> Any:
    async def run() -> Any:
        async with AsyncMeliousClient(api_key=KEY, base_url=base_url, max_retries=0) as client:
            return await call(client)

    return asyncio.run(run())


def _settings(base_url: str) -> dict[str, Any]:
    return {"model": _MODEL, "api_key": KEY, "base_url": base_url, "max_retries": 0}


def _chats(base_url: str, body: dict[str, Any]) -> list[Callable[[], None]]:
    message = body["choices"][0]["message"] if "choices" in body else {}
    text, calls = message.get("content") or "", message.get("tool_calls") or []

    def compare(result: Any) -> None:
        assert (result.text or "") == text
        assert [call["id"] for call in result.tool_calls] == [call["id"] for call in calls]
        _compare_reported(result, body)

    def with_langchain() -> None:
        message = langchain_melious.ChatMelious(**_settings(base_url)).invoke("Hello")
        assert message.text == text
        assert [call["name"] for call in message.tool_calls] == [call["function"]["name"] for call in calls]
        impact = message.response_metadata.get("environment_impact")
        assert (impact or {}).get("location") == (body.get("environment_impact") or {}).get("location")

    def with_llama_index() -> None:
        answer = llama_index_melious.Melious(**_settings(base_url)).chat([ChatMessage("Hello")])
        assert (answer.message.content or "") == text

    def asked(client: Any) -> Any:
        return client.chat.create(model=_MODEL, messages=_QUESTION)

    return [
        lambda: compare(asked(_client(base_url))),
        lambda: compare(_in_async(base_url, asked)),
        with_langchain,
        with_llama_index,
    ]


def _streams(base_url: str, exchange: Exchange) -> list[Callable[[], None]]:
    events = _events(exchange)
    deltas = [event["choices"][0].get("delta") or {} for event in events if event.get("choices")]
    text = "".join(delta.get("content") or "" for delta in deltas)
    reported: dict[str, Any] = {}
    for event in events:
        reported |= {name: value for name, value in event.items() if value and name != "choices"}

    def compare(written: str, final: Any) -> None:
        assert written == text
        _compare_reported(final, reported)

    def blocking() -> None:
        with _client(base_url).chat.stream(model=_MODEL, messages=_QUESTION) as stream:
            written = "".join(chunk.text or "" for chunk in stream)
            compare(written, stream.completion())

    async def read(client: AsyncMeliousClient) -> tuple[str, Any]:
        async with client.chat.stream(model=_MODEL, messages=_QUESTION) as stream:
            return "".join([chunk.text or "" async for chunk in stream]), stream.completion()

    def with_langchain() -> None:
        model = langchain_melious.ChatMelious(**_settings(base_url))
        assert "".join(chunk.text for chunk in model.stream("Hello")) == text

    def with_llama_index() -> None:
        model = llama_index_melious.Melious(**_settings(base_url))
        assert "".join(piece.delta or "" for piece in model.stream_chat([ChatMessage("Hello")])) == text

    return [blocking, lambda: compare(*_in_async(base_url, read)), with_langchain, with_llama_index]


def _embeddings(base_url: str, body: dict[str, Any]) -> list[Callable[[], None]]:
    vectors = [_numbers(item["embedding"]) for item in body.get("data", [])]
    texts = [f"text {number}" for number in range(len(vectors))] or ["text"]

    def compare(result: Any) -> None:
        assert [pytest.approx(list(vector)) for vector in vectors] == [
            list(each) for each in result.embeddings
        ]
        _compare_reported(result, body)

    def compare_vectors(found: list[list[float]]) -> None:
        assert [pytest.approx(list(vector)) for vector in vectors] == found

    def asked(client: Any) -> Any:
        return client.embeddings.create(model="bge-m3", input=texts)

    settings = _settings(base_url) | {"model": "bge-m3"}
    langchain = langchain_melious.MeliousEmbeddings(**settings)
    llama_index = llama_index_melious.MeliousEmbedding(**settings)
    return [
        lambda: compare(asked(_client(base_url))),
        lambda: compare(_in_async(base_url, asked)),
        lambda: compare_vectors(langchain.embed_documents(texts)),
        lambda: compare_vectors(llama_index.get_text_embedding_batch(texts)),
    ]


def _numbers(value: Any) -> list[float]:
    if isinstance(value, str):
        packed = array("f")
        packed.frombytes(base64.b64decode(value))
        return packed.tolist()
    return list(value)


def _rerank(base_url: str, body: dict[str, Any]) -> list[Callable[[], None]]:
    results = [(item["index"], item["relevance_score"]) for item in body.get("results", [])]
    texts = [f"text {number}" for number in range(len(results))] or ["text"]

    def compare(result: Any) -> None:
        assert [(item.index, item.relevance_score) for item in result.results] == results
        _compare_reported(result, body)

    def asked(client: Any) -> Any:
        return client.rerank.create(model="bge-reranker-v2-m3", query="Which?", documents=texts)

    settings = _settings(base_url) | {"model": "bge-reranker-v2-m3", "top_n": None}

    def with_langchain() -> None:
        documents = [Document(text) for text in texts]
        found = langchain_melious.MeliousRerank(**settings).compress_documents(documents, "Which?")
        assert [each.page_content for each in found] == [texts[index] for index, _ in results]

    def with_llama_index() -> None:
        nodes = [NodeWithScore(node=TextNode(text=text), score=0.0) for text in texts]
        reranker = llama_index_melious.MeliousRerank(**settings | {"top_n": len(texts)})
        found = reranker.postprocess_nodes(nodes, query_str="Which?")
        assert [(node.text, node.score) for node in found] == [
            (texts[index], score) for index, score in results
        ]

    return [
        lambda: compare(asked(_client(base_url))),
        lambda: compare(_in_async(base_url, asked)),
        with_langchain,
        with_llama_index,
    ]


def _transcriptions(base_url: str, body: dict[str, Any]) -> list[Callable[[], None]]:
    def compare(result: Any) -> None:
        assert (result.text, result.language, result.duration) == (
            body["text"],
            body.get("language"),
            body.get("duration"),
        )
        assert len(result.segments or []) == len(body.get("segments") or [])
        _compare_reported(result, body)

    def asked(client: Any) -> Any:
        return client.audio.transcribe(model="whisper-large-v3", file=("a.wav", recordings.wav(0.1)))

    return [lambda: compare(asked(_client(base_url))), lambda: compare(_in_async(base_url, asked))]


def _models(base_url: str, body: dict[str, Any]) -> list[Callable[[], None]]:
    def compare(result: Any) -> None:
        assert [model.id for model in result.data] == [item["id"] for item in body["data"]]
        assert [model.card for model in result.data] == [item.get("_meta") for item in body["data"]]

    def asked(client: Any) -> Any:
        return client.models.list(include_meta=True)

    return [lambda: compare(asked(_client(base_url))), lambda: compare(_in_async(base_url, asked))]


def _compare_reported(result: Any, body: dict[str, Any]) -> None:
    """Compare usage, impact and bill with the recording; what it lacks is None, and not zero."""
    usage, impact, bill = (body.get(name) for name in ("usage", "environment_impact", "billing_cost"))
    assert (result.usage is None) == (usage is None and not body.get("meta"))
    if usage is not None:
        assert result.usage.prompt_tokens == usage.get("prompt_tokens")
    assert (result.environment_impact is None) == (impact is None)
    for name in impact or ():
        assert getattr(result.environment_impact, name) == impact[name]
    assert (result.billing_cost is None) == (bill is None)
    if bill is not None:
        assert result.billing_cost.paid_with == bill.get("paid_with")
        for name in {"credits", "energy"} & set(bill):
            assert getattr(result.billing_cost, name) == Decimal(str(bill[name]))
