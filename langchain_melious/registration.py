"""Makes LangChain's model strings know this provider: `init_chat_model("melious:glm-4.7")`."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from importlib import import_module
from typing import Any

from langchain_melious.provider import PROVIDER

_REGISTRIES = {"langchain.chat_models.base": "ChatMelious", "langchain.embeddings.base": "MeliousEmbeddings"}
"""LangChain's modules with a table of providers, and our class for each."""

_TABLE = "_BUILTIN_PROVIDERS"
_logger = logging.getLogger("melious")


def register() -> bool:
    """Let `init_chat_model`, `init_embeddings`, `create_agent` and the like take `"melious:MODEL"`.

    LangChain has no public way to add a provider: this adds a row to its private tables. If they are not as
    expected, nothing is changed and a warning is logged. It may be called any number of times.

    Returns:
        Whether both tables know this provider now; False if the package `langchain` is not installed.

    Examples:
        >>> import langchain_melious
        >>> langchain_melious.register()
        True
        >>> from langchain.chat_models import init_chat_model
        >>> init_chat_model("melious:glm-4.7", api_key="sk-mel-...").model
        'glm-4.7'
    """
    done = [_registered(module, name) for module, name in _REGISTRIES.items()]
    return all(done)


def _registered(module: str, name: str) -> bool:
    try:
        table = getattr(import_module(module), _TABLE, None)
    except ImportError:
        _logger.warning("not registered: %s cannot be imported; install langchain", module)
        return False
    if table is None or not _is_table(table):
        _logger.warning("not registered: this version of langchain keeps its providers in another way")
        return False
    table.setdefault(PROVIDER, ("langchain_melious", name, _create))
    return True


def _is_table(table: Any) -> bool:
    """Whether a table of providers is as expected: module, class and a function that makes an instance."""
    return isinstance(table, MutableMapping) and all(
        isinstance(row, tuple) and [type(part) for part in row[:2]] == [str, str] and callable(row[-1])
        for row in table.values()
    )


def _create(cls: Callable[..., Any], **arguments: Any) -> Any:
    return cls(**arguments)
