"""Blobs without a telling path, and arguments of the parser and the loader that are wrong or of other types."""

from pathlib import Path
from typing import Any

import document_files as made
import pytest
from langchain_core.documents.base import Blob

from langchain_melious import MeliousDocumentLoader, MeliousDocumentParser
from langchain_melious.errors import InvalidArgumentError
from melious.sandbox import Sandbox

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
NOTE = made.docx("In Word")


@pytest.fixture
def place(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "base_url": sandbox.base_url}


@pytest.mark.parametrize(
    ("blob", "name"),
    [
        (Blob.from_data(NOTE, mime_type=WORD), "document.docx"),
        (Blob.from_data(NOTE, mime_type=f"{WORD.upper()}; charset=binary"), "document.docx"),
        (Blob.from_data(NOTE, mime_type=WORD, path="uploads/7f3a"), "7f3a.docx"),
        (Blob.from_data(NOTE, mime_type=WORD, path="a.v2"), "a.v2.docx"),
        (
            Blob.from_data(
                NOTE, metadata={"source": "https://files.example/Brief%20an%20%C3%96z.docx?sig=s3"}
            ),
            "Brief an Öz.docx",
        ),
    ],
    ids=["type", "type with parameters", "path without ending", "path with another ending", "url"],
)
async def test_a_blob_is_named_by_what_it_says_of_itself(
    place: dict[str, Any], sandbox: Sandbox, blob: Blob, name: str
) -> None:
    parser = MeliousDocumentParser(**place)
    for pages in (parser.parse(blob), await parser.aparse(blob)):
        assert [page.page_content for page in pages] == ["In Word"]
        assert sandbox.requests[-1].body["data"]["filename"] == name
    await parser.aclose()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pages_delimiter": None}, "^pages_delimiter: must be text, not NoneType"),
        ({"pages_delimiter": 5}, "^pages_delimiter: must be text, not int"),
        ({"files": ["other.pdf"]}, "^files: the file to convert is the blob"),
    ],
)
async def test_a_wrong_option_of_a_call_costs_nothing(
    place: dict[str, Any], sandbox: Sandbox, options: dict[str, Any], said: str
) -> None:
    parser = MeliousDocumentParser(mode="single", **place)
    blob = Blob.from_data(NOTE, path="a.docx")
    with pytest.raises(InvalidArgumentError, match=said):
        list(parser.lazy_parse(blob, **options))
    with pytest.raises(InvalidArgumentError, match=said):
        await parser.aparse(blob, **options)
    assert not sandbox.requests


class PathOfBytes:
    def __fspath__(self) -> bytes:
        return b"letter.pdf"


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (b"letters", "^paths: must be a path or a list of paths, not bytes"),
        (PathOfBytes(), r"^paths\[0\]: must be a path"),
        (["a.pdf", PathOfBytes()], r"^paths\[1\]: must be a path"),
    ],
    ids=["bytes", "path of bytes", "list"],
)
def test_paths_of_bytes_are_refused(place: dict[str, Any], paths: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        MeliousDocumentLoader(paths, **place)


async def test_an_async_on_progress_is_awaited_and_refused_where_it_cannot_be(
    place: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "a.docx").write_bytes(NOTE)
    done: list[tuple[int, int]] = []

    async def note(*counts: int) -> None:
        done.append((counts[0], counts[1]))

    loader = MeliousDocumentLoader(tmp_path, on_progress=note, **place)
    with pytest.raises(InvalidArgumentError, match=r"^on_progress: an async .* needs aload"):
        loader.load()
    assert not sandbox.requests
    assert len(await loader.aload()) == 1
    assert done == [(1, 1)]
    await loader.parser.aclose()
