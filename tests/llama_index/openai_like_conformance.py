"""The conformance suite, run against `llama-index-llms-openai-like`: a run whose failures are known.

`check_openai_like.py` runs this and compares; by itself it is expected to fail.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from conformance import FunctionCallingConformance, LLMConformance, StructuredConformance
from llama_index.llms.openai_like import OpenAILike
from llama_kit import REASONER
from sandbox_service import SandboxService

from melious.sandbox import Sandbox

CHATS = {"is_chat_model": True, "is_function_calling_model": True}


class OfOpenAILike:
    component_class = OpenAILike
    arguments: ClassVar[dict[str, Any]] = {"model": REASONER, **CHATS}
    key_variable = "OPENAI_API_KEY"
    url_variable = "OPENAI_API_BASE"
    needs_key = False
    refuses_bad_urls = False

    @pytest.fixture
    def service(self, start_sandbox: Callable[..., Sandbox]) -> SandboxService:
        return SandboxService(start_sandbox())


class TestLLM(OfOpenAILike, LLMConformance):
    image_arguments: ClassVar[dict[str, Any]] = {"model": "qwen3-vl-235b-a22b-instruct"}


class TestFunctionCalling(OfOpenAILike, FunctionCallingConformance):
    pass


class TestStructured(OfOpenAILike, StructuredConformance):
    native: ClassVar[dict[str, Any]] = {"should_use_structured_outputs": True}
