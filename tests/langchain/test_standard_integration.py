"""LangChain's own integration suites: every item, against the sandbox, or against the service if there is a key.

With `MELIOUS_API_KEY` set as the tests start, the same classes ask the service (at `MELIOUS_BASE_URL`, or where it is
for everybody), and the suite fetches its pictures and sounds itself. Without, all is on this machine: the sandbox
answers, and pictures and sounds are made on the spot.

Items that are skipped, and why:

- `test_pdf_inputs`, `test_pdf_tool_message`, for both models: no part of the wire carries a PDF.
- `test_audio_inputs` for the seeing model; `test_image_inputs` and `test_image_tool_message` for the hearing one: no
  model of the service takes both. Each of these items runs for the other model.
"""

import base64
import io
import struct
import wave
from types import SimpleNamespace
from typing import Any

import lc_service
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from langchain_tests.integration_tests import chat_models as suite

from langchain_melious import ChatMelious, MeliousEmbeddings
from melious import MeliousClient
from melious.sandbox import Sandbox


class _Fetched:
    """What the suite's `httpx` gives for the files that it would fetch."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.content = b""

    def get(self, url: str, **_: Any) -> "_Fetched":
        self.content = _sound() if url.endswith(".wav") else self._picture()
        return self

    def raise_for_status(self) -> None:
        pass

    def _picture(self) -> bytes:
        client = MeliousClient(api_key=self._sandbox.api_key, base_url=self._sandbox.base_url)
        made = client.images.generate(model="flux-schnell", prompt="a diagram", response_format="b64_json")
        return base64.b64decode(made.data[0].b64_json)


def _sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(struct.pack("<800h", *[1000 * (i % 20) for i in range(800)]))
    return buffer.getvalue()


@pytest.fixture
def vcr() -> SimpleNamespace:
    """In the place of a recording: the sandbox, or the service, answers by itself."""
    return SimpleNamespace(responses=["an answer"])


class _ChatSuite(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def _place(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = lc_service.place(sandbox)
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "melious-tests")
        if not lc_service.KEY:
            monkeypatch.setattr(suite, "httpx", _Fetched(sandbox))

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatMelious

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0, "max_retries": 0}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "llama-3.3-70b-instruct"

    @property
    def enable_vcr_tests(self) -> bool:
        return True


class TestSeeingModel(_ChatSuite):
    """A model that sees, thinks and holds schemas by itself."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gemma-4-31b:speed", **self.place}

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[str]]:
        details = ["reasoning_output", "cache_read_input"]
        return {"invoke": details, "stream": details}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._answer("Why is the sky blue?", stream=stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        prompt = "The sky is blue because air scatters blue light most. " * 200
        self._answer(prompt, stream=False)
        answer = self._answer(prompt, stream=stream)
        assert answer.usage_metadata["input_token_details"]["cache_read"] > 0
        return answer

    def _answer(self, prompt: str, *, stream: bool) -> AIMessage:
        llm = ChatMelious(**self.chat_model_params)
        if not stream:
            return llm.invoke(prompt)
        whole = AIMessageChunk(content="")
        for chunk in llm.stream(prompt):
            whole += chunk
        return whole


class TestHearingModel(_ChatSuite):
    """A model that hears, and gives structured output by tool calls."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "voxtral-small-24b-2507", **self.place}

    @property
    def supports_audio_inputs(self) -> bool:
        return True


class TestMeliousEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @pytest.fixture(autouse=True)
    def _place(self, sandbox: Sandbox) -> None:
        self.place = lc_service.place(sandbox)

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return MeliousEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "bge-m3", **self.place}
