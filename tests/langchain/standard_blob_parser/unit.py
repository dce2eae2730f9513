"""The suite that needs no service."""

import copy
import inspect
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents.base import Blob
from pydantic import SecretStr

from standard_blob_parser.base import BlobParserTests


class BlobParserUnitTests(BlobParserTests):
    """How a blob parser is made, and what it does before anything is asked of it. No item needs a network.

    `parser_params` must be enough to construct it; a key may be any text.
    """

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        """Environment variables, constructor arguments, and the attributes that are expected then.

        Secrets are compared by what they hide. Without environment variables the item is skipped.
        """
        return {}, {}, {}

    @property
    def secret_params(self) -> tuple[str, ...]:
        """Names of constructor arguments that must not be shown. Defaults to none."""
        return ()

    def test_init(self, parser: BaseBlobParser) -> None:
        """It can be constructed, and is a blob parser."""
        assert isinstance(parser, BaseBlobParser)

    def test_init_from_env(self) -> None:
        """What is not given is read from the environment."""
        environment, arguments, expected = self.init_from_env_params
        if not environment:
            pytest.skip("init_from_env_params is not set")
        with mock.patch.dict(os.environ, environment):
            made = self.parser_class(**arguments)
        for name, value in expected.items():
            found = getattr(made, name)
            assert (found.get_secret_value() if isinstance(found, SecretStr) else found) == value

    def test_secrets_are_not_shown(self) -> None:
        """A secret is neither in the repr nor in the attributes as text."""
        secret = "a-very-secret-value"
        made = self.parser_class(**self.parser_params | dict.fromkeys(self.secret_params, secret))
        assert secret not in f"{made!r} {made} {vars(made)!r}"

    def test_signatures(self) -> None:
        """It is called as loaders do, with a blob and nothing else, and `parse` is LangChain's."""
        inspect.signature(self.parser_class.lazy_parse).bind(None, Blob.from_data(b""))
        inspect.signature(self.parser_class.parse).bind(None, Blob.from_data(b""))

    def test_lazy_parse_is_lazy(self, parser: BaseBlobParser, tmp_path: Path) -> None:
        """Nothing is read before the first document is asked for."""
        parsed = parser.lazy_parse(Blob.from_path(tmp_path / "not-there.wav"))
        assert isinstance(parsed, Iterator)

    def test_a_missing_file_is_an_error(self, parser: BaseBlobParser, tmp_path: Path) -> None:
        """A file that is not there is no empty result."""
        with pytest.raises((OSError, ValueError)):
            list(parser.lazy_parse(Blob.from_path(tmp_path / "not-there.wav")))

    def test_async_is_its_own(self) -> None:
        """There is an async generator exactly where the suite is told of one."""
        found = getattr(self.parser_class, "alazy_parse", None)
        assert (found is not None and inspect.isasyncgenfunction(found)) == self.supports_async

    def test_pickle_and_copies(self, parser: BaseBlobParser) -> None:
        """It survives pickle and deepcopy."""
        if not self.supports_pickle:
            pytest.skip("supports_pickle is False")
        for made in (pickle.loads(pickle.dumps(parser)), copy.deepcopy(parser), copy.copy(parser)):
            assert type(made) is type(parser)
            assert repr(made).replace(hex(id(made)), "") == repr(parser).replace(hex(id(parser)), "")
