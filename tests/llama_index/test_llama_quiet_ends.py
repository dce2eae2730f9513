"""Streams that nobody reads to their end: connections are closed, and nothing is said about it."""

import os
import subprocess
import sys

SETUP = """
import asyncio, gc, sys, warnings
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel
from llama_index_melious import Melious

warnings.simplefilter("error")
llm = Melious(model="llama-3.1-8b-instruct")
HELLO = [ChatMessage("Hello, you!")]

class Word(BaseModel):
    word: str

def look_up(word: str) -> str:
    "Look a word up."
    return word
"""
ENDS = {
    "left": """
async def main():
    async for _ in await llm.astream_chat(HELLO):
        break
""",
    "left while it has a name": """
async def main():
    stream = await llm.astream_complete("Hello, you!")
    async for _ in stream:
        break
""",
    "left by an error": """
async def main():
    stream = await llm.astream_chat(HELLO)
    async for _ in stream:
        raise ValueError("mine")
""",
    "left by an error of another": """
async def main():
    async def read(place):
        async for _ in await llm.astream_chat(HELLO):
            if place == 0:
                raise ValueError("mine")
    await asyncio.gather(*map(read, range(4)))
""",
    "never begun": """
async def main():
    stream = await llm.astream_chat(HELLO)
    raise ValueError("mine")
""",
    "out of time": """
async def main():
    async with asyncio.timeout(None) as limit:
        async for _ in await llm.astream_chat(HELLO):
            limit.reschedule(asyncio.get_running_loop().time() + 0.02)
            await asyncio.sleep(600)
""",
    "objects": """
async def main():
    async for _ in await llm.astream_structured_predict(Word, PromptTemplate("A word")):
        break
""",
    "calls of tools": """
async def main():
    tools = [FunctionTool.from_defaults(fn=look_up)]
    async for _ in await llm.astream_chat_with_tools(tools, "Look up the word dune"):
        break
""",
    "in a cycle": """
async def main():
    async def hold():
        holder = {"stream": await llm.astream_chat(HELLO)}
        holder["itself"] = holder
        await anext(holder["stream"])
    await hold()
    gc.collect()

def hold():
    holder = {"stream": llm.stream_chat(HELLO)}
    holder["itself"] = holder
    next(holder["stream"])
hold()
gc.collect()
""",
}


def test_streams_that_are_left_say_nothing(sandbox):
    # One interpreter for all of them: LlamaIndex takes seconds to import.
    code = SETUP + "".join(
        f"{end}\ntry:\n    asyncio.run(main())\nexcept (ValueError, TimeoutError):\n    pass\n"
        f"gc.collect()\nprint({name!r}, file=sys.stderr)\n"
        for name, end in ENDS.items()
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MELIOUS_API_KEY": sandbox.api_key, "MELIOUS_BASE_URL": sandbox.base_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [*ENDS], "before its name, something was said of an end"
    assert len(sandbox.requests) >= len(ENDS)


def test_event_loops_under_nest_asyncio_end_in_silence(sandbox):
    code = """
import asyncio, gc
import nest_asyncio
from llama_index_melious import Melious

nest_asyncio.apply()
llm = Melious(model="llama-3.1-8b-instruct")

async def outer():
    for _ in range(4):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(llm.acomplete("Hello"))
        loop.close()
        gc.collect()

asyncio.run(outer())
gc.collect()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MELIOUS_API_KEY": sandbox.api_key, "MELIOUS_BASE_URL": sandbox.base_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(sandbox.requests) == 4


def test_loops_that_llama_index_closes_without_a_shutdown_end_in_silence(sandbox):
    code = """
import asyncio, gc, sys
from llama_index.core.async_utils import asyncio_run
from llama_index_melious import Melious

async def outer(llm):
    return asyncio_run(llm.acomplete("Hello"))

for transport in ("httpx", "aiohttp"):
    llm = Melious(model="llama-3.1-8b-instruct", async_transport=transport)
    for _ in range(2):
        asyncio.run(outer(llm))
        gc.collect()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(llm.acomplete("Hello"))
        loop.close()
        del loop
        gc.collect()
    del llm
    gc.collect()
    print(transport, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MELIOUS_API_KEY": sandbox.api_key, "MELIOUS_BASE_URL": sandbox.base_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.split()) == (0, ["httpx", "aiohttp"])
    assert len(sandbox.requests) == 8
