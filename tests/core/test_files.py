"""`client.files`, and the batches that are made of files by hand."""

from __future__ import annotations

import io
import json

import pytest

from melious import APIConnectionError, InvalidArgumentError, NotFoundError
from melious.endpoints import files
from melious.sandbox import Fault

from .clients import CHAT, AiohttpClients

LINE = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": CHAT, "messages": [{"role": "user", "content": "Hello"}]},
}
TEXT = json.dumps(LINE).encode() + b"\n"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "lines.jsonl"
    file.write_bytes(TEXT)
    return file


class TestUpload:
    @pytest.mark.parametrize("form", ["path", "text", "open", "bytes", "memory", "part"])
    def test_every_form_of_a_file(self, clients, client, sandbox, path, form):
        with path.open("rb") as opened, path.open("rb") as part:
            part.read(3)
            file = {
                "path": path,
                "text": str(path),
                "open": opened,
                "bytes": ("other.jsonl", TEXT),
                "memory": io.BytesIO(TEXT),
                "part": part,
            }[form]
            made = clients.call(client, "files.create", file=file)
        assert made.bytes == len(TEXT) - (3 if form == "part" else 0)
        assert made.purpose == "batch"
        (request,) = sandbox.requests
        assert request.body["purpose"] == "batch"
        assert request.body["file"]["content_type"] == "application/jsonl"
        assert request.body["file"]["filename"].endswith(".jsonl")

    def test_a_file_that_is_too_large_is_not_sent(self, clients, client, sandbox, tmp_path):
        large = tmp_path / "large.jsonl"
        with large.open("wb") as file:
            file.truncate(files.MAX_BYTES + 1)
        with pytest.raises(InvalidArgumentError, match="has more than 105,000,000 bytes") as caught:
            clients.call(client, "files.create", file=large)
        assert "batches.submit" in caught.value.advice
        assert not sandbox.requests

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"file": "/nowhere/lines.jsonl"}, "file: there is no file"),
            ({"file": ("a.jsonl", b"")}, "file: 'a.jsonl' is empty"),
            ({"file": 7}, "file: must be a path"),
            ({"file": ("a", TEXT), "purpose": ""}, "purpose: must be non-empty text"),
            ({"file": ("a", TEXT), "extra_body": {"a": 1}}, "extra_body: is not sent"),
        ],
    )
    def test_wrong_arguments(self, clients, client, sandbox, params, message):
        with pytest.raises(InvalidArgumentError, match=message):
            clients.call(client, "files.create", **params)
        assert not sandbox.requests


class TestContent:
    def test_bytes_lines_and_the_whole(self, clients, client):
        text = b"one\n\ntwo\nthree"
        name = clients.call(client, "files.create", file=("a.jsonl", text)).id
        assert b"".join(clients.items(client.files.content(name))) == text
        assert clients.items(client.files.content(name).lines()) == [b"one", b"two", b"three"]
        assert clients.call(client.files.content(name), "read") == text

    def test_what_is_known_of_it(self, clients, client):
        name = clients.call(client, "files.create", file=("a.jsonl", TEXT)).id
        stream = client.files.content(name)
        clients.items(stream)
        assert stream.request_id.startswith("req_")
        assert (stream.attempts, stream.headers["content-type"]) == (1, "application/jsonl")

    def test_the_connection_is_used_again(self, clients, client, sandbox):
        name = clients.call(client, "files.create", file=("a.jsonl", TEXT * 1000)).id
        for _ in range(3):
            clients.items(client.files.content(name))
        assert len({request.connection for request in sandbox.requests}) == 1

    def test_a_refusal_before_the_first_byte_is_retried(self, clients, client, sandbox):
        name = clients.call(client, "files.create", file=("a.jsonl", TEXT)).id
        sandbox.faults.add(Fault(endpoint="files", status=503))
        stream = client.files.content(name)
        assert b"".join(clients.items(stream)) == TEXT
        assert stream.attempts == 2

    def test_a_cut_is_an_error(self, clients, client, sandbox):
        name = clients.call(client, "files.create", file=("a.jsonl", TEXT * 1000)).id
        sandbox.faults.add(Fault(endpoint="files", cut_after_bytes=1000))
        with pytest.raises(APIConnectionError) as caught:
            clients.items(client.files.content(name))
        assert caught.value.request_id.startswith("req_")
        assert b"".join(clients.items(client.files.content(name))) == TEXT * 1000

    def test_an_empty_answer(self, clients, client, sandbox):
        name = clients.call(client, "files.create", file=("a.jsonl", TEXT)).id
        sandbox.faults.add(Fault(endpoint="files", body=b"", status=200))
        assert clients.items(client.files.content(name)) == []

    @pytest.mark.parametrize("name", ["", None, 3])
    def test_no_id(self, client, name):
        with pytest.raises(InvalidArgumentError, match="file_id: must be non-empty text"):
            client.files.content(name)


