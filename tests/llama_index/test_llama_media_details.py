"""Pictures and recordings: every field, what they cost, and that the loop stays free."""

import asyncio
import threading

import pytest
import recordings
from conformance.kit import arrive, end, leaves_the_loop_free
from llama_index.core.instrumentation import get_dispatcher

from llama_index_melious import MeliousAudioReader, MeliousImpactEventHandler, MeliousToolSpec
from melious import InvalidArgumentError
from melious.sandbox import Fault

AUDIO = "whisper-large-v3-turbo"


@pytest.fixture
def make_spec(place):
    return lambda **arguments: MeliousToolSpec(**{"size": "96x64", **place, **arguments})


@pytest.fixture
def make_reader(place):
    return lambda **arguments: MeliousAudioReader(**{"model": AUDIO, **place, **arguments})


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(recordings.wav(2.0))
    return path


async def test_pictures_at_an_address_and_words_that_were_changed(way, make_spec, sandbox):
    picture = {"url": "https://example.org/a.png", "revised_prompt": "a lighthouse, at dawn"}
    sandbox.faults.add(Fault(endpoint="images", body={"data": [picture]}))
    (draw,) = make_spec(audio_model=None).to_tool_list()
    output = await way(draw, "call", prompt="a lighthouse")
    text, image = output.blocks
    assert text.text.splitlines() == [
        "1 image was generated.",
        "Revised prompt: a lighthouse, at dawn",
        "URL: https://example.org/a.png",
    ]
    assert str(image.url) == "https://example.org/a.png"


async def test_everything_that_was_set_goes_along(way, make_spec, talk, sandbox):
    spec = make_spec(n=2, quality="hd", style="vivid", seed=7, language="fi", audio_folder=talk.parent)
    draw, write = spec.to_tool_list()
    await way(draw, "call", prompt="a lighthouse")
    body = sandbox.requests[-1].body
    assert [body[name] for name in ("n", "quality", "style", "seed")] == [2, "hd", "vivid", 7]
    await way(write, "call", path=str(talk))
    assert sandbox.requests[-1].body["language"] == "fi"
    await way(write, "call", path=str(talk), language="de")
    assert sandbox.requests[-1].body["language"] == "de"


@pytest.mark.parametrize("model", ["image_model", "audio_model"])
def test_a_flavor_twice_is_refused_for_either_model(make_spec, model):
    with pytest.raises(InvalidArgumentError, match=r"flavor|eco"):
        make_spec(**{model: "some-model:eco", "flavor": "speed"})


@pytest.mark.parametrize(
    ("missing", "method", "argument"),
    [("image_model", "generate_image", "a lighthouse"), ("audio_model", "transcribe", "talk.wav")],
)
def test_functions_without_a_model_say_so(make_spec, sandbox, missing, method, argument):
    with pytest.raises(InvalidArgumentError, match=missing):
        getattr(make_spec(**{missing: None}), method)(argument)
    assert not sandbox.requests


async def test_async_tools_and_readers_leave_the_loop_free(make_spec, make_reader, talk, sandbox):
    spec, reader = make_spec(audio_folder=talk.parent), make_reader()
    draw, write = spec.to_tool_list()
    calls = {
        "generate_image": lambda: draw.acall(prompt="a lighthouse"),
        "transcribe": lambda: write.acall(path=str(talk)),
        "aload_data": lambda: reader.aload_data(talk),
        "alazy_load_data": lambda: reader.alazy_load_data(talk),
    }
    for name, call in calls.items():
        await call()  # which may import
        sandbox.faults.add(Fault(delay=30))
        assert await leaves_the_loop_free(call(), sandbox), f"{name} holds the event loop"


async def test_async_pictures_wait_without_a_thread(make_spec, sandbox):
    """A recording is read from the disk in a thread; a picture has nothing to read."""
    (draw,) = make_spec(audio_model=None).to_tool_list()
    await draw.acall(prompt="a lighthouse")
    sandbox.requests.clear()
    sandbox.faults.add(Fault(delay=600, times=None))
    before = threading.active_count()
    tasks = [asyncio.create_task(draw.acall(prompt="a lighthouse")) for _ in range(4)]
    assert await arrive(sandbox, 4, *tasks)
    assert threading.active_count() <= before
    await end(*tasks)


async def test_a_transcript_of_a_tool_tells_what_it_cost(way, make_spec, talk, sandbox):
    handler, root = MeliousImpactEventHandler(), get_dispatcher()
    root.add_event_handler(handler)
    try:
        await way(
            make_spec(image_model=None, audio_folder=talk.parent).to_tool_list()[0], "call", path=str(talk)
        )
    finally:
        root.event_handlers.remove(handler)
    assert handler.ledger.by("endpoint")["audio"].requests == 1


async def test_a_whole_document_has_metadata_of_its_own(way, make_reader, talk):
    about = {"tags": ["harbour"]}
    (document,) = await way(make_reader(), "load_data", talk, extra_info=about)
    document.metadata["tags"].append("changed")
    assert about == {"tags": ["harbour"]}


async def test_what_is_given_wins_and_belongs_to_each_document_alone(way, make_reader, talk):
    about = {"file_path": "s3://talks/talk.wav", "tags": ["harbour"]}
    documents = await way(make_reader(return_full_document=False), "load_data", talk, extra_info=about)
    first, second, *_ = documents
    assert first.metadata["file_path"] == "s3://talks/talk.wav"
    first.metadata["tags"].append("changed")
    assert second.metadata["tags"] == about["tags"] == ["harbour"]


async def test_what_is_for_programs_is_hidden_from_models(way, make_reader, talk):
    (document,) = await way(make_reader(), "load_data", talk)
    for mode in ("llm", "embed"):
        shown = document.get_content(mode)
        assert "duration" not in shown
        assert "talk.wav" in shown
    assert document.text == document.text.strip()
