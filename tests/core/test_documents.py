"""Converting documents with both clients: files, fields, errors, pages, and what is sent."""

import io
from pathlib import Path
from typing import Any

import document_files as made
import pytest

from melious import (
    BadRequestError,
    BudgetExceededError,
    DocumentsResult,
    ImpactBudget,
    ImpactLedger,
    InvalidArgumentError,
    PageLimitError,
    ResidencyError,
    ResponseDecodeError,
    track_impact,
)
from melious.endpoints.documents import forget_fields
from melious.sandbox import Fault, Reply, Sandbox

from .clients import Clients

pytestmark = pytest.mark.http_library

LETTER = made.pdf("Dear Ms Weber,\nthe heat pump is in.", "Yours, Öz")
MB = 1_000_000


@pytest.fixture(autouse=True)
def _no_field_is_known() -> Any:
    yield
    forget_fields()


@pytest.fixture
def convert(clients: Clients, client: Any) -> Any:
    """Convert files with the client of the session's sandbox."""

    def call(*files: Any, **params: Any) -> DocumentsResult:
        result: DocumentsResult = clients.call(client, "documents.convert", list(files), **params)
        return result

    return call


def posts(sandbox: Sandbox) -> list[Any]:
    return sandbox.requests.to("documents")


# --- files -------------------------------------------------------------------------------------------


