"""Documents: forms, really converted files, the field of each generation, limits, replies and faults."""

import io
import random
import zipfile

import document_files as made
import pytest

from melious.sandbox import Fault, Reply, Sandbox
from melious_sandbox.brain.documents import pages
from melious_sandbox.brain.media import png


@pytest.fixture
def convert(http):
    def send(*files, field="data", **more):
        return http.post("/documents/convert", files=[(field, file) for file in files], **more)

    return send


def contents(answer):
    assert answer.status_code == 200, answer.text
    return [[page["content"] for page in result["pages"]] for result in answer.json()["results"]]


def test_several_files_in_their_order(convert, sandbox):
    answer = convert(
        ("a.pdf", made.pdf("one", "two")),
        ("b.docx", made.docx("Wort\nWort", "Ende")),
        ("c.xlsx", made.xlsx([["a", 1], ["b & c", 2.5]])),
        ("d.pptx", made.pptx("Title\nText", "", "End")),
    )
    assert contents(answer) == [
        ["one", "two"],
        ["Wort\nWort", "Ende"],
        ["a\t1\nb & c\t2.5"],
        ["Title\nText", "", "End"],
    ]
    assert set(answer.json()) == {"results"}, "no impact and no bill: nobody has seen any"
    assert [file["filename"] for file in sandbox.requests[-1].body["data"]] == [
        "a.pdf",
        "b.docx",
        "c.xlsx",
        "d.pptx",
    ]


def test_a_single_file_and_parameters_of_the_url(convert, sandbox):
    assert contents(convert(("a.pdf", made.pdf("one")), params={"ocr": "true"})) == [["one"]]
    assert sandbox.requests[-1].query == "ocr=true"
    assert sandbox.requests[-1].body["data"]["filename"] == "a.pdf"


def test_what_it_cannot_read_it_says(convert):
    picture = png("a fox", 40, 30)
    ((image,), (scan,), (blank,)) = contents(
        convert(("a.png", picture), ("b.pdf", made.scanned_pdf()), ("c.pdf", made.pdf("")))
    )
    assert image == f"[an image of 40 x 30 pixels, {len(picture):,} bytes: the sandbox has no OCR]"
    assert scan == "[a scanned page: the sandbox has no OCR]"
    assert blank == ""


def test_the_text_of_a_pdf_is_that_of_another_reader():
    pypdf = pytest.importorskip("pypdf")
    data = made.pdf("Über die Brücke\nund zurück", "(a) \\ b")
    expected = [page.extract_text().strip() for page in pypdf.PdfReader(io.BytesIO(data)).pages]
    assert pages(data, "a.pdf") == expected == ["Über die Brücke\nund zurück", "(a) \\ b"]


@pytest.mark.parametrize(
    ("profile", "field", "other"),
    [("live", "data", "files"), ("g2", "data", "files"), ("g1", "files", "data")],
)
def test_each_generation_takes_one_field(profile, field, other):
    httpx = pytest.importorskip("httpx")
    with Sandbox(profile) as sandbox:
        headers = {"authorization": f"Bearer {sandbox.api_key}"}
        url = f"{sandbox.base_url}/documents/convert"
        file = ("a.pdf", made.pdf("one"))
        with httpx.Client(headers=headers, trust_env=False) as client:
            assert contents(client.post(url, files=[(field, file)])) == [["one"]]
            refused = client.post(url, files=[(other, file)])
        assert refused.status_code == 400
        assert f"'{field}' is required" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (("a.pdf", b"%PDF-1.4 broken"), "the PDF cannot be read"),
        (("a.pdf", made.encrypted_pdf()), "the PDF is encrypted"),
        (("a.docx", b"PK\x03\x04 broken"), "the document cannot be read"),
        (("a.txt", b"Hello"), "'a.txt' is neither a PDF, nor an Office document, nor an image"),
        (("a.pdf", b""), "The file 'a.pdf' is empty"),
    ],
    ids=["broken", "encrypted", "archive", "text", "empty"],
)
def test_bad_files(convert, file, said):
    answer = convert(file)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_an_encrypted_pdf_without_a_password_is_read(convert):
    assert contents(convert(("a.pdf", made.encrypted_pdf("")))) == [["Nobody reads this."]]


def test_bad_archives(convert):
    import zipfile

    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("word/document.xml", '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')
    assert "has a document type" in convert(("a.docx", held.getvalue())).json()["error"]["message"]
    with zipfile.ZipFile(other := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(101 * 1024 * 1024))
    assert "too large once unpacked" in convert(("a.docx", other.getvalue())).json()["error"]["message"]
    with zipfile.ZipFile(third := io.BytesIO(), "w") as archive:
        archive.writestr("notes.txt", "x")
    assert "the archive is neither" in convert(("a.docx", third.getvalue())).json()["error"]["message"]


def test_forms_that_are_none(http):
    assert http.post("/documents/convert", json={"data": "x"}).status_code == 400
    answer = http.post("/documents/convert", data={"data": "text"}, files={"x": ("a", b"b")})
    assert "must be one or more files" in answer.json()["error"]["message"]
    assert http.get("/documents/convert").status_code == 405


def test_files_over_50_mb_together(convert):
    answer = convert(("a.pdf", bytes(30_000_000)), ("b.pdf", bytes(20_000_001)))
    assert answer.status_code == 413


