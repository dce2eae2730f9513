"""The conformance suite, run against the LLM and the embeddings of `openai-like`: a run whose failures are known.

`check_openai_like.py` runs this and compares; by itself it is expected to fail.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from conformance import (
    EmbeddingConformance,
    FunctionCallingConformance,
    LLMConformance,
    StructuredConformance,
)
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from llama_kit import REASONER
from sandbox_service import SandboxService

from melious.sandbox import Sandbox

CHATS = {"is_chat_model": True, "is_function_calling_model": True}


class OnSandbox:
    needs_key = False
    refuses_bad_urls = False

    @pytest.fixture
    def service(self, start_sandbox: Callable[..., Sandbox]) -> SandboxService:
        return SandboxService(start_sandbox())


class OfOpenAILike(OnSandbox):
    component_class = OpenAILike
    arguments: ClassVar[dict[str, Any]] = {"model": REASONER, **CHATS}
    key_variable = "OPENAI_API_KEY"
    url_variable = "OPENAI_API_BASE"


class TestLLM(OfOpenAILike, LLMConformance):
    image_arguments: ClassVar[dict[str, Any]] = {"model": "qwen3-vl-235b-a22b-instruct"}


class TestFunctionCalling(OfOpenAILike, FunctionCallingConformance):
    pass


class TestStructured(OfOpenAILike, StructuredConformance):
    native: ClassVar[dict[str, Any]] = {"should_use_structured_outputs": True}


class TestEmbedding(OnSandbox, EmbeddingConformance):
    component_class = OpenAILikeEmbedding
    arguments: ClassVar[dict[str, Any]] = {"model_name": "bge-m3"}
    dimensions_arguments: ClassVar[dict[str, Any]] = {"model_name": "qwen3-embedding-8b"}
    instructions = None
