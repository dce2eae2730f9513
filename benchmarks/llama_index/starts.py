"""What fresh interpreters do with LlamaIndex: each class alone, and the framework, which is always whole."""

from __future__ import annotations

from benchmarks import contenders as names
from benchmarks.startup import Start

FLOOR = "llama_index.core, MockLLM"
NAME_ONLY = "llama_index_melious, the name alone"
EMBEDDING = "llama_index_melious, embedding"
RERANKER = "llama_index_melious, reranker"

_COMPLETE = "first.complete('Hello').text"

_FRAMEWORK = "from llama_index.core.llms import MockLLM"

STARTS = {
    NAME_ONLY: Start("import llama_index_melious"),
    FLOOR: Start(_FRAMEWORK, "MockLLM()", _COMPLETE),
    names.LLAMA_MELIOUS: Start(
        "from llama_index_melious import Melious",
        "Melious(model=model, api_key=key, api_base=url)",
        _COMPLETE,
        _FRAMEWORK,
    ),
    names.LLAMA_MISTRAL: Start(
        "from llama_index.llms.mistralai import MistralAI",
        "MistralAI(model='mistral-large-latest', api_key=key, endpoint=url.removesuffix('/v1'))",
        _COMPLETE,
    ),
    names.LLAMA_OPENAI: Start(
        "from llama_index.llms.openai_like import OpenAILike",
        "OpenAILike(model=model, api_key=key, api_base=url, is_chat_model=True)",
        _COMPLETE,
    ),
    EMBEDDING: Start("from llama_index_melious import MeliousEmbedding", floor=_FRAMEWORK),
    names.LLAMA_OPENAI_EMBEDDING: Start("from llama_index.embeddings.openai_like import OpenAILikeEmbedding"),
    RERANKER: Start("from llama_index_melious import MeliousRerank", floor=_FRAMEWORK),
    names.LLAMA_COHERE: Start("from llama_index.postprocessor.cohere_rerank import CohereRerank"),
}
