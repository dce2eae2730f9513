"""Event loops that end under nest_asyncio, which leaves out the shutdown of asyncio: nothing is said about it."""

import os
import subprocess
import sys

import pytest

CODE = """
import asyncio, gc, warnings
import nest_asyncio
from langchain_core.documents import Document
from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank

warnings.simplefilter("error")
warnings.simplefilter("ignore", ResourceWarning)  # loops that are not shut down leave their sockets to Python
nest_asyncio.apply()
llm = ChatMelious("glm-4.7")
embeddings = MeliousEmbeddings("bge-m3")
rerank = MeliousRerank("bge-reranker-v2-m3")

async def calls():
    await llm.ainvoke("Hello")
    assert [chunk async for chunk in llm.astream("Hello")]
    await llm.abatch(["Hello", "Bye"])
    await embeddings.aembed_documents(["heat", "ice"])
    await rerank.acompress_documents([Document("heat")], "heat")
    task = asyncio.create_task(llm.ainvoke("Hello"))
    task.cancel()
    await asyncio.wait([task])

async def outer():
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(calls())
        loop.close()
        gc.collect()

asyncio.run(calls())
asyncio.run(outer())
gc.collect()
"""


def test_event_loops_under_nest_asyncio_end_in_silence(sandbox):
    pytest.importorskip("nest_asyncio")
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "MELIOUS_API_KEY": sandbox.api_key, "MELIOUS_BASE_URL": sandbox.base_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(sandbox.requests) >= 4 * 6
