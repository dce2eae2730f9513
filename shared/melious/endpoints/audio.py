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
"""The endings of names that the service takes, and their media types."""

_BEGINNINGS = (
    (0, b"ID3", "mp3"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (8, b"WAVE", "wav"),
    (4, b"ftyp", "m4a"),
    (0, b"\x1aE\xdf\xa3", "webm"),
)
"""How recordings begin, for those whose names do not say what they are: the place, the bytes, the ending."""

AudioFile: TypeAlias = str | PathLike[str] | IO[bytes] | tuple[str, bytes | IO[bytes]]
"""A path, an open file, or a name with the bytes or the open file: the name's ending says what it is.

What is on a disk is read in pieces as it is sent, and not held open between them. An open file is read from
where it stands, and must stay open until the call is over.
"""


class TranscriptionParams(RoutingOptions, total=False):
    """The optional parameters of a transcription. None is not sent.

    Attributes:
        language: ISO 639-1 code; by default it is found out.
        response_format: `json` (default), `text`, `srt`, `vtt` or `verbose_json`.
        temperature: 0 to 1.
        prompt: Words that are likely to come up, joined by commas.
    """

    language: str | None
    response_format: str | None
    temperature: float | None
    prompt: str | None


def create(
    config: ClientConfig, model: str, file: AudioFile, params: TranscriptionParams
) -> Operation[Transcription]:
    """A call that writes down what is said in a recording of at most 25 MB."""
    check_known(params, TranscriptionParams, "audio")
    form = params.get("response_format")
    if form is not None and form not in FORMATS:
        raise InvalidArgumentError(
            f"response_format: must be one of {', '.join(sorted(FORMATS))}, not {form!r}"
        )
    fields = dict(_field(key, value) for key, value in body_of(config, model, {}, params).items())
    name, content = _opened(file)
    if not isinstance(name, str):
        raise InvalidArgumentError(f"file: its name must be text, not {type(name).__name__}")
    # A disk can hold names that are not UTF-8: they go out as the bytes that they are.
    upload = Upload(fields, *_checked(check_utf8("file", name, "surrogateescape"), content))
    plain = form in ("text", "srt", "vtt")
    return Operation(
        request_of(config, "audio", PATH, params, upload), lambda response: _parse(response, plain=plain)
    )


def _opened(file: AudioFile) -> tuple[str, FileContent]:
    """The name of a recording and where its bytes are."""
    if isinstance(file, tuple) and len(file) == 2:  # noqa: PLR2004
        name, content = file
        if isinstance(content, bytes):
            return name, content
        if not hasattr(content, "read"):
            raise InvalidArgumentError(f"file: {name!r} holds no bytes, but {type(content).__name__}")
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
            f"file: needs a path, an open file, or a name with the bytes, not {type(file).__name__}"
        )
    name = Path(str(getattr(file, "name", "audio"))).name
    return name, _rest_of(file, name)


def _rest_of(file: IO[bytes], name: str) -> FileContent:
    """What comes of an open file from where it stands."""
    if isinstance(file, io.BytesIO) or not file.seekable():
        content = file.read(MAX_BYTES + 1)
        if isinstance(content, bytes):
            return content
    elif not isinstance(file, io.TextIOBase):
        return OpenFile.of(file, name)
    raise InvalidArgumentError(f"file: {name!r} is open as text; open it with 'rb'")


def _checked(name: str, content: FileContent) -> tuple[str, FileContent, str]:
    """Name, bytes and media type of what the service will take.

    Raises:
        InvalidArgumentError: It is empty, too large, or of no known kind.
    """
    beginning = piece_of(content, 0, 12)
    if not beginning:
        raise InvalidArgumentError(f"file: {name!r} holds no bytes")
    size = size_of(content)
    if size > MAX_BYTES:
        whole = "more than" if size == MAX_BYTES + 1 else f"{size:,} bytes, and the service takes"
        raise InvalidArgumentError(
            f"file: {name!r} has {whole} {MAX_BYTES:,}",
            advice="Cut it into hours of mono MP3, which fit: "
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
    """What kind of recording a file is, by the ending of its name or else by its first twelve bytes.

    Returns:
        A key of `AUDIO_TYPES`; None for what the service does not take.

    Example:
        >>> kind_of("talk.MP3", b""), kind_of("talk", b"ID3"), kind_of("notes.txt", b"Hello")
        ('mp3', 'mp3', None)
    """
    ending = Path(name).suffix[1:].lower()
    if ending in AUDIO_TYPES:
        return ending
    return next((kind for at, mark, kind in _BEGINNINGS if beginning.startswith(mark, at)), None)


def _field(name: object, value: Any) -> tuple[str, str]:
    """A form's field as text; what is wrong with it names the argument that it comes from."""
    if not isinstance(name, str):
        raise InvalidArgumentError(f"extra_body: the name of a field must be text, not {name!r}")
    check_utf8("extra_body", name)
    return name, check_utf8(name, value) if isinstance(value, str) else codec.dumps(value).decode()


def _parse(response: Response, *, plain: bool) -> Transcription:
    text = _text_of(response, plain=plain)
    if text is not None:
        return read_as(Transcription, text, response, "audio", {"text": text})
    raw = json_of(response, "audio")
    if "text" not in raw:
        raise ResponseDecodeError("audio: the answer holds no text", request_id=response.request_id, body=raw)
    return read_as(Transcription, raw, response, "audio")


def _text_of(response: Response, *, plain: bool) -> str | None:
    """What was said, where it came as text and not as an object; None where it is to be read as one.

    Some servers send text under the type of JSON, in quotes or bare.
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
