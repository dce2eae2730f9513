"""The suite that needs no service."""

import asyncio
import copy
import inspect
import os
import pickle
from typing import Any
from unittest import mock

import pytest
from langchain_core.documents import BaseDocumentCompressor
from pydantic import SecretStr

from standard_rerank.base import QUERY, RerankerTests


class RerankerUnitTests(RerankerTests):
    """How a reranker is made, and what it does with nothing. No item needs a network.

    `reranker_params` must be enough to construct it; a key may be any text.
    """

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        """Environment variables, constructor arguments, and the attributes that are expected then.

        Secrets are compared by what they hide. Without environment variables the item is skipped.
        """
        return {}, {}, {}

    @property
    def secret_params(self) -> tuple[str, ...]:
        """Names of constructor arguments that must not be shown. Defaults to `api_key`."""
        return ("api_key",)

    def test_init(self) -> None:
        """It can be constructed, and is a document compressor."""
        assert isinstance(self.reranker_class(**self.reranker_params), BaseDocumentCompressor)

    def test_init_from_env(self) -> None:
        """What is not given is read from the environment."""
        environment, arguments, expected = self.init_from_env_params
        if not environment:
            pytest.skip("init_from_env_params is not set")
        with mock.patch.dict(os.environ, environment):
            made = self.reranker_class(**arguments)
        for name, value in expected.items():
            found = getattr(made, name)
            assert (found.get_secret_value() if isinstance(found, SecretStr) else found) == value

    def test_secrets_are_not_shown(self) -> None:
        """A secret is neither in the repr nor in the fields as text."""
        secret = "a-very-secret-value"
        names = [name for name in self.secret_params if name in self.reranker_class.model_fields]
        made = self.reranker_class(**self.reranker_params | dict.fromkeys(names, secret))
        assert secret not in f"{made!r} {made} {made.__dict__!r}"

    def test_signatures(self) -> None:
        """Both methods take documents, query and callbacks as LangChain passes them."""
        for method in (self.reranker_class.compress_documents, self.reranker_class.acompress_documents):
            inspect.signature(method).bind(None, documents=[], query="", callbacks=None)

    def test_async_is_its_own(self) -> None:
        """The async method is not the one that LangChain makes of the blocking one with a thread."""
        inherited = self.reranker_class.acompress_documents is BaseDocumentCompressor.acompress_documents
        assert inherited != self.supports_async

    def test_no_documents(self, reranker: BaseDocumentCompressor) -> None:
        """Nothing in, nothing out, and no error."""
        assert list(reranker.compress_documents([], QUERY)) == []
        assert list(asyncio.run(_nothing(reranker))) == []

    def test_pickle_and_copies(self, reranker: BaseDocumentCompressor) -> None:
        """It survives pickle and deepcopy, its secrets included."""
        if not self.supports_pickle:
            pytest.skip("supports_pickle is False")
        for made in (pickle.loads(pickle.dumps(reranker)), copy.deepcopy(reranker), reranker.model_copy()):
            assert type(made) is type(reranker)
            assert made.model_dump() == reranker.model_dump()


async def _nothing(reranker: BaseDocumentCompressor) -> Any:
    return await reranker.acompress_documents([], QUERY)
