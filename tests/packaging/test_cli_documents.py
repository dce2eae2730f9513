"""`melious documents`: the text of files, by file and page."""

import json
from pathlib import Path

import document_files as made
import pytest

from melious.cli import main
from melious.sandbox import Sandbox


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Path:
    """Two documents in the working directory, and the way to a sandbox in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
    Path("offer.pdf").write_bytes(made.pdf("Heat pump: 8,400 EUR", "Until March"))
    Path("notes.docx").write_bytes(made.docx("Call Öz"))
    return tmp_path


@pytest.mark.usefixtures("files")
def test_the_text_of_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["documents", "offer.pdf"]) == 0
    assert capsys.readouterr().out == "Heat pump: 8,400 EUR\n\nUntil March\n"


@pytest.mark.usefixtures("files")
def test_several_files_have_headings(capsys: pytest.CaptureFixture[str], sandbox: Sandbox) -> None:
    assert main(["documents", "offer.pdf", "notes.docx"]) == 0
    assert capsys.readouterr().out == (
        "==> offer.pdf <==\nHeat pump: 8,400 EUR\n\nUntil March\n==> notes.docx <==\nCall Öz\n"
    )
    assert len(sandbox.requests) == 1


@pytest.mark.usefixtures("files")
def test_pages_have_headings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["documents", "--pages", "offer.pdf"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "==> offer.pdf, page 1 of 2 <==",
        "Heat pump: 8,400 EUR",
        "==> offer.pdf, page 2 of 2 <==",
        "Until March",
    ]


@pytest.mark.usefixtures("files")
def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["documents", "--json", "notes.docx", "offer.pdf"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"file": "notes.docx", "pages": [{"content": "Call Öz"}]},
        {"file": "offer.pdf", "pages": [{"content": "Heat pump: 8,400 EUR"}, {"content": "Until March"}]},
    ]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["no.pdf"], 2, "melious documents: there is no file 'no.pdf'"),
        (["offer.pdf", "empty.pdf"], 2, "melious documents: 'empty.pdf' is empty"),
        (["page.html"], 2, "melious documents: 'page.html' must end in one of pdf, docx, xlsx"),
        (["."], 2, "melious documents: '.' is a folder, not a file"),
        (["broken.pdf"], 1, "melious documents: The document could not be converted"),
    ],
)
def test_errors(capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str) -> None:
    Path("empty.pdf").touch()
    Path("page.html").write_text("<p>", encoding="utf-8")
    Path("broken.pdf").write_bytes(b"%PDF-1.4 broken")
    assert main(["documents", *arguments]) == status
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(said)
    assert "(name, content" not in err


@pytest.mark.usefixtures("files")
def test_without_a_key(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MELIOUS_API_KEY")
    assert main(["documents", "offer.pdf"]) == 1
    assert "MELIOUS_API_KEY" in capsys.readouterr().err