def test_several_files_by_file_and_page_in_the_order_of_the_call(
    convert: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    (path := tmp_path / "Brief an Müller.pdf").write_bytes(LETTER)
    (other := tmp_path / "notes").write_bytes(b"unread" + made.docx("One & two", "Three"))
    with other.open("rb") as opened:
        opened.seek(6)
        result = convert(
            path,
            str(path.with_name("Brief an Müller.pdf")),
            ("notes.docx", opened),
            ("sums.xlsx", made.xlsx([["heat", 3.5], ["pump", 4]])),
            ("talk.pptx", made.pptx("Why?\nBecause.", "Thanks")),
        )
        assert not opened.closed
    assert [document.source_name for document in result.results] == [
        "Brief an Müller.pdf",
        "Brief an Müller.pdf",
        "notes.docx",
        "sums.xlsx",
        "talk.pptx",
    ]
    letter, again, notes, sums, talk = result.results
    assert [page.content for page in letter.pages] == ["Dear Ms Weber,\nthe heat pump is in.", "Yours, Öz"]
    assert again.pages == letter.pages
    assert [page.content for page in notes.pages] == ["One & two", "Three"]
    assert sums.text == "heat\t3.5\npump\t4"
    assert [page.content for page in talk.pages] == ["Why?\nBecause.", "Thanks"]
    (request,) = posts(sandbox)
    sent = [file["filename"] for file in request.body["data"]]
    assert sent == ["Brief an Müller.pdf", "notes.docx", "sums.xlsx", "talk.pptx"], "each is paid once"
    assert result.page_count == 2 + 2 + 1 + 2
    assert result.text.startswith("Dear Ms Weber,\nthe heat pump is in.\n\nYours, Öz\n\nDear")
    assert list(result.raw) == ["results"]


def test_equal_names_of_different_files_are_kept_apart(convert: Any) -> None:
    result = convert(("a.pdf", made.pdf("one")), ("a.pdf", made.pdf("two")))
    assert [document.text for document in result.results] == ["one", "two"]


def test_a_scanned_page_and_a_page_without_text(convert: Any) -> None:
    result = convert(("scan.pdf", made.scanned_pdf()), ("blank.pdf", made.pdf("")))
    assert "no OCR" in result.results[0].text, "the sandbox does not pretend"
    assert [page.content for page in result.results[1].pages] == [""]


def test_a_document_without_pages_has_none(convert: Any) -> None:
    result = convert(("empty.pdf", made.pdf()))
    assert (result.results[0].pages, result.page_count, result.text) == ([], 0, "")


@pytest.mark.parametrize(
    ("name", "data", "sent"),
    [
        ("letter", LETTER, ("letter.pdf", "application/pdf")),
        ("LETTER.PDF", LETTER, ("LETTER.PDF", "application/pdf")),
        ("shot.bin", b"\x89PNG\r\n\x1a\n" + bytes(30), ("shot.bin.png", "image/png")),
        ("shot", b"\xff\xd8\xff" + bytes(30), ("shot.jpg", "image/jpeg")),
    ],
)
def test_a_file_without_a_telling_name_is_named_by_its_first_bytes(
    convert: Any, sandbox: Sandbox, name: str, data: bytes, sent: tuple[str, str]
) -> None:
    sandbox.replies.add(Reply(text="read"), endpoint="documents")
    convert((name, data))
    file = posts(sandbox)[0].body["data"]
    assert (file["filename"], file["content_type"]) == sent


def test_a_media_type_is_sent_unchecked(convert: Any, sandbox: Sandbox) -> None:
    sandbox.replies.add(Reply(text="read"), endpoint="documents")
    assert convert(("page.html", b"<p>Hello", "text/html")).text == "read"
    assert posts(sandbox)[0].body["data"]["content_type"] == "text/html"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], r"^files: must not be empty"),
        ("letter.pdf", r"^files: must be a list; put a single file into one"),
        (("letter.pdf", LETTER), r"^files: must be a list"),
        (3, r"^files: must be a list, not int"),
        ([("a.pdf", LETTER), 3], r"^files\[1\]: must be a path, an open file, or a tuple"),
        ([("a.pdf", LETTER), ("b.pdf", b"")], r"^files\[1\]: 'b\.pdf' is empty"),
        (["/no/such.pdf"], r"^files\[0\]: there is no file '/no/such\.pdf'"),
        ([("a.pdf", LETTER), ("notes.txt", b"Hello")], r"^files\[1\]: 'notes\.txt' must end in one of pdf,"),
        ([("letter.docx", LETTER)], r"^files\[0\]: 'letter\.docx' is not a DOCX file: .* those of PDF"),
        ([("letter.pdf", made.docx("x"))], r"^files\[0\]: .* those of DOCX or XLSX or PPTX"),
        ([("archive", made.docx("x"))], r"^files\[0\]: 'archive' must end in one of"),
        ([("a.pdf", LETTER, "nonsense")], r"^files\[0\]: the media type must be one like 'text/html'"),
        ([("a.pdf", "text")], r"^files\[0\]: the content of 'a\.pdf' must be bytes or an open file"),
        (["/"], r"^files\[0\]: '/' is a folder, not a file"),
        ([io.StringIO("text")], r"^files\[0\]: .* is open as text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_sent_is_named_by_its_place_and_costs_nothing(
    clients: Clients, client: Any, sandbox: Sandbox, files: Any, said: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        clients.call(client, "documents.convert", files)
    assert not sandbox.requests


def test_a_file_of_60_mb_is_refused_before_anything_is_read(
    convert: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "large.pdf"
    with path.open("wb") as file:
        file.write(b"%PDF-1.4")
        file.truncate(60 * MB)
    with pytest.raises(InvalidArgumentError, match=r"files\[1\]: 'large\.pdf' has 60,000,000 bytes"):
        convert(("a.pdf", LETTER), path)
    assert not sandbox.requests


def test_a_broken_and_an_encrypted_file_are_the_services_to_refuse(convert: Any, sandbox: Sandbox) -> None:
    for data, said in ((b"%PDF-1.4\nnothing", "cannot be read"), (made.encrypted_pdf(), "is encrypted")):
        with pytest.raises(BadRequestError, match=said):
            convert(("a.pdf", data))


# --- requests ----------------------------------------------------------------------------------------


def test_files_over_50_mb_together_go_in_several_requests(
    convert: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    files = []
    for number in range(5):
        (path := tmp_path / f"{number}.pdf").write_bytes(b"%PDF-" + bytes([number]) + bytes(20 * MB))
        files.append(path)
    seen: list[tuple[int, int]] = []
    sandbox.replies.add(
        *(
            Reply(json={"results": [{"pages": [{"content": name}]} for name in names]})
            for names in ("ab", "ab", "c")
        ),
        endpoint="documents",
    )
    result = convert(*files, max_concurrency=1, on_progress=lambda done, total: seen.append((done, total)))
    assert [document.text for document in result.results] == ["a", "b", "a", "b", "c"]
    assert [document.source_name for document in result.results] == [f"{number}.pdf" for number in range(5)]
    sent = [post.body["data"] for post in posts(sandbox)]
    assert [len(files) if isinstance(files, list) else 1 for files in sent] == [2, 2, 1]
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert len(result.batches) == 3
    assert isinstance(result.raw, list)


def test_a_request_that_is_too_large_for_a_server_is_halved(convert: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(status=413, endpoint="documents"))
    result = convert(("a.pdf", made.pdf("one")), ("b.pdf", made.pdf("two")))
    assert [document.text for document in result.results] == ["one", "two"]
    assert len(posts(sandbox)) == 3


def test_parameters_of_the_url(convert: Any, sandbox: Sandbox) -> None:
    convert(("a.pdf", LETTER), extra_query={"ocr": True, "dpi": 300, "lang": ["de", "en ö"], "none": None})
    assert posts(sandbox)[0].query == "ocr=true&dpi=300&lang=de&lang=en+%C3%B6"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ocr=1", "extra_query: must be a mapping"),
        ({3: "x"}, "extra_query: names must be text, not 3"),
        ({"ocr": {"a": 1}}, r"extra_query\['ocr'\]: must be text, a number"),
        ({"key": "sk-mel-sandbox"}, "extra_query: must not contain the key"),
    ],
)
def test_wrong_parameters_of_the_url(convert: Any, sandbox: Sandbox, query: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        convert(("a.pdf", LETTER), extra_query=query)
    assert not sandbox.requests


def test_an_unknown_argument_is_an_error_with_the_closest_name(convert: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="extra_query"):
        convert(("a.pdf", LETTER), extra_querry={})


def test_further_fields_of_the_form(convert: Any, sandbox: Sandbox) -> None:
    convert(("a.pdf", LETTER), extra_body={"ocr": "always", "pages": [1, 2]})
    sent = posts(sandbox)[0].body
    assert (sent["ocr"], sent["pages"]) == ("always", "[1,2]")


# --- the field's name --------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "requests"), [("live", 1), ("g2", 1), ("g1", 2)])
def test_the_older_name_of_the_field_is_tried_once_and_remembered(
    clients: Clients, profile: Any, requests: int
) -> None:
    with Sandbox(profile) as sandbox:
        client = clients.client(sandbox, max_retries=0)
        for name in ("a.pdf", "b.pdf"):
            assert clients.call(client, "documents.convert", [(name, made.pdf("one"))]).text == "one"
        assert len(posts(sandbox)) == requests + 1
        assert ("files" in posts(sandbox)[-1].body) == (profile == "g1")


@pytest.mark.parametrize("profile", ["live", "g2", "g1"])
def test_a_bad_file_is_reported_as_such_whatever_the_field_is_called(clients: Clients, profile: Any) -> None:
    with Sandbox(profile) as sandbox:
        client = clients.client(sandbox)
        for _ in range(2):
            with pytest.raises(BadRequestError, match="cannot be read"):
                clients.call(client, "documents.convert", [("a.pdf", b"%PDF-1.4 broken")])
        clients.call(client, "documents.convert", [("a.pdf", LETTER)])
        before = len(posts(sandbox))
        with pytest.raises(BadRequestError, match="cannot be read"):
            clients.call(client, "documents.convert", [("a.pdf", b"%PDF-1.4 broken")])
        assert len(posts(sandbox)) == before + 1, "what the server takes is known by now"


# --- answers -----------------------------------------------------------------------------------------


def test_what_is_not_known_is_kept(convert: Any, sandbox: Sandbox) -> None:
    page = {"content": None, "page_number": 7, "tables": [[1]]}
    body = {"results": [{"pages": [page], "language": "de"}], "took": 3, "usage": {"pages": 1}}
    sandbox.replies.add(Reply(json=body), endpoint="documents")
    result = convert(("a.pdf", LETTER))
    assert result.results[0].pages[0].content == ""
    assert result.results[0].pages[0].model_extra == {"page_number": 7, "tables": [[1]]}
    assert result.results[0].model_extra == {"language": "de"}
    assert result.raw == body


def test_results_that_name_their_files_are_matched_by_name(convert: Any, sandbox: Sandbox) -> None:
    results = [{"filename": name, "pages": [{"content": name}]} for name in ("b.pdf", "a.pdf")]
    sandbox.replies.add(Reply(json={"results": results}), endpoint="documents")
    result = convert(("a.pdf", made.pdf("one")), ("b.pdf", made.pdf("two")))
    assert [document.text for document in result.results] == ["a.pdf", "b.pdf"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"pages": []}, "documents: the answer has no results"),
        ({"results": []}, "documents: 0 results came in the answer to 1 files"),
        ({"results": [{"pages": "x"}]}, r"documents: the answer has a wrong value at results\.0\.pages"),
        ([1], "documents: the answer is not a JSON object"),
    ],
)
def test_answers_that_do_not_fit(convert: Any, sandbox: Sandbox, body: Any, said: str) -> None:
    sandbox.replies.add(Reply(json=body), endpoint="documents")
    with pytest.raises(ResponseDecodeError, match=said):
        convert(("a.pdf", LETTER))


