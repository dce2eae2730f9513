"""What an audio file says about itself: the headers of WAV, MP3, MP4/M4A, WebM and Ogg.

No sound is decoded. :func:`transcript` and :func:`segments` make an honest text of what the headers tell.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from melious_sandbox.brain.words import sentences

__all__ = ["AudioInfo", "Segment", "describe", "segments", "transcript"]


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What the headers of an audio file tell.

    Attributes:
        format: ``wav``, ``mp3``, ``mp4``, ``webm`` or ``ogg``: the container, whatever the file is called.
        duration_seconds: Playing time.
        sample_rate: Samples per second and channel.
        channels: One for mono, two for stereo.
    """

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
    """Read the headers of ``data``.

    Args:
        data: The whole file.
        filename: Only named in the error: the content decides what the file is.

    Raises:
        ValueError: The file is none of the known formats, or is cut before its headers end.
    """
    try:
        info = _read(data)
    except (struct.error, IndexError) as error:
        raise ValueError(f"{filename or 'the file'} is cut off or damaged: {error}") from error
    if info is None:
        raise ValueError(
            f"{filename or 'the file'} is not audio in a supported format: "
            "mp3, mp4, mpeg, mpga, m4a, wav, webm, ogg"
        )
    return info


def transcript(info: AudioInfo, prompt: str | None = None, language: str | None = None) -> str:
    """The text the sandbox gives for a recording: what it received, as nothing here can listen."""
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
    total = sum(map(len, parts))
    found = []
    spoken = 0
    for position, part in enumerate(parts):
        start = info.duration_seconds * spoken / total
        spoken += len(part)
        end = info.duration_seconds * spoken / total
        found.append(Segment(position, round(start, 3), round(end, 3), part))
    return found


