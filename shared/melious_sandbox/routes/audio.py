"""POST /v1/audio/transcriptions."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from melious_sandbox.brain import sound
from melious_sandbox.server import fields
from melious_sandbox.server.bodies import Upload
from melious_sandbox.server.context import RequestContext
from melious_sandbox.service.errors import SandboxError, invalid, missing
from melious_sandbox.service.impact import Work
from melious_sandbox.service.responses import Response, json_response

_LARGEST = 25 * 1024 * 1024
_TEXT_TYPE = "text/plain; charset=utf-8"
_FORMS_WITH_FIGURES = ("json", "verbose_json")
_SEGMENT = {"avg_logprob": -0.1, "no_speech_prob": 0.01}


async def transcribe(context: RequestContext) -> Response:
    """Transcribe a recording; the text says what was received, as nothing here can listen."""
    if not context.headers.get("content-type", "").startswith("multipart/form-data"):
        raise SandboxError("malformed", "The body of the request must be multipart/form-data.")
    body = context.fields
    upload = body.get("file")
    if upload is None:
        raise missing("file")
    if not isinstance(upload, Upload):
        raise invalid("file", "must be a file.")
    card = fields.model_card(context, body.get("model"), "audio")
    profile = context.service.profile
    form = fields.one_of(body, "response_format", profile.audio_formats, "json")
    language = fields.text(body, "language")
    prompt = fields.text(body, "prompt")
    _check_temperature(body.get("temperature"))
    info = _describe(upload)
    context.route(card, {**body, **_objects(body)})
    reply = context.scripted_reply(card.id)
    if reply is not None and reply.json is not None:
        return json_response(reply.json)
    text = None if reply is None else reply.text
    if text is None:
        text = sound.transcript(info, prompt, language)
    extra = context.cost(Work(audio_seconds=info.duration_seconds), sent=form in _FORMS_WITH_FIGURES)
    if form == "text":
        return Response(f"{text}\n".encode(), content_type=_TEXT_TYPE)
    segments = sound.segments(info, text)
    if form == "srt":
        numbered = "\n".join(f"{number}\n{cue}" for number, cue in enumerate(_cues(segments, ","), 1))
        return Response(numbered.encode(), content_type="application/x-subrip; charset=utf-8")
    if form == "vtt":
        cues = "\n".join(["WEBVTT\n", *_cues(segments, ".")])
        return Response(cues.encode(), content_type="text/vtt; charset=utf-8")
    answer: dict[str, Any] = {"text": text, "language": language or "en", "duration": info.duration_seconds}
    if form == "verbose_json":
        shown = [asdict(segment) | _SEGMENT for segment in segments]
        answer = {"task": "transcribe", **answer, "segments": shown}
    return json_response(answer | extra)


def _objects(body: Mapping[str, Any]) -> dict[str, Any]:
    """The objects among the fields of routing; a form carries them as JSON text."""
    found: dict[str, Any] = {}
    for name in ("filters", "custom_weights"):
        value = body.get(name)
        if isinstance(value, str):
            try:
                found[name] = json.loads(value)
            except ValueError:
                raise invalid(name, "must be an object.") from None
    return found


def _check_temperature(value: Any) -> None:
    if value is None:
        return
    try:
        fits = 0 <= float(value) <= 1
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise invalid("temperature", "must be a number from 0 to 1.")


def _describe(upload: Upload) -> sound.AudioInfo:
    if len(upload.content) > _LARGEST:
        raise SandboxError("payload_too_large", "'file' is larger than 25 MB.", param="file")
    if not upload.content:
        raise SandboxError("empty_input", "'file' is empty.", param="file")
    try:
        return sound.describe(upload.content, upload.filename)
    except ValueError as error:
        raise SandboxError("invalid_value", f"The audio could not be read: {error}.", param="file") from None


def _cues(segments: list[sound.Segment], point: str) -> list[str]:
    return [f"{_clock(s.start, point)} --> {_clock(s.end, point)}\n{s.text}\n" for s in segments]


def _clock(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest:02}{point}{milliseconds:03}"
