"""Real recordings, made on the spot: WAV files with a tone, MP3 files of frames that any player plays."""

import io
import math
import struct
import wave


def wav(seconds: float = 1.0, rate: int = 8000) -> bytes:
    """A tone of 440 Hz, 16 bits, mono."""
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        count = round(seconds * rate)
        tone = (round(12_000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(min(count, rate)))
        second = struct.pack(f"<{min(count, rate)}h", *tone)
        file.writeframes((second * math.ceil(seconds))[: 2 * count])
    return held.getvalue()


def mp3(seconds: float = 1.0) -> bytes:
    """Silence: MPEG-1 Layer III, 128 kbit/s, 44,100 Hz, mono, with an ID3 tag before it."""
    header = b"\xff\xfb\x90\xc4"
    frame = header + bytes(144 * 128_000 // 44_100 - len(header))
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)
    return tag + frame * math.ceil(seconds * 44_100 / 1152)
