"""What both suites share: the class that is tested, and what it can do."""

from abc import abstractmethod
from typing import Any

import pytest
from langchain_core.document_loaders import BaseBlobParser


class BlobParserTests:
    """Base of the suites for blob parsers."""

    @property
    @abstractmethod
    def parser_class(self) -> type[BaseBlobParser]:
        """The class to test."""

    @property
    def parser_params(self) -> dict[str, Any]:
        """What it is constructed with. Defaults to nothing."""
        return {}

    @property
    def supports_async(self) -> bool:
        """Whether it has `alazy_parse`, an async generator that holds no thread while it waits for a service.

        LangChain has no such method; a parser that waits for a network is of little use to servers without.
        """
        return True

    @property
    def supports_pickle(self) -> bool:
        """Whether it can be pickled and deep-copied."""
        return True

    @pytest.fixture
    def parser(self) -> BaseBlobParser:
        """The parser that the items get."""
        return self.parser_class(**self.parser_params)

    def test_no_overrides_DO_NOT_OVERRIDE(self) -> None:  # noqa: N802 - as in langchain-tests
        """No item is overridden or deleted, unless it is expected to fail and says why."""
        changed = []
        for base in type(self).__mro__:
            for name in (name for name in vars(base) if name.startswith("test_")):
                standard = next(vars(cls)[name] for cls in reversed(type(self).__mro__) if name in vars(cls))
                found = getattr(type(self), name)
                marks = getattr(found, "pytestmark", [])
                expected = any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
                if found is not standard and not expected:
                    changed.append(name)
        assert not changed, f"overridden or deleted without xfail and a reason: {sorted(set(changed))}"
