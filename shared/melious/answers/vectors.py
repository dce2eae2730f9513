"""Vectors and rankings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator

from melious.answers.results import Result


class EmbeddingsResult(Result):
    """Vectors in the order of the input.

    Attributes:
        embeddings: One vector for each input, `list[list[float]]` of shape n x dim, or a numpy array
            (float32, n x dim) with `as_numpy=True`.
        model: The model that answered.
        batches: The answers to the single requests; usage, impact and cost above are their sums, or
            None if any did not report it.
        cached: How many inputs came from the in-process cache.
        skipped: The positions of blank inputs that were not sent (`blank_texts="skip"`); their vectors are
            zeros.

    Examples:
        >>> result = EmbeddingsResult(embeddings=[[0.6, 0.8], [1.0, 0.0]])
        >>> len(result.embeddings), len(result.embeddings[0])
        (2, 2)
    """

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True, defer_build=True)

    embeddings: Any = None
    model: str | None = None
    batches: list[Result] = Field(default_factory=list)
    cached: int = 0
    skipped: list[int] = Field(default_factory=list)


class RerankItem(BaseModel):
    """A ranked document.

    Attributes:
        index: Its position in the input.
        relevance_score: How relevant it is to the query.
        document: Its text, if the service returned it.
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    index: int
    relevance_score: FiniteFloat
    document: str | None = None

    @field_validator("document", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return value.get("text") if isinstance(value, dict) else value


class RerankResult(Result):
    """Documents by relevance, best first.

    Attributes:
        model: The model that answered.
        results: The documents, by their positions in the input.
        batches: The answers to the single requests; usage, impact and cost above are their sums, or
            None if any did not report it.

    Examples:
        >>> ranked = RerankResult(results=[RerankItem(index=1, relevance_score=0.9)])
        >>> [(item.index, item.relevance_score) for item in ranked.results]
        [(1, 0.9)]
    """

    id: str | None = None
    model: str | None = None
    results: list[RerankItem] = Field(default_factory=list)
    batches: list[Result] = Field(default_factory=list)
