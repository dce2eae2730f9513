"""Files to convert that are neither paths nor plain open files, and fields of the form of other types."""

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import document_files as made
import pytest

from melious import BadRequestError, InvalidArgumentError, ResponseDecodeError
from melious.endpoints.documents import forget_fields
from melious.sandbox import Fault, Reply, Sandbox

from .clients import Clients

LETTER = made.pdf("Dear Ms Weber", "Yours")


@pytest.fixture(autouse=True)
def _no_field_is_known() -> Any:
    yield
    forget_fields()


class Trickle(io.RawIOBase):
    """A stream from a network, which gives a few bytes at a time."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._content.read(min(len(buffer), 100))
        buffer[: len(part)] = part
        return len(part)


class Response:
    """An answer of an HTTP library: it can be read, and nothing else."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def read(self, most: int = -1) -> bytes:
        return self._content.read(min(most, 100))


class Broken(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: Any) -> int:
        raise OSError("the disk is gone")


class AwaitedUpload:
    """An upload as web frameworks give it."""

    filename = "letter.pdf"

    async def read(self, _most: int = -1) -> bytes:
        return LETTER


def _spooled() -> Any:
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - the test closes it
    file.write(LETTER)
    file.seek(0)
    return file


def _unnamed() -> Any:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the test closes it
    file.write(LETTER)
    file.seek(0)
    return file


def _pipe() -> Any:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write(LETTER)
    return os.fdopen(reading, "rb", buffering=0)


@pytest.mark.parametrize(
    "opened",
    [_spooled, _unnamed, _pipe, lambda: Trickle(LETTER), lambda: Response(LETTER)],
    ids=["spooled", "temporary", "pipe", "trickle", "response"],
)
def test_whatever_can_be_read_is_sent_whole_and_its_name_is_no_number(
    clients: Clients, client: Any, sandbox: Sandbox, opened: Callable[[], Any]
) -> None:
    file = opened()
    result = clients.call(client, "documents.convert", [file])
    if hasattr(file, "close"):
        file.close()
    assert result.page_count == 2
    assert result.results[0].source_name == "document.pdf"
    assert sandbox.requests[-1].body["data"]["filename"] == "document.pdf"


def test_an_open_file_that_is_given_twice_is_sent_once(
    clients: Clients, client: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    (path := tmp_path / "letter.pdf").write_bytes(LETTER)
    with path.open("rb") as file:
        result = clients.call(client, "documents.convert", [file, ("other.pdf", file)])
    assert [document.source_name for document in result.results] == ["letter.pdf", "other.pdf"]
    assert [document.text for document in result.results] == ["Dear Ms Weber\n\nYours"] * 2
    assert result.page_count == 2
    assert len(sandbox.requests) == 1


def _closed() -> Any:
    file = _unnamed()
    file.close()
    return file


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (_closed, "cannot be read: .*closed file"),
        (Broken, "cannot be read: the disk is gone"),
        (AwaitedUpload, "is read with await; give its name and bytes instead"),
    ],
    ids=["closed", "broken", "awaited"],
)
def test_a_file_that_cannot_be_read_is_named_by_its_place(
    clients: Clients, client: Any, sandbox: Sandbox, file: Callable[[], Any], said: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"^files\[1\]: 'document' {said}"):
        clients.call(client, "documents.convert", [("a.pdf", LETTER), file()])
    assert not sandbox.requests


@pytest.mark.parametrize("value", [object(), [object()], float("nan")], ids=["object", "list", "nan"])
def test_a_field_of_the_form_that_has_no_json_form_is_named(
    clients: Clients, client: Any, sandbox: Sandbox, value: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^depth: cannot be sent as JSON"):
        clients.call(client, "documents.convert", [("a.pdf", LETTER)], extra_body={"depth": value})
    assert not sandbox.requests


@pytest.mark.parametrize("other", ["No file uploaded", "At least one file is required", "Unexpected field"])
@pytest.mark.parametrize("first", [True, False], ids=["data", "files"])
def test_of_two_refusals_the_one_about_the_document_is_raised(
    clients: Clients, client: Any, sandbox: Sandbox, other: str, first: bool
) -> None:
    messages = ["The PDF is encrypted", other]
    for message in messages if first else reversed(messages):
        sandbox.faults.add(Fault(status=400, body={"error": {"message": message}}, endpoint="documents"))
    with pytest.raises(BadRequestError, match="The PDF is encrypted"):
        clients.call(client, "documents.convert", [("a.pdf", LETTER)])
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"filename": "b.pdf"}, "has no pages"),
        ({"filename": "b.pdf", "error": "it is encrypted"}, "has no pages: it is encrypted"),
        ({"error": {"message": "it is encrypted"}, "pages": []}, "has no pages: .*it is encrypted"),
    ],
)
def test_a_result_without_pages_does_not_pass_for_an_empty_document(
    clients: Clients, client: Any, sandbox: Sandbox, result: dict[str, Any], said: str
) -> None:
    body = {"results": [{"pages": [{"content": "one"}]}, result]}
    sandbox.replies.add(Reply(json=body), endpoint="documents")
    with pytest.raises(ResponseDecodeError, match=rf"the result for 'b\.pdf' {said}") as caught:
        clients.call(client, "documents.convert", [("a.pdf", LETTER), ("b.pdf", made.pdf("two"))])
    assert caught.value.body == body
