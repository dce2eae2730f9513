"""What type checkers of users see: every public class is typed throughout, and code of theirs passes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

USE = '''
import asyncio
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.messages import AIMessage
from langchain_melious import (
    ChatMelious,
    MeliousAudioParser,
    MeliousEmbeddings,
    MeliousImageGenerator,
    MeliousRerank,
    get_melious_callback,
)
from langchain_melious.errors import RateLimitError
from llama_index.core.llms import ChatMessage, ChatResponse
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index_melious import Melious, MeliousAudioReader, MeliousEmbedding, MeliousToolSpec
from llama_index_melious import MeliousRerank as LlamaRerank
from melious import MeliousClient, ProviderFilters, Timeout, track_impact
from pydantic import BaseModel, SecretStr


class Person(BaseModel):
    name: str


def weather(city: str) -> str:
    """Get the weather."""
    return city


llm = ChatMelious(
    model="glm-4.7",
    api_key=SecretStr("sk-mel-x"),
    preset="environment",
    filters=ProviderFilters(countries=["DE"]),
    timeout=Timeout(answer=30.0),
    max_retries=0,
)
plain = ChatMelious(model="glm-4.7", api_key="sk-mel-x", filters={"countries": ["DE"]}, timeout=(5.0, 30.0), temperature=0)
answer: AIMessage = llm.invoke("Hello", temperature=0.5)
called: AIMessage = llm.bind_tools([weather], tool_choice="weather").invoke("Hello")
person: object = llm.with_structured_output(Person, method="json_schema").invoke("Hello")
vectors: list[list[float]] = MeliousEmbeddings(model="bge-m3", normalize=True).embed_documents(["a"])
vector: list[float] = asyncio.run(MeliousEmbeddings(model="bge-m3").aembed_query("a"))
rerank = MeliousRerank(model="bge-reranker-v2-m3", top_n=3, min_score=0.5)
best: list[Document] = rerank.compress_documents([Document("a")], "b", top_n=1)
draw = MeliousImageGenerator(model="flux-schnell", size="512x512", quality="hd", show_images=False)
drawer = plain.bind_tools([draw])
parser = MeliousAudioParser(model="whisper-large-v3-turbo", mode="segments", language="de")
said: list[Document] = parser.parse(Blob.from_path("talk.mp3"))
heard: list[Document] = asyncio.run(parser.aparse(Blob.from_path("talk.mp3")))
chat = Melious(model="glm-4.7", api_key=SecretStr("sk-mel-x"), preset="environment", system_prompt="Be brief.")
brief = Melious(
    model="glm-4.7",
    api_key="sk-mel-x",
    api_base="https://api.melious.ai/v1",
    filters={"countries": ["DE"]},
    timeout=(5.0, 30.0),
    temperature=0,
)
response: ChatResponse = brief.with_options(temperature=1).chat([ChatMessage("Hello")], preset="speed")
someone: Person = chat.structured_predict(Person, PromptTemplate("Who?"))
deltas: list[str | None] = [piece.delta for piece in chat.stream_chat([ChatMessage("Hello")], preset="speed")]
pieces: list[str | None] = [piece.delta for piece in chat.stream_complete("Hello", formatted=True)]


async def listen() -> str:
    said = [piece.message.content or "" async for piece in await chat.astream_chat([ChatMessage("Hello")])]
    return said[-1] + "".join([piece.delta or "" async for piece in await chat.astream_complete("Hello")])


heard_of: str = asyncio.run(listen())
embed_model = MeliousEmbedding(model="bge-m3", api_key="sk-mel-x", query_instruction="query: ")
numbers: list[float] = MeliousEmbedding(model_name=embed_model.model).get_query_embedding("a", preset="speed")
matrix: list[list[float]] = asyncio.run(embed_model.aget_text_embedding_batch(["a"]))
judge = LlamaRerank(model="bge-reranker-v2-m3", api_key="sk-mel-x", top_n=3, score_threshold=0.5)
nodes: list[NodeWithScore] = judge.postprocess_nodes([NodeWithScore(node=TextNode(text="a"))], query_str="b")
nodes = asyncio.run(judge.apostprocess_nodes(nodes, QueryBundle("b"), top_n=1))
reader = MeliousAudioReader(model="whisper-large-v3-turbo", api_key="sk-mel-x", language="de")
tools = MeliousToolSpec(size="256x256", api_key="sk-mel-x", audio_model=None).to_tool_list()
with get_melious_callback() as callback, track_impact() as ledger:
    grams: float | None = callback.total.carbon_g_co2
    requests: int = ledger.total.requests
try:
    text: str = MeliousClient(api_key="sk-mel-x").chat.create(
        model="glm-4.7", messages=[{"role": "user", "content": "Hello"}]
    ).text
except RateLimitError as error:
    seconds: float | None = error.retry_after
'''


ROUTED = """
from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank
from llama_index_melious import Melious, MeliousEmbedding, MeliousToolSpec
from melious import Filters, MeliousClient, ProviderFilters
from melious.routing.filters import Flavor

