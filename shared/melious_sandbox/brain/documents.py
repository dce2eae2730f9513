"""Documents as text, page by page: PDF, Word, Excel and PowerPoint really read, images by their size only."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from melious_sandbox.brain.media import image_size

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_SLIDES = ("ppt/presentation.xml", f"{_P}sldId", "ppt/slides/slide")
_SHEETS = ("xl/workbook.xml", f"{_S}sheet", "xl/worksheets/sheet")
_MOST_UNPACKED = 100 * 1024 * 1024
_PDF_HEADER_BYTES = 1024
"""Where the header of a PDF may be, as other programs read it."""
_SCANNED = "[a scanned page: the sandbox has no OCR]"
_BROKEN = (zipfile.BadZipFile, zlib.error, ET.ParseError, LookupError, RuntimeError, EOFError, OSError)
"""What the archive of an Office file or its XML raises if it is damaged."""
_IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")


def pages(content: bytes, filename: str) -> list[str]:
    """Give the text of each page.

    Raises:
        ValueError: It is encrypted, broken, or of another kind.
    """
    if b"%PDF-" in content[:_PDF_HEADER_BYTES]:
        return _pdf(content)
    if content.startswith(_IMAGES) or content[8:12] == b"WEBP":
        return [_image(content)]
    if content.startswith(b"PK\x03\x04"):
        return _office(content)
    raise ValueError(f"{filename!r} is neither a PDF, nor an Office document, nor an image")


def _pdf(content: bytes) -> list[str]:
    from pypdf.errors import DependencyError  # noqa: PLC0415 - slow to import, and needed for PDF only

    try:
        return _pdf_pages(content)
    except ValueError:
        raise
    except DependencyError as error:
        raise ValueError("the PDF is encrypted with AES, which the sandbox cannot decrypt") from error
    except Exception as error:
        # What pypdf raises for a broken file has no class in common: NotImplementedError, AssertionError, ...
        raise ValueError(f"the PDF cannot be read: {str(error) or type(error).__name__}") from error


def _pdf_pages(content: bytes) -> list[str]:
    from pypdf import PdfReader  # noqa: PLC0415 - as above

    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise ValueError("the PDF is encrypted")
    return [page.extract_text().strip() or (_SCANNED if page.images else "") for page in reader.pages]


def _image(content: bytes) -> str:
    size = image_size(content)
    pixels = f" of {size[1]} x {size[2]} pixels" if size else ""
    return f"[an image{pixels}, {len(content):,} bytes: the sandbox has no OCR]"


def _office(content: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MOST_UNPACKED:
                raise ValueError("the document is too large once unpacked")
            names = set(archive.namelist())
            if "word/document.xml" in names:
                return list(_word(_xml(archive, "word/document.xml")))
            if "xl/workbook.xml" in names:
                return list(_sheets(archive, names))
            if "ppt/presentation.xml" in names:
                return [_slide(_xml(archive, name)) for name in _in_order(archive, names, _SLIDES)]
    except _BROKEN as error:
        raise ValueError(f"the document cannot be read: {error}") from error
    raise ValueError("the archive is neither a Word, nor an Excel, nor a PowerPoint document")


def _xml(archive: zipfile.ZipFile, name: str) -> ET.Element:
    source = archive.read(name)
    if b"<!DOCTYPE" in source:  # Office writes none, and entities could grow without end
        raise ET.ParseError(f"{name} has a document type")
    return ET.fromstring(source)  # noqa: S314 - without a document type there are no entities


def _word(document: ET.Element) -> Iterator[str]:
    """The pages, as far as the document marks where they end."""
    text: list[str] = []
    for element in document.iter():
        match element.tag.removeprefix(_W):
            case "t":
                text.append(element.text or "")
            case "tab":
                text.append("\t")
            case "lastRenderedPageBreak":
                text.append("\f")
            case "br":
                text.append("\f" if element.get(f"{_W}type") == "page" else "\n")
            case "p":
                text.append("\n")
    # Word writes both marks where a page was broken by hand.
    yield from (page.strip() for page in re.split(r"\f\s*\f|\f", "".join(text)))


def _sheets(archive: zipfile.ZipFile, names: set[str]) -> Iterator[str]:
    """The sheets, each row as a line of cells."""
    shared: list[str] = []
    if "xl/sharedStrings.xml" in names:
        shared = [_texts(item, f"{_S}t") for item in _xml(archive, "xl/sharedStrings.xml")]
    for name in _in_order(archive, names, _SHEETS):
        rows = _xml(archive, name).iter(f"{_S}row")
        yield "\n".join("\t".join(_cell(cell, shared) for cell in row.iter(f"{_S}c")) for row in rows)


def _cell(cell: ET.Element, shared: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return _texts(cell, f"{_S}t")
    value = cell.findtext(f"{_S}v") or ""
    return shared[int(value)] if cell.get("t") == "s" and value.isdecimal() else value


def _slide(slide: ET.Element) -> str:
    return "\n".join(_texts(paragraph, f"{_A}t") for paragraph in slide.iter(f"{_A}p")).strip()


def _texts(element: ET.Element, tag: str) -> str:
    return "".join(text.text or "" for text in element.iter(tag))


def _in_order(archive: zipfile.ZipFile, names: set[str], parts: tuple[str, str, str]) -> list[str]:
    """The sheets or slides in the order of the document; by their numbers if it names none."""
    document, tag, stem = parts
    folder, name = document.rsplit("/", 1)
    targets: dict[str | None, str] = {}
    if f"{folder}/_rels/{name}.rels" in names:
        for link in _xml(archive, f"{folder}/_rels/{name}.rels"):
            target = link.get("Target", "")
            targets[link.get("Id")] = target[1:] if target.startswith("/") else f"{folder}/{target}"
    found = [targets.get(item.get(_ID)) for item in _xml(archive, document).iter(tag)]
    listed = [part for part in found if part is not None and re.fullmatch(rf"{stem}\d+\.xml", part)]
    return listed or _numbered(names, stem)


def _numbered(names: set[str], stem: str) -> list[str]:
    """The parts with this name and a number, in the order of the numbers."""
    found = ((re.fullmatch(rf"{stem}(\d+)\.xml", name), name) for name in names)
    return [name for _, name in sorted((int(match[1]), name) for match, name in found if match)]
