"""Words that stand for a picture, a sound or a file that a model cannot read. Pure."""

_NAMES = {"image": "an image", "audio": "an audio recording", "video": "a video"}


def stand_in(kind: str, mime: str = "", name: object = None) -> str:
    """Words for what was in a message and cannot be sent.

    Args:
        kind: `image`, `audio`, `video` or `file`; anything else is named as it is.
        mime: Its media type, if known; it decides before `kind`.
        name: The name of the file, if it has one.

    Examples:
        >>> stand_in("file", "application/pdf", "report.pdf")
        '[a PDF file, report.pdf, was here; this model cannot read it]'
    """
    mime = mime.partition(";")[0].strip().lower()
    family, _, subtype = mime.partition("/")
    what = _NAMES.get(family) or _NAMES.get(kind)
    if what is None:
        what = "a PDF file" if subtype == "pdf" else f"a file ({mime})" if mime else "a file"
        what = what if kind == "file" else f"content of type {kind!r}"
    return f"[{what}{f', {name},' if name else ''} was here; this model cannot read it]"
