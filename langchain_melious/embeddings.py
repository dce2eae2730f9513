"""`MeliousEmbeddings`: the embedding models of Melious for LangChain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.embeddings import Embeddings
from langchain_core.rate_limiters import BaseRateLimiter
from pydantic import Field

from langchain_melious.callbacks.reports import RequestInfo, areported, reported
from langchain_melious.embedding_batches import BatchedEmbeddings
from langchain_melious.errors import InvalidArgumentError, langchain_errors
from langchain_melious.settings.fields import check_call
from melious.endpoints.blank_texts import is_blank
from melious.endpoints.unit_length import has_numpy, unit_vectors
from melious.settings.fields import EmbeddingFields

if TYPE_CHECKING:
    from melious.answers.vectors import EmbeddingsResult

_PARAMETERS = (
    "dimensions",
    "batch_size",
    "max_batch_tokens",
    "count_tokens",
    "max_concurrency",
    "user",
    "mode",
    "custom_weights",
)
_OWN = frozenset({"normalize", "query_prefix", "document_prefix", "show_progress_bar"})


class MeliousEmbeddings(BatchedEmbeddings, EmbeddingFields, Embeddings, defer_build=False):
    """An embedding model of Melious.

    Texts are sent in concurrent batches, equal texts once. Vectors are returned as
    `list[list[float]]`, n x dim, in the order of the texts. Costs are reported to
    `melious.track_impact` and, as the custom event `melious_usage`, to LangChain's
    callbacks. Errors are those of `langchain_melious.errors`.

    Args:
        model: The model, with or without a flavor: `bge-m3`, `bge-m3:eco`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        dimensions: The length of the vectors, for models that support it; by default the model's own.
        normalize: Scale the vectors to unit length, which the service does not; False by default.
        query_prefix: Prepended to queries (`query: ` for the E5 family); empty by default.
        document_prefix: Prepended to documents (`passage: ` for the E5 family); empty by default.
        batch_size: The most texts in one request; by default 2048, fewer if they are long.
        max_batch_tokens: The most tokens in one request, as counted by `count_tokens`; 250000 by default.
        count_tokens: Counts the tokens of a text; by default an estimate, without a download.
        show_progress_bar: Show the progress of `embed_documents`, with tqdm; False by default.
        max_concurrency: The most concurrent requests of one call, 1 to 1024; 4 by default.
        rate_limiter: A rate limiter of LangChain that each call waits for; none by default.
        user: Your identifier for the end user; not sent by default.
        mode, custom_weights: Routing parameters of older API versions, one of the two; not sent by default.
        embedding_cache_size: The most vectors to keep in memory; 0 by default, for none.
        embedding_cache_ttl: Seconds to keep a vector in memory; 3600 by default.
        blank_texts: `refuse` blank texts, the default, or `skip` them and give vectors of zeros.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 60 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        routing_fallbacks, budget, verify, ...: The rest of `melious.ClientOptions`.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.

    Raises:
        langchain_melious.errors.ConfigurationError: The key is missing or the base URL is not valid.
        langchain_melious.errors.InvalidArgumentError: An argument is invalid or unknown.

    Examples:
        Instantiate; the key comes from `MELIOUS_API_KEY`:

        >>> from langchain_melious import MeliousEmbeddings
        >>> embeddings = MeliousEmbeddings("bge-m3", normalize=True, filters={"countries": ["DE", "FR"]})

        Embed documents and a query:

        >>> vectors = embeddings.embed_documents(["a heat pump", "a kettle"])
        >>> len(vectors), len(vectors[0])
        (2, 1024)
        >>> len(embeddings.embed_query("What heats a house?"))
        1024

        Async:

        >>> import asyncio
        >>> len(asyncio.run(embeddings.aembed_query("What heats a house?")))
        1024

        In a batch job, outside the per-minute limit:

        >>> job = embeddings.submit_batch(["a heat pump", "a kettle"])
        >>> len(embeddings.collect_batch(job.id))
        2

        In a vector store:

        >>> from langchain_core.vectorstores import InMemoryVectorStore
        >>> store = InMemoryVectorStore.from_texts(["A heat pump heats a house.", "Tea."], embeddings)
        >>> store.similarity_search("heat pump for a house", k=1)[0].page_content
        'A heat pump heats a house.'

        Usage and impact:

        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     vectors = embeddings.embed_documents(["a heat pump", "a kettle"])
        >>> ledger.total.requests, ledger.total.carbon_g_co2 > 0
        (1, True)
    """

    _kind: ClassVar[str] = "embeddings"

    dimensions: int | None = Field(default=None, gt=0)
    normalize: bool = False
    query_prefix: str = ""
    document_prefix: str = ""
    batch_size: int | None = Field(default=None, gt=0, le=2048)
    max_batch_tokens: int | None = Field(default=None, gt=0)
    count_tokens: Callable[[str], int] | None = Field(default=None, exclude=True, repr=False)
    show_progress_bar: bool = False
    rate_limiter: BaseRateLimiter | None = Field(default=None, exclude=True)
    max_concurrency: int | None = Field(default=None, gt=0, le=1024)
    user: str | None = None
    mode: str | None = None
    custom_weights: dict[str, float] | None = None

    def embed_documents(self, texts: Sequence[str], **options: Any) -> list[list[float]]:
        """Embed texts: a vector for each, n x dim, in order.

        Args:
            texts: The texts; none may be blank, unless `blank_texts` is `skip`.
            **options: For this call: `model`, `preset`, `filters`, `normalize`, `timeout` and the like.

        Raises:
            langchain_melious.errors.InvalidArgumentError: A text is blank and not to be skipped; the error
                names its position.
            MeliousError: A request failed.
        """
        with langchain_errors:
            call = self._request(texts, "document_prefix", options)
            if not call["input"]:
                return []
            self._wait()
            with (
                _progress(call, shown=self._given("show_progress_bar", options)),
                reported(self._info(call), call),
            ):
                result = self._sync_client().embeddings.create(**call)
            return self._vectors(result, options)

    async def aembed_documents(self, texts: Sequence[str], **options: Any) -> list[list[float]]:
        """Embed texts, in order. See `embed_documents`."""
        with langchain_errors:
            call = self._request(texts, "document_prefix", options)
            if not call["input"]:
                return []
            await self._await()
            with _progress(call, shown=self._given("show_progress_bar", options)):
                async with areported(self._info(call), call):
                    result = await self._async_client().embeddings.create(**call)
            return self._vectors(result, options)

    def embed_query(self, text: str, **options: Any) -> list[float]:
        """Embed a query, which must not be empty; see `embed_documents` for options and errors."""
        with langchain_errors:
            call = self._request([text], "query_prefix", options)
            self._wait()
            with reported(self._info(call), call):
                result = self._sync_client().embeddings.create(**call)
            return self._vectors(result, options)[0]

    async def aembed_query(self, text: str, **options: Any) -> list[float]:
        """Embed a query. See `embed_query`."""
        with langchain_errors:
            call = self._request([text], "query_prefix", options)
            await self._await()
            async with areported(self._info(call), call):
                result = await self._async_client().embeddings.create(**call)
            return self._vectors(result, options)[0]

    def _wait(self) -> None:
        """Wait for the rate limiter, as chat models of LangChain do."""
        if self.rate_limiter is not None:
            self.rate_limiter.acquire(blocking=True)

    async def _await(self) -> None:
        if self.rate_limiter is not None:
            await self.rate_limiter.aacquire(blocking=True)

    def _request(self, texts: Sequence[str], prefix_name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        check_call(options)
        if isinstance(texts, str):
            raise InvalidArgumentError("texts: must be a list of strings; embed_query takes a single one")
        if not isinstance(texts, Iterable):
            raise InvalidArgumentError(f"texts: must be a list of strings, not {type(texts).__name__}")
        given, prefix = list(texts), self._given(prefix_name, options)
        is_query = prefix_name == "query_prefix"
        skips = not is_query and self._given("blank_texts", options) == "skip"
        for position, text in enumerate(given):
            if not isinstance(text, str) or (is_blank(text) and not skips):
                which = "text" if is_query else f"texts[{position}]"
                raise InvalidArgumentError(f"{which}: must be a string that is not blank, not {text!r:.80}")
        if prefix:
            given = [text if is_blank(text) else prefix + text for text in given]
        call = {name: getattr(self, name) for name in _PARAMETERS} | {"model": self.model}
        call |= {name: value for name, value in options.items() if name not in _OWN}
        call["as_numpy"] = self._given("normalize", options) and has_numpy()
        return {**call, "input": given}

    def _info(self, call: Mapping[str, Any]) -> RequestInfo:
        return RequestInfo("embeddings", call["model"], self._routing(call))

    def _vectors(self, result: EmbeddingsResult, options: Mapping[str, Any]) -> list[list[float]]:
        vectors = result.embeddings
        return unit_vectors(vectors) if self._given("normalize", options) else vectors


@contextmanager
def _progress(call: dict[str, Any], *, shown: bool) -> Iterator[None]:
    """Show the progress of a call while it runs."""
    if not shown:
        yield
        return
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - only needed for the bar
    except ImportError as error:
        raise InvalidArgumentError(
            "show_progress_bar: needs tqdm, which is not installed (pip install tqdm)"
        ) from error
    with tqdm(total=len(call["input"]), unit="text") as bar:
        call["on_progress"] = lambda done, _total: bar.update(done - bar.n)
        yield
