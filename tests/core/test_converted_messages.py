"""Documents in messages: converted first, once for each client, and sent as text."""

import base64
from typing import Any

import document_files as made
import pytest

from melious import BadRequestError, InvalidArgumentError, track_impact
from melious.endpoints.attachments import ConversionCache, _Text
from melious.endpoints.documents import forget_fields
from melious.sandbox import Fault, Reply, Sandbox

from .clients import CHAT, Clients

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


def test_the_cache_is_bounded() -> None:
    cache = ConversionCache()
    for number in range(100):
        cache.put(bytes([number]), _Text("x" * 1000, 1))
    assert [cache.get(bytes([number])) is not None for number in (0, 35, 36, 99)] == [
        False,
        False,
        True,
        True,
    ]
    cache.put(b"large", _Text("x" * 15_990_000, 1))
    assert [cache.get(bytes([number])) is not None for number in (36, 37, 99)] == [True, False, True], (
        "what was used last is kept"
    )
    cache.put(b"larger", _Text("x" * 16_000_001, 1))
    assert cache.get(b"larger") is None, "what does not fit is not kept"
    assert cache.get(b"large") is not None
