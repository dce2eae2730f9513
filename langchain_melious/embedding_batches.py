"""Embeddings in a batch job of the service, outside the per-minute limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from langchain_melious.callbacks.reports import RequestInfo, areport, report
from langchain_melious.errors import for_langchain, langchain_errors, needs_asyncio
from langchain_melious.settings.fields import MeliousSettings
from melious.endpoints.batch_reading import check_endpoint, id_of, in_order, vector_of
from melious.endpoints.unit_length import unit_vector
from melious.errors import InvalidArgumentError, MeliousError

if TYPE_CHECKING:
    from melious.answers.batches import BatchResult
    from melious.clients._async.jobs import AsyncBatchJob
    from melious.clients._sync.jobs import BatchJob

_ENDPOINT = "/v1/embeddings"
_OF_REQUESTS = frozenset(
    {"as_numpy", "batch_size", "max_batch_tokens", "count_tokens", "max_concurrency", "blank_texts", "input"}
)
"""The arguments of the ordinary call that say how its requests are made."""


class BatchedEmbeddings(MeliousSettings):
    """An embedding model that embeds texts in a batch job."""

    if TYPE_CHECKING:
        normalize: bool

        def _request(
            self, texts: Sequence[str], prefix_name: str, options: Mapping[str, Any]
        ) -> dict[str, Any]: ...

    def submit_batch(
        self,
        texts: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
        reuse: bool = True,
        **options: Any,
    ) -> BatchJob:
        """Send texts of documents as one batch job, which does not count towards the per-minute limit.

        Each text is a request of the job, equal ones too. It may take up to 24 hours; `collect_batch` waits
        for it, here or in another process.

        Args:
            texts: The texts, none of them blank.
            metadata: Up to 13 texts by name, kept by the service with the job.
            reuse: Find the job that was submitted before with the same contents, instead of paying twice.
            **options: As for `embed_documents`.

        Returns:
            The job: `id`, `status`, `counts`, `wait()`, `cancel()`.

        Raises:
            langchain_melious.errors.InvalidArgumentError: A text or option is wrong. Its place is named,
                and no job is created.
            MeliousError: A request failed.
        """
        with langchain_errors:
            lines = self._lines(texts, options)
            batches = self._sync_client().batches
            return batches.submit(lines, endpoint=_ENDPOINT, metadata=metadata, reuse=reuse)

    async def asubmit_batch(
        self,
        texts: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
        reuse: bool = True,
        **options: Any,
    ) -> AsyncBatchJob:
        """Like `submit_batch`, for asyncio."""
        needs_asyncio()
        with langchain_errors:
            lines = self._lines(texts, options)
            batches = self._async_client().batches
            return await batches.submit(lines, endpoint=_ENDPOINT, metadata=metadata, reuse=reuse)

    @overload
    def collect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        normalize: bool | None = None,
        return_exceptions: Literal[False] = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,
    ) -> list[list[float]]: ...

    @overload
    def collect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        normalize: bool | None = None,
        return_exceptions: Literal[True],
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,
    ) -> list[list[float] | MeliousError]: ...

    def collect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        normalize: bool | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,
    ) -> list[Any]:
        """Wait for a batch job, and return the vectors in the order of the texts: n x dim.

        Args:
            job: The job, or its id.
            normalize: Scale the vectors to unit length; by default as the model is set.
            return_exceptions: Return the errors of failed texts in their places; by default the first is
                raised, and the vectors can be collected again.
            progress: Show how many texts are done while waiting.
            poll: Seconds between two status requests; by default from one second to a minute, growing.
            timeout: The most seconds to wait; by default as long as it takes.

        Raises:
            MeliousError: A text failed, or a request did.
        """
        with langchain_errors:
            held = self._sync_client().batches.resume(id_of(job))
            check_endpoint(held, "embeddings")
            held.wait(progress=progress, poll=poll, timeout=timeout)
            results = in_order(held, "texts")
            report(self._batch_info(), (each.answer for each in results if each.answer is not None))
            return self._collected(results, normalize=normalize, return_exceptions=return_exceptions)

    @overload
    async def acollect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        normalize: bool | None = None,
        return_exceptions: Literal[False] = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the same as in `collect_batch`
    ) -> list[list[float]]: ...

    @overload
    async def acollect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        normalize: bool | None = None,
        return_exceptions: Literal[True],
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the same as in `collect_batch`
    ) -> list[list[float] | MeliousError]: ...

    async def acollect_batch(
        self,
        job: BatchJob | AsyncBatchJob | str,
        *,
        normalize: bool | None = None,
        return_exceptions: bool = False,
        progress: bool = False,
        poll: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the same as in `collect_batch`
    ) -> list[Any]:
        """Like `collect_batch`, for asyncio."""
        needs_asyncio()
        with langchain_errors:
            held = await self._async_client().batches.resume(id_of(job))
            check_endpoint(held, "embeddings")
            await held.wait(progress=progress, poll=poll, timeout=timeout)
            results = in_order([result async for result in held], "texts")
            await areport(self._batch_info(), (each.answer for each in results if each.answer is not None))
            return self._collected(results, normalize=normalize, return_exceptions=return_exceptions)

    def _batch_info(self) -> RequestInfo:
        return RequestInfo("embeddings", self.model, self._routing({"model": self.model}))

    def _lines(self, texts: Sequence[str], options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The requests of a job, one for each text."""
        call = self._request(texts, "document_prefix", {**options, "blank_texts": "refuse"})
        if not call["input"]:
            raise InvalidArgumentError("texts: must not be empty", param="texts")
        fields = {
            name: value for name, value in call.items() if value is not None and name not in _OF_REQUESTS
        }
        return ({**fields, "input": [text]} for text in call["input"])

    def _collected(
        self, results: Sequence[BatchResult], *, normalize: bool | None, return_exceptions: bool
    ) -> list[list[float] | MeliousError]:
        scaled = self.normalize if normalize is None else normalize
        collected: list[list[float] | MeliousError] = []
        for result in results:
            found = vector_of(result)
            if isinstance(found, MeliousError):
                if not return_exceptions:
                    raise found
                collected.append(for_langchain(found))
            else:
                collected.append(unit_vector(found) if scaled else found)
        return collected
