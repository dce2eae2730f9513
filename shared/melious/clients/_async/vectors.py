"""`client.embeddings` and `client.rerank`, whose calls may be split over several requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from melious._signatures import written_out
from melious.answers.vectors import EmbeddingsResult, RerankResult
from melious.clients._async.endpoint import AsyncEndpoint
from melious.clients._async.splitting import run_batches
from melious.endpoints.embedding_cache import EmbeddingCache
from melious.endpoints.embedding_params import EmbeddingParams
from melious.endpoints.embeddings import EmbeddingsPlan
from melious.endpoints.rerank import RerankParams, RerankPlan
from melious.http._async.driver import AsyncDriver
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions, RoutingOptions


class AsyncEmbeddings(AsyncEndpoint):
    """`client.embeddings`."""

    def __init__(self, config: ClientConfig, driver: AsyncDriver, cache: EmbeddingCache | None) -> None:
        super().__init__(config, driver)
        self._cache = cache
        self._refused_encodings: dict[str, int] = {}

    @written_out(EmbeddingParams, RoutingOptions, CallOptions)
    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[str],  # noqa: A002 - the wire's word
        **params: Unpack[EmbeddingParams],
    ) -> EmbeddingsResult:
        """Embed any number of texts, in as many requests as it takes.

        Equal texts are sent once. The vectors come in the order of the input and are not
        normalized.

        Args:
            model: The model, with or without a flavor.
            input: One text or several, none of them empty.
            **params: Those of `melious.EmbeddingParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: A request failed; the subclass says how.
        """
        plan = EmbeddingsPlan(self._config, model, input, params, self._cache, self._refused_encodings)
        return await run_batches(plan, self._driver.call)


class AsyncRerank(AsyncEndpoint):
    """`client.rerank`."""

    @written_out(RerankParams, RoutingOptions, CallOptions)
    async def create(
        self,
        *,
        model: str,
        query: str,
        documents: Sequence[str | Mapping[str, Any]],
        **params: Unpack[RerankParams],
    ) -> RerankResult:
        """Rank any number of documents by relevance to a query, in as many requests as it takes.

        Args:
            model: The model, with or without a flavor.
            query: What to look for.
            documents: Texts, or dicts with `text`.
            **params: Those of `melious.RerankParams`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: A request failed; the subclass says how.
        """
        plan = RerankPlan(self._config, model, query, documents, params)
        return await run_batches(plan, self._driver.call)
