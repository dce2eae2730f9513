"""`MeliousBatchEmbedding` embeds the texts of a pipeline in a batch job of the service."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from llama_index.core.base.embeddings.base import Embedding
from llama_index.core.bridge.pydantic import Field
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.dispatcher import Dispatcher

from llama_index_melious.embeddings.embedding import MeliousEmbedding, _report_usage
from llama_index_melious.embeddings.places import instructed
from melious.endpoints.batch_reading import vector_of
from melious.endpoints.unit_length import unit_vector
from melious.settings.fields import OPERATIONAL

if TYPE_CHECKING:
    from melious.answers.batches import BatchResult

_ENDPOINT = "/v1/embeddings"
_NOT_IN_BATCHES = OPERATIONAL | {
    "as_numpy",
    "blank_texts",
    "encoding_format",
    "input",
    "max_concurrency",
    "on_answer",
    "routing_fallbacks",
}
"""The arguments of the ordinary call that the requests of a batch do not have."""
_logger = logging.getLogger("melious")

dispatcher: Dispatcher = get_dispatcher(__name__)


class MeliousBatchEmbedding(MeliousEmbedding, defer_build=False):
    """An embedding model that embeds all texts of a call in one batch job, outside the per-minute limit.

    It is a step of an `IngestionPipeline`, and an `embed_model` for an index. The job takes the nodes of one
    call; the call waits for it, up to 24 hours. Texts whose lines failed or expired are embedded by ordinary
    requests. Queries and single texts always are. A call with the same texts finds its earlier job, so an
    ingestion that was killed while it waited goes on with it and pays nothing twice.

    Args:
        model: The model, with or without a flavor.
        batch_timeout: The most seconds to wait for a job; by default as long as it takes. The job goes on,
            and a later call with the same texts finds it.
        batch_poll: Seconds between two status requests; by default from one second to a minute, growing.
        batch_progress: Show how many texts are done while waiting; False by default.
        **arguments: See `MeliousEmbedding`. Its `embed_batch_size` and `num_workers` are for texts that
            ordinary requests embed.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
        InvalidArgumentError: Another argument is wrong or unknown.

    Examples:
        >>> from llama_index.core import Document
        >>> from llama_index.core.ingestion import IngestionPipeline
        >>> from llama_index.core.node_parser import SentenceSplitter
        >>> from llama_index_melious import MeliousBatchEmbedding
        >>> pipeline = IngestionPipeline(
        ...     transformations=[SentenceSplitter(), MeliousBatchEmbedding("bge-m3")]
        ... )
        >>> nodes = pipeline.run(documents=[Document(text="Lighthouses guide ships.")])
        >>> len(nodes[0].embedding)
        1024
    """

    operational_fields: ClassVar[frozenset[str]] = MeliousEmbedding.operational_fields | {
        "batch_timeout",
        "batch_poll",
        "batch_progress",
    }

    batch_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    batch_poll: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    batch_progress: bool = False

    @classmethod
    def class_name(cls) -> str:
        """The name for LlamaIndex's serialisation."""
        return "MeliousBatchEmbedding"

    def _ready(self, options: dict[str, Any], *, query: bool = False) -> Self:
        """See `MeliousEmbedding`; LlamaIndex gives all texts of a call at once."""
        chosen = super()._ready(options, query=query)
        return chosen if query else chosen.model_copy(update={"embed_batch_size": sys.maxsize})

    def to_payload(self) -> dict[str, Any]:
        """What events show of this model."""
        return {name: value for name, value in super().to_payload().items() if name != "embed_batch_size"}

    def _lines(self, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The requests of a job, one for each text."""
        request = self._request([])
        fields = {
            name: value
            for name, value in request.items()
            if value is not None and name not in _NOT_IN_BATCHES
        }
        return ({**fields, "input": [text]} for text in texts)

    def _waiting(self) -> dict[str, Any]:
        return {
            "progress": self.batch_progress,
            "poll": self.batch_poll,
            "timeout": self.batch_timeout,
        }

    @dispatcher.span
    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        different = list(dict.fromkeys(instructed(self.text_instruction, texts)))
        job = self._client().batches.submit(self._lines(different), endpoint=_ENDPOINT)
        job.wait(**self._waiting())
        found = self._found(different, list(job))
        missing = _without_vector(different, found)
        if missing:
            found |= dict(zip(missing, self._embed(missing), strict=True))
        return [found[text] for text in instructed(self.text_instruction, texts)]

    @dispatcher.span
    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        different = list(dict.fromkeys(instructed(self.text_instruction, texts)))
        job = await self._aclient().batches.submit(self._lines(different), endpoint=_ENDPOINT)
        await job.wait(**self._waiting())
        found = self._found(different, [result async for result in job])
        missing = _without_vector(different, found)
        if missing:
            found |= dict(zip(missing, await self._aembed(missing), strict=True))
        return [found[text] for text in instructed(self.text_instruction, texts)]

    def _found(self, texts: Sequence[str], results: Sequence[BatchResult]) -> dict[str, Embedding]:
        """The vectors by text; what each line cost is reported."""
        found: dict[str, Embedding] = {}
        for result in results:
            if result.answer is not None:
                _report_usage(result.answer)
            vector = vector_of(result)
            if isinstance(vector, list) and result.index is not None:
                found[texts[result.index]] = unit_vector(vector) if self.normalize else vector
        return found


def _without_vector(texts: Sequence[str], found: dict[str, Embedding]) -> list[str]:
    missing = [text for text in texts if text not in found]
    if missing:
        _logger.warning("%d of %d lines of a batch failed; embedding them again", len(missing), len(texts))
    return missing
