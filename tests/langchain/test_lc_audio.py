"""The audio parser: documents of recordings and of their segments, what is told of costs, and loaders around it."""

import asyncio
from itertools import pairwise

import pytest
import recordings
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents.base import Blob
from langchain_core.runnables import RunnableLambda

from langchain_melious import MeliousAudioParser, get_melious_callback
from langchain_melious.errors import InvalidArgumentError, ProviderError, RateLimitError
from melious import track_impact
from melious.sandbox import Fault

MODEL = "whisper-large-v3-turbo"


@pytest.fixture
def make(sandbox):
    place = {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
    return lambda **arguments: MeliousAudioParser(**{"model": MODEL, **place, **arguments})


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.mp3"
    path.write_bytes(recordings.mp3(3.0))
    return path


def parse(way, parser, blob, **options):
    return (
        list(parser.lazy_parse(blob, **options))
        if not way.asynchronous
        else asyncio.run(gather(parser, blob, options))
    )


async def gather(parser, blob, options):
    return [document async for document in parser.alazy_parse(blob, **options)]


def test_a_document_of_a_recording(way, make, talk, sandbox):
    parser = make(language="de", prompt="Hanse, Lübeck", temperature=0.2, preset="environment")
    (document,) = parse(way, parser, Blob.from_path(talk, metadata={"topic": "trade"}))
    assert "3.0 seconds of MP3 audio" in document.page_content
    duration = document.metadata.pop("duration")
    assert duration == pytest.approx(3.0, abs=0.05)
    assert document.metadata == {"topic": "trade", "source": str(talk), "model": MODEL, "language": "de"}
    assert sandbox.requests[-1].body == {
        "model": MODEL,
        "language": "de",
        "prompt": "Hanse, Lübeck",
        "temperature": "0.2",
        "response_format": "json",
        "preset": "environment",
        "file": {"filename": "talk.mp3", "content_type": "audio/mpeg", "size": talk.stat().st_size},
    }


def test_a_document_of_each_segment(way, make, talk):
    documents = parse(way, make(mode="segments"), Blob.from_path(talk))
    (whole,) = parse(way, make(), Blob.from_path(talk))
    assert " ".join(document.page_content for document in documents) == whole.page_content
    times = [(document.metadata["start"], document.metadata["end"]) for document in documents]
    assert all(isinstance(moment, float) for pair in times for moment in pair)
    assert times[0][0] == 0.0
    assert times[-1][1] == pytest.approx(3.0, abs=0.05)
    assert all(one[1] == two[0] for one, two in pairwise(times))
    assert [document.metadata["segment"] for document in documents] == [*range(len(documents))]
    assert {document.metadata["source"] for document in documents} == {str(talk)}


@pytest.mark.parametrize(
    ("answer", "text", "times"),
    [
        ({"text": " Moin. "}, "Moin.", {"start": 0.0}),
        ({"text": "Moin.", "duration": 2, "segments": []}, "Moin.", {"start": 0.0, "end": 2.0}),
        ({"text": "x", "segments": [{"text": " Moin.", "start": 1}]}, "Moin.", {"start": 1.0}),
    ],
)
def test_services_that_report_less(way, make, talk, sandbox, answer, text, times):
    """What was not reported is absent, never zero."""
    sandbox.faults.add(Fault(body=answer))
    (document,) = parse(way, make(mode="segments"), Blob.from_path(talk))
    assert document.page_content == text
    found = {name: document.metadata[name] for name in ("start", "end") if name in document.metadata}
    assert found == times
    assert "language" not in document.metadata


def test_options_of_a_call(way, make, talk, sandbox):
    parser = make()
    blob = Blob.from_path(talk)
    documents = parse(way, parser, blob, mode="segments", language="fi", model="whisper-large-v3:eco")
    assert len(documents) > 1
    assert documents[0].metadata["model"] == "whisper-large-v3"
    assert (sandbox.requests[-1].body["model"], sandbox.requests[-1].body["language"]) == (
        "whisper-large-v3:eco",
        "fi",
    )
    assert len(parse(way, parser, blob)) == 1
    with pytest.raises(InvalidArgumentError, match="mode"):
        parse(way, parser, blob, mode="pages")
    with pytest.raises(InvalidArgumentError, match=r"lang.*did you mean 'language'"):
        parse(way, parser, blob, lang="de")


@pytest.mark.parametrize(
    ("blob", "name"),
    [
        (Blob.from_data(recordings.wav(1.0), path="folder/a.wav"), "a.wav"),
        (Blob.from_data(recordings.wav(1.0), mime_type="audio/wav"), "recording.wav"),
        (
            Blob.from_data(recordings.mp3(1.0), metadata={"source": "https://example.org/a.mp3?x=1"}),
            "a.mp3",
        ),
    ],
    ids=["path", "nothing", "address"],
)
def test_bytes_in_memory(way, make, sandbox, blob, name):
    (document,) = parse(way, make(), blob)
    assert sandbox.requests[-1].body["file"]["filename"] == name
    assert document.metadata.get("source") == blob.source
    assert ("source" in document.metadata) == (blob.source is not None)


def test_what_cannot_be_sent_says_so(way, make, tmp_path, sandbox):
    large, other = tmp_path / "large.mp3", tmp_path / "talk.flac"
    with large.open("wb") as file:
        file.truncate(25_000_001)
    other.write_bytes(b"fLaC" + bytes(100))
    for blob, words in (
        (Blob.from_path(large), "ffmpeg .* -segment_time"),
        (Blob.from_path(other), "must end in one of mp3.*ffmpeg"),
        (Blob.from_path(tmp_path / "no.mp3"), "no file"),
        (Blob.from_data(b"", path="a.wav"), "is empty"),
        (Blob.from_data("text", path="a.wav"), "must hold a recording"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            parse(way, make(), blob)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"mode": "pages"}, "mode"),
        ({"temperature": 2}, "temperature"),
        ({"langauge": "de"}, "did you mean 'language'"),
    ],
)
def test_wrong_arguments(make, arguments, named):
    with pytest.raises(ValueError, match=named):
        make(**arguments)


