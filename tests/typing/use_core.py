"""Clients of the core, blocking and for asyncio: right use, and wrong use that checkers find."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

from melious import (
    AsyncMeliousClient,
    ChatChunk,
    ChatCompletion,
    EmbeddingsResult,
    ImagesResult,
    ImpactBudget,
    ImpactLedger,
    MeliousClient,
    Model,
    ModelList,
    RateLimitError,
    RerankResult,
    RetryEvent,
    Timeout,
    Transcription,
    Usage,
    track_impact,
)
from melious.catalogue import ModelCards
from melious.clients.streams import AsyncChatStream, ChatStream
from melious.impact import Report, report

HELLO = [{"role": "user", "content": "Hello"}]

client = MeliousClient(
    api_key="sk-mel-x",
    base_url="https://api.melious.ai/v1",
    timeout=(5.0, 30.0),
    deadline=None,
    max_retries=0,
    default_headers={"x-team": "blue"},
    budget=ImpactBudget(max_carbon_g=5),
)

# Whole answers.
answer = client.chat.create(
    model="glm-4.7", messages=HELLO, temperature=0, stop=["\n"], timeout=Timeout(answer=9)
)
assert_type(answer, ChatCompletion)
assert_type(answer.text, str)
assert_type(answer.tool_calls, list[dict[str, Any]])
assert_type(answer.finish_reason, str | None)
assert_type(answer.usage, Usage | None)
assert_type(answer.headers, Mapping[str, str])
assert_type(answer.attempts, int)
answer.usage.total_tokens  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
answer.environment_impact.carbon_g_co2  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
answer.txt  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

vectors = client.embeddings.create(model="bge-m3", input=["a", "b"], dimensions=512)
assert_type(vectors, EmbeddingsResult)
ranked = client.rerank.create(model="bge-reranker-v2-m3", query="q", documents=["a", {"text": "b"}], top_n=1)
assert_type(ranked, RerankResult)
assert_type(ranked.results[0].relevance_score, float)
pictures = client.images.generate(model="flux-schnell", prompt="a pier", size="512x512", n=2)
assert_type(pictures, ImagesResult)
assert_type(pictures.data[0].to_bytes(), bytes)
said = client.audio.transcribe(model="whisper-large-v3-turbo", file=Path("talk.mp3"), language="de")
assert_type(said, Transcription)
assert_type(said.text, str)
assert_type(client.models.list(include_meta=True), ModelList)
assert_type(client.models.retrieve("glm-4.7"), Model)
assert_type(client.models.find(vision=True, order_by="price"), ModelCards)

# Streams.
stream = client.chat.stream(model="glm-4.7", messages=HELLO)
assert_type(stream, ChatStream)
for chunk in stream:
    assert_type(chunk, ChatChunk)
assert_type(stream.completion(), ChatCompletion)
with client.chat.stream(model="glm-4.7", messages=HELLO, stream_impact="buffer") as opened:
    assert_type(opened, ChatStream)


async def ask(other: AsyncMeliousClient) -> None:
    assert_type(await other.chat.create(model="glm-4.7", messages=HELLO), ChatCompletion)
    assert_type(await other.embeddings.create(model="bge-m3", input="a"), EmbeddingsResult)
    assert_type(await other.models.find(tools=True), ModelCards)
    begun = other.chat.stream(model="glm-4.7", messages=HELLO)
    assert_type(begun, AsyncChatStream)
    assert_type(await begun, AsyncChatStream)
    async for chunk in begun:
        assert_type(chunk.text, str)
    async with other.chat.stream(model="glm-4.7", messages=HELLO) as opened:
        assert_type(opened, AsyncChatStream)
    for _ in begun:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass
    unawaited = other.chat.create(model="glm-4.7", messages=HELLO)
    unawaited.text  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    await unawaited


# Costs.
with track_impact() as ledger:
    assert_type(ledger, ImpactLedger)
    assert_type(ledger.total.requests, int)
    assert_type(ledger.total.carbon_g_co2, float | None)
ledger.by("provider")
ledger.by("colour")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# Errors, and what is called before a retry.


def tell(event: RetryEvent) -> None:
    assert_type(event.delay, float)


def tell_wrongly(event: str) -> None:
    pass


try:
    client.chat.create(model="glm-4.7", messages=HELLO, on_retry=tell)
except RateLimitError as error:
    assert_type(error.retry_after, float | None)
    assert_type(error.attempts, int)
client.chat.create(model="m", messages=HELLO, on_retry=tell_wrongly)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# Arguments that are missing, unknown or of the wrong kind.
client.chat.create(model="m")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
client.chat.create("m", HELLO)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
client.chat.create(model="m", messages="Hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.chat.create(model="m", messages=HELLO, temprature=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
client.chat.create(model="m", messages=HELLO, temperature="0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.chat.create(model="m", messages=HELLO, max_tokens=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.chat.create(model="m", messages=HELLO, timeout="9")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.chat.create(model="m", messages=HELLO, stream_impact="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.embeddings.create(model="m", input=[1, 2])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
client.embeddings.create(model="m", input="a", temperature=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
client.rerank.create(model="m", query="q", documents=["a"], top_k=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
MeliousClient("sk-mel-x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
MeliousClient(api_key="sk-mel-x", temperature=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
MeliousClient(api_key="sk-mel-x", auth="basic")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
AsyncMeliousClient(api_key="sk-mel-x", max_retries="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
AsyncMeliousClient(api_key="sk-mel-x", async_transport="curl")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def ledger_texts(ledger: ImpactLedger, path: Path) -> None:
    """What a ledger returns depends on whether it is to write a file."""
    assert_type(ledger.to_html(), str)
    assert_type(ledger.to_html(path), None)
    assert_type(ledger.to_markdown(), str)
    assert_type(ledger.to_markdown(path), None)
    assert_type(ledger.to_csv(rows=True), str)
    assert_type(ledger.to_csv(path), None)
    assert_type(ledger.report("2026-11"), Report)
    assert_type(ledger.report("2026-11", "csv"), str)
    assert_type(ledger.report(("2026-11-01", "2026-11-30"), format="html"), str)
    assert_type(report(path, "2026-Q4"), Report)
    assert_type(ledger.to_ecologits(), dict[str, Any])
    ledger.report("2026-11", "pdf")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    with track_impact(tags={"project": 7}):  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
        pass
