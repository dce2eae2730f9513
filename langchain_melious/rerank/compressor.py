"""`MeliousRerank`: the rerankers of Melious for LangChain."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import Field
from typing_extensions import override

from langchain_melious.callbacks.reports import RequestInfo, areported, reported, usage_of
from langchain_melious.errors import InvalidArgumentError, langchain_errors
from langchain_melious.settings.fields import MeliousSettings, check_call
from melious.errors.checks import check_share

if TYPE_CHECKING:
    from langchain_core.callbacks import Callbacks
    from langchain_core.runnables import Runnable

    from langchain_melious.rerank.step import RerankInput
    from melious.answers.vectors import RerankResult

Rankable = str | Document | Mapping[str, Any]
_PARAMETERS = (
    "top_n",
    "max_chunks_per_doc",
    "batch_size",
    "max_concurrency",
    "user",
    "mode",
    "custom_weights",
)
_SCORE = "relevance_score"
_PLAIN = frozenset({str, int, float, bool, type(None)})
_logger = logging.getLogger(__name__)


class Ranked(TypedDict):
    """A document's position in the input and its relevance to the query."""

    index: int
    relevance_score: float


class MeliousRerank(MeliousSettings, BaseDocumentCompressor, defer_build=False):
    """Sorts documents by relevance to a query, best first.

    It is a document compressor; `as_runnable` turns it into a chain step. It returns
    copies, with `relevance_score` in their metadata. Long lists are sent in concurrent
    batches. In traces it is a run whose outputs include the cost; each request is also
    the custom event `melious_usage`. Errors are those of `langchain_melious.errors`.

    Args:
        model: The model, with or without a flavor: `bge-reranker-v2-m3`, `bge-reranker-v2-m3:eco`.
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        preset: What routing favours, such as `environment` or `speed`; not sent by default.
        flavor: The suffix of the model: `balanced`, `speed`, `price`, `eco` or `batch`; none by default.
        filters: Which providers may serve, such as `{"countries": ["DE", "FR"]}`; by default any.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        top_n: The number of documents to return; None, the default, for all.
        min_score: Drop documents with a lower score, 0 to 1; None, the default, drops none.
        max_chunks_per_doc: The most chunks to split a long document into; not sent by default.
        keep_retrieval_score: Keep a document's earlier `relevance_score` as `retrieval_score`;
            False by default.
        batch_size: The most documents in one request; by default 256, fewer if they are long.
        max_concurrency: The most concurrent requests of one call; 4 by default.
        user: Your identifier for the end user; not sent by default.
        mode, custom_weights: Routing parameters of older API versions, one of the two; not sent by default.
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

        >>> from langchain_melious import MeliousRerank
        >>> rerank = MeliousRerank("bge-reranker-v2-m3", top_n=1, filters={"countries": ["DE", "FR"]})

        Sort documents:

        >>> from langchain_core.documents import Document
        >>> documents = [Document("Bread is baked."), Document("A heat pump moves heat.")]
        >>> best = rerank.compress_documents(documents, "What does a heat pump do?")
        >>> best[0].page_content, best[0].metadata["relevance_score"] > 0.5
        ('A heat pump moves heat.', True)

        Sort texts:

        >>> rerank.rerank(["Bread is baked.", "A heat pump moves heat."], "heat pump")[0]["index"]
        1

        Async:

        >>> import asyncio
        >>> len(asyncio.run(rerank.acompress_documents(documents, "heat pump", top_n=2)))
        2

        In a chain:

        >>> step = rerank.as_runnable()
        >>> step.invoke({"query": "heat pump", "documents": documents})[0].page_content
        'A heat pump moves heat.'

        Usage and impact:

        >>> from melious import track_impact
        >>> with track_impact() as ledger:
        ...     best = rerank.compress_documents(documents, "heat pump")
        >>> ledger.total.requests, ledger.total.carbon_g_co2 > 0
        (1, True)
    """

    _kind: ClassVar[str] = "rerank"

    top_n: int | None = Field(default=None, gt=0)
    min_score: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    max_chunks_per_doc: int | None = Field(default=None, gt=0)
    keep_retrieval_score: bool = False
    batch_size: int | None = Field(default=None, gt=0)
    max_concurrency: int | None = Field(default=None, gt=0, le=1024)
    user: str | None = None
    mode: str | None = None
    custom_weights: dict[str, float] | None = None

    # --- scores --------------------------------------------------------------------------------------

    def rerank(self, documents: Sequence[Rankable], query: str, **options: Any) -> list[Ranked]:
        """Score documents: positions and scores, best first.

        Args:
            documents: Texts, documents, or dicts with `text`.
            query: The query.
            **options: For this call: `model`, `top_n`, `min_score`, `preset`, `timeout` and the like.

        Raises:
            langchain_melious.errors.InvalidArgumentError: An argument is invalid; nothing was sent.
            MeliousError: The request failed.
        """
        return self._score(documents, query, options)[0]

    async def arerank(self, documents: Sequence[Rankable], query: str, **options: Any) -> list[Ranked]:
        """Score documents. See `rerank`."""
        return (await self._ascore(documents, query, options))[0]

    def _score(
        self, documents: Sequence[Rankable], query: str, options: Mapping[str, Any]
    ) -> tuple[list[Ranked], dict[str, Any]]:
        """Positions and scores, and their cost."""
        with langchain_errors:
            call, min_score = self._request(documents, query, options)
            if not call["documents"]:
                return [], {}
            info = RequestInfo("rerank", call["model"], self._routing(call))
            with reported(info, call):
                result = self._sync_client().rerank.create(**call)
            return _ranked(call, result, min_score), usage_of(info, result)

    async def _ascore(
        self, documents: Sequence[Rankable], query: str, options: Mapping[str, Any]
    ) -> tuple[list[Ranked], dict[str, Any]]:
        with langchain_errors:
            call, min_score = self._request(documents, query, options)
            if not call["documents"]:
                return [], {}
            info = RequestInfo("rerank", call["model"], self._routing(call))
            async with areported(info, call):
                result = await self._async_client().rerank.create(**call)
            return _ranked(call, result, min_score), usage_of(info, result)

    # --- documents -----------------------------------------------------------------------------------

    @override
    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None, **options: Any
    ) -> list[Document]:
        """Sort documents by relevance to a query, best first; in traces this is a run.

        The results are copies, with `relevance_score` in their metadata. Documents that the service leaves
        out come after the ranked ones, without a score; the log says so. Blank documents are not sent; they
        come last, with a score of 0. `top_n` and `min_score` cut the list. For options and errors see
        `rerank`.
        """
        given: RerankInput = {"query": query, "documents": documents}
        return self.as_runnable(**options).invoke(given, {"callbacks": callbacks})

    @override
    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None, **options: Any
    ) -> list[Document]:
        """Sort documents by relevance to a query, best first. See `compress_documents`."""
        given: RerankInput = {"query": query, "documents": documents}
        return await self.as_runnable(**options).ainvoke(given, {"callbacks": callbacks})

    def as_runnable(self, **options: Any) -> Runnable[RerankInput, list[Document]]:
        """Make a chain step that takes `{"query": ..., "documents": [...]}`, with the options of `rerank`."""
        from langchain_melious.rerank.step import RerankStep  # noqa: PLC0415 - costs a second to import

        name = type(self).__name__
        return RerankStep(name, partial(self._run, options), partial(self._arun, options))

    def _run(self, options: Mapping[str, Any], given: RerankInput) -> dict[str, Any]:
        query, written, blank = _read(given)
        ranked, cost = self._score(written, query, options)
        return {"documents": self._reordered(written, ranked, blank, options), **cost}

    async def _arun(self, options: Mapping[str, Any], given: RerankInput) -> dict[str, Any]:
        query, written, blank = _read(given)
        ranked, cost = await self._ascore(written, query, options)
        return {"documents": self._reordered(written, ranked, blank, options), **cost}

    def _request(
        self, documents: Sequence[Rankable], query: str, options: Mapping[str, Any]
    ) -> tuple[dict[str, Any], float | None]:
        check_call(options)
        call = {name: getattr(self, name) for name in _PARAMETERS} | {"model": self.model, **options}
        call.pop("keep_retrieval_score", None)
        min_score = call.pop("min_score", self.min_score)
        if min_score is not None:
            check_share("min_score", min_score)
        texts = [_text_of(document, position) for position, document in enumerate(_listed(documents))]
        return {**call, "documents": texts, "query": query, "return_documents": False}, min_score

    def _reordered(
        self,
        written: list[Document],
        ranked: list[Ranked],
        blank: list[Document],
        options: Mapping[str, Any],
    ) -> list[Document]:
        """Copies in their new order, with scores; what has none comes last, unless `min_score` drops it."""
        min_score = options.get("min_score", self.min_score)
        best: list[tuple[Document, float | None]] = [
            (written[item["index"]], item["relevance_score"]) for item in ranked
        ]
        if min_score is None and len(best) < len(written):
            seen = {item["index"] for item in ranked}
            best += [(document, None) for place, document in enumerate(written) if place not in seen]
        if not min_score:
            best += [(document, 0.0) for document in blank]
        keep = self._given("keep_retrieval_score", options)
        return [_scored(*each, keep=keep) for each in best[: options.get("top_n", self.top_n)]]


