"""The suite that parses."""

import asyncio
import copy
import pickle
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BaseBlobParser, BaseLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from standard_blob_parser.base import BlobParserTests

TURNS = 10  # that another task gets meanwhile; a call that blocks the loop leaves it hardly any
METADATA = {"topic": "heat", "pages": {"from": 1}}


class BlobParserIntegrationTests(BlobParserTests):
    """What comes out of a blob parser, on either way, and what it must leave alone."""

    @property
    @abstractmethod
    def files(self) -> dict[str, bytes]:
        """Names and bytes of two files that it reads, with different texts."""

    @property
    def waits_for_network(self) -> bool:
        """Whether there is something to wait for, so that other tasks get their turn meanwhile."""
        return True

    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        """The files on a disk."""
        folder = tmp_path / "two words ä"
        folder.mkdir()
        found = []
        for name, data in self.files.items():
            found.append(folder / name)
            found[-1].write_bytes(data)
        return found

    # --- documents -----------------------------------------------------------------------------------

    def test_documents(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """At least one document comes, and there is text in them."""
        found = list(parser.lazy_parse(Blob.from_path(paths[0])))
        assert found
        assert all(isinstance(document, Document) for document in found)
        assert any(document.page_content.strip() for document in found)

    def test_the_text_follows_the_file(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """Another file has another text."""
        one, other = (parser.parse(Blob.from_path(path)) for path in paths)
        assert _texts(one) != _texts(other)

    def test_parse_gives_what_lazy_parse_does(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """The list and the iterator agree."""
        blob = Blob.from_path(paths[0])
        assert _plain(parser.parse(blob)) == _plain(parser.lazy_parse(blob))

    def test_bytes_in_memory(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """A blob that holds its bytes gives what the file gives, and no file has to be there."""
        blob = Blob.from_data(paths[0].read_bytes(), path=f"elsewhere/{paths[0].name}")
        assert _texts(parser.parse(blob)) == _texts(parser.parse(Blob.from_path(paths[0])))

    def test_paths_as_text(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """A path may be a text or a `Path`."""
        one, other = (parser.parse(Blob.from_path(path)) for path in (paths[0], str(paths[0])))
        assert _plain(one) == _plain(other)

    def test_nothing_is_held_open(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """A file can be opened by nobody else's leave and removed once it is parsed."""
        list(parser.lazy_parse(Blob.from_path(paths[0])))
        held = Path("/proc/self/fd")
        if held.is_dir():
            assert str(paths[0]) not in {str(each.readlink()) for each in held.iterdir() if each.is_symlink()}
        paths[0].unlink()

    def test_breaking_off(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """One may stop after the first document, and parse again."""
        blob = Blob.from_path(paths[0])
        parsed = parser.lazy_parse(blob)
        first = next(parsed)
        del parsed
        assert parser.parse(blob)[0].page_content == first.page_content

    # --- metadata ------------------------------------------------------------------------------------

    def test_the_source_is_kept(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """Each document says where it is from: the path, or the `source` that the blob names."""
        for blob, source in (
            (Blob.from_path(paths[0]), str(paths[0])),
            (Blob.from_path(paths[0], metadata={"source": "https://example.org/1"}), "https://example.org/1"),
        ):
            assert {document.metadata["source"] for document in parser.parse(blob)} == {source}

    def test_the_metadata_is_kept(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """What the blob tells, the documents tell."""
        blob = Blob.from_path(paths[0], metadata=copy.deepcopy(METADATA))
        for document in parser.parse(blob):
            assert METADATA.items() <= document.metadata.items()

    def test_the_blob_is_left_alone(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """Neither parsing nor changing a document changes the blob, or another document."""
        blob = Blob.from_path(paths[0], metadata=copy.deepcopy(METADATA))
        before = blob.model_copy(deep=True)
        first, *others = parser.parse(blob)
        first.metadata["new"] = 1
        first.metadata["pages"]["from"] = 2
        assert blob == before
        for other in others:
            assert "new" not in other.metadata
            assert other.metadata["pages"] == METADATA["pages"]

    # --- loaders, threads, pickles -------------------------------------------------------------------

    def test_in_a_loader(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """A loader goes through blobs in their order, and reads no blob before it is its turn."""
        read: list[Path] = []
        loader = _Loader(parser, paths, read)
        documents = loader.lazy_load()
        next(documents)
        assert read == paths[:1]
        list(documents)
        sources = [document.metadata["source"] for document in loader.load()]
        assert list(dict.fromkeys(sources)) == [str(path) for path in paths]

    def test_threads(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """One object serves several threads."""
        expected = [_texts(parser.parse(Blob.from_path(path))) for path in paths]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda path: _texts(parser.parse(Blob.from_path(path))), paths * 4))
        assert found == expected * 4

    def test_pickle_after_use(self, parser: BaseBlobParser, paths: list[Path]) -> None:
        """A used one can be carried elsewhere and works there."""
        if not self.supports_pickle:
            pytest.skip("supports_pickle is False")
        blob = Blob.from_path(paths[0])
        expected = _plain(parser.parse(blob))
        for made in (pickle.loads(pickle.dumps(parser)), copy.deepcopy(parser)):
            assert _plain(made.parse(blob)) == expected

    # --- async ---------------------------------------------------------------------------------------

    async def test_async_gives_the_same(self, parser: Any, paths: list[Path]) -> None:
        """Texts and metadata are those of the blocking method."""
        if not self.supports_async:
            pytest.skip("supports_async is False")
        for blob in (Blob.from_path(paths[0]), Blob.from_data(paths[1].read_bytes(), path=paths[1].name)):
            found = [document async for document in parser.alazy_parse(blob)]
            assert _plain(found) == _plain(parser.parse(blob))

    async def test_async_blocks_nothing(self, parser: Any, paths: list[Path]) -> None:
        """Other tasks go on meanwhile, and while it waits for a service no thread does so for it."""
        if not self.supports_async:
            pytest.skip("supports_async is False")
        executor = _Counting()
        asyncio.get_running_loop().set_default_executor(executor)
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async def parse(path: Path) -> list[Document]:
            return [document async for document in parser.alazy_parse(Blob.from_path(path))]

        task = asyncio.create_task(others())
        try:
            assert all(await asyncio.gather(*map(parse, paths * 4)))
        finally:
            task.cancel()
        assert not executor.whole, "the blocking method runs in a thread"
        if self.waits_for_network:
            assert turns >= TURNS, "the event loop stood still"

    async def test_many_at_once(self, parser: Any, paths: list[Path]) -> None:
        """Concurrent calls do not mix."""
        if not self.supports_async:
            pytest.skip("supports_async is False")

        async def texts(path: Path) -> list[str]:
            return [document.page_content async for document in parser.alazy_parse(Blob.from_path(path))]

        found = await asyncio.gather(*(texts(path) for path in paths * 4))
        assert found == [_texts(parser.parse(Blob.from_path(path))) for path in paths] * 4


def _texts(documents: Any) -> list[str]:
    return [document.page_content for document in documents]


def _plain(documents: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(document.page_content, document.metadata) for document in documents]


class _Loader(BaseLoader):
    """What `GenericLoader` does, and a note of each blob that is given out."""

    def __init__(self, parser: BaseBlobParser, paths: list[Path], read: list[Path]) -> None:
        self.parser, self.paths, self.read = parser, paths, read

    def lazy_load(self) -> Iterator[Document]:
        for path in self.paths:
            self.read.append(path)
            yield from self.parser.lazy_parse(Blob.from_path(path))


class _Counting(ThreadPoolExecutor):
    """Notes the methods of parsers that are run in its threads; to read a file there is fair."""

    whole = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        named = [fn, *args, *getattr(fn, "args", ()), getattr(fn, "func", None)]
        self.whole += any("parse" in getattr(each, "__qualname__", "") for each in named)
        return super().submit(fn, *args, **kwargs)
