"""What the readers share that send a file and make documents of the answer."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.readers.base import BasePydanticReader
from llama_index.core.schema import Document

from llama_index_melious.component import MeliousComponent
from llama_index_melious.media.files import check_metadata, open_on

if TYPE_CHECKING:
    from melious.clients._async.client import AsyncMeliousClient
    from melious.clients._sync.client import MeliousClient


class FileReader(MeliousComponent, BasePydanticReader):
    """A reader that sends each file to the service."""

    @abstractmethod
    def _prepare(self, options: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """This reader with the options of a call, and the arguments of its request."""

    @abstractmethod
    def _send(self, client: MeliousClient | AsyncMeliousClient, file: Any, call: dict[str, Any]) -> Any:
        """Send a file; gives the answer, or what to await for it."""

    @abstractmethod
    def _documents(
        self, file: str | PathLike[str], extra_info: Mapping[str, Any] | None, result: Any
    ) -> list[Document]:
        """Make documents of an answer."""

    def _load(
        self,
        file: str | PathLike[str],
        extra_info: Mapping[str, Any] | None,
        fs: Any,
        options: Mapping[str, Any],
    ) -> list[Document]:
        check_metadata(extra_info)
        chosen, call = self._prepare(options)
        with ExitStack() as held:
            given: Any = file
            if fs is not None:
                given = (Path(file).name, held.enter_context(open_on(fs, file)))
            result = self._send(self._client(), given, call)
        return chosen._documents(file, extra_info, result)  # noqa: SLF001 - a copy of its own

    async def aload_data(
        self,
        file: str | PathLike[str],
        extra_info: Mapping[str, Any] | None = None,
        fs: Any = None,
        **options: Any,
    ) -> list[Document]:
        """Like `load_data`, for asyncio, without a thread while it waits for the service."""
        check_metadata(extra_info)
        chosen, call = self._prepare(options)
        with ExitStack() as held:
            given: Any = file
            if fs is not None:
                opened = await asyncio.to_thread(open_on, fs, file)
                given = (Path(file).name, held.enter_context(opened))
            result = await self._send(self._aclient(), given, call)
        return chosen._documents(file, extra_info, result)  # noqa: SLF001 - a copy of its own

    def lazy_load_data(
        self,
        file: str | PathLike[str],
        extra_info: Mapping[str, Any] | None = None,
        fs: Any = None,
        **options: Any,
    ) -> Iterable[Document]:
        """Like `load_data`; sends the file when the first document is requested."""
        yield from self.load_data(file, extra_info, fs, **options)

    async def alazy_load_data(
        self,
        file: str | PathLike[str],
        extra_info: Mapping[str, Any] | None = None,
        fs: Any = None,
        **options: Any,
    ) -> Iterable[Document]:
        """Like `aload_data`."""
        return await self.aload_data(file, extra_info, fs, **options)


def document(text: str, about: dict[str, Any], hidden: Sequence[str]) -> Document:
    """A document whose metadata under the `hidden` names are not shown to models."""
    names = [name for name in hidden if name in about]
    return Document(
        text=text,
        metadata=about,
        excluded_embed_metadata_keys=names,
        excluded_llm_metadata_keys=names,
    )
