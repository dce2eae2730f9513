"""Real documents, made on the spot: PDF, Word, Excel and PowerPoint files that the usual programs open."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from xml.sax.saxutils import escape

_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
_MAIN = "http://schemas.openxmlformats.org"
_OFFICE = f"{_MAIN}/officeDocument/2006/relationships"


def pdf(*pages: str) -> bytes:
    """A PDF with a text layer; each page has lines of Helvetica. Without pages, an empty document."""
    contents = []
    for page in pages:
        lines = [
            line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in page.split("\n")
        ]
        shown = " T* ".join(f"({line}) Tj" for line in lines)
        contents.append(f"BT /F1 12 Tf 14 TL 50 780 Td {shown} ET".encode("cp1252"))
    return _pdf(contents, b"<</Font<</F1 3 0 R>>>>")


def scanned_pdf() -> bytes:
    """A PDF of one page that is a picture, without a text layer."""
    width, height = 60, 40
    grey = zlib.compress(bytes(255 * (x // 10 % 2) for y in range(height) for x in range(width)))
    head = b"<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray" % (width, height)
    image = head + b"/BitsPerComponent 8/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (
        len(grey),
        grey,
    )
    return _pdf([b"q 500 0 0 700 50 50 cm /Im1 Do Q"], b"<</XObject<</Im1 3 0 R>>>>", image)


def encrypted_pdf(password: str = "secret") -> bytes:
    """A PDF that needs a password."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("Nobody reads this."))))
    writer.encrypt(password, algorithm="RC4-128")
    held = io.BytesIO()
    writer.write(held)
    return held.getvalue()


def _pdf(contents: Sequence[bytes], resources: bytes, third: bytes = _FONT) -> bytes:
    kids = b" ".join(b"%d 0 R" % (4 + 2 * place) for place in range(len(contents)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(contents)),
        third,
    ]
    for place, content in enumerate(contents):
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources %s/Contents %d 0 R>>"
            % (resources, 5 + 2 * place),
            b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def docx(*pages: str) -> bytes:
    """A Word document: a paragraph for each line, and a page break between two pages."""
    broken = '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'
    shown = [
        "".join(
            f'<w:p><w:r><w:t xml:space="preserve">{escape(line)}</w:t></w:r></w:p>'
            for line in page.split("\n")
        )
        for page in pages
    ]
    names = f'xmlns:w="{_MAIN}/wordprocessingml/2006/main"'
    body = f"<w:document {names}><w:body>{broken.join(shown)}</w:body></w:document>"
    return _packed("word/document.xml", "wordprocessingml.document", {"word/document.xml": body})


def xlsx(rows: Sequence[Sequence[str | float]]) -> bytes:
    """A workbook of one sheet; texts are shared strings, as Excel writes them."""
    texts = list(dict.fromkeys(cell for row in rows for cell in row if isinstance(cell, str)))
    cells = [
        "".join(
            f'<c t="s"><v>{texts.index(cell)}</v></c>' if isinstance(cell, str) else f"<c><v>{cell}</v></c>"
            for cell in row
        )
        for row in rows
    ]
    names = f'xmlns="{_MAIN}/spreadsheetml/2006/main"'
    sheet = "".join(f"<row>{row}</row>" for row in cells)
    shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
    related = f'xmlns:r="{_OFFICE}"'
    return _packed(
        "xl/workbook.xml",
        "spreadsheetml.sheet",
        {
            "xl/workbook.xml": f"<workbook {names} {related}><sheets>"
            '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f"<worksheet {names}><sheetData>{sheet}</sheetData></worksheet>",
            "xl/sharedStrings.xml": f"<sst {names}>{shared}</sst>",
        },
    )


def pptx(*slides: str) -> bytes:
    """A presentation; each slide has a paragraph for each line."""
    names = f'xmlns:a="{_MAIN}/drawingml/2006/main" xmlns:p="{_MAIN}/presentationml/2006/main"'
    parts = {"ppt/presentation.xml": f"<p:presentation {names}/>"}
    for number, slide in enumerate(slides, 1):
        lines = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in slide.split("\n"))
        parts[f"ppt/slides/slide{number}.xml"] = (
            f"<p:sld {names}><p:cSld><p:spTree><p:sp><p:txBody>{lines}</p:txBody></p:sp></p:spTree></p:cSld>"
            "</p:sld>"
        )
    return _packed("ppt/presentation.xml", "presentationml.presentation", parts)


def _packed(main: str, kind: str, parts: dict[str, str]) -> bytes:
    types = f"application/vnd.openxmlformats-officedocument.{kind}.main+xml"
    first = {
        "[Content_Types].xml": f'<Types xmlns="{_MAIN}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="{types}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_MAIN}/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="{main}"/></Relationships>',
    }
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in (first | parts).items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{body}')
    return held.getvalue()