def test_transient_errors_are_retried_and_the_page_limit_is_not(clients: Clients) -> None:
    with Sandbox(page_limit=3) as sandbox:
        client = clients.client(sandbox)
        sandbox.faults.add(Fault(status=503, headers={"retry-after-ms": "1"}))
        assert clients.call(client, "documents.convert", [("a.pdf", LETTER)]).attempts == 2
        with pytest.raises(PageLimitError) as caught:
            clients.call(client, "documents.convert", [("a.pdf", LETTER)])
        assert len(posts(sandbox)) == 3
        assert (caught.value.code, caught.value.attempts) == ("KIT_6220", 1)
        assert caught.value.details["limit"] == 3
        assert "limit: 3, reset: 20" in str(caught.value)
        assert "use an API key" in str(caught.value)
        other = [{"role": "user", "content": "Hello"}]
        clients.call(client, "chat.create", model="gemma-4-31b", messages=other)  # nothing else waits for it


def test_a_key_without_the_scope(clients: Clients) -> None:
    with Sandbox(keys={"sk-mel-chat": ["inference.*"], "sk-mel-kit": ["kit.documents"]}) as sandbox:
        client = clients.client(sandbox, api_key="sk-mel-chat")
        with pytest.raises(Exception, match=r"kit\.documents"):
            clients.call(client, "documents.convert", [("a.pdf", LETTER)])
        allowed = clients.client(sandbox, api_key="sk-mel-kit")
        assert clients.call(allowed, "documents.convert", [("a.pdf", LETTER)]).page_count == 2