def _scored(document: Document, score: float | None, *, keep: bool) -> Document:
    """A copy with its score, or without one, and its earlier one if that is kept."""
    metadata = {
        name: value if type(value) in _PLAIN else deepcopy(value) for name, value in document.metadata.items()
    }
    earlier = metadata.pop(_SCORE, None)
    if keep and earlier is not None:
        metadata["retrieval_score"] = earlier
    if score is not None:
        metadata[_SCORE] = score
    return document.model_copy(update={"metadata": metadata})


def _read(given: RerankInput) -> tuple[str, list[Document], list[Document]]:
    """The query, the documents with text and the blank ones from the input of a chain step."""
    with langchain_errors:
        if not isinstance(given, Mapping) or not {"query", "documents"} <= given.keys():
            raise InvalidArgumentError('input: must be {"query": ..., "documents": [...]}')
        return given["query"], *_split(given["documents"])


def _listed(documents: Sequence[Any]) -> Iterable[Any]:
    if isinstance(documents, str) or not isinstance(documents, Iterable):
        raise InvalidArgumentError(f"documents: must be a list, not {type(documents).__name__}")
    return documents


def _split(documents: Sequence[Document]) -> tuple[list[Document], list[Document]]:
    """Documents with text, and blank ones, which the service rejects."""
    written: list[Document] = []
    blank: list[Document] = []
    for position, document in enumerate(_listed(documents)):
        if not isinstance(document, Document):
            raise InvalidArgumentError(
                f"documents[{position}]: must be a Document, not {type(document).__name__}; "
                "rerank() also takes strings and dicts"
            )
        text = document.page_content
        (blank if not text or text.isspace() else written).append(document)
    return written, blank


def _text_of(document: Rankable, position: int) -> str:
    if isinstance(document, Document):
        return document.page_content
    if isinstance(document, str):
        return document
    text = document.get("text") if isinstance(document, Mapping) else getattr(document, "page_content", None)
    if not isinstance(text, str):
        raise InvalidArgumentError(
            f"documents[{position}]: must be a string, a Document, or a dict with text"
        )
    return text


def _ranked(call: Mapping[str, Any], result: RerankResult, min_score: float | None) -> list[Ranked]:
    """The scores of an answer, best first. The log says so if the service left documents out."""
    sent, ranked = len(call["documents"]), len(result.results)
    if ranked < min(sent, call["top_n"] or sent):
        _logger.warning("the service ranked only %d of %d documents", ranked, sent)
    return [
        {"index": item.index, "relevance_score": item.relevance_score}
        for item in result.results
        if min_score is None or item.relevance_score >= min_score
    ]
