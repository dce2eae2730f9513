"""What a file in a message is, by its type, its name or its first bytes."""

from __future__ import annotations

from pathlib import PurePath

_OFFICE = "application/vnd.openxmlformats-officedocument."
_ENDINGS = (".pdf", ".docx", ".xlsx", ".pptx")
_PACKED = ("JVBERi", "UEsDBB")
"""How a PDF and an archive, which Office files are, begin in base64."""


def is_document(mime: str, name: object, packed: object) -> bool:
    """Whether a file is a PDF or an Office document that can be converted to text.

    Args:
        mime: Its media type, or "".
        name: Its file name, if known.
        packed: Its content in base64, if known.

    Examples:
        >>> is_document("application/pdf", None, "JVBERi0x"), is_document("application/zip", None, "UEsDBB")
        (True, False)
    """
    begins_so = isinstance(packed, str) and packed.startswith(_PACKED)
    named_so = isinstance(name, str) and PurePath(name).suffix.lower() in _ENDINGS
    return begins_so and (mime == "application/pdf" or mime.startswith(_OFFICE) or named_so)
