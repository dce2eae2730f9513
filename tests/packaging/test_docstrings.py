"""The examples in docstrings hold: those of the classes that people start from on the sandbox, the others alone."""

import ast
import asyncio
import doctest
import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import pytest

import langchain_melious
import llama_index.embeddings.melious
import llama_index.llms.melious
import llama_index.postprocessor.melious_rerank
import llama_index_melious
import melious
from melious.sandbox import Reply, Sandbox

PACKAGES = [
    melious,
    langchain_melious,
    llama_index_melious,
    llama_index.llms.melious,
    llama_index.embeddings.melious,
    llama_index.postprocessor.melious_rerank,
]
BLUE = Reply(text="Air scatters blue light most.")
GONE = Reply(text="The blue is gone.")
GREEN = Reply(text="Chlorophyll reflects green light.")
CALL = Reply(tool_calls=[("river_length", {"river": "Elbe"})])
RIVER = Reply(text='{"name":"Elbe","length_km":1094.0}')
LIGHTHOUSE = Reply(text="A lighthouse.")
OF_A_CLIENT = [BLUE, GONE, CALL, Reply(text='{"river":"Elbe"}'), BLUE]

ON_THE_SANDBOX: dict[type, list[Reply]] = {
    melious.MeliousClient: OF_A_CLIENT,
    melious.AsyncMeliousClient: OF_A_CLIENT,
    melious.BatchJob: [BLUE],
    melious.AsyncBatchJob: [BLUE],
    langchain_melious.ChatMelious: [BLUE, GONE, GREEN, CALL, RIVER, BLUE, GREEN, LIGHTHOUSE, BLUE, BLUE],
    langchain_melious.MeliousBatchChain: [BLUE, GREEN],
    langchain_melious.MeliousEmbeddings: [],
    langchain_melious.MeliousRerank: [],
    llama_index_melious.Melious: [BLUE, BLUE, GONE, GREEN, CALL, RIVER, BLUE, GREEN, LIGHTHOUSE, BLUE, BLUE],
    llama_index_melious.MeliousBatchEmbedding: [],
    llama_index_melious.MeliousEmbedding: [],
    llama_index_melious.MeliousRerank: [],
}
"""The classes whose examples need the service, and what it answers to them, in order."""
SECTIONS = {
    melious.MeliousClient: [
        "Instantiate",
        "Ask",
        "Stream",
        "Tools and structured output",
        "Embeddings",
        "Usage and impact",
        "Metadata",
    ],
    langchain_melious.ChatMelious: [
        "Instantiate",
        "Invoke",
        "Stream",
        "Async",
        "Tools",
        "Structured output",
        "In a batch job",
        "Images",
        "Usage and impact",
        "Metadata",
    ],
    langchain_melious.MeliousEmbeddings: [
        "Instantiate",
        "Embed",
        "Async",
        "In a batch job",
        "In a vector store",
        "Usage and impact",
    ],
    langchain_melious.MeliousRerank: [
        "Instantiate",
        "Sort documents",
        "Sort texts",
        "Async",
        "In a chain",
        "Usage and impact",
    ],
    llama_index_melious.Melious: [
        "Instantiate",
        "Complete",
        "Stream",
        "Async",
        "Tools",
        "Structured output",
        "In a batch job",
        "Images",
        "Usage and impact",
        "Metadata",
    ],
    llama_index_melious.MeliousEmbedding: [
        "Instantiate",
        "Embed",
        "Async",
        "In an index",
        "Usage and impact",
    ],
    llama_index_melious.MeliousRerank: [
        "Instantiate",
        "Sort",
        "Async",
        "In a query engine",
        "Usage and impact",
    ],
}
SECTIONS[melious.AsyncMeliousClient] = SECTIONS[melious.MeliousClient]


def _modules(package: ModuleType) -> list[str]:
    inside = walk_packages(package.__path__, f"{package.__name__}.")
    return [package.__name__, *(module.name for module in inside if not module.name.endswith("__main__"))]


def _name(made: type) -> str:
    return f"{made.__module__}.{made.__qualname__}"


def _failed(test: doctest.DocTest) -> str:
    """What a runner says of the examples that do not hold."""
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return "".join(said)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_the_examples_hold(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    finder, elsewhere = doctest.DocTestFinder(), {_name(made) for made in ON_THE_SANDBOX}
    found = [test for name in _modules(package) for test in finder.find(import_module(name))]
    tests = [test for test in found if test.examples and test.name not in elsewhere]
    assert tests
    failed = "".join(map(_failed, tests))
    assert not failed, failed


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    made.close()


@pytest.mark.usefixtures("melious_key")
@pytest.mark.parametrize(("made", "replies"), ON_THE_SANDBOX.items(), ids=map(_name, ON_THE_SANDBOX))
def test_the_examples_of_a_class_hold_on_the_sandbox(
    made: type, replies: list[Reply], melious_sandbox: Sandbox, loop: asyncio.AbstractEventLoop
) -> None:
    (test,) = doctest.DocTestFinder(recurse=False).find(made, _name(made))
    melious_sandbox.replies.add(*replies)
    for example in test.examples:
        if "await " in example.source or "async " in example.source:
            example.source = f"_awaited({example.source!r})\n"
    test.globs["_awaited"] = lambda source: _run(source, test.globs, loop)
    failed = _failed(test)
    assert not failed, failed
    assert not melious_sandbox.replies


def _run(source: str, names: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
    """Run an example as a notebook or `python -m asyncio` does: it may await."""
    code = compile(source, "<example>", "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    made = eval(code, names)
    if inspect.iscoroutine(made):
        loop.run_until_complete(made)


@pytest.mark.parametrize(("made", "sections"), SECTIONS.items(), ids=map(_name, SECTIONS))
def test_the_docstring_of_a_class_has_an_example_for_each_thing_people_do(
    made: type, sections: list[str]
) -> None:
    examples = inspect.cleandoc(made.__doc__ or "").partition("\nExamples:\n")[2]
    headings = [line.strip() for line in examples.splitlines() if line.endswith(":") and ">>>" not in line]
    headings = [line for line in headings if not line.startswith("...")]
    assert len(headings) == len(sections)
    for heading, section in zip(headings, sections, strict=True):
        assert heading.startswith(section)
        assert f"{heading}\n\n    >>> " in examples
