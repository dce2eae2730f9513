"""The clients that are measured, by the names they have in the tables; those not installed are left out."""

from __future__ import annotations

from collections.abc import Container, Mapping
from importlib import import_module
from typing import TypeVar

HTTPX = "httpx"
HTTPX2 = "httpx2"
CORE = "MeliousClient"
CORE_AIOHTTP = "MeliousClient, aiohttp"
OPENAI = "openai"
OPENAI_AIOHTTP = "openai, aiohttp"
OPENAI_FLOAT = "openai, floats"

LANGCHAIN_FAKE = "langchain-core, fake model"
LANGCHAIN_SUM = "HTTP library + fake model, apart"
LANGCHAIN_BARE = "langchain-core, bare POST"
LANGCHAIN_MELIOUS = "langchain_melious"
LANGCHAIN_UNIT = "langchain_melious, normalize"
LANGCHAIN_MELIOUS_AIOHTTP = "langchain_melious, aiohttp"
LANGCHAIN_MISTRAL = "langchain-mistralai"
LANGCHAIN_OPENAI = "langchain-openai"
LANGCHAIN_OPENAI_AIOHTTP = "langchain-openai, aiohttp"
LANGCHAIN_COHERE = "langchain-cohere"
LANGCHAIN_VOYAGE = "langchain-voyageai"

LLAMA_FAKE = "llama-index-core, fake model"
LLAMA_SUM = "HTTP library + fake model, apart"
LLAMA_BARE = "llama-index-core, bare POST"
LLAMA_MELIOUS = "llama_index_melious"
LLAMA_UNIT = "llama_index_melious, normalize"
LLAMA_MELIOUS_AIOHTTP = "llama_index_melious, aiohttp"
LLAMA_MISTRAL = "llama-index MistralAI"
LLAMA_OPENAI = "llama-index OpenAILike"
LLAMA_OPENAI_ITSELF = "llama-index OpenAI"
LLAMA_OPENAI_EMBEDDING = "OpenAILikeEmbedding"
LLAMA_OPENAI_EMBEDDING_ITSELF = "OpenAIEmbedding"
LLAMA_COHERE = "llama-index CohereRerank"
LLAMA_JINA = "llama-index JinaRerank"

KEY = "sk-mel-benchmark"
AUTH = {"authorization": f"Bearer {KEY}"}

CLIENTS = {
    HTTPX: "httpx:Client",
    HTTPX2: "httpx2:Client",
    CORE: "melious:MeliousClient",
    CORE_AIOHTTP: "httpx_aiohttp:AiohttpTransport",
    OPENAI: "openai:OpenAI",
    OPENAI_AIOHTTP: "httpx_aiohttp:AiohttpTransport",
    OPENAI_FLOAT: "openai:OpenAI",
}
IN_LANGCHAIN = {
    LANGCHAIN_FAKE: "langchain_core.language_models:BaseChatModel",
    LANGCHAIN_BARE: "langchain_core.language_models:BaseChatModel",
    LANGCHAIN_MELIOUS: "langchain_melious:ChatMelious",
    LANGCHAIN_UNIT: "langchain_melious:ChatMelious",
    LANGCHAIN_MELIOUS_AIOHTTP: "httpx_aiohttp:AiohttpTransport",
}
PEERS_IN_LANGCHAIN = {
    LANGCHAIN_MISTRAL: "langchain_mistralai:ChatMistralAI",
    LANGCHAIN_OPENAI: "langchain_openai:ChatOpenAI",
    LANGCHAIN_OPENAI_AIOHTTP: "httpx_aiohttp:AiohttpTransport",
    LANGCHAIN_COHERE: "langchain_cohere:CohereRerank",
    LANGCHAIN_VOYAGE: "langchain_voyageai:VoyageAIRerank",
}
IN_LLAMA_INDEX = {
    LLAMA_FAKE: "llama_index.core.llms:CustomLLM",
    LLAMA_BARE: "llama_index.core.llms:CustomLLM",
    LLAMA_MELIOUS: "llama_index_melious:Melious",
    LLAMA_UNIT: "llama_index_melious:Melious",
    LLAMA_MELIOUS_AIOHTTP: "httpx_aiohttp:AiohttpTransport",
}
PEERS_IN_LLAMA_INDEX = {
    LLAMA_MISTRAL: "llama_index.llms.mistralai:MistralAI",
    LLAMA_OPENAI: "llama_index.llms.openai_like:OpenAILike",
    LLAMA_OPENAI_ITSELF: "llama_index.llms.openai:OpenAI",
    LLAMA_OPENAI_EMBEDDING: "llama_index.embeddings.openai_like:OpenAILikeEmbedding",
    LLAMA_OPENAI_EMBEDDING_ITSELF: "llama_index.embeddings.openai:OpenAIEmbedding",
    LLAMA_COHERE: "llama_index.postprocessor.cohere_rerank:CohereRerank",
    LLAMA_JINA: "llama_index.postprocessor.jinaai_rerank:JinaRerank",
}

C = TypeVar("C")


def choose_httpx() -> None:
    """Let the client run on httpx, as it does where httpx2 is not installed."""
    from unittest.mock import patch

    from melious.http import library

    with patch.object(library, "find_spec", return_value=None):
        library.library()  # which remembers its choice


def raw() -> str:
    """The contender that is nothing but the HTTP library under the client."""
    from melious.http.library import library

    return library().name


def find_missing(homes: Mapping[str, str]) -> dict[str, str]:
    """The contenders that cannot run here, and why.

    Args:
        homes: By name, the module and what it must have.
    """
    missing = {}
    for name, home in homes.items():
        module, _, attribute = home.partition(":")
        try:
            getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            missing[name] = str(error)
    return missing


def present(contenders: Mapping[str, C], missing: Container[str]) -> dict[str, C]:
    """Those that can run here."""
    return {name: contender for name, contender in contenders.items() if name not in missing}
