"""The standard suite for blob parsers: `MeliousAudioParser` and `MeliousDocumentParser` pass it, and so does a small one without a network.

Then the suite itself is tried: small parsers that each do one thing wrong must fail the items for it.
"""

import asyncio
import inspect
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import document_files
import lc_service
import pytest
import recordings
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from pydantic import SecretStr
from standard_blob_parser import BlobParserIntegrationTests, BlobParserTests, BlobParserUnitTests

from langchain_melious import MeliousAudioParser, MeliousDocumentParser
from melious.sandbox import Sandbox

# --- the real one ------------------------------------------------------------------------------------


class TestMeliousAudioParserUnit(BlobParserUnitTests):
    parser_class = MeliousAudioParser
    parser_params = {"model": "whisper-large-v3-turbo", "api_key": "sk-mel-test"}  # noqa: RUF012
    secret_params = ("api_key",)

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"MELIOUS_API_KEY": "sk-mel-env", "MELIOUS_BASE_URL": "http://127.0.0.1:9/v1"}
        expected = {"api_key": "sk-mel-env", "base_url": "http://127.0.0.1:9/v1"}
        return environment, {"model": "whisper-large-v3-turbo"}, expected


class TestMeliousAudioParserIntegration(BlobParserIntegrationTests):
    mode = "single"
    parser_class = MeliousAudioParser
    files = {"one.wav": recordings.wav(1.0), "two.mp3": recordings.mp3(2.0)}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _place(self, sandbox: Sandbox) -> None:
        self.place = lc_service.place(sandbox)

    @property
    def parser_params(self) -> dict[str, Any]:
        return {"model": "whisper-large-v3-turbo", "mode": self.mode, **self.place}


class TestMeliousAudioParserSegments(TestMeliousAudioParserIntegration):
    mode = "segments"


class TestMeliousDocumentParserUnit(BlobParserUnitTests):
    parser_class = MeliousDocumentParser
    parser_params = {"api_key": "sk-mel-test"}  # noqa: RUF012
    secret_params = ("api_key",)

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"MELIOUS_API_KEY": "sk-mel-env", "MELIOUS_BASE_URL": "http://127.0.0.1:9/v1"}
        return environment, {}, {"api_key": "sk-mel-env", "base_url": "http://127.0.0.1:9/v1"}


class TestMeliousDocumentParserIntegration(BlobParserIntegrationTests):
    mode = "page"
    parser_class = MeliousDocumentParser
    files = {  # noqa: RUF012
        "one.pdf": document_files.pdf("A heat pump", "moves heat."),
        "two.docx": document_files.docx("Bread", "is baked."),
    }

    @pytest.fixture(autouse=True)
    def _place(self, sandbox: Sandbox) -> None:
        self.place = lc_service.place(sandbox)

    @property
    def parser_params(self) -> dict[str, Any]:
        return {"mode": self.mode, **self.place}


class TestMeliousDocumentParserSingle(TestMeliousDocumentParserIntegration):
    mode = "single"


# --- a small one -------------------------------------------------------------------------------------


class LineParser(BaseBlobParser):
    """A document of each line."""

    def __init__(self, key: str | None = None) -> None:
        self._key = tuple(map(ord, key or os.environ.get("LINE_PARSER_KEY", "x")))

    @property
    def api_key(self) -> SecretStr:
        return SecretStr("".join(map(chr, self._key)))

    def __repr__(self) -> str:
        return "LineParser()"

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        for place, line in enumerate(blob.as_string().splitlines()):
            yield self.document(blob, line, place)

    async def alazy_parse(self, blob: Blob) -> AsyncIterator[Document]:
        for document in self.lazy_parse(blob):
            yield document

    def document(self, blob: Blob, line: str, place: int) -> Document:
        about = Blob.model_copy(blob, deep=True).metadata
        return Document(line, metadata={"source": blob.source, **about, "line": place})


FILES = {"one.txt": b"A heat pump\nmoves heat.", "two.txt": b"Bread\nis baked."}


