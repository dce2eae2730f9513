"""POST /audio/transcriptions."""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path
from shlex import quote
from typing import IO, Any, TypeAlias

from melious.answers.reading import json_of, read_as
from melious.answers.results import Transcription
from melious.endpoints.common import body_of, check_known, check_utf8, request_of
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.errors.checks import check_one_of
from melious.exchange.request import Operation, Response
from melious.settings.config import ClientConfig
from melious.settings.options import RoutingOptions
from melious.wire import codec
from melious.wire.uploads import FileContent, FileOnDisk, OpenFile, Upload, piece_of, size_of

PATH = "audio/transcriptions"
MAX_BYTES = 25_000_000
FORMATS = frozenset({"json", "text", "srt", "vtt", "verbose_json"})
AUDIO_TYPES = {
    "mp3": "audio/mpeg",
    "mp4": "audio/mp4",
    "mpeg": "audio/mpeg",
    "mpga": "audio/mpeg",
    "m4a": "audio/mp4",
    "wav": "audio/wav",
    "webm": "audio/webm",
}
"""The file name endings that the service takes, and their media types."""

_BEGINNINGS = (
    (0, b"ID3", "mp3"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (8, b"WAVE", "wav"),
    (4, b"ftyp", "m4a"),
    (0, b"\x1aE\xdf\xa3", "webm"),
)
"""How recordings begin, if their names do not say what they are: the offset, the bytes, the ending."""

AudioFile: TypeAlias = str | PathLike[str] | IO[bytes] | tuple[str, bytes | IO[bytes]]
"""A path, an open file, or a tuple of a name and bytes or an open file; the name's ending says what it is.

A path is read in pieces as it is sent, and not kept open between them. An open file is read from its current
position, and must stay open until the call is over.
"""


class TranscriptionParams(RoutingOptions, total=False):
    """The optional parameters of a transcription. None is not sent.

    Attributes:
        language: ISO 639-1 code; detected by default.
        response_format: `json` (default), `text`, `srt`, `vtt` or `verbose_json`.
        temperature: 0 to 1.
        prompt: Words that are likely to occur, separated by commas.
    """

    language: str | None
    response_format: str | None
    temperature: float | None
    prompt: str | None


def create(
    config: ClientConfig, model: str, file: AudioFile, params: TranscriptionParams
) -> Operation[Transcription]:
    """A call that transcribes a recording of at most 25 MB."""
    check_known(params, TranscriptionParams, "audio")
    form = params.get("response_format")
    if form is not None:
        check_one_of("response_format", form, sorted(FORMATS))
    fields = dict(_field(key, value) for key, value in body_of(config, "audio", model, {}, params).items())
    name, content = _opened(file)
    if not isinstance(name, str):
        raise InvalidArgumentError(f"file: the name must be text, not {type(name).__name__}")
    # File names need not be UTF-8: such a name is sent as its bytes.
    upload = Upload(fields, *_checked(check_utf8("file", name, "surrogateescape"), content))
    plain = form in ("text", "srt", "vtt")
    return Operation(
        request_of(config, "audio", PATH, params, upload), lambda response: _parse(response, plain=plain)
    )


def _opened(file: AudioFile) -> tuple[str, FileContent]:
    """The name of a recording, and its content."""
    if isinstance(file, tuple) and len(file) == 2:  # noqa: PLR2004
        name, content = file
        if isinstance(content, bytes):
            return name, content
        if not hasattr(content, "read"):
            raise InvalidArgumentError(
                f"file: the content of {name!r} must be bytes or an open file, not {type(content).__name__}"
            )
        return name, _rest_of(content, name)
    if isinstance(file, str | PathLike):
        try:
            path = Path(file)
            if path.is_file():
                return path.name, FileOnDisk.at(path)
        except (OSError, TypeError, ValueError) as error:  # a name too long, bytes, half a character
            raise InvalidArgumentError(f"file: {str(file)!r:.200} cannot be opened: {error}") from error
        raise InvalidArgumentError(f"file: there is no file {str(path)!r:.200}")
    if not hasattr(file, "read"):
        raise InvalidArgumentError(
            f"file: must be a path, an open file, or a tuple of name and bytes, not {type(file).__name__}"
        )
    name = Path(str(getattr(file, "name", "audio"))).name
    return name, _rest_of(file, name)


def _rest_of(file: IO[bytes], name: str) -> FileContent:
    """The content of an open file from its current position."""
    if isinstance(file, io.BytesIO) or not file.seekable():
        content = file.read(MAX_BYTES + 1)
        if isinstance(content, bytes):
            return content
    elif not isinstance(file, io.TextIOBase):
        return OpenFile.of(file, name)
    raise InvalidArgumentError(f"file: {name!r} is open as text; open it with 'rb'")


def _checked(name: str, content: FileContent) -> tuple[str, FileContent, str]:
    """Name, content and media type as the service takes them.

    Raises:
        InvalidArgumentError: The file is empty, too large or of an unknown type.
    """
    beginning = piece_of(content, 0, 12)
    if not beginning:
        raise InvalidArgumentError(f"file: {name!r} is empty")
    size = size_of(content)
    if size > MAX_BYTES:
        length = f"more than {MAX_BYTES:,}" if size == MAX_BYTES + 1 else f"{size:,}"
        raise InvalidArgumentError(
            f"file: {name!r} has {length} bytes; the service takes at most {MAX_BYTES:,}",
            advice="Split it into hours of mono MP3, which fit: "
            f"ffmpeg -i {quote(name)} -ac 1 -b:a 32k -f segment -segment_time 3600 part%03d.mp3",
        )
    kind = kind_of(name, beginning)
    if kind is None:
        raise InvalidArgumentError(
            f"file: {name!r} must end in one of {', '.join(AUDIO_TYPES)}",
            advice=f"Convert it: ffmpeg -i {quote(name)} -ac 1 -b:a 64k recording.mp3",
        )
    if Path(name).suffix[1:].lower() != kind:
        name = f"{name}.{kind}"
    return name, content, AUDIO_TYPES[kind]


def kind_of(name: str, beginning: bytes) -> str | None:
    """The type of a recording, by the ending of its name or else by its first twelve bytes.

    Returns:
        A key of `AUDIO_TYPES`; None for a type that the service does not take.

    Examples:
        >>> kind_of("talk.MP3", b""), kind_of("talk", b"ID3"), kind_of("notes.txt", b"Hello")
        ('mp3', 'mp3', None)
    """
    ending = Path(name).suffix[1:].lower()
    if ending in AUDIO_TYPES:
        return ending
    return next((kind for at, mark, kind in _BEGINNINGS if beginning.startswith(mark, at)), None)


def _field(name: object, value: Any) -> tuple[str, str]:
    """A form's field as text; errors name the argument that it comes from."""
    if not isinstance(name, str):
        raise InvalidArgumentError(f"extra_body: field names must be text, not {name!r}")
    check_utf8("extra_body", name)
    return name, check_utf8(name, value) if isinstance(value, str) else codec.dumps(value).decode()


def _parse(response: Response, *, plain: bool) -> Transcription:
    text = _text_of(response, plain=plain)
    if text is not None:
        return read_as(Transcription, text, response, "audio", {"text": text})
    raw = json_of(response, "audio")
    if "text" not in raw:
        raise ResponseDecodeError("audio: the answer has no text", request_id=response.request_id, body=raw)
    return read_as(Transcription, raw, response, "audio")


def _text_of(response: Response, *, plain: bool) -> str | None:
    """The transcript if the answer is plain text; None if it is to be read as an object.

    Some servers send text with the content type of JSON, quoted or bare.
    """
    kind = response.content_type
    if kind == "text/html" or not (plain or kind.startswith("text/")):
        return None
    text = response.body.decode("utf-8", "replace")
    if not kind.endswith("json"):
        return text
    start = text.lstrip("\ufeff \r\n\t")[:9].lower()
    if not start or start.startswith(("{", "<!doctype", "<html")):
        return None
    try:
        quoted = codec.loads(response.body)
    except ValueError:
        return text
    return quoted if isinstance(quoted, str) else text
