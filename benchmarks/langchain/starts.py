"""What fresh interpreters do with LangChain: each class alone, and what it cannot do without."""

from __future__ import annotations

from benchmarks import contenders as names
from benchmarks.startup import Start, raw

CHAT_FLOOR = "BaseChatModel + httpx2"
EMBEDDINGS_FLOOR = "Embeddings + httpx2"
RERANK_FLOOR = "BaseDocumentCompressor + httpx2"
NAME_ONLY = "langchain_melious, the name alone"

_CONSTRUCT = "(model=model, api_key=key, base_url=url)"
_INVOKE = "first.invoke('Hello').content"

_FLOOR_OF_CHAT = raw(
    "httpx2",
    "from langchain_core.language_models.chat_models import BaseChatModel",
    "from langchain_core.language_models import FakeListChatModel as Fake; "
    "Fake(responses=['Hello']).invoke('Hello').content",
)
_FLOOR_OF_EMBEDDINGS = Start("import httpx2; from langchain_core.embeddings import Embeddings")
_FLOOR_OF_RERANK = Start("import httpx2; from langchain_core.documents import BaseDocumentCompressor")

CHAT = {
    NAME_ONLY: Start("import langchain_melious"),
    CHAT_FLOOR: _FLOOR_OF_CHAT,
    names.LANGCHAIN_MELIOUS: Start(
        "from langchain_melious import ChatMelious",
        f"ChatMelious{_CONSTRUCT}",
        _INVOKE,
        _FLOOR_OF_CHAT.imports,
    ),
    names.LANGCHAIN_MISTRAL: Start(
        "from langchain_mistralai import ChatMistralAI", f"ChatMistralAI{_CONSTRUCT}", _INVOKE
    ),
    names.LANGCHAIN_OPENAI: Start(
        "from langchain_openai import ChatOpenAI", f"ChatOpenAI{_CONSTRUCT}", _INVOKE
    ),
}
EMBEDDINGS = {
    EMBEDDINGS_FLOOR: _FLOOR_OF_EMBEDDINGS,
    names.LANGCHAIN_MELIOUS: Start(
        "from langchain_melious import MeliousEmbeddings", floor=_FLOOR_OF_EMBEDDINGS.imports
    ),
    names.LANGCHAIN_MISTRAL: Start("from langchain_mistralai import MistralAIEmbeddings"),
    names.LANGCHAIN_OPENAI: Start("from langchain_openai import OpenAIEmbeddings"),
}
RERANK = {
    RERANK_FLOOR: _FLOOR_OF_RERANK,
    names.LANGCHAIN_MELIOUS: Start(
        "from langchain_melious import MeliousRerank", floor=_FLOOR_OF_RERANK.imports
    ),
}