def test_a_location_that_is_not_reported_is_an_error_where_it_must_be(
    clients: Clients, sandbox: Sandbox
) -> None:
    client = clients.client(sandbox, filters={"countries": ["DE"]}, verify_location="raise")
    with pytest.raises(ResidencyError) as caught:
        clients.call(client, "documents.convert", [("a.pdf", LETTER)])
    assert caught.value.answer.page_count == 2
    assert "filters" not in posts(sandbox)[0].body
    located = {"results": [{"pages": []}], "environment_impact": {"location": "DE"}}
    sandbox.replies.add(Reply(json=located), endpoint="documents")
    result = clients.call(client, "documents.convert", [("a.pdf", LETTER)])
    assert result.environment_impact.location == "DE"
    assert (
        clients.call(client, "documents.convert", [("a.pdf", LETTER)], verify_location="off").page_count == 2
    )


# --- the ledger --------------------------------------------------------------------------------------


def test_pages_are_counted_and_their_price_is_an_estimate_apart(convert: Any, tmp_path: Path) -> None:
    with track_impact(keep_rows=10, rows_file=tmp_path / "rows.jsonl") as ledger:
        convert(("a.pdf", LETTER), ("b.pdf", made.pdf("three")))
        convert(("a.pdf", LETTER))
    total = ledger.total
    assert (total.requests, total.pages, total.eur, total.without_cost) == (2, 5, None, 2)
    assert f"{total.estimated_pages_eur}" == "0.0025"
    assert total.estimated_eur is None
    assert "5 pages were converted, at the listed price for about 2.50 m€" in ledger.summary()
    assert "an estimate, not part of the cost" in ledger.to_markdown()
    assert "an estimate, not part of the cost" in ledger.to_html()
    header, line = ledger.to_csv().splitlines()
    row = dict(zip(header.split(","), line.split(","), strict=True))
    assert (row["pages"], row["estimated_pages_eur"], row["eur"]) == ("5", "0.0025", "")
    again = ImpactLedger.from_rows(tmp_path / "rows.jsonl").total
    assert (again.pages, again.estimated_pages_eur) == (5, total.estimated_pages_eur)
    assert [row.to_json()["pages"] for row in ledger.rows] == [3, 2]


def test_pages_that_were_billed_are_not_estimated_too(convert: Any, sandbox: Sandbox) -> None:
    cost = {"credits": "0.004", "energy": "40", "paid_with": "credits"}
    billed = {"results": [{"pages": [{"content": "x"}] * 4}], "billing_cost": cost}
    sandbox.replies.add(Reply(json=billed), endpoint="documents")
    with track_impact() as ledger:
        convert(("a.pdf", LETTER))
    assert (ledger.total.pages, ledger.total.estimated_pages_eur) == (4, None)
    assert f"{ledger.total.eur}" == "0.004"


def test_a_budget_that_is_used_up_sends_nothing(clients: Clients, sandbox: Sandbox) -> None:
    budget = ImpactBudget(max_requests=1)
    client = clients.client(sandbox, budget=budget)
    clients.call(client, "documents.convert", [("a.pdf", LETTER)])
    with pytest.raises(BudgetExceededError):
        clients.call(client, "documents.convert", [("a.pdf", LETTER)])
    assert len(posts(sandbox)) == 1


def test_requests_of_other_kinds_have_no_pages(clients: Clients, client: Any) -> None:
    with track_impact() as ledger:
        clients.call(client, "chat.create", model="gemma-4-31b", messages=[{"role": "user", "content": "Hi"}])
    assert (ledger.total.pages, ledger.total.estimated_pages_eur) == (None, None)
    assert "pages" not in ledger.summary()
