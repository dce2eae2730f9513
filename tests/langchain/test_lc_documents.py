"""`MeliousDocumentParser`, `MeliousDocumentLoader`, and documents in the messages of `ChatMelious`."""

import asyncio
import base64
import logging
from pathlib import Path
from typing import Any

import document_files as made
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents.base import Blob
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda

from langchain_melious import ChatMelious, MeliousDocumentLoader, MeliousDocumentParser
from langchain_melious.errors import (
    AuthenticationError,
    BadRequestError,
    InvalidArgumentError,
    PageLimitError,
)
from melious import track_impact
from melious.sandbox import Fault, Reply, Sandbox

LETTER = made.pdf("Dear Ms Weber", "Yours")


@pytest.fixture
def place(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "base_url": sandbox.base_url}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two documents, one below, and what is none."""
    (tmp_path / "b.pdf").write_bytes(LETTER)
    (tmp_path / "a.docx").write_bytes(made.docx("Ä & B"))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.PDF").write_bytes(made.pdf("PS"))
    (tmp_path / "notes.txt").write_text("left out")
    (tmp_path / ".hidden.pdf").write_bytes(LETTER)
    return tmp_path


@pytest.fixture(params=["sync", "async"])
def load(request: pytest.FixtureRequest) -> Any:
    """Load everything with a loader, either way."""
    if request.param == "sync":
        return lambda loader: loader.load()

    async def run(loader: Any) -> Any:
        try:
            return [document async for document in loader.alazy_load()]
        finally:
            await loader.parser.aclose()

    return lambda loader: asyncio.run(run(loader))


# --- parser ------------------------------------------------------------------------------------------


async def test_pages_and_single_documents(place: dict[str, Any], sandbox: Sandbox) -> None:
    blob = Blob.from_data(LETTER, path="letters/one.pdf", metadata={"author": "Öz"})
    parser = MeliousDocumentParser(**place)
    pages = parser.parse(blob)
    assert [page.page_content for page in pages] == ["Dear Ms Weber", "Yours"]
    assert [page.metadata for page in pages] == [
        {"author": "Öz", "total_pages": 2, "source": "letters/one.pdf", "page": number} for number in (0, 1)
    ]
    assert await parser.aparse(blob) == pages
    single = list(parser.lazy_parse(blob, mode="single", pages_delimiter="\n---\n"))
    assert [document.page_content for document in single] == ["Dear Ms Weber\n---\nYours"]
    assert "page" not in single[0].metadata
    assert len(sandbox.requests) == 3


def test_what_else_is_said_of_a_page(place: dict[str, Any], sandbox: Sandbox) -> None:
    page = {"content": "x", "width": 595, "source": "theirs", "page": 7}
    sandbox.replies.add(Reply(json={"results": [{"pages": [page]}]}), endpoint="documents")
    (document,) = MeliousDocumentParser(**place).parse(Blob.from_data(LETTER, path="one.pdf"))
    assert document.metadata == {"width": 595, "source": "one.pdf", "page": 0, "total_pages": 1}


def test_settings_and_options_of_a_call(place: dict[str, Any], sandbox: Sandbox) -> None:
    parser = MeliousDocumentParser(**place, extra_query={"ocr": "auto"}, max_retries=0)
    blob = Blob.from_data(LETTER, path="one.pdf")
    parser.parse(blob)
    list(parser.lazy_parse(blob, extra_query={"ocr": "always"}))
    assert [request.query for request in sandbox.requests] == ["ocr=auto", "ocr=always"]
    for wrong, said in (
        ({"mode": "pages"}, "mode: must be one of"),
        ({"preset": "speed"}, "preset"),
        ({"api_key": "x"}, "api_key: cannot be set per call"),
    ):
        with pytest.raises(InvalidArgumentError, match=said):
            list(parser.lazy_parse(blob, **wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "speed"},
        {"flavor": "eco"},
        {"routing_fallbacks": ["countries"]},
        {"model": "glm-4.7"},
        {"languages": "de"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_documents_do_not_have_is_refused(place: dict[str, Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        MeliousDocumentParser(**place, **wrong)


def test_costs_and_pages_are_reported_to_callbacks(place: dict[str, Any], sandbox: Sandbox) -> None:
    seen: list[Any] = []

    class Handler(BaseCallbackHandler):
        def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
            seen.append((name, data))

    parser = MeliousDocumentParser(**place)
    blob = Blob.from_data(LETTER, path="one.pdf")
    RunnableLambda(parser.parse).invoke(blob, {"callbacks": [Handler()]})
    ((name, data),) = seen
    assert (name, data["endpoint"], data["pages"]) == ("melious_usage", "documents", 2)


# --- loader ------------------------------------------------------------------------------------------


def test_a_folder_a_pattern_and_files(load: Any, folder: Path, place: dict[str, Any]) -> None:
    names = ["a.docx", "b.pdf", "b.pdf", "c.PDF"]
    for paths in (folder, str(folder), [folder / "a.docx", folder / "*.pdf", folder / "**" / "*.PDF"]):
        documents = load(MeliousDocumentLoader(paths, **place))
        assert [Path(document.metadata["source"]).name for document in documents] == names
    assert [document.page_content for document in documents] == ["Ä & B", "Dear Ms Weber", "Yours", "PS"]
    single = load(MeliousDocumentLoader([folder, folder / "b.pdf"], mode="single", **place))
    assert len(single) == 3, "a file is loaded once"


def test_files_are_converted_when_they_are_needed(
    folder: Path, place: dict[str, Any], sandbox: Sandbox
) -> None:
    seen: list[tuple[int, int]] = []
    loader = MeliousDocumentLoader(folder, on_progress=lambda *counts: seen.append(counts), **place)
    documents = loader.lazy_load()
    assert not sandbox.requests
    next(documents)
    assert len(sandbox.requests) == 1
    documents.close()
    assert (len(sandbox.requests), seen) == (1, [(1, 3)])


async def test_a_few_at_a_time_and_the_rest_is_let_go(
    folder: Path, place: dict[str, Any], sandbox: Sandbox
) -> None:
    for number in range(10):
        (folder / f"z{number}.pdf").write_bytes(made.pdf(f"text {number}"))
    loader = MeliousDocumentLoader(folder, max_concurrency=2, **place)
    documents = loader.alazy_load()
    async for _ in documents:
        break
    await documents.aclose()
    assert 1 <= len(sandbox.requests) <= 3
    await loader.parser.aclose()


def test_progress_bars(load: Any, folder: Path, place: dict[str, Any], capsys: Any) -> None:
    load(MeliousDocumentLoader(folder, show_progress=True, **place))
    assert "3/3" in capsys.readouterr().err


def test_errors_of_a_file_are_raised_or_skipped(
    load: Any, folder: Path, place: dict[str, Any], caplog: Any
) -> None:
    (folder / "a.docx").write_bytes(b"")
    (folder / "aa.pdf").write_bytes(b"%PDF-1.4 broken")
    with pytest.raises(InvalidArgumentError, match="is empty") as caught:
        load(MeliousDocumentLoader(folder, **place))
    assert caught.value.__notes__ == [f"The file was {folder / 'a.docx'}"]
    with caplog.at_level(logging.WARNING, "melious"):
        documents = load(MeliousDocumentLoader(folder, on_error="skip", **place))
    assert [document.page_content for document in documents] == ["Dear Ms Weber", "Yours", "PS"]
    skipped = [record.getMessage() for record in caplog.records if "was skipped" in record.getMessage()]
    assert [Path(line.partition(" was skipped")[0]).name for line in skipped] == ["a.docx", "aa.pdf"]


def test_errors_of_every_file_are_never_skipped(load: Any, folder: Path, place: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError):
        load(MeliousDocumentLoader(folder, on_error="skip", **place | {"api_key": "sk-mel-wrong"}))
    with Sandbox(page_limit=2) as sandbox, pytest.raises(PageLimitError):
        load(
            MeliousDocumentLoader(folder, on_error="skip", api_key=sandbox.api_key, base_url=sandbox.base_url)
        )


def test_wrong_paths_and_arguments(load: Any, folder: Path, place: dict[str, Any], sandbox: Sandbox) -> None:
    for paths, said in (
        ([], "paths: must not be empty"),
        (3, "paths: must be a path or a list"),
        ([folder, 3], r"paths\[1\]: must be a path"),
    ):
        with pytest.raises(InvalidArgumentError, match=said):
            MeliousDocumentLoader(paths, **place)
    (folder / "empty").mkdir()
    for path, said in (
        ("no.pdf", "there is no file"),
        ("*.html", "there is no file"),
        ("empty", "there is no document in"),
    ):
        with pytest.raises(InvalidArgumentError, match=rf"paths\[1\]: {said}"):
            load(MeliousDocumentLoader([folder / "b.pdf", folder / path], **place))
    for wrong in ({"on_error": "ignore"}, {"max_concurrency": 0}, {"on_progress": 3}, {"modes": "page"}):
        with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
            MeliousDocumentLoader(folder, **place, **wrong)
    assert not sandbox.requests


# --- chat --------------------------------------------------------------------------------------------


def asked(data: bytes = LETTER, **block: Any) -> HumanMessage:
    given = {"mime_type": "application/pdf", "filename": "letter.pdf", **block}
    file = {"type": "file", "base64": base64.b64encode(data).decode(), **given}
    return HumanMessage([{"type": "text", "text": "Who writes?"}, file])


TOLD = [{"name": "letter.pdf", "pages": 2, "from_cache": False}]


async def test_a_pdf_in_a_message_is_converted_first(place: dict[str, Any], sandbox: Sandbox) -> None:
    for way in ("invoke", "ainvoke", "stream", "astream"):
        sandbox.reset()
        llm = ChatMelious("llama-3.1-8b-instruct", convert_documents=True, **place)
        with track_impact() as ledger:
            if way == "invoke":
                metadata = llm.invoke([asked()]).response_metadata
            elif way == "ainvoke":
                metadata = (await llm.ainvoke([asked()])).response_metadata
            else:
                chunks = (
                    list(llm.stream([asked()]))
                    if way == "stream"
                    else [chunk async for chunk in llm.astream([asked()])]
                )
                metadata = sum(chunks[1:], chunks[0]).response_metadata
        assert metadata["converted_documents"] == TOLD, way
        assert [request.endpoint for request in sandbox.requests] == ["documents", "chat"], way
        sent = sandbox.requests[-1].body["messages"][0]["content"]
        assert sent[1] == {"type": "text", "text": "letter.pdf (2 pages):\nDear Ms Weber\n\nYours"}
        assert (ledger.total.requests, ledger.total.pages) == (2, 2)
        await llm.aclose()
        llm.close()


def test_a_history_is_not_converted_again(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = ChatMelious("llama-3.1-8b-instruct", convert_documents=True, **place)
    first = llm.invoke([asked()])
    second = llm.bind(temperature=0).invoke([asked(), first, HumanMessage("And when?")])
    assert [request.endpoint for request in sandbox.requests] == ["documents", "chat", "chat"]
    assert second.response_metadata["converted_documents"] == [TOLD[0] | {"from_cache": True}]
    assert "Dear Ms Weber" in str(sandbox.requests[-1].body["messages"][0])


def test_without_the_option_the_error_names_it(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = ChatMelious("llama-3.1-8b-instruct", **place)
    with pytest.raises(InvalidArgumentError, match="set convert_documents=True"):
        llm.invoke([asked()])
    assert not sandbox.requests
    answer = llm.invoke([asked()], convert_documents=True)
    assert answer.response_metadata["converted_documents"] == TOLD
    turned_off = llm.model_copy(update={"convert_documents": True})
    with pytest.raises(InvalidArgumentError, match="convert_documents"):
        turned_off.invoke([asked()], convert_documents=False)


def test_office_files_and_other_forms_of_blocks(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = ChatMelious("llama-3.1-8b-instruct", convert_documents=True, **place)
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    packed = base64.b64encode(LETTER).decode()
    blocks = [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": packed}},
        {"type": "file", "file": {"filename": "l.pdf", "file_data": f"data:application/pdf;base64,{packed}"}},
        {"type": "file", "base64": base64.b64encode(made.docx("In Word")).decode(), "mime_type": kind},
    ]
    answer = llm.invoke([HumanMessage(blocks)])
    names = [document["name"] for document in answer.response_metadata["converted_documents"]]
    assert names == ["document.pdf", "l.pdf", "document.docx"]
    assert [document["pages"] for document in answer.response_metadata["converted_documents"]] == [2, 2, 1]
    assert len(sandbox.requests) == 2
    assert len(sandbox.requests[0].body["data"]) == 2, "the same letter twice, and a Word file"


def test_a_text_file_is_sent_as_before(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = ChatMelious("llama-3.1-8b-instruct", convert_documents=True, **place)
    llm.invoke([asked(b"Hello", mime_type="text/plain", filename="a.txt")])
    assert [request.endpoint for request in sandbox.requests] == ["chat"]


def test_an_error_of_the_conversion_is_one_of_langchain(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = ChatMelious("llama-3.1-8b-instruct", convert_documents=True, **place)
    with pytest.raises(BadRequestError, match="could not be converted"):
        llm.invoke([asked(b"%PDF-1.4 broken")])
    sandbox.faults.add(Fault(status=503, endpoint="documents", headers={"retry-after-ms": "1"}))
    assert llm.invoke([AIMessage("Hm."), asked()]).response_metadata["converted_documents"] == TOLD


def test_a_batch_of_questions_about_a_new_document_converts_it_once(
    place: dict[str, Any], sandbox: Sandbox
) -> None:
    llm = ChatMelious("llama-3.1-8b-instruct", convert_documents=True, **place)
    with track_impact() as ledger:
        answers = llm.batch([[asked()]] * 6)
    assert [request.endpoint for request in sandbox.requests].count("documents") == 1
    assert ledger.total.pages == 2
    paid = [answer.response_metadata["converted_documents"][0]["from_cache"] for answer in answers]
    assert sorted(paid) == [False, *[True] * 5]


def test_a_document_in_a_batch_job_is_refused(place: dict[str, Any], sandbox: Sandbox) -> None:
    llm = ChatMelious("llama-3.1-8b-instruct", convert_documents=True, **place)
    with pytest.raises(InvalidArgumentError, match="documents are not converted in a batch"):
        llm.submit_batch([[asked()]])
    assert "files" not in [request.endpoint for request in sandbox.requests]
