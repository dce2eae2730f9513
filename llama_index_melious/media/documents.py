"""`MeliousDocumentReader`, a reader that converts PDF, Office files and images."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.schema import Document

from llama_index_melious.events import dispatch_usage
from llama_index_melious.media.file_reader import FileReader, document
from melious.answers.documents import DocumentsResult
from melious.endpoints.documents import DocumentParams, check_unrouted

if TYPE_CHECKING:
    from melious.clients._async.client import AsyncMeliousClient
    from melious.clients._sync.client import MeliousClient

_PARAMETERS = frozenset(DocumentParams.__annotations__)
_ROUTING = ("preset", "flavor", "routing_fallbacks")
_FOR_PROGRAMS = ("total_pages",)
"""Metadata left out of the text for models and embeddings."""


class MeliousDocumentReader(FileReader, defer_build=False):
    r"""Converts PDF, Word, Excel and PowerPoint files and images into documents.

    A file of at most 50 MB gives one document for each page, or a single one. Scanned pages are read
    by OCR. Files are read from disk while they are sent. A document has the given metadata, and:

    - `file_name`, `file_path`: of the file, unless given;
    - `page_label`: the number of the page, from "1" as with LlamaIndex's `PDFReader`; of a page;
    - `total_pages`: how many pages the file has;
    - what else the service says of a page, under its names.

    A failed call raises a `melious.MeliousError`. A `MeliousUsageEvent` reports what each request cost and
    how many pages it had.

    Args:
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        api_base: LlamaIndex's name for `base_url`.
        return_full_document: One document for each file; by default one for each page.
        extra_query: Parameters of the URL, sent as they are; none by default.
        filters: Countries to verify the location against, with `verify_location`; not sent. None by default.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 600 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        budget, verify, ...: The rest of `melious.ClientOptions`.
        additional_kwargs: Further parameters of every request; those of a call replace them.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.

    Raises:
        ConfigurationError: There is no key, or the base URL cannot be used.
        InvalidArgumentError: Another argument is wrong or unknown.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from llama_index.core import SimpleDirectoryReader
        >>> from llama_index_melious import MeliousDocumentReader
        >>> from melious.sandbox import Reply, Sandbox
        >>> with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "letter.pdf").write_bytes(b"%PDF-1.7 ...")
        ...     sandbox.replies.add(Reply(text="Dear Ms Weber\fYours"), endpoint="documents")
        ...     reader = MeliousDocumentReader(api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     pages = SimpleDirectoryReader(folder, file_extractor={".pdf": reader}).load_data()
        >>> [(page.text, page.metadata["page_label"]) for page in pages]
        [('Dear Ms Weber', '1'), ('Yours', '2')]
    """

    is_remote: bool = True
    return_full_document: bool = False
    extra_query: dict[str, Any] | None = None

    @classmethod
    def class_name(cls) -> str:
        """The name for LlamaIndex's serialisation."""
        return "MeliousDocumentReader"

    def _check(self) -> None:
        super()._check()
        check_unrouted({name: getattr(self, name) for name in _ROUTING})

    def load_data(
        self,
        file: str | PathLike[str],
        extra_info: Mapping[str, Any] | None = None,
        fs: Any = None,
        **options: Any,
    ) -> list[Document]:
        """Convert a file.

        Args:
            file: The path; its extension, or else its first bytes, give the format.
            extra_info: Metadata for the documents.
            fs: The file system, of `fsspec`; by default the local one.
            **options: For this call: `return_full_document`, and those of `melious.DocumentParams`.

        Returns:
            One document for each page, or a single one.

        Raises:
            InvalidArgumentError: The file is missing, too large or of another format; nothing was sent.
            MeliousError: The request failed.
        """
        return self._load(file, extra_info, fs, options)

    def _send(self, client: MeliousClient | AsyncMeliousClient, file: Any, call: dict[str, Any]) -> Any:
        return client.documents.convert([file], **call)

    def _prepare(self, options: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """This reader with the options of a call, and the arguments of its request."""
        changes = {name: value for name, value in options.items() if name == "return_full_document"}
        call = {name: value for name, value in options.items() if name not in changes}
        chosen = self.with_options(**changes) if changes else self
        parameters = self._parameters(_PARAMETERS, {"extra_query": self.extra_query}, call)
        for name in _ROUTING:  # a call that gives some is refused by the core
            if name not in call:
                parameters.pop(name, None)
        return chosen, parameters

    def _documents(
        self, file: str | PathLike[str], extra_info: Mapping[str, Any] | None, result: DocumentsResult
    ) -> list[Document]:
        dispatch_usage("documents", result, origin=result.meta)
        converted = result.results[0]
        path = Path(file)
        about: dict[str, Any] = {
            "file_name": path.name,
            "file_path": str(path),
            **deepcopy(dict(extra_info or {})),
            "total_pages": len(converted.pages),
        }
        if self.return_full_document:
            return [document(converted.text, about, _FOR_PROGRAMS)]
        return [
            document(
                page.content,
                {**deepcopy(page.model_extra or {}), **deepcopy(about), "page_label": str(number)},
                _FOR_PROGRAMS,
            )
            for number, page in enumerate(converted.pages, 1)
        ]
