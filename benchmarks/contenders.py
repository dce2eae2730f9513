"""The clients that are measured, by the names they have in the tables; those not installed are left out."""

from __future__ import annotations

from collections.abc import Container
from importlib import import_module
from typing import TypeVar

HTTPX = "httpx"
HTTPX2 = "httpx2"
CORE = "MeliousClient"
CORE_AIOHTTP = "MeliousClient, aiohttp"
OPENAI = "openai"
OPENAI_AIOHTTP = "openai, aiohttp"
OPENAI_FLOAT = "openai, floats"
LANGCHAIN_OPENAI = "langchain-openai"
LANGCHAIN_MELIOUS = "langchain_melious"
LLAMA_INDEX_OPENAI = "llama-index OpenAILike"
LLAMA_INDEX_MELIOUS = "llama_index_melious"

KEY = "sk-mel-benchmark"
AUTH = {"authorization": f"Bearer {KEY}"}

_HOME = {
    HTTPX: ("httpx", "Client"),
    HTTPX2: ("httpx2", "Client"),
    CORE: ("melious", "MeliousClient"),
    CORE_AIOHTTP: ("httpx_aiohttp", "AiohttpTransport"),
    OPENAI: ("openai", "OpenAI"),
    OPENAI_AIOHTTP: ("httpx_aiohttp", "AiohttpTransport"),
    OPENAI_FLOAT: ("openai", "OpenAI"),
    LANGCHAIN_OPENAI: ("langchain_openai", "ChatOpenAI"),
    LANGCHAIN_MELIOUS: ("langchain_melious", "ChatMelious"),
    LLAMA_INDEX_OPENAI: ("llama_index.llms.openai_like", "OpenAILike"),
    LLAMA_INDEX_MELIOUS: ("llama_index_melious", "Melious"),
}

PEERS_IN_FRAMEWORKS = frozenset({LANGCHAIN_OPENAI, LLAMA_INDEX_OPENAI})
FRAMEWORKS = PEERS_IN_FRAMEWORKS | {LANGCHAIN_MELIOUS, LLAMA_INDEX_MELIOUS}

C = TypeVar("C")


def find_missing(without: frozenset[str] = frozenset()) -> dict[str, str]:
    """The contenders that cannot run here, and why.

    Args:
        without: Those that are not wanted; they are not imported.
    """
    missing = {}
    for name, (module, attribute) in _HOME.items():
        if name in without:
            missing[name] = "not wanted"
            continue
        try:
            getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            missing[name] = str(error)
    return missing


def present(contenders: dict[str, C], missing: Container[str]) -> dict[str, C]:
    """Those that can run here."""
    return {name: contender for name, contender in contenders.items() if name not in missing}
