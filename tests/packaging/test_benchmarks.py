"""The benchmark suite runs from end to end and has a figure for everyone who is installed."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SYNC = {"httpx", "httpx2", "openai", "MeliousClient"}
ASYNC = {*SYNC, "MeliousClient, aiohttp", "openai, aiohttp"}
STARTS = {*SYNC, "httpx2 + pydantic"}
LANGCHAIN = {"langchain-core, fake model", "langchain-core, bare POST", "langchain_melious"}
LANGCHAIN_SYNC = {*LANGCHAIN, "httpx2", "HTTP library + fake model, apart"}
LANGCHAIN_ASYNC = {*LANGCHAIN_SYNC, "langchain_melious, aiohttp"}
LANGCHAIN_STARTS = {"langchain_melious", "BaseChatModel + httpx2"}
LLAMA_INDEX = {"llama-index-core, fake model", "llama-index-core, bare POST", "llama_index_melious"}
LLAMA_INDEX_SYNC = {*LLAMA_INDEX, "httpx2", "HTTP library + fake model, apart"}
LLAMA_INDEX_ASYNC = {*LLAMA_INDEX_SYNC, "llama_index_melious, aiohttp"}
LLAMA_INDEX_STARTS = {"llama_index_melious", "llama_index.core, MockLLM"}
TABLES = {
    "core": {
        "request, sync": SYNC,
        "request, async": ASYNC,
        "request, async x64": ASYNC,
        "streamed chunk, sync": SYNC,
        "streamed chunk, async": ASYNC,
        "embeddings": {*SYNC, "httpx, floats", "httpx2, floats", "openai, floats"},
        "rerank": SYNC - {"openai"},
        "import": {*STARTS, "melious, the name alone"},
        "import, construction and first answer": STARTS,
        "construction, the first of a process": STARTS,
        "construction, after the first": STARTS,
    },
    "langchain": {
        "LangChain, invoke": LANGCHAIN_SYNC,
        "LangChain, ainvoke": LANGCHAIN_ASYNC,
        "LangChain, ainvoke x64": LANGCHAIN_ASYNC,
        "LangChain, streamed chunk, sync": LANGCHAIN_SYNC,
        "LangChain, streamed chunk, async": LANGCHAIN_ASYNC,
        "LangChain, v3 events made, per chunk": LANGCHAIN,
        "LangChain, v3 stream_events, per chunk": LANGCHAIN,
        "LangChain, v3 astream_events, per chunk": LANGCHAIN,
        "LangChain, embed_documents": {"httpx2", "langchain_melious", "langchain_melious, normalize"},
        "LangChain, aembed_documents": {"langchain_melious"},
        "LangChain, compress_documents": {
            "httpx2",
            "MeliousClient",
            "langchain-core, bare POST",
            "langchain_melious",
        },
        "LangChain chat, import": {*LANGCHAIN_STARTS, "langchain_melious, the name alone"},
        "LangChain chat, import, over its floor": {"langchain_melious"},
        "LangChain chat, import, construction and first answer": LANGCHAIN_STARTS,
        "LangChain chat, construction, the first of a process": LANGCHAIN_STARTS,
        "LangChain chat, construction, after the first": LANGCHAIN_STARTS,
        "LangChain embeddings, import": {"langchain_melious", "Embeddings + httpx2"},
        "LangChain embeddings, import, over its floor": {"langchain_melious"},
        "LangChain rerank, import": {"langchain_melious", "BaseDocumentCompressor + httpx2"},
        "LangChain rerank, import, over its floor": {"langchain_melious"},
    },
    "llama_index": {
        "LlamaIndex, chat": LLAMA_INDEX_SYNC,
        "LlamaIndex, achat": LLAMA_INDEX_ASYNC,
        "LlamaIndex, achat x64": LLAMA_INDEX_ASYNC,
        "LlamaIndex, text chunk, sync": LLAMA_INDEX_SYNC,
        "LlamaIndex, text chunk, async": LLAMA_INDEX_ASYNC,
        "LlamaIndex, tool chunk with its calls": {"llama_index_melious"},
        "LlamaIndex, structured chunk": {"llama_index_melious"},
        "LlamaIndex, get_text_embedding_batch": {
            *LLAMA_INDEX_SYNC - {"llama-index-core, bare POST"},
            "llama_index_melious, normalize",
        },
        "LlamaIndex, aget_text_embedding_batch": LLAMA_INDEX - {"llama-index-core, bare POST"},
        "LlamaIndex, postprocess_nodes": {
            "httpx2",
            "MeliousClient",
            "llama-index-core, bare POST",
            "llama_index_melious",
        },
        "LlamaIndex, apostprocess_nodes x32": {"llama_index_melious"},
        "LlamaIndex, threads of apostprocess_nodes x32": {"llama_index_melious"},
        "LlamaIndex, import": {
            *LLAMA_INDEX_STARTS,
            "llama_index_melious, the name alone",
            "llama_index_melious, embedding",
            "llama_index_melious, reranker",
        },
        "LlamaIndex, import, over its floor": {
            "llama_index_melious",
            "llama_index_melious, embedding",
            "llama_index_melious, reranker",
        },
        "LlamaIndex, import, construction and first answer": LLAMA_INDEX_STARTS,
        "LlamaIndex, construction, the first of a process": LLAMA_INDEX_STARTS,
        "LlamaIndex, construction, after the first": LLAMA_INDEX_STARTS,
    },
}
PEERS = {
    "core": set(),
    "langchain": {"langchain-mistralai", "langchain-openai", "langchain-openai, aiohttp"},
    "llama_index": {
        "llama-index MistralAI",
        "llama-index OpenAILike",
        "llama-index OpenAI",
        "OpenAILikeEmbedding",
        "OpenAIEmbedding",
        "llama-index CohereRerank",
    },
}


def run_quickly(part: str, written: Path) -> tuple[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", part, "--json", str(written)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(written.read_text())


@pytest.mark.parametrize(
    "part", ["core", *(pytest.param(part, marks=pytest.mark.exhaustive) for part in TABLES if part != "core")]
)
def test_every_row_of_a_quick_run_has_a_figure(part: str, tmp_path: Path) -> None:
    printed, run = run_quickly(part, tmp_path / "run.json")

    assert {title: set(table["figures"]) for title, table in run["tables"].items()} == TABLES[part]
    for title, table in run["tables"].items():
        for name, figure in table["figures"].items():
            assert math.isfinite(figure), (title, name)
            assert figure > 0, (title, name)
            assert f"  {name}  " in printed

    assert run["limits"]
    assert len(run["limits"]) == printed.count(" <= ") + printed.count(" >= ")
    assert all(limit["reached"] is not None for limit in run["limits"])
    assert set(run["missing"]) == PEERS[part]