class TestLineParserUnit(BlobParserUnitTests):
    parser_class = LineParser
    secret_params = ("key",)
    init_from_env_params = {"LINE_PARSER_KEY": "abc"}, {}, {"api_key": "abc"}


class TestLineParserIntegration(BlobParserIntegrationTests):
    parser_class = LineParser
    files = FILES
    waits_for_network = False


# --- wrong ones --------------------------------------------------------------------------------------


class Eager(LineParser):
    def lazy_parse(self, blob):
        return list(super().lazy_parse(blob))


class SwallowsErrors(LineParser):
    def lazy_parse(self, blob):
        try:
            yield from super().lazy_parse(blob)
        except OSError:
            return


class ShowsItsKey(LineParser):
    def __init__(self, key=None):
        super().__init__(key)
        self.key = key


class ReadsNoEnvironment(LineParser):
    def __init__(self, key="x"):
        super().__init__(key)


class GivesNothing(LineParser):
    def lazy_parse(self, blob):
        yield from ()


class LooksNotAtTheFile(LineParser):
    def document(self, blob, line, place):
        return super().document(blob, "always the same", place)


class ReadsOnlyFiles(LineParser):
    def lazy_parse(self, blob):
        yield from super().lazy_parse(Blob.from_path(Path(blob.path), metadata=blob.metadata))


class WantsPaths(LineParser):
    def lazy_parse(self, blob):
        if not isinstance(blob.path, Path) and blob.data is None:
            raise TypeError
        yield from super().lazy_parse(blob)


class HoldsFilesOpen(LineParser):
    held: list[Any] = []  # noqa: RUF012

    def lazy_parse(self, blob):
        if blob.data is None:
            self.held.append(Path(blob.path).open("rb"))  # noqa: SIM115 - this is what is wrong with it
        yield from super().lazy_parse(blob)


class WorksOnce(LineParser):
    used = False

    def lazy_parse(self, blob):
        if self.used:
            raise RuntimeError
        self.used = True
        yield from super().lazy_parse(blob)


class ForgetsTheSource(LineParser):
    def document(self, blob, line, place):
        made = super().document(blob, line, place)
        del made.metadata["source"]
        return made


class KnowsBetterThanTheSource(LineParser):
    def document(self, blob, line, place):
        made = super().document(blob, line, place)
        made.metadata["source"] = str(blob.path)
        return made


class ForgetsMetadata(LineParser):
    def document(self, blob, line, place):
        return Document(line, metadata={"source": blob.source})


class SharesMetadata(LineParser):
    def document(self, blob, line, place):
        return Document(line, metadata={"source": blob.source, **blob.metadata})


class ParsesOtherwise(LineParser):
    def parse(self, blob):
        return super().parse(blob)[::-1]


class HoldsALock(LineParser):
    def __init__(self, key="x"):
        super().__init__(key)
        self._lock = threading.Lock()


class NeedsMore(LineParser):
    def lazy_parse(self, blob, encoding):
        yield from ()


class HasNoAsync(LineParser):
    alazy_parse = None


class AnswersOtherwiseAsync(LineParser):
    async def alazy_parse(self, blob):
        for document in list(self.lazy_parse(blob))[:-1]:
            yield document


class UsesAThread(LineParser):
    async def alazy_parse(self, blob):
        for document in await asyncio.to_thread(self.parse, blob):
            yield document


class BlocksTheLoop(LineParser):
    async def alazy_parse(self, blob):
        time.sleep(0.02)  # noqa: ASYNC251 - this is what is wrong with it
        for document in self.lazy_parse(blob):
            yield document


class MixesCalls(LineParser):
    async def alazy_parse(self, blob):
        self.blob = blob
        await asyncio.sleep(0)
        for document in self.lazy_parse(self.blob):
            yield document


class MixesThreads(LineParser):
    all_begun = threading.Barrier(4)

    def lazy_parse(self, blob):
        self.blob = blob
        if threading.current_thread().name.startswith("ThreadPoolExecutor"):
            self.all_begun.wait(60)
        yield from super().lazy_parse(self.blob)


