"""`client.batches`."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Unpack

from melious._signatures import written_out
from melious.answers.batches import Batch, BatchList
from melious.clients._async.endpoint import AsyncEndpoint
from melious.clients._async.files import AsyncFiles
from melious.clients._async.jobs import AsyncBatchJob
from melious.clients.admission import Admission
from melious.clients.jobs import ids_in
from melious.endpoints import batches
from melious.endpoints.batch_lines import CHAT, BatchRequests, items_of
from melious.endpoints.batch_parts import DIGEST, MAX_LINES, Part, PartsWriter, on_disk
from melious.endpoints.files import MAX_BYTES, MOST_LISTED
from melious.errors import MeliousError
from melious.errors.checks import check_bool
from melious.http._async.driver import AsyncDriver
from melious.http._async.primitives import sleep
from melious.settings.config import ClientConfig
from melious.settings.options import CallOptions

_MOST_PAGES = 10
_LINES_PER_TURN = 64


class AsyncBatches(AsyncEndpoint):
    """`client.batches`: requests that the service answers in its own time, outside the per-minute limit."""

    def __init__(self, config: ClientConfig, driver: AsyncDriver, files: AsyncFiles) -> None:
        super().__init__(config, driver)
        self._files = files

    @written_out(CallOptions)
    async def submit(
        self,
        requests: BatchRequests,
        *,
        endpoint: str = CHAT,
        completion_window: str = batches.WINDOW,
        metadata: Mapping[str, str] | None = None,
        reuse: bool = True,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
        **params: Unpack[CallOptions],
    ) -> AsyncBatchJob:
        """Submit any number of requests as a job, in as many batches of the service as it takes.

        All requests are checked as the ordinary call checks them, with the routing of this client, and
        written to a temporary file, before anything is sent. Routing fallbacks do not apply.

        Args:
            requests: Dicts of the arguments of the ordinary call (`model`, `messages`, ...), tuples of an id
                and such a dict, or a mapping of ids to dicts; an iterable is consumed one at a time. Requests
                without an id get `request-0`, `request-1`, ...
            endpoint: `/v1/chat/completions`, `/v1/embeddings` or `/v1/images/generations`.
            completion_window: How long the service may take.
            metadata: Up to 13 pairs of texts to keep with the batches.
            reuse: Give the job back, instead of paying twice, if the same requests were submitted before: if
                one of the latest 1,000 batches that the service lists has them and has not failed, expired or
                been cancelled.
            max_lines: The most requests in a batch of the service: 50,000, OpenAI's limit, by default. The
                service states none.
            max_bytes: The most bytes in a batch of the service: its 105 MB by default.
            **params: Those of `melious.CallOptions`, without `extra_body`, for each request that this makes.

        Raises:
            InvalidArgumentError: An argument or a request is wrong; its place is named, and nothing was sent.
            BudgetExceededError: A budget is used up, or its `max_requests` has no room for all requests.
            MeliousError: A call failed; submitting the same again goes on where it stopped.
        """
        check_bool("reuse", reuse)
        with on_disk():
            temporary = TemporaryDirectory(prefix="melious-batch-", ignore_cleanup_errors=True)
        with temporary as directory:
            writer = PartsWriter(
                self._config, endpoint, completion_window, metadata, Path(directory), max_lines, max_bytes
            )
            try:
                for place, item in enumerate(items_of(requests)):
                    writer.add(item)
                    if place % _LINES_PER_TURN == 0:
                        await sleep(0)
                parts = writer.finish()
            finally:
                writer.close()
            known = await self._submitted(parts, params) if reuse else {}
            new = [part for part in parts if part.digest not in known]
            admission = Admission(self._config, [part.lines for part in new])
            made: list[Batch] = []
            try:
                for part in parts:
                    batch = known.get(part.digest)
                    if batch is None:
                        file = await self._files.create(file=part.path, **params)
                        batch = await self.create(
                            input_file_id=file.id,
                            endpoint=endpoint,
                            completion_window=completion_window,
                            metadata={**(metadata or {}), **part.pairs},
                            **params,
                        )
                        admission.used()
                        batch.metadata = {**part.pairs, **batch.metadata}
                    made.append(batch)
            except BaseException as error:
                admission.failed(error)
                if made:
                    ids = ", ".join(batch.id for batch in made)
                    error.add_note(f"Submitted before: {ids}. Submit the same again to go on")
                raise
        return AsyncBatchJob(self._config, self._driver, self._files, made)

    @written_out(CallOptions)
    async def resume(self, job_id: str, **params: Unpack[CallOptions]) -> AsyncBatchJob:
        """Get a job by its id, also one of another process.

        Args:
            job_id: The `.id` of the job, or the id of a batch.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            InvalidArgumentError: The id is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        found = [await self.retrieve(name, **params) for name in ids_in(job_id)]
        return AsyncBatchJob(self._config, self._driver, self._files, found)

    @written_out(CallOptions)
    async def create(
        self,
        *,
        input_file_id: str,
        endpoint: str,
        completion_window: str = batches.WINDOW,
        metadata: Mapping[str, str] | None = None,
        **params: Unpack[CallOptions],
    ) -> Batch:
        """Make a batch of the lines in a file.

        Where a failure leaves open whether a batch was made, it is looked for before it is made again: by
        the pair `melious_request`, which is added to the metadata if there is room.

        Args:
            input_file_id: The id of a file with a line for each request.
            endpoint: Where the lines go, such as `/v1/chat/completions`.
            completion_window: How long the service may take.
            metadata: Up to 16 pairs of texts to keep with the batch.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        creation = batches.Creation(
            self._config,
            input_file_id,
            endpoint,
            completion_window,
            metadata,
            params,
            token=secrets.token_hex(8),
        )
        while True:
            try:
                return await self._call(creation.call())
            except MeliousError as error:
                found = await self._made(creation.failed(error), error, params)
                if found is not None:
                    return found
                seconds = creation.pause(error)
            await sleep(seconds)

    @written_out(CallOptions)
    async def list(
        self, *, limit: int | None = None, after: str | None = None, **params: Unpack[CallOptions]
    ) -> BatchList:
        """List batches, a page at a time.

        Args:
            limit: How many, from 1 to 100; 20 by default.
            after: The id after which the page starts.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(batches.list_all(self._config, params, limit=limit, after=after))

    @written_out(CallOptions)
    async def retrieve(self, batch_id: str, **params: Unpack[CallOptions]) -> Batch:
        """Get a batch as it is now.

        Args:
            batch_id: The id of the batch.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(batches.retrieve(self._config, batch_id, params))

    @written_out(CallOptions)
    async def cancel(self, batch_id: str, **params: Unpack[CallOptions]) -> Batch:
        """Cancel a batch; what has been answered stays readable.

        Args:
            batch_id: The id of the batch.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(batches.cancel(self._config, batch_id, params))

    async def _made(self, token: str, error: MeliousError, params: CallOptions) -> Batch | None:
        """The batch of a call that failed, if it was made all the same."""
        try:
            async for page in self._pages(params):
                found = batches.with_pair(page.data, batches.TOKEN, token)
                if found is not None:
                    return found
        except MeliousError as problem:
            error.add_note(f"Whether the batch was made could not be found out: {problem}")
            raise error from problem
        return None

    async def _submitted(self, parts: Sequence[Part], params: CallOptions) -> dict[str, Batch]:
        """The batches that were made of these parts before, by their digests."""
        wanted = {part.digest for part in parts}
        found: dict[str, Batch] = {}
        async for page in self._pages(params):
            for batch in page.data:
                digest = str(batch.metadata.get(DIGEST))
                if digest in wanted and (batch.succeeded or not batch.done):
                    found.setdefault(digest, batch)
            if len(found) == len(wanted):
                break
        return found

    async def _pages(self, params: CallOptions) -> AsyncIterator[BatchList]:
        """The latest batches."""
        after: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self.list(limit=MOST_LISTED, after=after, **params)
            yield page
            if not page.has_more or not page.data or page.data[-1].id == after:
                return
            after = page.data[-1].id
