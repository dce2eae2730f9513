"""Converted documents: by document and by page."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from melious.answers.results import Result


class DocumentPage(BaseModel):
    """A page of a converted document. Fields that are not known here are kept as attributes.

    Attributes:
        content: Its text; "" for a page without text.
    """

    model_config = ConfigDict(extra="allow", defer_build=True)

    content: str = ""

    @field_validator("content", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return "" if value is None else value


class ConvertedDocument(BaseModel):
    r"""A converted document. Fields that are not known here are kept as attributes.

    Attributes:
        source_name: The file name that was sent.
        pages: Its pages, in the order of the answer.

    Examples:
        >>> document = ConvertedDocument(pages=[DocumentPage(content="One."), DocumentPage(content="Two.")])
        >>> document.text
        'One.\n\nTwo.'
    """

    model_config = ConfigDict(extra="allow", defer_build=True)

    source_name: str = ""
    pages: list[DocumentPage] = Field(default_factory=list)

    @field_validator("source_name", mode="before")
    @classmethod
    def _as_sent(cls, value: Any) -> Any:
        return value if isinstance(value, str) else ""

    @property
    def text(self) -> str:
        """The text of all pages, with an empty line between two pages."""
        return "\n\n".join(page.content for page in self.pages)


class DocumentsResult(Result):
    """Converted documents, in the order of the call.

    Attributes:
        results: One for each file.
        batches: The answers to the single requests; impact and cost above are their sums, or None if any
            did not report it.

    Examples:
        >>> page = DocumentPage(content="Dear Ms Weber")
        >>> converted = DocumentsResult(results=[ConvertedDocument(source_name="letter.pdf", pages=[page])])
        >>> converted.text, converted.page_count
        ('Dear Ms Weber', 1)
    """

    results: list[ConvertedDocument] = Field(default_factory=list)
    batches: list[Result] = Field(default_factory=list)

    @property
    def text(self) -> str:
        """The text of all documents, with an empty line between two pages."""
        return "\n\n".join(document.text for document in self.results)

    @property
    def page_count(self) -> int:
        """How many pages the answers have; a file that was given twice was converted once."""
        counts = [answer.page_count for answer in self.batches if isinstance(answer, DocumentsResult)]
        return sum(counts) if counts else sum(len(document.pages) for document in self.results)