def test_list_retrieve_delete(clients, client):
    names = [clients.call(client, "files.create", file=(f"{n}.jsonl", TEXT)).id for n in range(3)]
    page = clients.call(client, "files.list", limit=2, purpose="batch")
    assert ([file.id for file in page.data], page.has_more) == ([names[2], names[1]], True)
    page = clients.call(client, "files.list", after=names[1])
    assert page.data[0].id == names[0]
    page = clients.call(client, "files.list", order="asc")
    assert [file.id for file in page.data][-3:] == names
    assert clients.call(client, "files.retrieve", names[0]).filename == "0.jsonl"
    gone = clients.call(client, "files.delete", names[0])
    assert (gone.id, gone.deleted) == (names[0], True)
    with pytest.raises(NotFoundError, match="There is no file") as caught:
        clients.call(client, "files.retrieve", names[0])
    assert "client.files.list()" in caught.value.advice


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"limit": 101}, "limit: must be a whole number from 1 to 100"),
        ({"order": "up"}, "order: must be one of asc, desc"),
        ({"after": ""}, "after: must be non-empty text"),
    ],
)
def test_wrong_pages(clients, client, params, message):
    with pytest.raises(InvalidArgumentError, match=message):
        clients.call(client, "files.list", **params)


def test_a_batch_of_a_file(clients, client, path):
    file = clients.call(client, "files.create", file=path)
    batch = clients.call(
        client,
        "batches.create",
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        metadata={"project": "towers"},
    )
    assert batch.metadata["project"] == "towers"
    job = clients.call(client, "batches.resume", batch.id)
    clients.call(job, "wait", poll=0.002)
    assert [result.custom_id for result in clients.items(job)] == ["a"]
    assert clients.call(client, "batches.list", limit=1).data[0].id == batch.id
    assert clients.call(client, "batches.retrieve", batch.id).completion_window == "24h"


def test_sixteen_pairs_of_metadata_leave_no_room_for_ours(clients, client, path):
    file = clients.call(client, "files.create", file=path)
    pairs = {str(number): "x" for number in range(16)}
    batch = clients.call(
        client, "batches.create", input_file_id=file.id, endpoint="/v1/chat/completions", metadata=pairs
    )
    assert batch.metadata == pairs
    with pytest.raises(InvalidArgumentError, match="metadata: must have at most 16 pairs"):
        clients.call(
            client, "batches.create", input_file_id=file.id, endpoint="/v1/x", metadata={**pairs, "more": "x"}
        )


@pytest.mark.http_library
def test_through_an_injected_client(clients, sandbox):
    import httpx

    injected = (httpx.AsyncClient if clients.asynchronous else httpx.Client)(trust_env=False)
    client = clients.client(sandbox, http_client=injected)
    job = clients.call(client, "batches.submit", [LINE["body"]])
    clients.call(job, "wait", poll=0.002)
    assert len(clients.items(job)) == 1
    sandbox.faults.add(Fault(endpoint="files", cut_after_bytes=10))
    with pytest.raises(APIConnectionError):
        clients.items(job)
    clients.call(injected, "aclose" if clients.asynchronous else "close")


def test_on_aiohttp(sandbox, path):
    clients = AiohttpClients()
    client = clients.client(sandbox)
    name = clients.call(client, "files.create", file=path).id
    assert clients.items(client.files.content(name).lines()) == [TEXT.strip()]
    sandbox.faults.add(Fault(endpoint="files", cut_after_bytes=10))
    with pytest.raises(APIConnectionError):
        clients.items(client.files.content(name))
    clients.close()