@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_the_pages_of_a_day(profile):
    httpx = pytest.importorskip("httpx")
    with Sandbox(profile, page_limit=3) as sandbox:
        field = "files" if profile == "g1" else "data"
        with httpx.Client(headers={"authorization": f"Bearer {sandbox.api_key}"}, trust_env=False) as client:
            statuses = []
            for _ in range(2):
                answer = client.post(
                    f"{sandbox.base_url}/documents/convert", files=[(field, ("a.pdf", made.pdf("1", "2")))]
                )
                statuses.append(answer.status_code)
            error = answer.json()["error"]
            assert statuses == [200, 429]
            assert (error["code"], error["details"]["limit"]) == ("KIT_6220", 3)
            assert error["details"]["reset"].endswith("T00:00:00+00:00")
            sandbox.reset()
            again = client.post(
                f"{sandbox.base_url}/documents/convert", files=[(field, ("a.pdf", made.pdf("1", "2")))]
            )
            assert again.status_code == 200


def test_replies_and_faults(convert, sandbox):
    sandbox.replies.add(Reply(text="first\fsecond"), endpoint="documents")
    sandbox.replies.add(Reply(json={"results": "strange"}), endpoint="documents")
    sandbox.faults.add(Fault(code="page_limit", endpoint="documents"))
    assert convert(("a.pdf", made.pdf("x"))).json()["error"]["code"] == "KIT_6220"
    assert contents(convert(("a.pdf", b"unread"), ("b.pdf", b"unread"))) == [["first", "second"]] * 2
    assert convert(("a.pdf", made.pdf("x"))).json() == {"results": "strange"}
    assert contents(convert(("a.pdf", made.pdf("x")))) == [["x"]]


def test_a_request_on_the_page(convert, sandbox):
    httpx = pytest.importorskip("httpx")
    convert(("Brief an <Öz>.pdf", made.pdf("x")), ("b.pdf", made.pdf("y")))
    convert(("only.pdf", made.pdf("x")))
    page = httpx.get(sandbox.page_url, params={"endpoint": "documents"}, trust_env=False).text
    assert "2 files · Brief an &lt;Öz&gt;.pdf" in page
    assert "only.pdf" in page
    opened = httpx.get(
        f"{sandbox.page_url}page/requests/{sandbox.requests[0].request_id}", trust_env=False
    ).text
    assert "data=@b.pdf" in opened, "each file is in the command that sends the request again"
    assert "data=@Brief an &lt;Öz&gt;.pdf" in opened


def _aes_pdf():
    """A PDF that opens without a password and is encrypted all the same, as many banks send it."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(made.pdf("Balance"))))
    writer.encrypt("", "owner", algorithm="RC4-128")
    held = io.BytesIO()
    writer.write(held)
    return (
        held.getvalue()
        .replace(b"/V 2", b"/V 4")
        .replace(b"/R 3", b"/R 4 /CF << /StdCF << /CFM /AESV2 >> >> /StmF /StdCF /StrF /StdCF")
    )


def _damaged(content, rounds=60):
    """The same file, cut, overwritten and shifted in a few places."""
    chance = random.Random(7)
    for _ in range(rounds):
        bytes_ = bytearray(content)
        for _ in range(chance.randrange(1, 12)):
            bytes_[chance.randrange(8, len(bytes_))] = chance.randrange(256)
        place = chance.randrange(8, len(bytes_))
        del bytes_[place : place + chance.randrange(1, 40)]
        yield bytes(bytes_)


@pytest.mark.parametrize(
    "content",
    [
        made.pdf("one").replace(b"<</Length", b"<</Filter/NoSuchDecode/Length"),
        _aes_pdf(),
        made.docx("one")[:200],
    ],
    ids=["unknown filter", "AES", "cut"],
)
def test_what_it_cannot_read_is_the_files_fault(convert, content):
    name = "a.pdf" if content.startswith(b"%PDF") else "a.docx"
    answer = convert((name, content))
    assert answer.status_code == 400, answer.text
    assert "The document could not be converted" in answer.text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("made_of", ["pdf", "docx", "xlsx", "pptx"])
def test_damaged_files_are_converted_or_refused(made_of):
    whole = {
        "pdf": lambda: made.pdf("one", "two", "three"),
        "docx": lambda: made.docx("one " * 200),
        "xlsx": lambda: made.xlsx([["a" * 50, 1], ["b", 2]]),
        "pptx": lambda: made.pptx("one " * 50, "two"),
    }[made_of]()
    outcomes = set()
    for content in _damaged(whole):
        try:
            outcomes.add(type(pages(content, "a." + made_of)))
        except ValueError:
            outcomes.add(ValueError)
    assert ValueError in outcomes


def test_a_pdf_may_begin_with_other_bytes(convert):
    assert contents(convert(("a.pdf", b"\xef\xbb\xbf\r\n" + made.pdf("one")))) == [["one"]]


def _with_parts(content, parts):
    """The same Office file with parts added or replaced."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(held, "w") as new:
        for name in old.namelist():
            if name not in parts:
                new.writestr(name, old.read(name))
        for name, text in parts.items():
            new.writestr(name, text)
    return held.getvalue()


def test_slides_come_in_the_order_of_the_presentation(convert):
    """As programs write it where a slide was moved: the files keep their numbers."""
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    moved = _with_parts(
        made.pptx("first", "second", "third"),
        {
            "ppt/presentation.xml": '<p:presentation xmlns:p="http://schemas.openxmlformats.org/presentationml/'
            f'2006/main" xmlns:r="{office}"><p:sldIdLst><p:sldId id="258" r:id="rId9"/>'
            '<p:sldId id="256" r:id="rId7"/></p:sldIdLst></p:presentation>',
            "ppt/_rels/presentation.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/'
            f'2006/relationships"><Relationship Id="rId7" Type="{office}/slide" Target="slides/slide1.xml"/>'
            f'<Relationship Id="rId9" Type="{office}/slide" Target="/ppt/slides/slide3.xml"/></Relationships>',
        },
    )
    assert contents(convert(("a.pptx", moved))) == [["third", "first"]]
