"""Transcriptions: forms, real headers, five response formats."""

import io
import struct
import wave

import pytest


def wav(seconds=2.0, rate=8000, channels=2):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack("<h", 0) * int(seconds * rate) * channels)
    return buffer.getvalue()


@pytest.fixture
def transcribe(http):
    def send(content=None, name="speech.wav", model="whisper-large-v3", **fields):
        data = {"model": model, **fields} if model else fields
        files = {"file": (name, wav() if content is None else content, "audio/wav")}
        return http.post("/audio/transcriptions", data=data, files=files)

    return send


def test_json(transcribe, sandbox):
    body = transcribe(language="de", prompt="Hanse, Lübeck").json()
    assert body["duration"] == pytest.approx(2.0)
    assert body["language"] == "de"
    assert "8000 Hz, stereo" in body["text"]
    assert "Lübeck" in body["text"]
    assert body["environment_impact"]["energy_kwh"] > 0
    assert sandbox.requests[-1].body["file"] == {
        "filename": "speech.wav",
        "content_type": "audio/wav",
        "size": len(wav()),
    }


def test_longer_audio_costs_more(transcribe):
    short, long = (float(transcribe(wav(s)).json()["billing_cost"]["credits"]) for s in (1, 3))
    assert long == pytest.approx(3 * short)


def test_verbose_json(transcribe):
    body = transcribe(response_format="verbose_json").json()
    segments = body["segments"]
    assert segments[0]["start"] == 0
    assert segments[-1]["end"] == pytest.approx(2.0)
    assert " ".join(segment["text"] for segment in segments) == body["text"]


def test_plain_forms(transcribe):
    text, srt, vtt = (transcribe(response_format=form) for form in ("text", "srt", "vtt"))
    assert text.headers["content-type"].startswith("text/plain")
    assert "2.0 seconds" in text.text
    assert srt.text.startswith("1\n00:00:00,000 --> 00:00:0")
    assert vtt.text.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:0")
    assert "x-request-id" in srt.headers


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"content": b"not audio at all"}, "file"),
        ({"content": b""}, "file"),
        ({"model": None}, "model"),
        ({"model": "glm-4.7"}, "model"),
        ({"response_format": "xml"}, "response_format"),
        ({"temperature": "2"}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
    ],
)
def test_refused(transcribe, fields, param):
    response = transcribe(**fields)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_no_file_and_no_form(http):
    without = http.post("/audio/transcriptions", data={"model": "whisper-large-v3"}, files={"other": b"x"})
    assert (without.status_code, without.json()["error"]["param"]) == (400, "file")
    fields = {"model": "whisper-large-v3", "file": "x"}
    for body in ({"json": fields}, {"data": fields}, {}):
        response = http.post("/audio/transcriptions", **body)
        assert response.status_code == 400
        assert "multipart/form-data" in response.json()["error"]["message"]


def test_over_25_megabytes(transcribe):
    response = transcribe(wav(1) + bytes(25 * 1024 * 1024))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")


def test_the_older_generation_has_no_verbose_json(start_sandbox, client_of):
    http = client_of(start_sandbox("g1"))
    response = http.post(
        "/audio/transcriptions",
        data={"model": "whisper-large-v3", "response_format": "verbose_json"},
        files={"file": ("a.wav", wav(0.1))},
    )
    assert response.status_code == 400


def test_a_form_carries_filters_as_text(transcribe):
    body = transcribe(filters='{"countries": ["SE"]}').json()
    assert body["environment_impact"]["location"] == "SE"
    for wrong in ("SE", "[1]"):
        assert transcribe(filters=wrong).status_code == 400
