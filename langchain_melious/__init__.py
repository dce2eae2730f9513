"""Melious for LangChain: chat models, embeddings, reranking, images, transcription and documents.

Every answer carries its cost (`response_metadata["environment_impact"]`,
`["billing_cost"]`). Every class takes `preset`, `flavor` and `filters` to control
where its requests run. Names are loaded on first use, so importing this package is cheap.

Examples:
    >>> from langchain_melious import ChatMelious
    >>> llm = ChatMelious(model="glm-4.7", api_key="sk-mel-...", preset="environment")
    >>> answer = llm.invoke("What is a heat pump?")  # doctest: +SKIP
    >>> answer.text, answer.response_metadata["environment_impact"]  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from melious._version import __version__

if TYPE_CHECKING:
    from langchain_melious.audio import MeliousAudioParser
    from langchain_melious.callbacks.handlers import MeliousImpactHandler, get_melious_callback
    from langchain_melious.chat.batch_chain import MeliousBatchChain
    from langchain_melious.chat.model import ChatMelious
    from langchain_melious.documents.loader import MeliousDocumentLoader
    from langchain_melious.documents.parser import MeliousDocumentParser
    from langchain_melious.embeddings import MeliousEmbeddings
    from langchain_melious.hosted_tools import MeliousHostedTool, MeliousToolkit
    from langchain_melious.images import MeliousImageGenerator
    from langchain_melious.registration import register
    from langchain_melious.rerank.compressor import MeliousRerank

_MISSING = "{} needs langchain-core, which is not installed: pip install 'melious[langchain]'"


def _has_framework() -> bool:
    try:
        return find_spec("langchain_core") is not None
    except ImportError:
        return False


if not _has_framework():
    raise ImportError(_MISSING.format(__name__))

_MODULE_OF = {
    "ChatMelious": "chat.model",
    "MeliousAudioParser": "audio",
    "MeliousBatchChain": "chat.batch_chain",
    "MeliousDocumentLoader": "documents.loader",
    "MeliousDocumentParser": "documents.parser",
    "MeliousEmbeddings": "embeddings",
    "MeliousHostedTool": "hosted_tools",
    "MeliousImageGenerator": "images",
    "MeliousImpactHandler": "callbacks.handlers",
    "MeliousRerank": "rerank.compressor",
    "MeliousToolkit": "hosted_tools",
    "get_melious_callback": "callbacks.handlers",
    "register": "registration",
}

__all__ = [
    "ChatMelious",
    "MeliousAudioParser",
    "MeliousBatchChain",
    "MeliousDocumentLoader",
    "MeliousDocumentParser",
    "MeliousEmbeddings",
    "MeliousHostedTool",
    "MeliousImageGenerator",
    "MeliousImpactHandler",
    "MeliousRerank",
    "MeliousToolkit",
    "__version__",
    "get_melious_callback",
    "register",
]


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name != "langchain_core":
            raise
        raise ImportError(_MISSING.format(f"{__name__}.{name}")) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
