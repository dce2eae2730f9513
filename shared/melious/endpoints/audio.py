"""POST /audio/transcriptions."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TypeAlias

from melious.answers.media import Transcription
from melious.answers.reading import json_of, read_as
from melious.endpoints.common import body_of, check_known, request_of
from melious.endpoints.forms import FileArgument, check_size, form_field, opened
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.errors.checks import check_one_of
from melious.exchange.request import Operation, Response
from melious.settings.config import ClientConfig
from melious.settings.options import RoutingOptions
from melious.wire import codec
from melious.wire.uploads import FileContent, FilePart, Upload, piece_of

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

AudioFile: TypeAlias = FileArgument
"""A path, an open file, or a tuple of a name and bytes or an open file; the name's ending says what it is."""


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
    body = body_of(config, "audio", model, {}, params)
    fields = dict(form_field(key, value) for key, value in body.items())
    upload = Upload(fields, (_checked(*opened(file, "file", "audio", MAX_BYTES)),))
    plain = form in ("text", "srt", "vtt")
    return Operation(
        request_of(config, "audio", PATH, params, upload), lambda response: _parse(response, plain=plain)
    )


def _checked(name: str, content: FileContent) -> FilePart:
    """A recording as the service takes it.

    Raises:
        InvalidArgumentError: The file is empty, too large or of an unknown type.
    """
    advice = (
        "Split it into hours of mono MP3, which fit: "
        f"ffmpeg -i {quote(name)} -ac 1 -b:a 32k -f segment -segment_time 3600 part%03d.mp3"
    )
    check_size("file", name, content, MAX_BYTES, advice)
    kind = kind_of(name, piece_of(content, 0, 12))
    if kind is None:
        raise InvalidArgumentError(
            f"file: {name!r} must end in one of {', '.join(AUDIO_TYPES)}",
            advice=f"Convert it: ffmpeg -i {quote(name)} -ac 1 -b:a 64k recording.mp3",
        )
    if Path(name).suffix[1:].lower() != kind:
        name = f"{name}.{kind}"
    return FilePart(name, content, AUDIO_TYPES[kind])


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
