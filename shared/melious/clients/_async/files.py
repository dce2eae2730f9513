"""`client.files`."""

from __future__ import annotations

from functools import partial
from typing import Unpack

from melious._signatures import written_out
from melious.answers.batches import FileList, FileObject
from melious.clients._async.endpoint import AsyncEndpoint
from melious.clients._async.primitives import call_in_thread
from melious.clients.record import UsageRecorder
from melious.clients.streams import AsyncBegunFile, AsyncFileStream
from melious.endpoints import files
from melious.endpoints.forms import FileArgument
from melious.exchange.request import Request
from melious.settings.options import CallOptions


class AsyncFiles(AsyncEndpoint):
    """`client.files`: what batches read and write."""

    @written_out(CallOptions)
    async def create(
        self, *, file: FileArgument, purpose: str = "batch", **params: Unpack[CallOptions]
    ) -> FileObject:
        """Upload a file, which is read from disk while it is sent.

        Args:
            file: A path, an open file, or a tuple of name and bytes; at most 105 MB of JSON lines.
            purpose: What it is for; `batch` is the only purpose that is documented.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        # Building the request looks at the file, and a disk can be slow.
        return await self._call(await call_in_thread(files.create, self._config, file, purpose, params))

    @written_out(CallOptions)
    async def list(
        self,
        *,
        purpose: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        order: str | None = None,
        **params: Unpack[CallOptions],
    ) -> FileList:
        """List files, a page at a time.

        Args:
            purpose: Only files for this.
            limit: How many, from 1 to 100; 20 by default.
            after: The id after which the page starts.
            order: `desc`, the newest first, by default, or `asc`.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            InvalidArgumentError: An argument is wrong; nothing was sent.
            MeliousError: The call failed; the subclass says how.
        """
        query = {"purpose": purpose, "limit": limit, "after": after, "order": order}
        return await self._call(files.list_all(self._config, params, **query))

    @written_out(CallOptions)
    async def retrieve(self, file_id: str, **params: Unpack[CallOptions]) -> FileObject:
        """Get what the service knows of a file.

        Args:
            file_id: The id of the file.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(files.retrieve(self._config, file_id, params))

    @written_out(CallOptions)
    def content(self, file_id: str, **params: Unpack[CallOptions]) -> AsyncFileStream:
        """Read a file as it arrives. Awaiting, entering or iterating over it makes the request.

        Args:
            file_id: The id of the file.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            MeliousError: The call failed before its first byte.
        """
        return AsyncFileStream(partial(self._open, files.content(self._config, file_id, params)))

    @written_out(CallOptions)
    async def delete(self, file_id: str, **params: Unpack[CallOptions]) -> FileObject:
        """Delete a file.

        Args:
            file_id: The id of the file.
            **params: Those of `melious.CallOptions`, without `extra_body`.

        Raises:
            MeliousError: The call failed; the subclass says how.
        """
        return await self._call(files.delete(self._config, file_id, params))

    async def _open(self, request: Request) -> AsyncBegunFile:
        with UsageRecorder(request) as record:
            begun = await self._driver.download(request, record.file_ended)
            record.opened()
        return begun