def test_failures_are_langchains_too(way, make, talk, sandbox):
    parser = make(max_retries=0)
    for status, kind in ((502, ProviderError), (429, RateLimitError)):
        sandbox.faults.add(Fault(status=status))
        with pytest.raises(kind):
            parse(way, parser, Blob.from_path(talk))


class Events(BaseCallbackHandler):
    def __init__(self):
        self.seen = []

    def on_custom_event(self, name, data, *, run_id, **_):
        self.seen.append((name, data))


def test_what_it_cost_is_told(way, make, talk, sandbox):
    events, parser = Events(), make(flavor="eco")

    async def ahear(blob):
        return await parser.aparse(blob)

    hear = RunnableLambda(parser.parse, afunc=ahear)
    with track_impact() as ledger, get_melious_callback() as callback:
        way.invoke(hear, Blob.from_path(talk), {"callbacks": [events]})
    assert ledger.by("endpoint").keys() == {"audio"}
    assert callback.ledger.to_dict() == ledger.to_dict()
    ((name, data),) = events.seen
    assert (name, data["endpoint"], data["model"]) == ("melious_usage", "audio", MODEL)
    assert data["routing"] == {"flavor": "eco"}
    assert data["request_id"] == sandbox.requests[-1].request_id
    assert data["environment_impact"]["energy_kwh"] > 0


def test_in_a_generic_loader(way, make, tmp_path):
    from langchain_community.document_loaders.generic import GenericLoader

    for name, data in (
        ("a.wav", recordings.wav(1.0)),
        ("b.mp3", recordings.mp3(2.0)),
        ("c.txt", b"no sound"),
    ):
        (tmp_path / name).write_bytes(data)
    loader = GenericLoader.from_filesystem(
        tmp_path, glob="**/[!.]*", suffixes=[".wav", ".mp3"], parser=make(mode="segments")
    )
    documents = way.call(loader, "load")
    assert {document.metadata["source"].rpartition("/")[2] for document in documents} == {"a.wav", "b.mp3"}
    assert all("start" in document.metadata and "end" in document.metadata for document in documents)


def test_the_key_is_not_shown(make, sandbox):
    parser = make(default_headers={"x-secret": "hush"})
    shown = f"{parser!r} {parser} {parser.model_dump()}"
    assert sandbox.api_key not in shown
    assert "hush" not in shown


async def test_available_models(make):
    assert MODEL in make().available_models()
    assert MODEL in await make().aavailable_models()
