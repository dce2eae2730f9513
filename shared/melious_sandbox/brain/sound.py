"""What an audio file says about itself, and the text that the sandbox makes of it; no sound is decoded."""

import struct
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate

from tinytag import TinyTag, TinyTagException

from melious_sandbox.brain.words import sentences

# The headers of WebM are not read: its duration is that of 32 kbit/s, as browsers record speech.
_WEBM_BYTES_PER_SECOND = 4_000
_WEBM_RATE = 48_000


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What the headers of an audio file say: its container, and the playing time in seconds."""

    format: str
    duration_seconds: float
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a transcript: text between two times in seconds."""

    id: int
    start: float
    end: float
    text: str


def describe(data: bytes, filename: str = "") -> AudioInfo:
    """Read the headers of a file, or raise a ValueError that names it."""
    name = filename or "the file"
    kind = _format(data)
    if kind is None:
        formats = "mp3, mp4, mpeg, mpga, m4a, wav, webm, ogg"
        raise ValueError(f"{name} is not audio in a supported format: {formats}")
    if kind == "webm":
        return AudioInfo(kind, len(data) / _WEBM_BYTES_PER_SECOND, _WEBM_RATE, 1)
    try:
        tag = TinyTag.get(file_obj=BytesIO(data), tags=False)
    except (TinyTagException, ValueError, LookupError, ArithmeticError, struct.error) as error:
        raise ValueError(f"{name} is cut off or damaged: {error}") from error
    if tag.duration is None or not tag.samplerate:
        raise ValueError(f"{name} is cut off or damaged: its headers name no duration")
    duration = tag.duration
    if kind == "wav" and tag.bitrate:
        # A recorder that streams leaves the length in the header at its limit.
        duration = min(duration, len(data) / (tag.bitrate * 125))
    return AudioInfo(kind, duration, tag.samplerate, tag.channels or 1)


def _format(data: bytes) -> str | None:
    if data[:4] in {b"RIFF", b"RF64"} and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:4] == b"\x1aE\xdf\xa3":
        return "webm"
    if data[4:8] == b"ftyp":
        return "mp4"
    return "mp3" if data[:3] == b"ID3" or (data[:1] == b"\xff" and data[1:2] >= b"\xe0") else None


def transcript(info: AudioInfo, prompt: str | None = None, language: str | None = None) -> str:
    """The text for a recording: what was received, as nothing here can listen."""
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    text = (
        "This is the Melious sandbox, which does not listen. "
        f"It received {info.duration_seconds:.1f} seconds of {info.format.upper()} audio, "
        f"{info.sample_rate} Hz, {channels}."
    )
    if language:
        text += f" The language was given as {language}."
    if prompt:
        text += f" The prompt was: {prompt.strip()}"
    return text


def segments(info: AudioInfo, text: str) -> list[Segment]:
    """Lay the sentences of ``text`` over the playing time, each as long as its share of the letters."""
    parts = sentences(text)
    ends = list(accumulate(map(len, parts), initial=0))
    times = [round(info.duration_seconds * end / max(1, ends[-1]), 3) for end in ends]
    return [
        Segment(position, times[position], times[position + 1], part) for position, part in enumerate(parts)
    ]
