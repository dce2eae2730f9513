"""`MeliousEmbedding`, the embedding models of Melious for LlamaIndex."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher

from llama_index_melious.component import MeliousComponent
from llama_index_melious.embeddings.cache_view import CacheView, check_cache
from llama_index_melious.embeddings.concurrency import ConcurrencyLimit
from llama_index_melious.embeddings.places import (
    batch_run,
    check_text,
    checked_texts,
    current_run,
    instructed,
    naming_the_node,
    naming_the_text,
    split_by_text,
)
from melious.endpoints.blank_texts import is_blank, width_of
from melious.endpoints.embedding_params import EmbeddingParams
from melious.endpoints.unit_length import unit_vectors
from melious.http.asyncio_only import running_loop
from melious.routing.filters import split_flavor
from melious.settings.checks import check_weights
from melious.settings.fields import EmbeddingFields

if TYPE_CHECKING:
    from melious.answers.results import Result
    from melious.answers.vectors import EmbeddingsResult

_PARAMETERS = frozenset(EmbeddingParams.__annotations__)

dispatcher: Dispatcher = get_dispatcher(__name__)

# LlamaIndex's methods without their spans: the methods here open spans of the same names.
_get_query_embedding = inspect.unwrap(BaseEmbedding.get_query_embedding)
_aget_query_embedding = inspect.unwrap(BaseEmbedding.aget_query_embedding)
_get_text_embedding = inspect.unwrap(BaseEmbedding.get_text_embedding)
_aget_text_embedding = inspect.unwrap(BaseEmbedding.aget_text_embedding)
_get_text_embedding_batch = inspect.unwrap(BaseEmbedding.get_text_embedding_batch)
_aget_text_embedding_batch = inspect.unwrap(BaseEmbedding.aget_text_embedding_batch)


class MeliousEmbedding(MeliousComponent, EmbeddingFields, BaseEmbedding, defer_build=False):
    """The embedding models of Melious.

    Texts are sent unchanged, in batches of `embed_batch_size`; async calls run
    `num_workers` batches at a time. Vectors have unit length only if `normalize`
    is set. Several texts give `list[list[float]]`, n x dim, in the order of the
    texts. A failed call raises a `melious.MeliousError`. A `MeliousUsageEvent`
    reports what each request cost.

    An `IngestionPipeline` embeds anew when the model, its service, what is sent
    to it or the routing changes, but not for another key, timeout, batch size or
    other setting that only changes how requests are made.

    Args:
        model: The model, with or without a flavor; LlamaIndex calls it `model_name`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        api_base: LlamaIndex's name for `base_url`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        dimensions: The length of the vectors, if the model supports several; by default the model's own.
        query_instruction: A prefix for every query; none by default.
        text_instruction: A prefix for every text of a document; none by default.
        normalize: Scale vectors to unit length; False by default.
        embed_batch_size: Maximum texts in one request, up to 2048; 100 by default.
        num_workers: Maximum concurrent requests of async batches; 4 by default, None for no limit.
        encoding_format: `base64` (the default) or `float` on the wire; the result is the same.
        mode, custom_weights: Routing parameters of the older API, one of the two; not sent by default.
        embeddings_cache: A LlamaIndex `BaseKVStore` that caches vectors by text, model, dimensions and
            instruction. Pickles and copies keep it, `to_dict` does not.
        embedding_cache_size: The most vectors to keep in memory; 0 by default, for none.
        embedding_cache_ttl: Seconds to keep a vector in memory; 3600 by default.
        blank_texts: `refuse` blank texts, the default, or `skip` them and give vectors of zeros.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 60 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        routing_fallbacks, budget, verify, ...: The rest of `melious.ClientOptions`.
        additional_kwargs: Further parameters of every request; those of a call replace them.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.
        **arguments: See LlamaIndex's `BaseEmbedding` for `callback_manager` and `rate_limiter`.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
        InvalidArgumentError: Another argument is wrong or unknown.

    Examples:
        Instantiate; the key comes from `MELIOUS_API_KEY`:

        >>> from llama_index_melious import MeliousEmbedding
        >>> embed_model = MeliousEmbedding(
        ...     "multilingual-e5-large", query_instruction="query: ", text_instruction="passage: "
        ... )

        Embed a query and texts:

        >>> len(embed_model.get_query_embedding("Who invented the lighthouse?"))
        1024
        >>> vectors = embed_model.get_text_embedding_batch(["Lighthouses are old.", "Tea is green."])
        >>> len(vectors), len(vectors[0])
        (2, 1024)

        Async:

        >>> import asyncio
        >>> len(asyncio.run(embed_model.aget_text_embedding("Lighthouses are old.")))
        1024

        In an index:

        >>> from llama_index.core import Document, VectorStoreIndex
        >>> documents = [Document(text="Lighthouses guide ships."), Document(text="Tea is green.")]
        >>> index = VectorStoreIndex.from_documents(documents, embed_model=embed_model)
        >>> index.as_retriever(similarity_top_k=1).retrieve("What guides ships?")[0].text
        'Lighthouses guide ships.'

        Usage and impact:

        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     vectors = embed_model.get_text_embedding_batch(["Lighthouses are old.", "Tea is green."])
        >>> ledger.total.requests, ledger.total.carbon_g_co2 > 0
        (1, True)
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(validate_assignment=True)

    argument_aliases: ClassVar[Mapping[str, str]] = {
        **MeliousComponent.argument_aliases,
        "model": "model_name",
    }

    operational_fields: ClassVar[frozenset[str]] = frozenset(
        {"embed_batch_size", "num_workers", "encoding_format"}
    )

    if TYPE_CHECKING:  # one of the two must be given
        model: str = ""
        model_name: str = ""
    else:
        model_name: str

        @property
        def model(self) -> str:
            """The same as `model_name`."""
            return self.model_name

        @model.setter
        def model(self, name: str) -> None:
            self.model_name = name

    embed_batch_size: int = Field(default=100, gt=0, le=2048)
    num_workers: int | None = Field(default=4, gt=0)
    embeddings_cache: Any = Field(default=None, exclude=True)
    dimensions: int | None = Field(default=None, gt=0)
    query_instruction: str = ""
    text_instruction: str = ""
    normalize: bool = False
    encoding_format: Literal["base64", "float"] = "base64"
    mode: str | None = None
    custom_weights: dict[str, float] | None = None

    _concurrency: ConcurrencyLimit = PrivateAttr(default_factory=ConcurrencyLimit)

    @classmethod
    def class_name(cls) -> str:
        """The name for LlamaIndex's serialisation."""
        return "MeliousEmbedding"

    @classmethod
    def canonical_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """See `MeliousComponent`; the cache is checked too."""
        check_cache(arguments.get("embeddings_cache"))
        return super().canonical_arguments(arguments)

    def _check(self) -> None:
        super()._check()
        check_weights(self.mode, self.custom_weights)

    def to_payload(self) -> dict[str, Any]:
        """What events show of this model: neither the key nor headers."""
        return {
            "class_name": self.class_name(),
            "model_name": self.model_name,
            "embed_batch_size": self.embed_batch_size,
            "dimensions": self.dimensions,
            **self._routing(),
        }

    def _request(self, texts: list[str]) -> dict[str, Any]:
        own = {
            "dimensions": self.dimensions,
            "encoding_format": self.encoding_format,
            "mode": self.mode,
            "custom_weights": self.custom_weights,
            "as_numpy": self.normalize,
            "max_concurrency": 1,  # `num_workers` decides
            "on_answer": _report_usage,
        }
        return {"model": self.model_name, "input": texts, **self._parameters(_PARAMETERS, own, {})}

    def _vectors(self, result: EmbeddingsResult) -> list[Embedding]:
        vectors: list[Embedding] = result.embeddings
        return unit_vectors(vectors) if self.normalize else vectors

    def _embed(self, texts: list[str]) -> list[Embedding]:
        return self._vectors(self._client().embeddings.create(**self._request(texts)))

    async def _aembed(self, texts: list[str]) -> list[Embedding]:
        return self._vectors(await self._aclient().embeddings.create(**self._request(texts)))

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._embed(instructed(self.query_instruction, [query]))[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._aembed(instructed(self.query_instruction, [query])))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._embed(instructed(self.text_instruction, [text]))[0]

    @dispatcher.span
    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aembed(instructed(self.text_instruction, [text])))[0]

    @dispatcher.span
    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        with naming_the_text(current_run(texts), texts):
            return self._embed(instructed(self.text_instruction, texts))

    @dispatcher.span
    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        run = current_run(texts)
        async with self._concurrency.of(self.num_workers):
            if run.failed:
                # LlamaIndex has raised already, but lets its other batches run.
                raise asyncio.CancelledError
            try:
                with naming_the_text(run, texts):
                    return await self._aembed(instructed(self.text_instruction, texts))
            except BaseException:
                run.failed = True
                raise

    def _ready(self, options: dict[str, Any], *, query: bool = False) -> Self:
        """This model with the options of a call, and a cache for this kind of vectors only."""
        chosen = self.with_options(**options) if options else self
        if chosen.embeddings_cache is None:
            return chosen
        model, _ = split_flavor(chosen.model_name)
        differs = [model, chosen.dimensions, chosen.normalize, chosen.additional_kwargs, chosen.extra_body]
        instruction = chosen.query_instruction if query else chosen.text_instruction
        kind = f"{json.dumps(differs, sort_keys=True, default=str)} {instruction}"
        return chosen.model_copy(update={"embeddings_cache": CacheView(chosen.embeddings_cache, kind)})

    def get_query_embedding(self, query: str, **options: Any) -> Embedding:
        """Embed a query.

        Args:
            query: The query.
            **options: Any of the constructor's arguments, such as `preset`, for this call only.

        Raises:
            InvalidArgumentError: An option is wrong or unknown, or the query is empty.
            MeliousError: The call failed.
        """
        check_text("query", query)
        vector: Embedding = _get_query_embedding(self._ready(options, query=True), query)
        return vector

    async def aget_query_embedding(self, query: str, **options: Any) -> Embedding:
        """Like `get_query_embedding`, for asyncio."""
        check_text("query", query)
        vector: Embedding = await _aget_query_embedding(self._ready(options, query=True), query)
        return vector

    def get_text_embedding(self, text: str, **options: Any) -> Embedding:
        """Embed a text of a document; see `get_query_embedding` for options and errors."""
        ready = self._ready(options)
        check_text("text", text, ready.blank_texts)
        vector: Embedding = _get_text_embedding(ready, text)
        return vector

    async def aget_text_embedding(self, text: str, **options: Any) -> Embedding:
        """Like `get_text_embedding`, for asyncio."""
        ready = self._ready(options)
        check_text("text", text, ready.blank_texts)
        vector: Embedding = await _aget_text_embedding(ready, text)
        return vector

    def get_text_embedding_batch(
        self,
        texts: list[str],
        show_progress: bool = False,  # noqa: FBT001, FBT002 - the base class's signature
        **kwargs: Any,
    ) -> list[Embedding]:
        """Embed texts of documents, one request after the other: n x dim, in the order of the texts.

        Args:
            texts: The texts; none may be blank, unless `blank_texts` is `skip`.
            show_progress: Show a progress bar.
            **kwargs: Any of the constructor's arguments, for this call only. Others are ignored, since
                ingestion pipelines pass theirs to every step.

        Raises:
            InvalidArgumentError: An argument is wrong, or a text is blank and not to be skipped; the error
                names its position.
            MeliousError: A request failed.
        """
        texts, ready = checked_texts(texts), self._ready(self._own(kwargs))
        with batch_run(texts, ready.blank_texts) as written:
            vectors: list[Embedding] = _get_text_embedding_batch(ready, written, show_progress)
        return ready._with_zeros(texts, vectors)  # noqa: SLF001 - its own class

    async def aget_text_embedding_batch(
        self,
        texts: list[str],
        show_progress: bool = False,  # noqa: FBT001, FBT002 - the base class's signature
        **kwargs: Any,
    ) -> list[Embedding]:
        """Like `get_text_embedding_batch`, for asyncio, with `num_workers` concurrent requests.

        After one has failed, no other is sent.
        """
        running_loop()
        texts, ready = checked_texts(texts), self._ready(self._own(kwargs))
        with batch_run(texts, ready.blank_texts) as written:
            vectors: list[Embedding] = await _aget_text_embedding_batch(ready, written, show_progress)
        return ready._with_zeros(texts, vectors)  # noqa: SLF001 - its own class

    def _with_zeros(self, texts: Sequence[str], vectors: list[Embedding]) -> list[Embedding]:
        """The vectors of all texts, with zeros for the blank ones among them."""
        if len(vectors) == len(texts):
            return vectors
        width = width_of(vectors, self.dimensions, self.model_name, self.base_url)
        embedded = iter(vectors)
        return [[0.0] * width if is_blank(text) else next(embedded) for text in texts]

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Embed nodes, as a step of a pipeline; blank ones keep no vector.

        Args:
            nodes: The nodes; they get their `embedding`.
            **kwargs: See `get_text_embedding_batch`.

        Raises:
            MeliousError: A request failed. If a vector is broken, the error names the node.
        """
        filled, texts = split_by_text(nodes)
        with naming_the_node(filled):
            vectors = self.get_text_embedding_batch(texts, **kwargs)
        for node, vector in zip(filled, vectors, strict=True):
            node.embedding = vector
        return nodes

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Like calling the model, for asyncio."""
        filled, texts = split_by_text(nodes)
        with naming_the_node(filled):
            vectors = await self.aget_text_embedding_batch(texts, **kwargs)
        for node, vector in zip(filled, vectors, strict=True):
            node.embedding = vector
        return nodes

    def _own(self, arguments: dict[str, Any]) -> dict[str, Any]:
        known = {*type(self).model_fields, *self.argument_aliases}
        return {name: value for name, value in arguments.items() if name in known}

    async def _aget_text_embeddings_cached(self, texts: list[str]) -> list[Embedding]:
        # LlamaIndex applies its rate limiter everywhere but here.
        limiter = getattr(self, "rate_limiter", None)
        if limiter is not None:
            await limiter.async_acquire()
        vectors: list[Embedding] = await super()._aget_text_embeddings_cached(texts)
        return vectors


def _report_usage(answer: Result) -> None:
    from llama_index_melious.events import dispatch_usage  # noqa: PLC0415 - needed by the first answer

    dispatch_usage("embeddings", answer, origin=answer.meta)
