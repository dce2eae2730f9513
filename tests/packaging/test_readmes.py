"""What the READMEs show: the extra of a section brings what its snippets import, and the snippets of PyPI's pages run."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import tomllib
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import document_files
import pytest
from distributions import CLASSES
from llama_index.core import Settings

from melious.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

SECTIONS = {"LangChain": {"langchain"}, "LlamaIndex": {"llama-index"}}
"""The sections of the README with Python in them, and the extras that their reader has installed."""

NEEDS = {"show_progress_bar": "tqdm"}
"""Arguments that need a package which the snippet does not import."""

DISTRIBUTIONS = {"langchain_core": "langchain-core", "llama_index": "llama-index-core"}
OURS = {"langchain_melious": "langchain", "llama_index_melious": "llama-index", "melious_sandbox": "sandbox"}
"""Our packages that need an extra."""


def sections(readme: str) -> dict[str, list[str]]:
    """Give the Python of each section."""
    parts = re.split(r"^## (.+)\n", readme, flags=re.MULTILINE)
    blocks = {title: BLOCK.findall(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)}
    return {title: found for title, found in blocks.items() if found}


def imports(code: str) -> Iterator[tuple[str, str]]:
    """Give the name and the module of what a snippet imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, node.module or "") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)


def names(code: str) -> set[str]:
    """Give every name and keyword that a snippet uses."""
    nodes = list(ast.walk(ast.parse(code)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return used | {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}


def brought(extras: set[str]) -> set[str]:
    """Give what the package and these extras install by name."""
    requirements = list(PROJECT["dependencies"])
    for extra in extras:
        requirements += PROJECT["optional-dependencies"][extra]
    return {re.split(r"[<>=~\[ ;]", requirement)[0].lower() for requirement in requirements}


def missing(code: str, extras: set[str], imported_elsewhere: dict[str, str]) -> list[str]:
    """Give what a snippet needs and these extras do not bring."""
    used = names(code)
    modules = dict(imports(code))
    modules |= {name: module for name, module in imported_elsewhere.items() if name in used - set(modules)}
    needed = [NEEDS[name] for name in used & set(NEEDS)]
    wanting = []
    for module in [*modules.values(), *needed]:
        top = module.split(".")[0]
        ours = "sandbox" if module == "melious.sandbox" else OURS.get(top)
        if top == "llama_index" and module.split(".")[1] != "core":
            ours = "llama-index"
        if ours is not None:
            wanting += [] if ours in extras else [f"{module}: extra {ours}"]
        elif top not in {"melious", *brought(set())}:
            wanting += [] if DISTRIBUTIONS.get(top, top) in brought(extras) else [module]
    return wanting


def test_the_extra_of_a_section_brings_what_its_snippets_need() -> None:
    found = sections((ROOT / "README.md").read_text("utf-8"))
    assert set(found) == set(SECTIONS)
    elsewhere = dict(pair for blocks in found.values() for code in blocks for pair in imports(code))
    wanting = {
        title: need
        for title, blocks in found.items()
        for code in blocks
        if (need := missing(code, SECTIONS[title], elsewhere))
    }
    assert wanting == {}


@pytest.mark.parametrize("name", CLASSES)
def test_a_distribution_brings_what_its_page_needs(name: str) -> None:
    project = tomllib.loads((ROOT / "packaging" / name / "pyproject.toml").read_text("utf-8"))["project"]
    extras = set(re.findall(r"\[(.+)\]", project["dependencies"][0]))
    page = (ROOT / "packaging" / name / "README.md").read_text("utf-8")
    assert not [need for code in BLOCK.findall(page) for need in missing(code, extras, {})]


@pytest.mark.parametrize(
    ("code", "extras", "wanting"),
    [
        ("from langchain.agents import create_agent", {"llama-index"}, ["langchain.agents"]),
        ("f(show_progress_bar=True)", set(), ["tqdm"]),
        ("from langchain_melious import ChatMelious", set(), ["langchain_melious: extra langchain"]),
        ("from melious.sandbox import Sandbox", set(), ["melious.sandbox: extra sandbox"]),
        ("import streamlit", {"langchain"}, ["streamlit"]),
        ("create_agent(tools=[])", set(), ["langchain.agents"]),
    ],
)
def test_what_an_extra_does_not_bring_is_found(code: str, extras: set[str], wanting: list[str]) -> None:
    assert missing(code, extras, {"create_agent": "langchain.agents"}) == wanting


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recordings and documents that the pages name, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("letters").mkdir()
    Path("letters/offer.pdf").write_bytes(document_files.pdf("Offer 4711"))
    Path("talks").mkdir()
    for file in ("talk.mp3", "talks/talk.wav"):
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(bytes(16_000))


@pytest.fixture
def settings_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page sets for all of LlamaIndex ends with its test."""
    for name in ("_llm", "_embed_model"):
        monkeypatch.setattr(Settings, name, getattr(Settings, name))


@pytest.fixture
def melious_sandbox() -> Iterator[Sandbox]:
    """A sandbox for each page, since a page may leave clients, and their connections, behind."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.usefixtures("recordings", "melious_key", "settings_put_back", "event_loop_closed")
@pytest.mark.filterwarnings(
    "ignore:The `__fields(_set)?__` attribute is deprecated:pydantic.warnings.PydanticDeprecatedSince20",
    "ignore:Accessing the 'model_(computed_)?fields' attribute:pydantic.warnings.PydanticDeprecatedSince211",
)
@pytest.mark.parametrize("name", CLASSES)
def test_the_snippets_of_a_page_run(
    name: str, melious_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "packaging" / name / "README.md").read_text("utf-8")
    place: dict[str, Any] = {}
    for code in BLOCK.findall(page):
        exec(compile(code, f"{name}/README.md", "exec"), place)
    if inspect.iscoroutinefunction(ask := place.get("ask")):
        asyncio.run(ask())
    assert {request.status for request in melious_sandbox.requests} == {200}
    assert capsys.readouterr().out
