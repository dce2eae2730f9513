"""Documents in messages: converted first, once for each client, and sent as text."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import document_files as made
import pytest

from melious import (
    AsyncMeliousClient,
    BadRequestError,
    DeadlineExceededError,
    InvalidArgumentError,
    MeliousError,
    track_impact,
)
from melious.endpoints.conversions import ConversionCache, ConvertedText
from melious.endpoints.documents import forget_fields
from melious.sandbox import Fault, Reply, Sandbox

from .clients import CHAT, Clients
from .held_server import until

LETTER = made.pdf("Dear Ms Weber", "Yours")


@pytest.fixture(autouse=True)
def _no_field_is_known() -> Any:
    yield
    forget_fields()


def part(data: bytes = LETTER, name: str | None = "letter.pdf", kind: str = "application/pdf") -> Any:
    file = {"file_data": f"data:{kind};base64,{base64.b64encode(data).decode()}"}
    return {"type": "file", "file": file | ({"filename": name} if name else {})}


def question(*parts: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": "Who writes?"}, *parts]}


ASKED: dict[str, Any] = {"model": CHAT, "messages": [question(part())]}


@pytest.fixture(params=["whole", "streamed"])
def ask(request: pytest.FixtureRequest, clients: Clients) -> Any:
    """Ask with either client, whole or streamed."""

    def call(client: Any, *messages: Any, **params: Any) -> Any:
        params = {"model": CHAT, "messages": list(messages), **params}
        if request.param == "whole":
            return clients.call(client, "chat.create", **params)
        read = clients.stream(client, **params)
        if read.error is not None:
            raise read.error
        assert read.stream.converted_documents == read.stream.completion().converted_documents
        return read.stream

    return call


def endpoints(sandbox: Sandbox) -> list[str]:
    return [request.endpoint for request in sandbox.requests]


def test_the_text_is_sent_in_place_of_the_document(ask: Any, clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, convert_documents=True)
    with track_impact() as ledger:
        answer = ask(client, question(part()))
    assert endpoints(sandbox) == ["documents", "chat"]
    assert sandbox.requests[-1].body["messages"][0]["content"] == [
        {"type": "text", "text": "Who writes?"},
        {"type": "text", "text": "letter.pdf (2 pages):\nDear Ms Weber\n\nYours"},
    ]
    assert [tuple(document) for document in answer.converted_documents] == [("letter.pdf", 2, False)]
    assert (ledger.total.requests, ledger.total.pages) == (2, 2)


def test_a_history_is_not_converted_again(ask: Any, clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, convert_documents=True)
    first = question(part())
    ask(client, first)
    said = {"role": "assistant", "content": "Somebody."}
    later = ask(client, first, said, question(part(name="copy.pdf"), part(made.pdf("PS"), "ps.pdf")))
    assert endpoints(sandbox) == ["documents", "chat", "documents", "chat"]
    assert sandbox.requests[2].body["data"]["filename"] == "ps.pdf"
    assert [tuple(document) for document in later.converted_documents] == [
        ("letter.pdf", 2, True),
        ("copy.pdf", 2, True),
        ("ps.pdf", 1, False),
    ]
    sent = sandbox.requests[-1].body["messages"]
    assert sent[0]["content"][1]["text"] == "letter.pdf (2 pages):\nDear Ms Weber\n\nYours"
    assert sent[2]["content"][2]["text"] == "ps.pdf (1 page):\nPS"


def test_the_option_of_a_call_wins(ask: Any, clients: Clients, sandbox: Sandbox) -> None:
    ask(clients.client(sandbox), question(part()), convert_documents=True)
    assert endpoints(sandbox) == ["documents", "chat"]
    assert "convert_documents" not in sandbox.requests[-1].body
    client = clients.client(sandbox, convert_documents=True)
    sandbox.replies.add(Reply(text="Sent as it is."))
    with pytest.raises(BadRequestError):  # the sandbox takes no such part
        ask(client, question(part()), convert_documents=False)
    assert set(endpoints(sandbox)[2:]) == {"chat"}


def test_messages_without_documents_make_no_request(ask: Any, clients: Clients, sandbox: Sandbox) -> None:
    answer = ask(clients.client(sandbox, convert_documents=True), {"role": "user", "content": "Hello"})
    assert endpoints(sandbox) == ["chat"]
    assert answer.converted_documents == ()


def test_in_other_roles_texts_are_joined(ask: Any, clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, convert_documents=True)
    ask(client, question(part(), role="system"), {"role": "user", "content": "Well?"})
    said = sandbox.requests[-1].body["messages"][0]["content"]
    assert said == "Who writes?\nletter.pdf (2 pages):\nDear Ms Weber\n\nYours"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (part(name=None), "document.pdf"),
        (
            part(
                made.docx("Dear Ms Weber"),
                "letter",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ),
            "letter.docx",
        ),
        ({"type": "file", "file": {"file_data": base64.b64encode(LETTER).decode()}}, "document.pdf"),
    ],
    ids=["no name", "by its type", "no type"],
)
def test_a_document_without_a_telling_name(
    ask: Any, clients: Clients, sandbox: Sandbox, file: Any, name: str
) -> None:
    answer = ask(clients.client(sandbox, convert_documents=True), question(file))
    assert answer.converted_documents[0].name == name
    assert "Dear Ms Weber" in sandbox.requests[-1].body["messages"][0]["content"][1]["text"]


@pytest.mark.parametrize(
    ("messages", "params", "said"),
    [
        (
            [question(part(b"Hello", "a.txt", "text/plain"))],
            {},
            r"messages\[0\]\.content\[1\]: 'a\.txt' must end",
        ),
        (
            [question(part(b"", "a.pdf") | {"type": "file", "file": {"file_data": "data:a;base64,%%"}})],
            {},
            "base64",
        ),
        ([question({"type": "file", "file": {"file_data": 3}})], {}, r"must be text"),
        ([question(part())], {"temperature_": 1}, "temperature"),
        ([question(part())], {"convert_documents": "yes"}, "convert_documents: must be True or False"),
        ([question(part()), {"content": "x"}], {}, r"messages\[1\]: must be a dict with a role"),
    ],
    ids=["type", "base64", "no text", "argument", "option", "message"],
)
def test_what_is_wrong_shows_before_anything_is_paid(
    ask: Any, clients: Clients, sandbox: Sandbox, messages: Any, params: Any, said: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        ask(clients.client(sandbox, convert_documents=True), *messages, **params)
    assert not sandbox.requests


@pytest.mark.parametrize(
    "other", ["a bare string", None, {"type": "text"}, {"type": "text", "text": None}], ids=str
)
@pytest.mark.parametrize("role", ["user", "system"])
def test_parts_of_another_form_are_the_services_to_refuse(
    ask: Any, clients: Clients, sandbox: Sandbox, other: Any, role: str
) -> None:
    client = clients.client(sandbox, convert_documents=True)
    with pytest.raises(BadRequestError):
        ask(client, {"role": role, "content": [other, part()]}, question())
    sent = sandbox.requests[-1].body["messages"][0]["content"]
    assert sent[0] == other
    assert sent[1]["text"].startswith("letter.pdf (2 pages):")


def test_a_message_without_a_role_costs_nothing(ask: Any, clients: Clients, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^messages\[1\]: must be a dict with a role"):
        ask(clients.client(sandbox, convert_documents=True), question(), {"content": [part()]})
    assert not sandbox.requests


def test_messages_from_a_generator_are_converted_too(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, convert_documents=True)
    answer = clients.call(client, "chat.create", model=CHAT, messages=(each for each in [question(part())]))
    assert [document.pages for document in answer.converted_documents] == [2]


def test_base64_in_lines_as_mail_and_shells_write_it(ask: Any, clients: Clients, sandbox: Sandbox) -> None:
    file = {"filename": "letter.pdf", "file_data": base64.encodebytes(LETTER).decode()}
    answer = ask(clients.client(sandbox, convert_documents=True), question({"type": "file", "file": file}))
    assert [document.pages for document in answer.converted_documents] == [2]


def test_a_file_that_cannot_be_converted_is_named_without_advice_for_uploads(
    ask: Any, clients: Clients, sandbox: Sandbox
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^messages\[0\]\.content\[1\]: 'a\.txt'") as caught:
        ask(clients.client(sandbox, convert_documents=True), question(part(b"Hello", "a.txt", "text/plain")))
    assert caught.value.param == "messages"
    assert "media type" not in str(caught.value)
    assert not sandbox.requests


def test_a_failed_conversion_is_the_error_of_the_call(ask: Any, clients: Clients, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(status=402, endpoint="documents"))
    client = clients.client(sandbox, convert_documents=True)
    with track_impact() as ledger, pytest.raises(Exception, match="balance"):
        ask(client, question(part()))
    assert endpoints(sandbox) == ["documents"]
    assert (ledger.total.requests, ledger.total.failed) == (0, 1)
    ask(client, question(part()))
    assert endpoints(sandbox) == ["documents", "documents", "chat"]


def test_calls_at_once_convert_a_document_once(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, convert_documents=True)
    sandbox.faults.add(Fault(delay=0.3, endpoint="documents"))
    answers = clients.together(client, "chat.create", [ASKED] * 5)
    assert endpoints(sandbox).count("documents") == 1
    assert sorted(answer.converted_documents[0].from_cache for answer in answers) == [False, *[True] * 4]


def test_if_one_call_cannot_convert_the_next_one_does(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, convert_documents=True, max_retries=0)
    sandbox.faults.add(Fault(status=503, delay=0.3, endpoint="documents", times=1))
    answers = clients.together(client, "chat.create", [ASKED] * 4)
    failed = [answer for answer in answers if isinstance(answer, MeliousError)]
    assert [error.status_code for error in failed] == [503]
    assert endpoints(sandbox).count("documents") == 2
    assert endpoints(sandbox).count("chat") == 3


async def test_a_call_waits_for_another_until_its_own_deadline(sandbox: Sandbox) -> None:
    async with asking_twice(sandbox) as (client, first):
        with pytest.raises(DeadlineExceededError, match="another call converted the same document"):
            await client.chat.create(**ASKED, deadline=0.05)
        assert not first.done()


async def test_a_cancelled_call_leaves_the_document_to_the_next(sandbox: Sandbox) -> None:
    async with asking_twice(sandbox) as (client, first):
        second = asyncio.create_task(client.chat.create(**ASKED))
        await asyncio.sleep(0)  # it waits for the first one
        first.cancel()
        answer = await second
    assert answer.converted_documents[0].from_cache is False


@asynccontextmanager
async def asking_twice(sandbox: Sandbox) -> AsyncIterator[tuple[AsyncMeliousClient, asyncio.Task[Any]]]:
    """A client, and a call that is converting the document for as long as the test runs."""
    sandbox.faults.add(Fault(delay=600, endpoint="documents", times=1))
    place = {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
    async with AsyncMeliousClient(**place, convert_documents=True) as client:
        first = asyncio.create_task(client.chat.create(**ASKED))
        await asyncio.to_thread(until, lambda: bool(sandbox.requests))
        try:
            yield client, first
        finally:
            first.cancel()
            await asyncio.wait([first])


def is_kept(cache: ConversionCache, digest: bytes) -> bool:
    found = cache.claim(digest)
    if found is None:
        cache.release(digest)
    return found is not None


def test_the_cache_is_bounded() -> None:
    cache = ConversionCache()
    for number in range(100):
        cache.put(bytes([number]), ConvertedText("x" * 1000, 1))
    assert [is_kept(cache, bytes([number])) for number in (0, 35, 36, 99)] == [False, False, True, True]
    cache.put(b"large", ConvertedText("x" * 15_990_000, 1))
    assert [is_kept(cache, bytes([number])) for number in (36, 37, 99)] == [True, False, True], (
        "what was used last is kept"
    )
    cache.put(b"larger", ConvertedText("x" * 16_000_001, 1))
    assert not is_kept(cache, b"larger"), "what does not fit is not kept"
    assert is_kept(cache, b"large")


@pytest.mark.parametrize("of_call", [True, False], ids=["call", "client"])
def test_a_document_in_a_batch_is_refused_before_anything_is_sent(
    clients: Clients, sandbox: Sandbox, of_call: bool
) -> None:
    client = clients.client(sandbox, **({} if of_call else {"convert_documents": True}))
    requests = [
        {"model": CHAT, "messages": [{"role": "user", "content": "Hello"}]},
        ASKED | ({"convert_documents": True} if of_call else {}),
    ]
    with pytest.raises(InvalidArgumentError, match=r"^requests\[1\].*documents are not converted in a batch"):
        clients.call(client, "batches.submit", requests)
    assert "files" not in endpoints(sandbox)