def _read(data: bytes) -> AudioInfo | None:
    if data[:4] in {b"RIFF", b"RF64"} and data[8:12] == b"WAVE":
        return _wav(data)
    if data[:4] == b"OggS":
        return _ogg(data)
    if data[:4] == b"\x1aE\xdf\xa3":
        return _webm(data)
    if data[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free"}:
        return _mp4(data)
    return _mp3(data)


def _wav(data: bytes) -> AudioInfo | None:
    position, layout = 12, None
    while position + 8 <= len(data):
        kind, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        if kind == b"fmt ":
            layout = struct.unpack_from("<HHIIHH", data, position + 8)
        elif kind == b"data" and layout is not None:
            _, channels, rate, bytes_per_second, _, _ = layout
            held = min(size, len(data) - position - 8)  # a recorder that streams leaves the size at its limit
            return AudioInfo("wav", held / bytes_per_second, rate, channels) if bytes_per_second else None
        position += 8 + size + (size & 1)
    return None


# MPEG audio: kbit/s by (MPEG-1?, layer), Hz of MPEG-1, samples of a frame.
_KBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
_SAMPLES = {1: (384, 384), 2: (1152, 1152), 3: (1152, 576)}  # by layer: MPEG-1, later
_RATE_SHIFT = {3: 0, 2: 1, 0: 2}  # MPEG-1, 2, 2.5
_SEARCHED = 65_536  # how far junk before the first frame may reach
_MONO = 3


@dataclass(frozen=True, slots=True)
class _Frame:
    length: int
    samples: int
    rate: int
    channels: int


def _mp3(data: bytes) -> AudioInfo | None:
    tagged = data[:3] == b"ID3"
    start = 10 + _synchsafe(data[6:10]) if tagged else 0
    position = _first_frame(data, start, start + (_SEARCHED if tagged else _SEARCHED // 32))
    first, samples = _frame(data, position), 0
    while (frame := _frame(data, position)) and position + frame.length <= len(data):
        samples += frame.samples
        position += frame.length
    return AudioInfo("mp3", samples / first.rate, first.rate, first.channels) if first and samples else None


def _first_frame(data: bytes, start: int, last: int) -> int:
    """Where the first frame begins: one that another follows, as its mark alone is common in any data."""
    position = start
    while 0 <= position < last:
        frame = _frame(data, position)
        if frame and _frame(data, position + frame.length):
            return position
        position = data.find(b"\xff", position + 1)
    return start


def _synchsafe(size: bytes) -> int:
    """The tag size of ID3: seven bits a byte."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True))


def _frame(data: bytes, position: int) -> _Frame | None:
    if position + 4 > len(data) or data[position] != 0xFF or data[position + 1] & 0xE0 != 0xE0:  # noqa: PLR2004
        return None
    second, third, fourth = data[position + 1 : position + 4]
    version, layer = (second >> 3) & 3, 4 - ((second >> 1) & 3)
    bitrate_index, rate_index, padding = third >> 4, (third >> 2) & 3, (third >> 1) & 1
    if version == 1 or layer not in (1, 2, 3) or rate_index == len(_RATES) or not 0 < bitrate_index < 15:  # noqa: PLR2004
        return None
    key = (version == 3, layer)  # noqa: PLR2004 - MPEG-1
    bits = _KBITS[key][bitrate_index - 1] * 1000
    rate = _RATES[rate_index] >> _RATE_SHIFT[version]
    samples = _SAMPLES[layer][version != 3]  # noqa: PLR2004 - MPEG-1
    length = (12 * bits // rate + padding) * 4 if layer == 1 else samples // 8 * bits // rate + padding
    return _Frame(length, samples, rate, 1 if fourth >> 6 == _MONO else 2)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each MP4 box."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            size, header = struct.unpack_from(">Q", data, start + 8)[0], 16
        stop = end if size == 0 else min(start + size, end)
        if stop < start + header:
            return
        yield kind, start + header, stop
        start = stop


def _within(data: bytes, start: int, end: int, *path: bytes) -> Iterator[tuple[int, int]]:
    for kind, inner, stop in _boxes(data, start, end):
        if kind == path[0]:
            if len(path) == 1:
                yield inner, stop
            else:
                yield from _within(data, inner, stop, *path[1:])


def _mp4(data: bytes) -> AudioInfo | None:
    duration = next(
        (_mp4_duration(data, start) for start, _ in _within(data, 0, len(data), b"moov", b"mvhd")), None
    )
    if duration is None:
        return None
    for start, stop in _within(data, 0, len(data), b"moov", b"trak", b"mdia"):
        handlers = [data[inner + 8 : inner + 12] for inner, _ in _within(data, start, stop, b"hdlr")]
        if handlers != [b"soun"]:
            continue
        for inner, _ in _within(data, start, stop, b"minf", b"stbl", b"stsd"):
            channels, rate = struct.unpack_from(">H6xI", data, inner + 8 + 8 + 16)
            return AudioInfo("mp4", duration, rate >> 16, channels)
    return None


def _mp4_duration(data: bytes, start: int) -> float:
    if data[start] == 1:
        scale, ticks = struct.unpack_from(">IQ", data, start + 20)
    else:
        scale, ticks = struct.unpack_from(">II", data, start + 12)
    return ticks / scale if scale else 0.0


_EBML_NESTED = {0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE1, 0x1F43B675, 0xA0}  # Segment ... BlockGroup
_SCALE, _DURATION, _RATE, _CHANNELS, _CLUSTER_TIME = 0x2AD7B1, 0x4489, 0xB5, 0x9F, 0xE7
_BLOCKS = {0xA3, 0xA1}


def _webm(data: bytes) -> AudioInfo | None:
    """Duration from the Info block, or from the last block where a live recorder wrote none."""
    scale, duration, rate, channels, cluster, last = 1_000_000, 0.0, 0.0, 1, 0, 0
    for kind, start, stop in _ebml(data):
        if kind == _SCALE:
            scale = int.from_bytes(data[start:stop])
        elif kind == _DURATION:
            duration = _ebml_float(data[start:stop])
        elif kind == _RATE:
            rate = _ebml_float(data[start:stop])
        elif kind == _CHANNELS:
            channels = int.from_bytes(data[start:stop])
        elif kind == _CLUSTER_TIME:
            last = cluster = int.from_bytes(data[start:stop])
        elif kind in _BLOCKS:
            _, width = _ebml_number(data, start, keep_marker=False)
            last = max(last, cluster + struct.unpack_from(">h", data, start + width)[0])
    return AudioInfo("webm", (duration or last) * scale / 1e9, round(rate), channels) if rate else None


def _ebml(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, start and end of each EBML element, going into those that hold others."""
    position = 0
    while position + 2 <= len(data):
        kind, width = _ebml_number(data, position, keep_marker=True)
        size, more = _ebml_number(data, position + width, keep_marker=False)
        start = position + width + more
        if kind in _EBML_NESTED:
            position = start
            continue
        position = start + size
        yield kind, start, min(position, len(data))


def _ebml_number(data: bytes, position: int, *, keep_marker: bool) -> tuple[int, int]:
    width = 9 - data[position].bit_length()
    value = int.from_bytes(data[position : position + width])
    return (value if keep_marker else value & ((1 << 7 * width) - 1)), width


def _ebml_float(value: bytes) -> float:
    return float(struct.unpack(">f" if len(value) == 4 else ">d", value)[0])  # noqa: PLR2004


def _ogg(data: bytes) -> AudioInfo | None:
    if (at := data.find(b"\x01vorbis", 0, 512)) > 0:
        channels, rate = struct.unpack_from("<BI", data, at + 11)
        clock, skipped = rate, 0
    elif (at := data.find(b"OpusHead", 0, 512)) > 0:
        channels, skipped, rate = struct.unpack_from("<BHI", data, at + 9)
        clock = 48_000
    else:
        return None
    last_page = data.rfind(b"OggS")
    granule = struct.unpack_from("<q", data, last_page + 6)[0]
    return AudioInfo("ogg", max(0, granule - skipped) / clock, rate, channels) if clock else None
