"""`MeliousEmbeddings`: the embedding models of Melious for LangChain."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.embeddings import Embeddings
from pydantic import Field

from langchain_melious.callbacks.reports import Asked, areported, reported
from langchain_melious.errors import InvalidArgumentError, langchain_errors
from langchain_melious.settings.fields import MeliousSettings, refuse_fixed

if TYPE_CHECKING:
    from melious.answers.results import EmbeddingsResult

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


class MeliousEmbeddings(MeliousSettings, Embeddings):
    """An embedding model of Melious.

    Any number of texts may be given: they travel in batches, several at a time,
    equal texts once. Vectors come as `list[list[float]]`, n x dim, in the order
    of the texts. What each request cost goes to `melious.track_impact` and, as the
    custom event `melious_usage`, to LangChain's callbacks. A call that fails raises
    one of `langchain_melious.errors`.

    Args:
        model: The model, with or without a flavor: `bge-m3`, `bge-m3:eco`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: Where the service is; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        preset: What routing should favour, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` where an answer came from none of `filters["countries"]`; `off` by
            default.
        routing_fallbacks: Filters to give up one by one where no provider fits; none by default.
        budget: A `melious.ImpactBudget`, the limit of what may be spent; none by default.
        dimensions: The length of the vectors, for models that can be cut; by default the model's own.
        normalize: Scale the vectors to unit length, which the service does not; False by default.
        query_prefix: What to put before a query (`query: ` for the E5 family); nothing by default.
        document_prefix: What to put before a document (`passage: ` for the E5 family); nothing by default.
        batch_size: The most texts in one request; by default 2048, and fewer where they are long.
        max_batch_tokens: The most tokens in one request, as counted by `count_tokens`; 250000 by default.
        count_tokens: Counts the tokens of a text; by default an estimate, and nothing is downloaded.
        show_progress_bar: Show how far `embed_documents` has come, with tqdm; False by default.
        max_concurrency: The most requests at a time for one call, 1 to 1024; 4 by default.
        embedding_cache_size: How many embedded texts to keep in memory; 0 by default, for none.
        embedding_cache_ttl: Seconds for which they are kept; 3600 by default.
        user: Who the requests are for; not sent by default.
        mode, custom_weights: Routing words of the older pages, one of the two; not sent by default.
        timeout: Seconds for each wait of an attempt, a `melious.Timeout`, an `httpx.Timeout` or
            `(connect, read)`; 60 s for an answer by default.
        deadline: Seconds for a whole call, waits and retries included; 600 by default, None for no limit.
        max_retries: Further attempts after the first, for passing troubles; 2 by default, 0 for none.
        retry_timeouts: Send again what timed out after it was sent, though it may be billed twice;
            True by default.
        default_headers: Headers of every request; none by default.
        extra_body: Fields of every body, sent as they are; none by default.
        http_client: A client with httpx's interface for blocking calls, never closed; none by default.
        async_http_client: The same for async calls.
        async_transport: `httpx`, the default, or `aiohttp` for async calls (extra `aiohttp`).
        auth, verify, allow_insecure_http, max_connections, max_rate_limit_wait: As in
            `melious.clients.base.ClientOptions`.

    Raises:
        langchain_melious.errors.ConfigurationError: There is no key, or the base URL cannot be used.
        langchain_melious.errors.InvalidArgumentError: An argument is wrong or unknown.

    Example:
        >>> from langchain_melious import MeliousEmbeddings
        >>> embeddings = MeliousEmbeddings(model="bge-m3", api_key="sk-mel-...", normalize=True)
        >>> vectors = embeddings.embed_documents(["a heat pump", "a kettle"])  # doctest: +SKIP
        >>> len(vectors), len(vectors[0])  # doctest: +SKIP
        (2, 1024)

        Without a key, against the sandbox:

        >>> from melious.sandbox import Sandbox
        >>> with Sandbox() as sandbox:
        ...     embeddings = MeliousEmbeddings(
        ...         model="bge-m3", api_key=sandbox.api_key, base_url=sandbox.base_url
        ...     )
        ...     len(embeddings.embed_query("a heat pump"))
        1024
    """

    _kind: ClassVar[str] = "embeddings"

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

    max_batch_tokens: int | None = Field(default=None, gt=0)
    """The most tokens in one request, as counted by `count_tokens`; 250000 by default."""

    count_tokens: Callable[[str], int] | None = Field(default=None, exclude=True, repr=False)
    """Counts the tokens of a text; by default an estimate from its length. Not part of a dump."""

    show_progress_bar: bool = False
    """Show how far `embed_documents` has come, with tqdm."""

    max_concurrency: int | None = Field(default=None, gt=0, le=1024)
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
            **options: For this call: `model`, `preset`, `filters`, `normalize`, `timeout` and the like.

        Returns:
            A vector for each text, n x dim.

        Raises:
            langchain_melious.errors.InvalidArgumentError: A text is empty; its position is named.
            MeliousError: A request failed.
        """
        with langchain_errors:
            call = self._request(texts, "document_prefix", options)
            if not call["input"]:
                return []
            with (
                _progress(call, shown=self._given("show_progress_bar", options)),
                reported(self._asked(call), call),
            ):
                result = self._sync_client().embeddings.create(**call)
            return self._vectors(result, options)

    async def aembed_documents(self, texts: Sequence[str], **options: Any) -> list[list[float]]:
        """Turn texts into vectors, in the same order. See `embed_documents`."""
        with langchain_errors:
            call = self._request(texts, "document_prefix", options)
            if not call["input"]:
                return []
            with _progress(call, shown=self._given("show_progress_bar", options)):
                async with areported(self._asked(call), call):
                    result = await self._async_client().embeddings.create(**call)
            return self._vectors(result, options)

    def embed_query(self, text: str, **options: Any) -> list[float]:
        """Turn a query into a vector.

        Args:
            text: The query; not empty.
            **options: For this call: `model`, `preset`, `filters`, `normalize`, `timeout` and the like.

        Returns:
            Its vector, of length dim.

        Raises:
            langchain_melious.errors.InvalidArgumentError: The text is empty.
            MeliousError: The request failed.
        """
        with langchain_errors:
            call = self._request([text], "query_prefix", options)
            with reported(self._asked(call), call):
                result = self._sync_client().embeddings.create(**call)
            return self._vectors(result, options)[0]

    async def aembed_query(self, text: str, **options: Any) -> list[float]:
        """Turn a query into a vector. See `embed_query`."""
        with langchain_errors:
            call = self._request([text], "query_prefix", options)
            async with areported(self._asked(call), call):
                result = await self._async_client().embeddings.create(**call)
            return self._vectors(result, options)[0]

    def _more_options(self) -> dict[str, Any]:
        return {
            "embedding_cache_size": self.embedding_cache_size,
            "embedding_cache_ttl": self.embedding_cache_ttl,
        }

    def _request(self, texts: Sequence[str], prefix_name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        refuse_fixed(options)
        if isinstance(texts, str):
            raise InvalidArgumentError("texts: needs a list of texts; embed_query takes a single one")
        if not isinstance(texts, Iterable):
            raise InvalidArgumentError(f"texts: needs a list of texts, not {type(texts).__name__}")
        given, prefix = list(texts), self._given(prefix_name, options)
        for position, text in enumerate(given):
            if not isinstance(text, str) or not text:
                which = "text" if prefix_name == "query_prefix" else f"texts[{position}]"
                raise InvalidArgumentError(f"{which}: must be text to embed, not {text!r:.80}")
        if prefix:
            given = [prefix + text for text in given]
        call = {name: getattr(self, name) for name in _PARAMETERS} | {"model": self.model}
        call |= {name: value for name, value in options.items() if name not in _OWN}
        return {**call, "input": given}

    def _asked(self, call: Mapping[str, Any]) -> Asked:
        return Asked("embeddings", call["model"], self._routing(call))

    def _vectors(self, result: EmbeddingsResult, options: Mapping[str, Any]) -> list[list[float]]:
        vectors = result.embeddings
        return [_unit(vector) for vector in vectors] if self._given("normalize", options) else vectors


@contextmanager
def _progress(call: dict[str, Any], *, shown: bool) -> Iterator[None]:
    """Show how far a call has come while it runs."""
    if not shown:
        yield
        return
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - only for those who want the bar
    except ImportError as error:
        raise InvalidArgumentError("show_progress_bar: tqdm is not installed (pip install tqdm)") from error
    with tqdm(total=len(call["input"]), unit="text") as bar:
        call["on_progress"] = lambda done, _total: bar.update(done - bar.n)
        yield


def _unit(vector: list[float]) -> list[float]:
    """A vector at unit length; one without a direction stays as it is."""
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else vector
