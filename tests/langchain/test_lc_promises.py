"""Promises about what happens out of sight: no threads under async calls, no network but the service's."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from langchain_core.documents import Document


class NoThreads(ThreadPoolExecutor):
    """An executor that nothing may be handed to."""

    def submit(self, fn, /, *args, **kwargs):
        raise AssertionError(f"{fn} was handed to a thread")


def test_async_calls_use_no_thread(chat, embeddings, rerank):
    async def main():
        asyncio.get_running_loop().set_default_executor(NoThreads())
        llm = chat()
        assert (await llm.ainvoke("Hello")).text
        assert [chunk async for chunk in llm.astream("Hello")]
        assert [event async for event in llm.astream_events("Hello", version="v2")]
        assert len(await llm.abatch(["Hello", "Good day"])) == 2
        assert len(await embeddings(batch_size=1).aembed_documents(["heat", "ice"])) == 2
        assert await embeddings().aembed_query("heat")
        documents = [Document("A heat pump moves heat."), Document("Bread is baked.")]
        assert len(await rerank(batch_size=1).acompress_documents(documents, "heat")) == 2
        assert len(await rerank().as_runnable().ainvoke({"query": "heat", "documents": documents})) == 2
        assert await llm.aavailable_models()

    asyncio.run(main())


def test_nothing_but_the_service_is_ever_connected_to():
    """Imports and constructors connect to nothing; calls connect to the service and to nobody else."""
    code = """
import sys
connected, opened = [], []
def watch(event, arguments):
    if event == "socket.connect":
        connected.append(arguments[1])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        opened.append(arguments[0])
from melious.sandbox import Sandbox
with Sandbox() as sandbox:
    sys.addaudithook(watch)
    from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank
    place = {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
    llm = ChatMelious(model="glm-4.7", **place)
    embeddings = MeliousEmbeddings(model="bge-m3", **place)
    rerank = MeliousRerank(model="bge-reranker-v2-m3", **place)
    assert llm.profile and llm.get_num_tokens("Hello") and repr(llm)
    assert not connected and not opened, (connected, opened)
    llm.invoke("Hello")
    list(llm.stream("Hello"))
    embeddings.embed_documents(["heat", "ice"])
    rerank.rerank(["heat", "ice"], "heat")
    port = int(sandbox.base_url.rsplit(":", 1)[1].split("/")[0])
    assert connected and {address[:2] for address in connected} == {("127.0.0.1", port)}, connected
    headers = {name for request in sandbox.requests for name in request.headers}
    print(sorted(headers))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    sent = set(eval(done.stdout))
    assert sent <= {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "user-agent",
    }
