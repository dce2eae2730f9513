"""`MeliousDocumentReader`, and documents in the messages of `Melious`."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import document_files as made
import pytest
from fsspec import filesystem
from llama_index.core import SimpleDirectoryReader
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import ChatMessage, DocumentBlock, TextBlock
from llama_index.core.readers.base import ReaderConfig

from llama_index_melious import Melious, MeliousAudioReader, MeliousDocumentReader, MeliousUsageEvent
from melious import InvalidArgumentError, PageLimitError, track_impact
from melious.sandbox import Reply, Sandbox

LETTER = made.pdf("Dear Ms Weber", "Yours")


@pytest.fixture
def place(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "base_url": sandbox.base_url}


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    (path := tmp_path / "Brief an Öz.pdf").write_bytes(LETTER)
    return path


# --- reader ------------------------------------------------------------------------------------------


async def test_every_way_gives_the_same(place: dict[str, Any], sandbox: Sandbox, letter: Path) -> None:
    reader = MeliousDocumentReader(**place)
    lazy = reader.lazy_load_data(letter)
    assert not sandbox.requests
    ways = [
        reader.load_data(letter),
        list(lazy),
        await reader.aload_data(str(letter)),
        list(await reader.alazy_load_data(letter)),
    ]
    for documents in ways:
        assert [document.text for document in documents] == ["Dear Ms Weber", "Yours"]
        assert [document.metadata for document in documents] == [
            {
                "file_name": letter.name,
                "file_path": str(letter),
                "total_pages": 2,
                "page_label": label,
            }
            for label in ("1", "2")
        ]
        assert "total_pages" not in documents[0].get_content("embed")
    assert len(sandbox.requests) == 4


def test_extra_info_and_whole_documents(place: dict[str, Any], sandbox: Sandbox, letter: Path) -> None:
    reader = MeliousDocumentReader(**place, return_full_document=True)
    (document,) = reader.load_data(letter, {"author": "Öz", "file_name": "theirs"})
    assert document.text == "Dear Ms Weber\n\nYours"
    assert (document.metadata["author"], document.metadata["file_name"]) == ("Öz", "theirs")
    assert "page_label" not in document.metadata
    assert len(reader.load_data(letter, return_full_document=False)) == 2
    page = {"content": "x", "width": 595, "page_label": "iv"}
    sandbox.replies.add(Reply(json={"results": [{"pages": [page]}]}), endpoint="documents")
    (found,) = reader.load_data(letter, return_full_document=False)
    assert (found.metadata["width"], found.metadata["page_label"]) == (595, "1")


async def test_another_file_system(place: dict[str, Any]) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    with memory.open("/letters/one.pdf", "wb") as file:
        file.write(LETTER)
    reader = MeliousDocumentReader(**place)
    for documents in (
        reader.load_data("/letters/one.pdf", fs=memory),
        await reader.aload_data("/letters/one.pdf", fs=memory),
    ):
        assert [document.metadata["file_name"] for document in documents] == ["one.pdf"] * 2


async def test_as_the_extractor_of_a_directory(place: dict[str, Any], letter: Path) -> None:
    (letter.parent / "notes.docx").write_bytes(made.docx("In Word"))
    (letter.parent / "plain.txt").write_text("plain")
    reader = MeliousDocumentReader(**place)
    directory = SimpleDirectoryReader(
        letter.parent,
        file_extractor={".pdf": reader, ".docx": reader},
        file_metadata=lambda path: {"project": "heat"},
    )
    for documents in (directory.load_data(), await directory.aload_data()):
        assert [document.text for document in documents] == ["Dear Ms Weber", "Yours", "In Word", "plain"]
        assert {document.metadata["project"] for document in documents} == {"heat"}
    assert [document.text for document in directory.load_resource(str(letter))] == ["Dear Ms Weber", "Yours"]
    lazily = [document for documents in directory.iter_data() for document in documents]
    assert len(lazily) == 4


def test_it_is_serialised_without_the_key(place: dict[str, Any], letter: Path) -> None:
    reader = MeliousDocumentReader(**place, return_full_document=True, extra_query={"ocr": "auto"})
    reader.load_data(letter)
    plain = reader.to_dict()
    assert plain["class_name"] == "MeliousDocumentReader"
    assert place["api_key"] not in str(plain) + repr(reader) + reader.to_json()
    again = MeliousDocumentReader.from_dict({**plain, "api_key": place["api_key"]})
    assert again.extra_query == {"ocr": "auto"}
    assert again.load_data(letter) == reader.load_data(letter) or again.load_data(letter)[0].text
    assert pickle.loads(pickle.dumps(reader)).load_data(letter)[0].text.startswith("Dear")
    config = ReaderConfig(reader=reader, reader_args=[letter])
    assert config.read()[0].text.startswith("Dear")
    assert place["api_key"] not in str(config.to_dict())


def test_settings_reach_the_request(place: dict[str, Any], sandbox: Sandbox, letter: Path) -> None:
    reader = MeliousDocumentReader(
        **place, extra_query={"ocr": "auto"}, additional_kwargs={"timeout": 30.0, "language": "de"}
    )
    reader.load_data(letter)
    reader.load_data(letter, extra_query={"ocr": "no"}, extra_body={"dpi": 300})
    assert [request.query for request in sandbox.requests] == ["ocr=auto", "ocr=no"]
    assert sandbox.requests[1].body["dpi"] == "300"
    assert sandbox.requests[0].body["language"] == "de"


@pytest.mark.parametrize(
    "wrong",
    [{"preset": "speed"}, {"flavor": "eco"}, {"routing_fallbacks": ["countries"]}, {"model": "glm-4.7"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_documents_do_not_have_is_refused(
    place: dict[str, Any], letter: Path, sandbox: Sandbox, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        MeliousDocumentReader(**place, **wrong)
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        MeliousDocumentReader(**place).load_data(letter, **wrong)
    assert not sandbox.requests


async def test_errors(place: dict[str, Any], letter: Path, sandbox: Sandbox) -> None:
    reader = MeliousDocumentReader(**place)
    with pytest.raises(InvalidArgumentError, match="there is no file"):
        reader.load_data("/no/such.pdf")
    with Sandbox(page_limit=1) as limited:
        of_session = MeliousDocumentReader(api_key=limited.api_key, base_url=limited.base_url)
        with pytest.raises(PageLimitError, match="limit: 1"):
            await of_session.aload_data(letter)
    assert not sandbox.requests


def test_an_event_says_how_many_pages_there_were(place: dict[str, Any], letter: Path) -> None:
    seen: list[MeliousUsageEvent] = []

    class Handler(BaseEventHandler):
        def handle(self, event: Any, **_: Any) -> None:
            if isinstance(event, MeliousUsageEvent):
                seen.append(event)

    dispatcher, handler = get_dispatcher(), Handler()
    dispatcher.add_event_handler(handler)
    try:
        MeliousDocumentReader(**place).load_data(letter)
    finally:
        dispatcher.event_handlers.remove(handler)
    assert [(event.endpoint, event.pages, event.billing_cost) for event in seen] == [("documents", 2, None)]


# --- chat --------------------------------------------------------------------------------------------

TOLD = [{"name": "letter.pdf", "pages": 2, "from_cache": False}]


def asked(data: bytes = LETTER, **block: Any) -> ChatMessage:
    given = {"title": "letter.pdf", "document_mimetype": "application/pdf", **block}
    return ChatMessage(role="user", blocks=[TextBlock(text="Who writes?"), DocumentBlock(data=data, **given)])


async def test_a_pdf_in_a_message_is_converted_first(place: dict[str, Any], sandbox: Sandbox) -> None:
    for way in ("chat", "achat", "stream_chat", "astream_chat"):
        sandbox.reset()
        llm = Melious("llama-3.1-8b-instruct", convert_documents=True, **place)
        with track_impact() as ledger:
            if way == "chat":
                response = llm.chat([asked()])
            elif way == "achat":
                response = await llm.achat([asked()])
            elif way == "stream_chat":
                *_, response = llm.stream_chat([asked()])
            else:
                response = [each async for each in await llm.astream_chat([asked()])][-1]
        assert response.additional_kwargs["converted_documents"] == TOLD, way
        assert [request.endpoint for request in sandbox.requests] == ["documents", "chat"], way
        sent = str(sandbox.requests[-1].body["messages"][0]["content"])
        assert "letter.pdf (2 pages):" in sent
        assert "Dear Ms Weber" in sent
        assert (ledger.total.requests, ledger.total.pages) == (2, 2)


def test_a_history_is_not_converted_again(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = Melious("llama-3.1-8b-instruct", convert_documents=True, **place)
    first = llm.chat([asked()]).message
    later = llm.chat([asked(), first, ChatMessage(role="user", content="And when?")])
    assert [request.endpoint for request in sandbox.requests] == ["documents", "chat", "chat"]
    assert later.additional_kwargs["converted_documents"] == [TOLD[0] | {"from_cache": True}]
    assert "Dear Ms Weber" in str(sandbox.requests[-1].body["messages"][0])


def test_without_the_option_the_error_names_it(
    place: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    llm = Melious("llama-3.1-8b-instruct", **place)
    with pytest.raises(InvalidArgumentError, match="set convert_documents=True"):
        llm.chat([asked()])
    assert not sandbox.requests
    (path := tmp_path / "by path.docx").write_bytes(made.docx("In Word"))
    block = DocumentBlock(path=path)
    answer = llm.chat([ChatMessage(role="user", blocks=[block])], convert_documents=True)
    told = [{"name": "by path.docx", "pages": 1, "from_cache": False}]
    assert answer.additional_kwargs["converted_documents"] == told
    assert "In Word" in str(sandbox.requests[-1].body["messages"])


def test_another_kind_of_file_is_refused_with_the_option_too(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = Melious("llama-3.1-8b-instruct", convert_documents=True, **place)
    with pytest.raises(InvalidArgumentError, match="only PDF, Word, Excel and PowerPoint files"):
        llm.chat([asked(b"PK\x03\x04", title="a.zip", document_mimetype="application/zip")])
    assert not sandbox.requests


def test_a_text_file_is_sent_as_before(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = Melious("llama-3.1-8b-instruct", convert_documents=True, **place)
    llm.chat([asked(b"Hello", title="a.txt", document_mimetype="text/plain")])
    assert [request.endpoint for request in sandbox.requests] == ["chat"]


def test_threads_that_ask_at_once_convert_a_document_once(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = Melious("llama-3.1-8b-instruct", convert_documents=True, **place)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(llm.chat, [[asked()]] * 6))
    assert [request.endpoint for request in sandbox.requests].count("documents") == 1
    paid = [answer.additional_kwargs["converted_documents"][0]["from_cache"] for answer in answers]
    assert sorted(paid) == [False, *[True] * 5]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"extra_info": 5}, "^extra_info: must be a mapping, not 5"),
        ({"extra_info": {1: "one"}}, "^extra_info: names must be text, not 1"),
        ({"fs": "memory"}, "^fs: must be a file system of fsspec, not str"),
        ({"fs": filesystem("memory")}, r"^file: '.*Brief an Öz\.pdf' cannot be opened"),
    ],
)
async def test_what_is_wrong_is_named_before_anything_is_sent(
    place: dict[str, Any], sandbox: Sandbox, letter: Path, options: dict[str, Any], said: str
) -> None:
    readers: list[Any] = [MeliousDocumentReader(**place), MeliousAudioReader(model="whisper-1", **place)]
    for reader in readers:
        with pytest.raises(InvalidArgumentError, match=said):
            reader.load_data(letter, **options)
        with pytest.raises(InvalidArgumentError, match=said):
            await reader.aload_data(letter, **options)
    assert not sandbox.requests


def test_a_document_in_a_batch_job_is_refused(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = Melious("llama-3.1-8b-instruct", convert_documents=True, **place)
    with pytest.raises(InvalidArgumentError, match="documents are not converted in a batch"):
        llm.submit_batch([[asked()]])
    assert "files" not in [request.endpoint for request in sandbox.requests]
