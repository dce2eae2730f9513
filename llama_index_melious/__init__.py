"""Melious, the European inference gateway, for LlamaIndex.

Importing this package costs nothing: each class is loaded when first used. From then on LlamaIndex's
`load_llm` and `load_embed_model` know the classes, so that components that hold them can be read back.

Examples:
    >>> from llama_index.core import Document, VectorStoreIndex
    >>> from llama_index_melious import Melious, MeliousEmbedding, MeliousRerank
    >>> index = VectorStoreIndex.from_documents(  # doctest: +SKIP
    ...     [Document(text="Trains in Austria run on hydropower.")],
    ...     embed_model=MeliousEmbedding(model="bge-m3"),
    ... )
    >>> engine = index.as_query_engine(  # doctest: +SKIP
    ...     llm=Melious(model="glm-4.7", preset="environment", filters={"countries": ["DE", "FR"]}),
    ...     node_postprocessors=[MeliousRerank(model="bge-reranker-v2-m3", top_n=4)],
    ...     similarity_top_k=20,
    ... )
    >>> print(engine.query("What do Austrian trains run on?"))  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from llama_index_melious.registries import register

if TYPE_CHECKING:
    from llama_index_melious.embeddings.batched import MeliousBatchEmbedding
    from llama_index_melious.embeddings.embedding import MeliousEmbedding
    from llama_index_melious.errors import StructuredOutputError, ToolArgumentsError
    from llama_index_melious.events import MeliousUsageEvent
    from llama_index_melious.handlers import MeliousImpactEventHandler
    from llama_index_melious.hosted_tools import MeliousHostedToolSpec
    from llama_index_melious.llm.model import Melious
    from llama_index_melious.media.documents import MeliousDocumentReader
    from llama_index_melious.media.reader import MeliousAudioReader
    from llama_index_melious.media.tool_spec import MeliousToolSpec
    from llama_index_melious.rerank.postprocessor import MeliousRerank

_MISSING = "{} needs llama-index-core. Install the extra: pip install 'melious[llama-index]'"


def _has_framework() -> bool:
    try:
        # Not `llama_index`, a namespace package to which this project also belongs.
        return find_spec("llama_index.core") is not None
    except ImportError:
        return False


if not _has_framework():
    raise ImportError(_MISSING.format(__name__))

register()

__all__ = [
    "Melious",
    "MeliousAudioReader",
    "MeliousBatchEmbedding",
    "MeliousDocumentReader",
    "MeliousEmbedding",
    "MeliousHostedToolSpec",
    "MeliousImpactEventHandler",
    "MeliousRerank",
    "MeliousToolSpec",
    "MeliousUsageEvent",
    "StructuredOutputError",
    "ToolArgumentsError",
]

_HOME = {
    "Melious": "llm.model",
    "MeliousAudioReader": "media.reader",
    "MeliousBatchEmbedding": "embeddings.batched",
    "MeliousDocumentReader": "media.documents",
    "MeliousEmbedding": "embeddings.embedding",
    "MeliousHostedToolSpec": "hosted_tools",
    "MeliousImpactEventHandler": "handlers",
    "MeliousRerank": "rerank.postprocessor",
    "MeliousToolSpec": "media.tool_spec",
    "MeliousUsageEvent": "events",
    "StructuredOutputError": "errors",
    "ToolArgumentsError": "errors",
}


def __getattr__(name: str) -> object:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
