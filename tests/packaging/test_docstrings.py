"""The examples in docstrings hold; those that need a service say so themselves."""

import doctest
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

import pytest

import langchain_melious
import llama_index.embeddings.melious
import llama_index.llms.melious
import llama_index.postprocessor.melious_rerank
import llama_index_melious
import melious

PACKAGES = [
    melious,
    langchain_melious,
    llama_index_melious,
    llama_index.llms.melious,
    llama_index.embeddings.melious,
    llama_index.postprocessor.melious_rerank,
]


def _modules(package: ModuleType) -> list[str]:
    inside = walk_packages(package.__path__, f"{package.__name__}.")
    return [package.__name__, *(module.name for module in inside if not module.name.endswith("__main__"))]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_the_examples_hold(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    results = {name: doctest.testmod(import_module(name)) for name in _modules(package)}
    assert not [name for name, result in results.items() if result.failed]
    assert sum(result.attempted for result in results.values()) > 0
