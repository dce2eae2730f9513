"""Texts to embed by the hundred thousand, and documents to put in order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from benchmarks import contenders as names
from benchmarks.contenders import KEY
from benchmarks.core import ranking
from benchmarks.core.vectors import MODEL, texts
from benchmarks.growth.curves import Panel
from benchmarks.growth.lab import Lab
from benchmarks.langchain import retrieval as in_langchain
from benchmarks.llama_index import retrieval as in_llama
from benchmarks.measure import SyncContender

SCALE = "melious.scale.Embedder"
_STATUS = Path("/proc/self/status")
_BATCH = 10_000
"""Rows in a batch of the embedder, as an engine hands them to it."""

Embed = Callable[[list[str]], int]
"""Embeds texts, and gives how many vectors there are."""


def measure(lab: Lab) -> Iterator[Panel]:
    """Texts, the memory that they take, and documents."""
    sizes = lab.sizes(1000, 10_000, 100_000, 1_000_000)
    panel = Panel("texts to embed", "text")
    most = {names.LANGCHAIN_MELIOUS: 100_000, names.LLAMA_MELIOUS: 100_000}
    yield lab.grow(panel, sizes, _embedding, "text", lambda size: size, most)

    if _STATUS.exists():  # Linux
        yield from _memory(lab)

    sizes = lab.sizes(100, 1000, 10_000, 100_000)
    panel = Panel("documents to rerank", "document")
    yield lab.grow(panel, sizes, _ranking, "text", lambda size: size)


def _memory(lab: Lab) -> Iterator[Panel]:
    sizes = lab.sizes(10_000, 100_000, 300_000, 1_000_000)
    panel = Panel("memory of texts and their vectors", "text", quantity="peak of memory", unit="KB")
    for size in sizes:
        panel.note(names.CORE, size, 1024 * _peak(lab, names.CORE, size))
    yield panel
    panel = Panel("memory of a stream of batches", "text", "flat", quantity="peak of memory", unit="MB")
    for size in sizes:
        panel.note(SCALE, size, _peak(lab, SCALE, size))
    yield panel


# --- texts ----------------------------------------------------------------------------------------------


def _embedder(url: str, kind: str) -> Embed:
    """One way to embed texts, with as little around it as can be."""
    if kind == names.CORE:
        from melious import MeliousClient

        client = MeliousClient(api_key=KEY, base_url=url)
        return lambda inputs: len(client.embeddings.create(model=MODEL, input=inputs).embeddings)
    if kind == SCALE:
        from melious.scale import Embedder

        embedder = Embedder(MODEL, api_key=KEY, base_url=url)
        return lambda inputs: sum(len(batch["embedding"]) for batch in embedder(_batches(inputs)))
    if kind == names.LANGCHAIN_MELIOUS:
        langchain = in_langchain.EMBEDDINGS[kind](url)
        return lambda inputs: len(langchain.embed_documents(inputs))
    llama = in_llama.EMBEDDINGS[kind](url)
    return lambda inputs: len(llama.get_text_embedding_batch(inputs))


def _batches(inputs: list[str]) -> Iterator[dict[str, list[str]]]:
    return ({"text": inputs[start : start + _BATCH]} for start in range(0, len(inputs), _BATCH))


def _embedding(size: int) -> dict[str, SyncContender]:
    def contender(kind: str) -> SyncContender:
        @contextmanager
        def open_client(url: str) -> Iterator[Callable[[], int]]:
            embed, inputs = _embedder(url, kind), texts(size)
            yield lambda: embed(inputs)

        return open_client

    kinds = (names.CORE, SCALE, names.LANGCHAIN_MELIOUS, names.LLAMA_MELIOUS)
    return {kind: contender(kind) for kind in kinds}


def _peak(lab: Lab, kind: str, size: int) -> float:
    """The most memory that embedding takes beyond the texts themselves, in MB, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth.documents", kind, str(size), lab.url("text", 0)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _resident(field: str) -> int:
    """`VmRSS` or `VmHWM` of this process, in KB."""
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def main(kind: str, size: int, url: str) -> None:
    """Embed so many texts once, and print the peak."""
    embed, inputs = _embedder(url, kind), texts(size)
    embed(inputs[:1])
    before = _resident("VmRSS")
    embed(inputs)
    print((_resident("VmHWM") - before) / 1024)


# --- documents ------------------------------------------------------------------------------------------


def _ranking(size: int) -> dict[str, SyncContender]:
    return {
        names.CORE: ranking.contenders(size)[names.CORE],
        names.LANGCHAIN_MELIOUS: _langchain_rerank(size),
        names.LLAMA_MELIOUS: in_llama.rerank(_llama_rerank, size),
    }


def _langchain_rerank(size: int) -> SyncContender:
    @contextmanager
    def open_model(url: str) -> Iterator[Callable[[], int]]:
        from langchain_core.documents import Document

        from langchain_melious import MeliousRerank

        model = MeliousRerank(model=ranking.MODEL, api_key=SecretStr(KEY), base_url=url)
        documents = [Document(text, metadata={"page": page}) for page, text in enumerate(texts(size))]
        yield lambda: len(model.compress_documents(documents, ranking.QUERY))

    return open_model


def _llama_rerank(url: str) -> Any:
    from llama_index_melious import MeliousRerank

    kind: Any = MeliousRerank
    return kind(model=ranking.MODEL, api_key=KEY, api_base=url, top_n=None)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
