"""`MeliousDocumentParser`: the document conversion of Melious as a parser of LangChain's blobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_melious.blobs import file_of
from langchain_melious.callbacks.reports import RequestInfo, areported, reported
from langchain_melious.errors import InvalidArgumentError, langchain_errors
from langchain_melious.settings.fields import ServiceSettings, check_call

if TYPE_CHECKING:
    from melious.answers.documents import ConvertedDocument, DocumentPage

_INFO = RequestInfo("documents", "", {})


class MeliousDocumentParser(ServiceSettings, BaseBlobParser, defer_build=False):
    r"""Converts PDF, Word, Excel and PowerPoint files and images to documents.

    A file of at most 50 MB gives one document for each page, or a single one. Scanned pages are
    read by OCR. Files are read from disk while they are sent. The metadata of a document is that of its
    blob, and:

    - `source`: where the file is, if known;
    - `page`: the number of the page, from 0 as with `PyPDFLoader`, in mode `page`;
    - `total_pages`: how many pages the file has;
    - what else the service says of a page, under its names.

    Pages are counted by `melious.track_impact`. Costs are reported to it and, as the custom event
    `melious_usage`, to LangChain's callbacks. Errors are those of `langchain_melious.errors`.

    Args:
        api_key: The key; by default the environment variable `MELIOUS_API_KEY`.
        base_url: The URL of the service; by default `MELIOUS_BASE_URL`, then `https://api.melious.ai/v1`.
        mode: `page`, the default, gives a document for each page, `single` one for each file.
        pages_delimiter: What stands between two pages in mode `single`; an empty line by default.
        extra_query: Parameters of the URL, sent as they are; none by default.
        filters: Countries to verify the location against, with `verify_location`; not sent. None by default.
        verify_location: `warn` or `raise` if an answer is not from `filters["countries"]`; `off` by default.
        timeout: Seconds for each wait, a `Timeout`, an `httpx.Timeout` or `(connect, read)`. Default: 600 s.
        deadline: Seconds for a whole call, with waits and retries; 600 by default, None for no limit.
        max_retries: Further attempts after transient errors; 2 by default, 0 for none.
        budget, verify, ...: The rest of `melious.ClientOptions`.
        http_client, async_http_client: Your own httpx clients, never closed; none by default.

    Raises:
        langchain_melious.errors.ConfigurationError: The key is missing or the base URL is not valid.
        langchain_melious.errors.InvalidArgumentError: An argument is invalid or unknown.

    Examples:
        >>> from langchain_core.documents.base import Blob
        >>> from langchain_melious import MeliousDocumentParser
        >>> from melious.sandbox import Reply, Sandbox
        >>> with Sandbox() as sandbox:
        ...     sandbox.replies.add(Reply(text="Dear Ms Weber\fYours"), endpoint="documents")
        ...     parser = MeliousDocumentParser(api_key=sandbox.api_key, base_url=sandbox.base_url)
        ...     pages = parser.parse(Blob.from_data(b"%PDF-1.7 ...", path="letter.pdf"))
        >>> [(page.page_content, page.metadata["page"]) for page in pages]
        [('Dear Ms Weber', 0), ('Yours', 1)]
    """

    _kind: ClassVar[str] = "documents"

    mode: Literal["page", "single"] = "page"
    pages_delimiter: str = "\n\n"
    extra_query: dict[str, Any] | None = None

    def _check(self) -> None:
        from melious.endpoints.documents import check_unrouted  # noqa: PLC0415 - brings the core's endpoint

        check_unrouted({name: getattr(self, name) for name in ("preset", "flavor", "routing_fallbacks")})

    def lazy_parse(self, blob: Blob, **options: Any) -> Iterator[Document]:
        """Convert a file.

        Args:
            blob: The file; its type is that of its path or `source`, else that of its `mimetype`, else that
                of its first bytes.
            **options: For this call: `mode`, `pages_delimiter`, and those of `melious.DocumentParams`.

        Yields:
            One document for each page, or a single one.

        Raises:
            langchain_melious.errors.InvalidArgumentError: The file is too large, of an unknown type, or
                missing; nothing was sent.
            MeliousError: The request failed.
        """
        with langchain_errors:
            shape, call = self._request(blob, options)
            with reported(_INFO, call):
                converted = self._sync_client().documents.convert(**call)
        yield from _documents(blob, converted.results[0], *shape)

    async def alazy_parse(self, blob: Blob, **options: Any) -> AsyncIterator[Document]:
        """Convert a file. See `lazy_parse`."""
        with langchain_errors:
            shape, call = self._request(blob, options)
            async with areported(_INFO, call):
                converted = await self._async_client().documents.convert(**call)
        for document in _documents(blob, converted.results[0], *shape):
            yield document

    async def aparse(self, blob: Blob, **options: Any) -> list[Document]:
        """Convert a file to a list of documents. See `lazy_parse`."""
        return [document async for document in self.alazy_parse(blob, **options)]

    def _request(self, blob: Blob, options: Mapping[str, Any]) -> tuple[tuple[str, str], dict[str, Any]]:
        check_call(options)
        call = {"extra_query": self.extra_query, **options}
        mode = call.pop("mode", self.mode)
        if mode not in ("page", "single"):
            raise InvalidArgumentError(f"mode: must be one of 'page', 'single', not {mode!r}")
        delimiter = call.pop("pages_delimiter", self.pages_delimiter)
        if not isinstance(delimiter, str):
            raise InvalidArgumentError(
                f"pages_delimiter: must be text, not {type(delimiter).__name__}", param="pages_delimiter"
            )
        if "files" in call:
            raise InvalidArgumentError("files: the file to convert is the blob", param="files")
        return (mode, delimiter), {**call, "files": [_file_of(blob)]}


def _file_of(blob: Blob) -> Any:
    """A blob as the core takes it; the ending of its name says what it is."""
    from melious.endpoints.document_files import with_ending  # noqa: PLC0415 - brings the core's endpoint

    file = file_of(blob, "document")
    return (with_ending(file[0], blob.mimetype or ""), file[1]) if isinstance(file, tuple) else file


def _documents(blob: Blob, converted: ConvertedDocument, mode: str, delimiter: str) -> Iterator[Document]:
    about: dict[str, Any] = {**deepcopy(blob.metadata), "total_pages": len(converted.pages)}
    if blob.source is not None:
        about["source"] = blob.source
    if mode == "single":
        yield Document(delimiter.join(page.content for page in converted.pages), metadata=about)
        return
    for number, page in enumerate(converted.pages):
        yield Document(page.content, metadata={**_further(page), **deepcopy(about), "page": number})


def _further(page: DocumentPage) -> dict[str, Any]:
    """What else the service says of a page."""
    return deepcopy(page.model_extra or {})
