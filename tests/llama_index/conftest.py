"""Fixtures for the LlamaIndex classes: instances that lead to the sandbox, and both ways to call."""

from collections.abc import Callable
from typing import Any

import pytest
from llama_kit import MODEL, Way

import llama_index_melious as melious_classes  # the classes load later, after the HTTP library is chosen
from melious.sandbox import Sandbox

pytest.register_assert_rewrite("conformance")


@pytest.fixture(params=["sync", "async"])
def way(request: pytest.FixtureRequest) -> Way:
    return Way(request.param)


@pytest.fixture
def place(sandbox: Sandbox) -> dict[str, Any]:
    """Where the sandbox is, as every constructor takes it."""
    return {"api_key": sandbox.api_key, "base_url": sandbox.base_url}


@pytest.fixture
def make_llm(place: dict[str, Any]) -> Callable[..., Any]:
    return lambda **arguments: melious_classes.Melious(**{"model": MODEL, **place, **arguments})


@pytest.fixture
def make_embedding(place: dict[str, Any]) -> Callable[..., Any]:
    return lambda **arguments: melious_classes.MeliousEmbedding(**{"model": "bge-m3", **place, **arguments})


@pytest.fixture
def make_rerank(place: dict[str, Any]) -> Callable[..., Any]:
    return lambda **arguments: melious_classes.MeliousRerank(
        **{"model": "bge-reranker-v2-m3", **place, **arguments}
    )