WRONG: dict[type[LineParser], set[str]] = {
    Eager: {"lazy_parse_is_lazy"},
    SwallowsErrors: {"a_missing_file_is_an_error"},
    ShowsItsKey: {"secrets_are_not_shown"},
    ReadsNoEnvironment: {"init_from_env"},
    GivesNothing: {"documents"},
    LooksNotAtTheFile: {"the_text_follows_the_file"},
    ReadsOnlyFiles: {"bytes_in_memory"},
    WantsPaths: {"paths_as_text"},
    HoldsFilesOpen: {"nothing_is_held_open"},
    WorksOnce: {"parse_gives_what_lazy_parse_does", "breaking_off", "in_a_loader"},
    ForgetsTheSource: {"the_source_is_kept", "in_a_loader"},
    KnowsBetterThanTheSource: {"the_source_is_kept"},
    ForgetsMetadata: {"the_metadata_is_kept"},
    SharesMetadata: {"the_blob_is_left_alone"},
    ParsesOtherwise: {"parse_gives_what_lazy_parse_does"},
    HoldsALock: {"pickle_and_copies", "pickle_after_use"},
    NeedsMore: {"signatures", "documents"},
    HasNoAsync: {"async_is_its_own", "async_gives_the_same", "async_blocks_nothing", "many_at_once"},
    AnswersOtherwiseAsync: {"async_gives_the_same"},
    UsesAThread: {"async_blocks_nothing"},
    BlocksTheLoop: {"async_blocks_nothing"},
    MixesCalls: {"many_at_once"},
    MixesThreads: {"threads"},
}


def failures(suite: type[BlobParserTests], tried: type[LineParser]) -> set[str]:
    """The items of a suite that a parser fails."""

    class Suite(suite):
        parser_class = tried
        secret_params = ("key",)
        init_from_env_params = TestLineParserUnit.init_from_env_params
        files = FILES
        waits_for_network = tried is BlocksTheLoop

    failed = set()
    for name in (name for name in dir(Suite) if name.startswith("test_")):
        item = getattr(Suite(), name)
        with TemporaryDirectory() as folder:
            paths = [Path(folder, file) for file in FILES]
            for path in paths:
                path.write_bytes(FILES[path.name])
            known = {"tmp_path": Path(folder), "paths": paths, "parser": tried()}
            wanted = {each: known[each] for each in inspect.signature(item).parameters}
            try:
                made = item(**wanted)
                if inspect.iscoroutine(made):
                    asyncio.run(made)
            except pytest.skip.Exception:
                pass
            except (Exception, pytest.fail.Exception):
                failed.add(name.removeprefix("test_"))
    for file in HoldsFilesOpen.held:
        file.close()
    return failed


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_the_suite_finds_what_is_wrong(wrong):
    found = failures(BlobParserUnitTests, wrong) | failures(BlobParserIntegrationTests, wrong)
    assert found >= WRONG[wrong]


def test_the_suite_finds_nothing_wrong_with_what_is_right():
    assert (
        failures(BlobParserUnitTests, LineParser) | failures(BlobParserIntegrationTests, LineParser) == set()
    )


def test_every_item_is_there_for_something():
    items = {
        name.removeprefix("test_")
        for suite in (BlobParserUnitTests, BlobParserIntegrationTests)
        for name in dir(suite)
        if name.startswith("test_")
    }
    assert items - set().union(*WRONG.values()) == {"init", "no_overrides_DO_NOT_OVERRIDE"}


def test_an_item_cannot_be_overridden_in_silence():
    class Silent(TestLineParserUnit):
        def test_init(self, parser: BaseBlobParser) -> None:
            pass

    class Deleted(TestLineParserUnit):
        test_init = None

    class Honest(TestLineParserUnit):
        @pytest.mark.xfail(reason="it has no constructor")
        def test_init(self, parser: BaseBlobParser) -> None:
            raise NotImplementedError

    for dishonest in (Silent, Deleted):
        with pytest.raises(AssertionError, match="test_init"):
            dishonest().test_no_overrides_DO_NOT_OVERRIDE()
    Honest().test_no_overrides_DO_NOT_OVERRIDE()
