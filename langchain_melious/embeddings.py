"""`MeliousEmbeddings`: the embedding models of Melious for LangChain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import Field

from langchain_melious._settings import MeliousSettings
from langchain_melious.errors import InvalidArgumentError, langchain_errors

_PARAMETERS = ("dimensions", "batch_size", "max_concurrency", "user", "mode", "custom_weights")


class MeliousEmbeddings(MeliousSettings, Embeddings):
    """An embedding model of Melious.

    Any number of texts may be given: they travel in batches, several at a time,
    equal texts once. What it cost goes to `melious.track_impact`.

    Raises:
        langchain_melious.errors.ConfigurationError: There is no key, or the base URL cannot be used.
        langchain_melious.errors.InvalidArgumentError: An argument is unknown.

    Example:
        >>> from langchain_melious import MeliousEmbeddings
        >>> embeddings = MeliousEmbeddings(model="bge-m3", api_key="sk-mel-...", normalize=True)
        >>> vectors = embeddings.embed_documents(["a heat pump", "a kettle"])  # doctest: +SKIP
    """

    dimensions: int | None = Field(default=None, gt=0)
    """The length of the vectors, for models that can be cut."""

    normalize: bool = False
    """Scale the vectors to unit length; the service does not."""

    query_prefix: str = ""
    """What to put before a query, for models that were trained so (`query: ` for the E5 family)."""

    document_prefix: str = ""
    """What to put before a document (`passage: ` for the E5 family)."""

    batch_size: int | None = Field(default=None, gt=0, le=2048)
    """The most texts in one request; by default 2048, and fewer where they are long."""

    max_concurrency: int | None = Field(default=None, gt=0)
    """The most requests at a time."""

    user: str | None = None
    """Who the requests are for."""

    mode: str | None = None
    """A routing word of the older pages; not together with `custom_weights`."""

    custom_weights: dict[str, float] | None = None
    """Routing weights of the older pages, sent as they are."""

    embedding_cache_size: int = Field(default=0, ge=0)
    """How many embedded texts to keep in memory; 0 for none."""

    embedding_cache_ttl: float = Field(default=3600.0, gt=0)
    """Seconds for which they are kept."""

    def embed_documents(self, texts: Sequence[str], **options: Any) -> list[list[float]]:
        """Turn texts into vectors, in the same order.

        Args:
            texts: The texts; none may be empty.
            **options: For this call: `model`, `preset`, `filters`, `timeout` and the like.

        Raises:
            langchain_melious.errors.InvalidArgumentError: A text is empty; its position is named.
            MeliousError: A request failed.
        """
        with langchain_errors:
            call = self._request(texts, self.document_prefix, options)
            if not call["input"]:
                return []
            return self._vectors(self._sync_client().embeddings.create(**call).embeddings)

    async def aembed_documents(self, texts: Sequence[str], **options: Any) -> list[list[float]]:
        """Turn texts into vectors, in the same order. See `embed_documents`."""
        with langchain_errors:
            call = self._request(texts, self.document_prefix, options)
            if not call["input"]:
                return []
            return self._vectors((await self._async_client().embeddings.create(**call)).embeddings)

    def embed_query(self, text: str, **options: Any) -> list[float]:
        """Turn a query into a vector.

        Args:
            text: The query; not empty.
            **options: For this call: `model`, `preset`, `filters`, `timeout` and the like.

        Raises:
            langchain_melious.errors.InvalidArgumentError: The text is empty.
            MeliousError: The request failed.
        """
        with langchain_errors:
            call = self._request([text], self.query_prefix, options)
            return self._vectors(self._sync_client().embeddings.create(**call).embeddings)[0]

    async def aembed_query(self, text: str, **options: Any) -> list[float]:
        """Turn a query into a vector. See `embed_query`."""
        with langchain_errors:
            call = self._request([text], self.query_prefix, options)
            return self._vectors((await self._async_client().embeddings.create(**call)).embeddings)[0]

    def _more_options(self) -> dict[str, Any]:
        return {
            "embedding_cache_size": self.embedding_cache_size,
            "embedding_cache_ttl": self.embedding_cache_ttl,
        }

    def _request(self, texts: Sequence[str], prefix: str, options: Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(texts, str):
            raise InvalidArgumentError("texts: needs a list of texts; embed_query takes a single one")
        given = list(texts)
        if prefix:
            for position, text in enumerate(given):
                if not isinstance(text, str) or not text:
                    raise InvalidArgumentError(f"texts[{position}]: {text!r:.80} is no text to embed")
            given = [prefix + text for text in given]
        call = {name: getattr(self, name) for name in _PARAMETERS} | {"model": self.model, **options}
        return {**call, "input": given}

    def _vectors(self, vectors: list[list[float]]) -> list[list[float]]:
        return [_unit(vector) for vector in vectors] if self.normalize else vectors


def _unit(vector: list[float]) -> list[float]:
    """A vector at unit length; one without a direction stays as it is."""
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else vector
