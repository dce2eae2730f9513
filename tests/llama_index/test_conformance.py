"""The conformance suite, run against all three classes with nothing switched off."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from conformance import (
    EmbeddingConformance,
    FunctionCallingConformance,
    LLMConformance,
    RerankConformance,
    StructuredConformance,
)
from llama_kit import REASONER
from sandbox_service import SandboxService

from llama_index_melious import Melious, MeliousEmbedding, MeliousRerank
from melious.exchange import gate
from melious.sandbox import Sandbox


class OnSandbox:
    """What all three have in common."""

    key_variable = "MELIOUS_API_KEY"
    url_variable = "MELIOUS_BASE_URL"
    url_suffixes = ("", "/", "/chat/completions")
    retry_timeouts: ClassVar[dict[str, Any]] = {"retry_timeouts": True}

    @pytest.fixture
    def service(self, start_sandbox: Callable[..., Sandbox]) -> SandboxService:
        return SandboxService(start_sandbox())

    @pytest.fixture(autouse=True)
    def _probes_go_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """After refusals that ask for no wait, the rate gate tries again almost at once."""
        monkeypatch.setattr(gate, "_PROBE_BACKOFF", (0.001, 8.0))

    def offered(self, switch: object, what: str) -> None:
        assert switch, f"nothing is switched off here, not even {what}"


class OfMelious(OnSandbox):
    component_class = Melious
    arguments: ClassVar[dict[str, Any]] = {"model": REASONER}


class TestLLM(OfMelious, LLMConformance):
    image_arguments: ClassVar[dict[str, Any]] = {"model": "qwen3-vl-235b-a22b-instruct"}


class TestFunctionCalling(OfMelious, FunctionCallingConformance):
    pass


class TestStructured(OfMelious, StructuredConformance):
    pass


class TestEmbedding(OnSandbox, EmbeddingConformance):
    component_class = MeliousEmbedding
    arguments: ClassVar[dict[str, Any]] = {"model": "bge-m3"}
    dimensions_arguments: ClassVar[dict[str, Any]] = {"model": "qwen3-embedding-8b"}
    most_at_once = 4


class TestRerank(OnSandbox, RerankConformance):
    component_class = MeliousRerank
    arguments: ClassVar[dict[str, Any]] = {"model": "bge-reranker-v2-m3"}
