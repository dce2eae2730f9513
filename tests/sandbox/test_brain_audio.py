"""Audio headers: files built here byte by byte, in the layouts of their formats."""

import io
import struct
import wave
from itertools import pairwise

import pytest

from melious_sandbox.brain import sound


def wav(seconds=1.5, rate=16_000, channels=1):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0\0" * channels * int(seconds * rate))
    return buffer.getvalue()


def mp3(frames=100, tag=b""):
    """MPEG-1 layer III, 128 kbit/s, 44.1 kHz, stereo: 417 bytes and 1152 samples a frame."""
    return tag + (b"\xff\xfb\x90\x00" + bytes(413)) * frames


def id3(size=300):
    return b"ID3\x04\0\0" + bytes([0, 0, size >> 7, size & 0x7F]) + bytes(size)


def box(kind, *content):
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def m4a(seconds=3, rate=44_100, channels=2, version=0):
    if version == 0:
        mvhd = box(b"mvhd", bytes(12), struct.pack(">II", 1000, seconds * 1000), bytes(80))
    else:
        mvhd = box(b"mvhd", b"\1\0\0\0", bytes(16), struct.pack(">IQ", 1000, seconds * 1000), bytes(80))
    config = b"\4\x11\x40\x15\0\0\0" + struct.pack(">II", 128_000, 128_000) + b"\5\2\x12\x10\6\1\2"
    esds = box(b"esds", bytes(4), b"\3\x19\0\1\0", config)
    sound = struct.pack(">HHII", channels, 16, 0, rate << 16)
    entry = box(b"mp4a", bytes(16), sound, esds)
    stsd = box(b"stsd", bytes(4), struct.pack(">I", 1), entry)
    media = box(b"mdia", box(b"hdlr", bytes(8), b"soun", bytes(12)), box(b"minf", box(b"stbl", stsd)))
    return box(b"ftyp", b"M4A ", bytes(4)) + box(b"moov", mvhd, box(b"trak", media))


def ogg(granule=96_312):
    head = b"OpusHead\x01\x02" + struct.pack("<HI", 312, 48_000) + bytes(3)

    def page(at, data, flag):
        return b"OggS\0" + flag + struct.pack("<q", at) + bytes(12) + bytes([1, len(data)]) + data

    return page(0, head, b"\2") + page(0, b"OpusTags" + bytes(8), b"\0") + page(granule, bytes(40), b"\4")


@pytest.mark.parametrize(
    ("data", "kind", "seconds", "rate", "channels"),
    [
        (wav(), "wav", 1.5, 16_000, 1),
        (wav(0.5, 8000, 2), "wav", 0.5, 8000, 2),
        (mp3(), "mp3", 100 * 1152 / 44_100, 44_100, 2),
        (mp3(tag=id3()), "mp3", 100 * 1152 / 44_100, 44_100, 2),
        (m4a(), "mp4", 3, 44_100, 2),
        (m4a(version=1, channels=1), "mp4", 3, 44_100, 1),
        (b"\x1aE\xdf\xa3" + bytes(7_996), "webm", 2.0, 48_000, 1),
        (ogg(), "ogg", 2.0, 48_000, 2),
    ],
    ids=["wav", "wav-stereo", "mp3", "mp3-id3", "m4a", "m4a-v1", "webm", "ogg"],
)
def test_headers_are_read(data, kind, seconds, rate, channels):
    info = sound.describe(data, "clip")
    assert (info.format, info.sample_rate, info.channels) == (kind, rate, channels)
    assert info.duration_seconds == pytest.approx(seconds)


def test_a_wav_that_was_streamed_has_the_length_of_its_data():
    data = bytearray(wav(2.0))
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    assert sound.describe(bytes(data)).duration_seconds == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello, this is text" * 40,
        b"%PDF-1.7\n" + bytes(range(256)) * 8,
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0",
        b"OggS" + bytes(100),
    ],
    ids=[
        "empty",
        "text",
        "pdf",
        "bare-wav",
        "cut-wav",
        "bare-ogg",
    ],
)
def test_what_is_no_audio_is_refused_by_name(data):
    with pytest.raises(ValueError, match=r"notes\.mp3"):
        sound.describe(data, "notes.mp3")


def test_a_transcript_says_what_was_received():
    info = sound.describe(wav())
    text = sound.transcript(info, prompt="names: Ada, Bo", language="de")
    assert "1.5 seconds of WAV" in text
    assert "16000 Hz, mono" in text
    assert "names: Ada, Bo" in text
    assert " de." in text
    assert text != sound.transcript(info)


def test_segments_cover_the_time_without_gaps():
    info = sound.describe(wav(3.0))
    text = sound.transcript(info, prompt="Ada.")
    parts = sound.segments(info, text)
    assert len(parts) > 2
    assert " ".join(part.text for part in parts) == text
    assert parts[0].start == 0
    assert parts[-1].end == pytest.approx(3.0)
    assert all(one.end == other.start for one, other in pairwise(parts))
    assert sound.segments(info, "") == []
