"""What users of LlamaIndex rely on, as tests that any integration can inherit.

LlamaIndex ships no such suite. These classes check an LLM, an embedding model
or a reranker that speaks the OpenAI-compatible wire: every request goes over
HTTP to a server that the tests can script, and every check is of something a
user would notice. Nothing is patched, and nothing here knows an integration.

To use it, put this folder on the path as the package `conformance`, let pytest explain its assertions
(`pytest.register_assert_rewrite("conformance")` in a conftest), and write a module of tests with pytest and
pytest-asyncio (`asyncio_mode = "auto"`). The server is yours to bring; `sandbox_service.py`, beside this
folder, shows how little a `Service` is where there is a server that can be scripted.

    from conformance import Answer, EmbeddingConformance, FunctionCallingConformance, LLMConformance, Service

    class MyService(Service):          # your test server; see `Service` for the five things it must do
        ...

    class MyLLM:                       # the same for every class of tests
        component_class = SomeLLM
        arguments = {"model": "some-model"}
        key_variable = "SOME_API_KEY"

        @pytest.fixture
        def service(self):
            with MyService() as running:
                yield running

    class TestLLM(MyLLM, LLMConformance): ...
    class TestFunctionCalling(MyLLM, FunctionCallingConformance): ...

What an integration does not offer is switched off by an attribute of the class,
such as `takes_images = False`; its tests are then skipped and say so. How the
integration calls its arguments is told by others, such as `url_argument`. Every
attribute is documented where it is defined.

| Class | Component | What it checks |
| --- | --- | --- |
| `LLMConformance` | `LLM` | all forms of chat and completion, streams and their ends, messages, reasoning |
| `FunctionCallingConformance` | `FunctionCallingLLM` | offering tools, reading calls, agents |
| `StructuredConformance` | `FunctionCallingLLM` | objects as answers, whole and streamed |
| `EmbeddingConformance` | `BaseEmbedding` | order, batches, untouched texts, bounded concurrency |
| `RerankConformance` | `BaseNodePostprocessor` | order, bounds, events, nodes left as they were |

All but `FunctionCallingConformance` and `StructuredConformance` also inherit `ComponentConformance`: keys and
addresses, secrets, copies and pickles, threads, event loops, retries, clients of HTTP.
"""

from conformance.component import ComponentConformance
from conformance.embedding import EmbeddingConformance
from conformance.function_calling import FunctionCallingConformance
from conformance.llm import LLMConformance
from conformance.rerank import RerankConformance
from conformance.service import Answer, Service
from conformance.structured import StructuredConformance

__all__ = [
    "Answer",
    "ComponentConformance",
    "EmbeddingConformance",
    "FunctionCallingConformance",
    "LLMConformance",
    "RerankConformance",
    "Service",
    "StructuredConformance",
]