client = MeliousClient(api_key="sk-mel-x", preset="my own", flavor="eco", filters={"countries": ["DE"]})
wanted: Filters = {"countries": ("DE", "FR"), "max_carbon_intensity": 200, "min_speed_tps": 99.5}
strict = client.with_options(filters=wanted).with_routing_fallbacks({"countries": {"DE"}}, "countries", None)
words: list[Flavor] = ["balanced", "speed", "price", "eco", "batch"]
client.chat.create(model="m", messages=[], flavor=words[0], filters=ProviderFilters(min_speed_tps=5))
client.embeddings.create(model="m", input="a", preset="speed", filters=None)
ChatMelious(model="m", preset="speed", flavor="eco", filters={"countries": ["DE"]})
MeliousEmbeddings(model="m", preset="my own", filters=wanted)
Melious(model="m", preset="speed", flavor="eco", filters={"countries": ["DE"]})
MeliousToolSpec(preset="my own", filters=wanted, audio_folder="talks")
# what follows is wrong, a mistake a line
MeliousClient(api_key="sk-mel-x", filters={"country": ["DE"]})
MeliousClient(api_key="sk-mel-x", filters={"countries": "DE"})
MeliousClient(api_key="sk-mel-x", filters={"max_carbon_intensity": "low"})
MeliousClient(api_key="sk-mel-x", flavor="green")
MeliousClient(api_key="sk-mel-x", preset=5)
client.chat.create(model="m", messages=[], filters={"country": ["DE"]})
client.chat.create(model="m", messages=[], flavor="ecco")
client.rerank.create(model="m", query="q", documents=["a"], filters={"regions": ["DE"]})
client.with_routing_fallbacks("country")
ProviderFilters(country=["DE"])
ChatMelious(model="m", filters={"country": ["DE"]})
ChatMelious(model="m", flavor="green")
MeliousEmbeddings(model="m", filters={"country": ["DE"]})
MeliousRerank(model="m", flavor="green")
Melious(model="m", filters={"country": ["DE"]})
Melious(model="m", flavor="green")
MeliousEmbedding(model="m", filters={"country": ["DE"]})
MeliousToolSpec(flavor="green")
"""


def pyright(*arguments: str) -> dict:
    """Run the checker on this interpreter's packages, as an editor would."""
    here = Path(sys.executable).parent
    command = [str(here / "basedpyright"), "--outputjson", *arguments]
    environment = os.environ | {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return json.loads(done.stdout)


@pytest.mark.parametrize("package", ["langchain_melious", "llama_index_melious"])
def test_the_public_classes_are_typed(package):
    completeness = pyright("--ignoreexternal", "--verifytypes", package)["typeCompleteness"]
    vague = [symbol["name"] for symbol in completeness["symbols"] if not symbol["isTypeKnown"]]
    assert completeness["exportedSymbolCounts"]["withKnownType"] > 50
    assert not vague


def test_code_of_users_passes_the_strictest_check(tmp_path):
    (tmp_path / "use.py").write_text(USE)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    found = pyright("--project", str(tmp_path))["generalDiagnostics"]
    assert [(each["range"]["start"]["line"], each["message"]) for each in found] == []


def mypy(file: Path) -> set[int]:
    """The lines, from zero, in which the other checker finds a mistake."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--follow-imports=silent", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr
    return {int(line.split(":")[1]) - 1 for line in done.stdout.splitlines() if ": error:" in line}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("checker", ["basedpyright", "mypy"])
def test_checkers_see_words_of_routing_that_are_wrong(tmp_path, checker):
    (tmp_path / "use.py").write_text(ROUTED)
    if checker == "mypy":
        found = mypy(tmp_path / "use.py")
    else:
        (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
        found = {
            each["range"]["start"]["line"]
            for each in pyright("--project", str(tmp_path))["generalDiagnostics"]
        }
    lines = ROUTED.splitlines()
    wrong = set(range(lines.index("# what follows is wrong, a mistake a line") + 1, len(lines)))
    assert [lines[number] for number in sorted(found - wrong)] == []
    assert [lines[number] for number in sorted(wrong - found)] == []
