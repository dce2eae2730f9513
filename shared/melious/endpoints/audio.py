"""POST /audio/transcriptions."""

from __future__ import annotations

import mimetypes
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeAlias

from melious.config import ClientConfig
from melious.endpoints.common import RoutingOptions, body_of, check_known, json_of, read_as, request_of
from melious.errors import InvalidArgumentError, ResponseDecodeError
from melious.results import Transcription
from melious.transport import codec
from melious.transport.request import Call, Response, Upload

PATH = "audio/transcriptions"
MAX_BYTES = 25_000_000
FORMATS = frozenset({"json", "text", "srt", "vtt", "verbose_json"})

AudioFile: TypeAlias = str | PathLike[str] | IO[bytes] | tuple[str, bytes]
"""A path, an open file, or a name with the bytes: the name's ending tells the service what it is."""


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
) -> Call[Transcription]:
    """A call that writes down what is said in a recording of at most 25 MB."""
    check_known(params, TranscriptionParams, "audio")
    form = params.get("response_format")
    if form is not None and form not in FORMATS:
        raise InvalidArgumentError(f"response_format: {form!r} is none of {', '.join(sorted(FORMATS))}")
    name, content = _read(file)
    fields = {key: _field(value) for key, value in body_of(config, model, {}, params).items()}
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    upload = Upload(fields, name, content, content_type)
    plain = form in ("text", "srt", "vtt")
    return Call(
        request_of(config, "audio", PATH, params, upload), lambda response: _parse(response, plain=plain)
    )


def _read(file: AudioFile) -> tuple[str, bytes]:
    if isinstance(file, tuple) and len(file) == 2:  # noqa: PLR2004
        name, content = file
    elif isinstance(file, str | PathLike):
        path = Path(file)
        if not path.is_file():
            raise InvalidArgumentError(f"file: there is no file {str(path)!r}")
        name, content = path.name, path.read_bytes()
    elif hasattr(file, "read"):
        name, content = Path(str(getattr(file, "name", "audio"))).name, file.read()
    else:
        raise InvalidArgumentError(
            f"file: needs a path, an open file, or a name with the bytes, not {type(file).__name__}"
        )
    if not isinstance(content, bytes) or not content:
        raise InvalidArgumentError(f"file: {name!r} holds no bytes")
    if len(content) > MAX_BYTES:
        raise InvalidArgumentError(
            f"file: {name!r} has {len(content):,} bytes and the service takes {MAX_BYTES:,}",
            advice="Split the recording, or compress it (mono MP3 at 32 kbit/s holds 100 minutes)",
        )
    return name, content


def _field(value: Any) -> str:
    return value if isinstance(value, str) else codec.dumps(value).decode()


def _parse(response: Response, *, plain: bool) -> Transcription:
    kind = response.content_type
    if kind not in ("application/json", "text/html") and (plain or kind.startswith("text/")):
        text = response.body.decode("utf-8", "replace")
        return read_as(Transcription, text, response, "audio", {"text": text})
    raw = json_of(response, "audio")
    if "text" not in raw:
        raise ResponseDecodeError("audio: the answer holds no text", request_id=response.request_id, body=raw)
    return read_as(Transcription, raw, response, "audio")
