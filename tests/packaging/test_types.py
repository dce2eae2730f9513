"""What type checkers of users see: every public class is typed throughout, and code of theirs passes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
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


MISTAKES = "# what follows is wrong, a mistake a line"


class Cases(NamedTuple):
    """The code of users, as files that each checker reads in one run."""

    folder: Path
    used: Path
    routed: Path


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    folder = tmp_path_factory.mktemp("typed")
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    made = Cases(folder, folder / "used.py", folder / "routed.py")
    made.used.write_text(f"# pyright: strict\n{USE}")
    made.routed.write_text(ROUTED)
    return made


def basedpyright(*arguments: str) -> dict[str, Any]:
    """Run the checker on this interpreter's packages, as an editor would."""
    here = Path(sys.executable).parent
    command = [str(here / "basedpyright"), "--outputjson", *arguments]
    environment = os.environ | {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return json.loads(done.stdout)


Errors = dict[Path, dict[int, str]]
"""What a checker says: by file and line, counted from one."""


@pytest.fixture(scope="session")
def errors_of_basedpyright(cases: Cases) -> Errors:
    errors: Errors = {cases.used: {}, cases.routed: {}}
    for each in basedpyright("--project", str(cases.folder))["generalDiagnostics"]:
        errors[Path(each["file"])][each["range"]["start"]["line"] + 1] = each["message"]
    return errors


@pytest.fixture(scope="session")
def errors_of_mypy(cases: Cases) -> Errors:
    """Its settings and its cache are those of `make lint`, which leaves little to do."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(cases.used), str(cases.routed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert not done.stderr
    errors: Errors = {cases.used: {}, cases.routed: {}}
    for file, line, said in re.findall(r"^(.+?):(\d+): error: (.*)", done.stdout, re.MULTILINE):
        errors[(ROOT / file).resolve()][int(line)] = said
    return errors


@pytest.fixture
def errors(request: pytest.FixtureRequest) -> Errors:
    return request.getfixturevalue(f"errors_of_{request.param}")


every_checker = pytest.mark.parametrize(
    "errors",
    [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ("basedpyright", "mypy")],
    indirect=True,
)


@every_checker
def test_code_of_users_passes(errors: Errors, cases: Cases) -> None:
    assert errors[cases.used] == {}


@every_checker
def test_checkers_see_words_of_routing_that_are_wrong(errors: Errors, cases: Cases) -> None:
    lines = ROUTED.splitlines()
    first = lines.index(MISTAKES) + 1
    found = {lines[number - 1] for number in errors[cases.routed]}
    assert found == set(lines[first:])


@pytest.mark.parametrize("package", ["langchain_melious", "llama_index_melious"])
def test_the_public_classes_are_typed(package: str) -> None:
    completeness = basedpyright("--ignoreexternal", "--verifytypes", package)["typeCompleteness"]
    vague = [symbol["name"] for symbol in completeness["symbols"] if not symbol["isTypeKnown"]]
    assert completeness["exportedSymbolCounts"]["withKnownType"] > 50
    assert not vague
