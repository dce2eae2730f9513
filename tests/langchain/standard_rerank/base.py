"""What both suites share: the class that is tested, and what it can do."""

from abc import abstractmethod
from typing import Any

import pytest
from langchain_core.documents import BaseDocumentCompressor, Document

QUERY = "How does a heat pump warm a house?"
BEST = "A heat pump moves heat from outside into the house, and so it warms the house in winter."
TEXTS = (
    "Bread is baked in an oven from flour, water and salt.",
    "The cat sleeps in the sun on the window sill.",
    BEST,
    "The ferry to the island leaves every two hours.",
    "A heat pump needs electricity.",
    "Rye grows well in poor soil.",
)


class RerankerTests:
    """Base of the suites for rerankers."""

    @property
    @abstractmethod
    def reranker_class(self) -> type[BaseDocumentCompressor]:
        """The class to test."""

    @property
    def reranker_params(self) -> dict[str, Any]:
        """What it is constructed with. Defaults to nothing."""
        return {}

    @property
    def returns_score_key(self) -> str | None:
        """Under which key of the metadata the score is, as a `float`; None for a reranker without scores."""
        return "relevance_score"

    @property
    def supports_async(self) -> bool:
        """Whether `acompress_documents` is its own, and not the blocking method in a thread."""
        return True

    @property
    def supports_callbacks(self) -> bool:
        """Whether a rerank is a run that callbacks see begin and end."""
        return True

    @property
    def supports_pickle(self) -> bool:
        """Whether it can be pickled and deep-copied."""
        return True

    @pytest.fixture
    def reranker(self) -> BaseDocumentCompressor:
        """The reranker that the items get."""
        return self.reranker_class(**self.reranker_params)

    def test_no_overrides_DO_NOT_OVERRIDE(self) -> None:  # noqa: N802 - as in langchain-tests
        """No item is overridden, unless it is expected to fail and says why."""
        overridden = []
        for name in (name for name in dir(type(self)) if name.startswith("test_")):
            standard = next(
                (vars(base)[name] for base in reversed(type(self).__mro__) if name in vars(base)), None
            )
            found = getattr(type(self), name)
            marks = getattr(found, "pytestmark", [])
            expected = any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
            if found is not standard and not expected:
                overridden.append(name)
        deleted = [
            name
            for base in type(self).__mro__
            for name, value in vars(base).items()
            if name.startswith("test_") and callable(value) and getattr(self, name, None) is None
        ]
        assert not overridden, f"overridden without xfail and a reason: {overridden}"
        assert not deleted, f"deleted: {deleted}"


def documents(texts: tuple[str, ...] = TEXTS) -> list[Document]:
    """Documents with metadata of some depth, a score of their own from retrieval, and ids."""
    return [
        Document(
            page_content=text,
            metadata={"n": n, "score": n / 8, "tags": ["x"], "source": {"pages": [n]}},
            id=f"id-{n}",
        )
        for n, text in enumerate(texts)
    ]
