"""A batch job, as its caller holds it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from melious.answers.batches import Batch, BatchResult, later
from melious.clients._async.endpoint import AsyncEndpoint
from melious.clients._async.files import AsyncFiles
from melious.clients.jobs import JobBase, by_custom_id
from melious.clients.line_ledger import LineLedger
from melious.clients.progress import Progress, ProgressLine, checked, line_of
from melious.endpoints import batches
from melious.endpoints.batch_results import FILE_IS_GONE, LineReader
from melious.endpoints.patience import Patience
from melious.errors import APIStatusError, MeliousError, NotFoundError
from melious.http._async.driver import AsyncDriver
from melious.http._async.primitives import callback_result, sleep
from melious.settings.config import ClientConfig


class AsyncBatchJob(AsyncEndpoint, JobBase):
    """A job of `client.batches.submit`: one batch of the service, or several.

    Iterate over it for its results as they arrive. Requests whose results have been read are counted in the
    active ledgers and budgets, each once.

    Attributes:
        batches: The batches of the service, as they were when they were last looked at.

    Examples:
        >>> from melious import AsyncMeliousClient
        >>> client = AsyncMeliousClient()
        >>> question = {"model": "glm-4.7", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
        >>> job = await client.batches.submit({"sky": question})
        >>> job = await job.wait(poll=0.01)
        >>> job.status, job.counts.succeeded
        ('completed', 1)
        >>> async for result in job:
        ...     print(result.custom_id, result.answer.text)
        sky Air scatters blue light most.
    """

    def __init__(
        self, config: ClientConfig, driver: AsyncDriver, files: AsyncFiles, made: list[Batch]
    ) -> None:
        super().__init__(config, driver)
        self._files = files
        self.batches = made

    async def refresh(self) -> Self:
        """Look at the batches that have not ended.

        Raises:
            MeliousError: A call failed; the subclass says how.
        """
        for place, batch in enumerate(self.batches):
            if not batch.done:
                self.batches[place] = await self._look(batch)
        return self

    async def wait(
        self,
        *,
        progress: Progress = None,
        poll: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as long as a day, and what it waits for goes on
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Wait until all batches have ended, well or not: `status` says how.

        A look that fails with a transient error, after its retries, does not end the wait; ten in a row do.

        Args:
            progress: True writes a line on the standard error stream as the job goes on; a function is called
                with the job after each status request. With asyncio, an awaitable result is awaited.
            poll: Seconds between two status requests; by default from one second to a minute, growing.
            timeout: Seconds to wait at most; None for no limit, 0 to look once.
            clock: A monotonic clock, in seconds.

        Returns:
            The job.

        Raises:
            DeadlineExceededError: The job has not ended in time; it goes on.
            InvalidArgumentError: An argument is wrong.
            ResponseDecodeError: For a quarter of an hour, a status was a word that is not known.
            MeliousError: Looking at the batches failed for good.
        """
        patience, wanted, line = Patience(poll, timeout, clock), checked(progress), ProgressLine()
        while not self.done:
            try:
                await self.refresh()
            except MeliousError as error:
                patience.failed(error)
            else:
                patience.looked(self.batches)
            if wanted is True:
                line.show(line_of(self.status, self.counts), done=self.done)
            elif callable(wanted):
                await callback_result("progress", wanted(self))
            if not self.done:
                await sleep(patience.pause())
        return self

    async def cancel(self) -> Self:
        """Cancel the batches that have not ended; what has been answered stays readable.

        Raises:
            MeliousError: A call failed; the subclass says how.
        """
        first: MeliousError | None = None
        for place, batch in enumerate(self.batches):
            if batch.done:
                continue
            try:
                self.batches[place] = await self._cancelled(batch)
            except MeliousError as error:
                first = first or error
        if first is not None:
            raise first
        return self

    async def _cancelled(self, batch: Batch) -> Batch:
        try:
            return later(batch, await self._call(batches.cancel(self._config, batch.id, {})))
        except APIStatusError:
            found = await self._look(batch)
            if not found.done:
                raise
            return found

    async def results(self) -> dict[str, Any]:
        """Wait for the end, and give all results in memory.

        Returns:
            By the id of each request its answer (`ChatCompletion`, `EmbeddingsResult`, ...), or the
            `MeliousError` that says why there is none; in the order of the list where the ids were made here.

        Raises:
            MeliousError: A call failed; the subclass says how.
        """
        return by_custom_id({result.custom_id: result async for result in self}.values())

    async def _look(self, batch: Batch) -> Batch:
        return later(batch, await self._call(batches.retrieve(self._config, batch.id, {})))

    def __aiter__(self) -> AsyncIterator[BatchResult]:
        return self._results()

    async def _results(self) -> AsyncIterator[BatchResult]:
        if not self.done:
            await self.wait()
        try:
            for batch in self.batches:
                reader = LineReader(batch, batches.rule_of(self._config))
                for file in reader.files:
                    ledger = LineLedger(self._config, reader, file)
                    async with self._files.content(file) as stream:
                        async for line in stream.lines():
                            result = reader.read(line)
                            if result is not None:
                                ledger.record(result)
                                yield result
                    reader.end()
                ledger = LineLedger(self._config, reader, f"{batch.id} without results")
                missing = reader.missing()
                for name in missing or ():
                    result = reader.lost(name)
                    ledger.record(result)
                    yield result
                if missing is None:
                    async with self._files.content(reader.input) as stream:
                        async for line in stream.lines():
                            lost = reader.name_of_lost(line)
                            if lost is not None:
                                result = reader.lost(lost)
                                ledger.record(result)
                                yield result
        except NotFoundError as error:
            error.advice = FILE_IS_GONE
            raise
