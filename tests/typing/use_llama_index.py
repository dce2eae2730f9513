"""The LlamaIndex classes: right use, and wrong use that checkers find."""

from collections.abc import AsyncGenerator, Generator
from typing import assert_type

from llama_index.core.llms import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import Document, NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, SecretStr

from llama_index_melious import Melious, MeliousAudioReader, MeliousEmbedding, MeliousRerank, MeliousToolSpec
from melious import AsyncBatchJob, BatchJob, MeliousError

HELLO = [ChatMessage("Hello")]


class Person(BaseModel):
    name: str


# Chat.
llm = Melious(model="glm-4.7", api_key=SecretStr("sk-mel-x"), preset="environment", system_prompt="Be brief.")
brief = Melious(
    model="glm-4.7",
    api_key="sk-mel-x",
    api_base="https://api.melious.ai/v1",
    timeout=(5.0, 30.0),
    temperature=0,
)
assert_type(brief.with_options(temperature=1), Melious)
assert_type(llm.chat(HELLO, preset="speed"), ChatResponse)
assert_type(llm.complete("Hello"), CompletionResponse)
assert_type(llm.stream_chat(HELLO, preset="speed"), Generator[ChatResponse, None, None])
assert_type(llm.stream_complete("Hello", formatted=True), Generator[CompletionResponse, None, None])
assert_type(llm.structured_predict(Person, PromptTemplate("Who?")), Person)

assert_type(llm.submit_batch(["Hello", HELLO]), BatchJob)
assert_type(llm.collect_batch("batch_1"), list[ChatResponse])
assert_type(llm.collect_batch("batch_1", return_exceptions=True), list[ChatResponse | MeliousError])


async def ask() -> None:
    assert_type(await llm.asubmit_batch(["Hello"]), AsyncBatchJob)
    assert_type(await llm.acollect_batch("batch_1"), list[ChatResponse])
    assert_type(await llm.achat(HELLO), ChatResponse)
    assert_type(await llm.astream_chat(HELLO), AsyncGenerator[ChatResponse, None])
    assert_type(await llm.astream_complete("Hello"), AsyncGenerator[CompletionResponse, None])
    assert_type(await llm.astructured_predict(Person, PromptTemplate("Who?")), Person)
    assert_type(await embed_model.aget_text_embedding_batch(["a"]), list[list[float]])
    assert_type(await rerank.apostprocess_nodes(NODES, QueryBundle("b"), top_n=1), list[NodeWithScore])
    assert_type(await reader.aload_data("talk.mp3"), list[Document])


Melious()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Melious(model="m", temprature=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Melious(model="m", temperature="0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Melious(model="m", api_key=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Melious(model="m", timeout="9")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Melious(model="m", auth="basic")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.chat("Hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.complete(HELLO)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.structured_predict("Person", PromptTemplate("Who?"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
llm.structured_predict(Person, "Who?")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
for response in llm.stream_chat(HELLO):
    response.text  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

# Embeddings.
embed_model = MeliousEmbedding(model="bge-m3", api_key="sk-mel-x", query_instruction="query: ")
same = MeliousEmbedding(model_name=embed_model.model)
assert_type(same.get_query_embedding("a", preset="speed"), list[float])
assert_type(same.get_text_embedding_batch(["a"]), list[list[float]])
MeliousEmbedding(model="m", dimensions="512")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
MeliousEmbedding(model="m", num_worker=4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
same.get_text_embedding(["a"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# Rerank.
NODES = [NodeWithScore(node=TextNode(text="a"))]
rerank = MeliousRerank(model="bge-reranker-v2-m3", api_key="sk-mel-x", top_n=3, score_threshold=0.5)
assert_type(rerank.postprocess_nodes(NODES, query_str="b"), list[NodeWithScore])
MeliousRerank(model="m", top_k=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
MeliousRerank(model="m", on_error="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
rerank.postprocess_nodes([TextNode(text="a")], query_str="b")  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]

# Pictures and sound.
reader = MeliousAudioReader(model="whisper-large-v3-turbo", api_key="sk-mel-x", language="de")
assert_type(reader.load_data("talk.mp3"), list[Document])
tools = MeliousToolSpec(size="256x256", api_key="sk-mel-x", audio_model=None).to_tool_list()
assert_type(tools, list[FunctionTool])
MeliousToolSpec(size=256)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
