"""The LangChain classes: right use, and wrong use that checkers find."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable
from pydantic import BaseModel, SecretStr

from langchain_melious import (
    ChatMelious,
    MeliousAudioParser,
    MeliousBatchChain,
    MeliousEmbeddings,
    MeliousImageGenerator,
    MeliousRerank,
    get_melious_callback,
)
from langchain_melious.errors import RateLimitError
from melious import AsyncBatchJob, BatchJob, MeliousError, Timeout


class Person(BaseModel):
    name: str


def weather(city: str) -> str:
    """Get the weather."""
    return city


# Chat.
llm = ChatMelious(model="glm-4.7", api_key=SecretStr("sk-mel-x"), timeout=Timeout(answer=30.0), max_retries=0)
plain = ChatMelious(model="glm-4.7", api_key="sk-mel-x", timeout=(5.0, 30.0), temperature=0, stop=["\n"])
assert_type(llm.invoke("Hello", temperature=0.5), AIMessage)
assert_type(llm.stream("Hello"), Iterator[AIMessageChunk])
assert_type(llm.astream("Hello"), AsyncIterator[AIMessageChunk])
assert_type(llm.batch(["Hello", "Hi"]), list[AIMessage])
assert_type(llm.bind_tools([weather], tool_choice="weather"), Runnable[LanguageModelInput, AIMessage])
assert_type(llm.with_structured_output(Person, method="json_schema"), Runnable[LanguageModelInput, Any])

assert_type(llm.bind(seed=1).invoke("Hello"), AIMessage)
assert_type(llm.with_config(tags=["a"]), Runnable[LanguageModelInput, AIMessage])
assert_type(llm.submit_batch(["Hello"]), BatchJob)
assert_type(llm.bind(seed=1).submit_batch(["Hello"]).id, str)
assert_type(MeliousBatchChain(llm).collect_batch("batch_1", return_exceptions=True), list[Any])


async def ask() -> None:
    assert_type(await llm.asubmit_batch(["Hello"]), AsyncBatchJob)
    assert_type(await MeliousEmbeddings("bge-m3").acollect_batch("batch_1"), list[list[float]])
    assert_type(await llm.ainvoke("Hello"), AIMessage)
    assert_type(await MeliousEmbeddings(model="bge-m3").aembed_query("a"), list[float])
    assert_type(await rerank.acompress_documents([Document("a")], "b"), list[Document])
    assert_type(await parser.aparse(Blob.from_path("talk.mp3")), list[Document])


ChatMelious()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ChatMelious(model="m", temprature=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ChatMelious(model="m", temperature="0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ChatMelious(model="m", api_key=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ChatMelious(model="m", timeout="9")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ChatMelious(model="m", stream_impact="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
ChatMelious(model="m", budget=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.invoke(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.with_structured_output(Person, method="jsonschema")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.with_structured_output(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.bind_tools("weather")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.bind_tools([weather], strict="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.invoke("Hello").txt  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

# Embeddings and rerank.
assert_type(MeliousEmbeddings(model="bge-m3", normalize=True).embed_documents(["a"]), list[list[float]])
assert_type(MeliousEmbeddings("bge-m3").collect_batch("batch_1"), list[list[float]])
assert_type(
    MeliousEmbeddings("bge-m3").collect_batch("batch_1", return_exceptions=True),
    list[list[float] | MeliousError],
)
rerank = MeliousRerank(model="bge-reranker-v2-m3", top_n=3, min_score=0.5)
assert_type(rerank.compress_documents([Document("a")], "b", top_n=1), list[Document])
MeliousEmbeddings(model="m", batch_size="8")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousEmbeddings(model="m").embed_documents(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousRerank(model="m", top_k=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
rerank.compress_documents(["a"], "b")  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]

# Pictures and sound.
draw = MeliousImageGenerator(model="flux-schnell", size="512x512", quality="hd", show_images=False)
drawer = plain.bind_tools([draw])
parser = MeliousAudioParser(model="whisper-large-v3-turbo", mode="segments", language="de")
assert_type(parser.parse(Blob.from_path("talk.mp3")), list[Document])
MeliousAudioParser(model="m", mode="words")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# Costs and errors.
with get_melious_callback() as callback:
    assert_type(callback.total.carbon_g_co2, float | None)
try:
    llm.invoke("Hello")
except RateLimitError as error:
    assert_type(error.retry_after, float | None)
