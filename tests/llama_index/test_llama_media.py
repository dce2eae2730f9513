"""Pictures and recordings: the tool spec, alone and in agents, and the reader, alone and in a folder's reader."""

import copy
import json
import pickle
import sys
from itertools import pairwise
from pathlib import Path

import fsspec
import pytest
import recordings
from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.base.llms.types import ImageBlock
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.tools.types import ToolOutput
from pydantic import Field

import llama_index_melious
from llama_index_melious import MeliousAudioReader, MeliousToolSpec, MeliousUsageEvent
from melious import (
    BudgetExceededError,
    ImpactBudget,
    InvalidArgumentError,
    ProviderError,
    ResponseDecodeError,
    track_impact,
)
from melious.sandbox import Fault, Reply
from melious_sandbox.brain.media import image_size

VISION = "kimi-k2.6"
AUDIO = "whisper-large-v3-turbo"

# To find its steps, a workflow reads every attribute of an agent, and so the ones that pydantic deprecates.
in_agents = [
    pytest.mark.filterwarnings(
        "ignore:The `__fields(_set)?__` attribute is deprecated:pydantic.warnings.PydanticDeprecatedSince20"
    ),
    pytest.mark.filterwarnings(
        "ignore:Accessing the 'model_(computed_)?fields' attribute:"
        "pydantic.warnings.PydanticDeprecatedSince211"
    ),
]


class Heard(BaseEventHandler):
    seen: list = Field(default_factory=list)

    def handle(self, event, **kwargs):
        if isinstance(event, MeliousUsageEvent):
            self.seen.append(event)


@pytest.fixture
def heard():
    handler = Heard()
    handlers = get_dispatcher().event_handlers
    handlers.append(handler)
    yield handler.seen
    handlers.remove(handler)


@pytest.fixture
def make_spec(place):
    return lambda **arguments: MeliousToolSpec(**{"size": "96x64", **place, **arguments})


@pytest.fixture
def make_reader(place):
    return lambda **arguments: MeliousAudioReader(**{"model": AUDIO, **place, **arguments})


@pytest.fixture
def talk(tmp_path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(recordings.wav(2.0))
    return path


def picture_of(block):
    assert isinstance(block, ImageBlock)
    return image_size(block.resolve_image().read())


# --- tools -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
async def test_pictures_are_blocks(way, make_spec, sandbox, heard):
    spec = make_spec(n=2, preset="environment", quality="hd", flavor="eco")
    with track_impact() as ledger:
        name = "generate_image" if way.name == "sync" else "agenerate_image"
        given = getattr(spec, name)("a lighthouse in fog")
        output = given if way.name == "sync" else await given
    assert isinstance(output, ToolOutput)
    text, *pictures = output.blocks
    assert text.text == "2 images were generated."
    assert [picture_of(picture) for picture in pictures] == [("PNG", 96, 64)] * 2
    assert [picture.image_mimetype for picture in pictures] == ["image/png"] * 2
    assert output.raw_input["kwargs"]["prompt"] == "a lighthouse in fog"
    assert output.raw_output.environment_impact.carbon_g_co2 > 0
    body = sandbox.requests[-1].body
    assert (body["n"], body["size"], body["quality"]) == (2, "96x64", "hd")
    assert (body["preset"], body["model"]) == ("environment", "flux-schnell:eco")
    (event,) = heard
    assert (event.endpoint, event.request_id) == ("images", sandbox.requests[-1].request_id)
    assert event.billing_cost is not None
    assert ledger.by("endpoint").keys() == {"images"}


async def test_tools_call_both_ways(way, make_spec, talk, sandbox):
    draw, write = make_spec(audio_folder=talk.parent).to_tool_list()
    assert (draw.metadata.name, write.metadata.name) == ("generate_image", "transcribe")
    called = await way(draw, "call", prompt="a lighthouse", size="128x64")
    assert [block.block_type for block in called.blocks] == ["text", "image"]
    assert picture_of(called.blocks[1]) == ("PNG", 128, 64)
    called = await way(write, "call", path=str(talk), language="de")
    assert called.content == called.raw_output.text.strip()
    assert "2.0 seconds of WAV audio" in called.content
    assert sandbox.requests[-1].body["language"] == "de"


def test_what_a_model_is_told_of_the_tools(make_spec):
    tools = make_spec(audio_folder="talks").to_tool_list()
    draw, write = (tool.metadata.to_openai_tool()["function"] for tool in tools)
    assert draw["parameters"]["required"] == ["prompt"]
    assert set(draw["parameters"]["properties"]) == {"prompt", "size"}
    assert draw["parameters"]["properties"]["prompt"]["type"] == "string"
    assert write["parameters"]["required"] == ["path"]
    assert "25 MB" in write["description"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({}, ["generate_image"]),
        ({"audio_folder": "talks"}, ["generate_image", "transcribe"]),
        ({"audio_model": None}, ["generate_image"]),
        ({"image_model": None, "audio_folder": "talks"}, ["transcribe"]),
        ({"model": "flux-dev", "audio_model": None}, ["generate_image"]),
    ],
)
def test_tools_without_a_model_are_left_out(make_spec, arguments, names):
    spec = make_spec(**arguments)
    assert [tool.metadata.name for tool in spec.to_tool_list()] == names
    assert spec.spec_functions == [(name, f"a{name}") for name in names]
    both = spec.with_options(image_model="flux-dev", audio_model=AUDIO, audio_folder="talks")
    assert [tool.metadata.name for tool in both.to_tool_list()] == ["generate_image", "transcribe"]
    (chosen,) = both.to_tool_list([("transcribe", "atranscribe")])
    assert chosen.metadata.name == "transcribe"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"image_model": None, "audio_model": None}, "image_model or an audio_model"),
        ({"n": 11}, "n: .*1 to 10, not 11"),
        ({"size": "big"}, "size"),
        ({"quality": "best"}, "quality.*standard, hd"),
        ({"image_model": "flux-dev:eco", "flavor": "speed"}, "flavor|eco"),
        ({"sise": "1x1"}, "sise.*did you mean 'size'"),
    ],
)
def test_wrong_arguments(make_spec, arguments, named):
    with pytest.raises(InvalidArgumentError, match=named):
        make_spec(**arguments)


async def test_pictures_out_of_the_models_sight(way, make_spec):
    (draw,) = make_spec(show_images=False, audio_model=None).to_tool_list()
    output = await way(draw, "call", prompt="a lighthouse")
    assert [block.block_type for block in output.blocks] == ["text"]
    assert image_size(output.raw_output.data[0].to_bytes()) == ("PNG", 96, 64)


async def test_answers_without_a_picture_and_failures(way, make_spec, sandbox):
    draw = make_spec(max_retries=0).to_tool_list()[0]
    for picture in ({}, {"b64_json": "/9j"}):
        sandbox.faults.add(Fault(body={"data": [picture]}))
        with pytest.raises(ResponseDecodeError, match="image"):
            await way(draw, "call", prompt="a lighthouse")
    sandbox.faults.add(Fault(status=502))
    with pytest.raises(ProviderError):
        await way(draw, "call", prompt="a lighthouse")


class TestAgents:
    pytestmark = in_agents

    async def ask(self, agent, question):
        handler, results = agent.run(question), []
        async for event in handler.stream_events():
            if isinstance(event, ToolCallResult):
                results.append(event)
        return str(await handler), results

    @pytest.mark.parametrize("model", [VISION, "glm-4.7"])
    async def test_an_agent_draws(self, make_llm, make_spec, sandbox, model):
        tools = make_spec(show_images=model == VISION, audio_model=None).to_tool_list()
        agent = FunctionAgent(tools=tools, llm=make_llm(model=model))
        sandbox.replies.add(
            Reply(tool_calls=[("generate_image", {"prompt": "a lighthouse in fog"})]),
            Reply(text="Here it is."),
        )
        answer, (result,) = await self.ask(agent, "Please generate an image of a lighthouse in fog.")
        assert answer == "Here it is."
        assert not result.tool_output.is_error
        assert image_size(result.tool_output.raw_output.data[0].to_bytes())
        paths = [request.path.rpartition("/v1/")[2] for request in sandbox.requests]
        assert paths == ["chat/completions", "images/generations", "chat/completions"]
        assert ("image_url" in json.dumps(sandbox.requests[-1].body["messages"])) == (model == VISION)

    async def test_an_agent_transcribes(self, make_llm, make_spec, sandbox, talk):
        sandbox.replies.add(
            Reply(tool_calls=[("transcribe", {"path": "talk.wav"})]), Reply(text="Someone speaks.")
        )
        tools = make_spec(image_model=None, audio_folder=talk.parent).to_tool_list()
        agent = FunctionAgent(tools=tools, llm=make_llm())
        answer, (result,) = await self.ask(agent, "What is said in talk.wav?")
        assert (result.tool_name, result.tool_output.is_error) == ("transcribe", False)
        assert answer == "Someone speaks."
        tool_message = sandbox.requests[-1].body["messages"][-1]
        assert tool_message["content"] == result.tool_output.content
        assert "2.0 seconds" in tool_message["content"]


# --- reader ------------------------------------------------------------------------------------------


async def test_a_document_of_a_recording(way, make_reader, talk, sandbox, heard):
    reader = make_reader(language="de", prompt="Hanse", temperature=0.2, preset="speed")
    (document,) = await way(reader, "load_data", talk)
    assert "2.0 seconds of WAV audio" in document.text
    assert document.metadata == {
        "file_name": "talk.wav",
        "file_path": str(talk),
        "model": AUDIO,
        "language": "de",
        "duration": 2.0,
    }
    body = sandbox.requests[-1].body
    assert (body["language"], body["prompt"], body["temperature"]) == ("de", "Hanse", "0.2")
    assert (body["preset"], body["response_format"]) == ("speed", "json")
    assert [(event.endpoint, event.request_id) for event in heard] == [
        ("audio", sandbox.requests[-1].request_id)
    ]


async def test_a_document_of_each_segment(way, make_reader, tmp_path):
    path = tmp_path / "song.mp3"
    path.write_bytes(recordings.mp3(3.0))
    documents = await way(
        make_reader(return_full_document=False), "load_data", path, extra_info={"topic": "x"}
    )
    assert len(documents) > 1
    times = [(document.metadata["start"], document.metadata["end"]) for document in documents]
    assert times[0][0] == 0.0
    assert times[-1][1] == pytest.approx(3.0, abs=0.05)
    assert all(one[1] == two[0] for one, two in pairwise(times))
    assert [document.metadata["segment"] for document in documents] == [*range(len(documents))]
    assert {document.metadata["topic"] for document in documents} == {"x"}
    assert "start" not in documents[0].get_content("embed")
    assert "MP3" in " ".join(document.text for document in documents)


async def test_options_of_a_call(way, make_reader, talk, sandbox):
    reader = make_reader()
    documents = await way(
        reader, "load_data", talk, return_full_document=False, language="fi", model="whisper-large-v3:eco"
    )
    assert len(documents) > 1
    assert documents[0].metadata["model"] == "whisper-large-v3"
    assert sandbox.requests[-1].body["model"] == "whisper-large-v3:eco"
    assert sandbox.requests[-1].body["language"] == "fi"
    assert len(await way(reader, "load_data", talk)) == 1


async def test_services_that_report_no_segments_and_nothing_else(way, make_reader, talk, sandbox):
    sandbox.faults.add(Fault(body={"text": " Moin. "}))
    (document,) = await way(make_reader(return_full_document=False), "load_data", talk)
    assert document.text == "Moin."
    assert (document.metadata["start"], "end" in document.metadata) == (0.0, False)
    assert "language" not in document.metadata


async def test_lazy_means_when_asked_for(make_reader, talk, sandbox):
    reader = make_reader()
    lazy = reader.lazy_load_data(talk)
    assert not sandbox.requests
    (document,) = lazy
    (other,) = await reader.alazy_load_data(talk)
    assert (document.text, document.metadata) == (other.text, other.metadata)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.wav").write_bytes(recordings.wav(1.0))
    (tmp_path / "b.mp3").write_bytes(recordings.mp3(1.0))
    (tmp_path / "c.txt").write_text("Lighthouses stand on the coast.")
    return tmp_path


async def test_in_a_directory_reader(way, make_reader, folder, make_embedding):
    reader = make_reader(return_full_document=False)
    directory = SimpleDirectoryReader(
        folder, file_extractor={".wav": reader, ".mp3": reader}, raise_on_error=True
    )
    documents = await way(directory, "load_data")
    kinds = {document.metadata["file_name"]: document.metadata["file_type"] for document in documents}
    assert sorted(kinds) == ["a.wav", "b.mp3", "c.txt"]
    assert all(
        "start" in document.metadata
        for document in documents
        if "c.txt" not in document.metadata["file_name"]
    )
    index = VectorStoreIndex.from_documents(documents, embed_model=make_embedding())
    found = index.as_retriever(similarity_top_k=1).retrieve("MP3 audio, 44100 Hz, mono")
    assert found[0].metadata["file_name"] == "b.mp3"


async def test_from_another_file_system(way, make_reader):
    fs = fsspec.filesystem("memory")
    fs.pipe("/talks/a.wav", recordings.wav(1.5))
    reader = make_reader()
    try:
        directory = SimpleDirectoryReader(
            "/talks", fs=fs, file_extractor={".wav": reader}, raise_on_error=True
        )
        (document,) = await way(directory, "load_data", fs=fs)  # older cores forget their own
    finally:
        fs.rm("/talks", recursive=True)
    assert "1.5 seconds" in document.text
    assert document.metadata["file_name"] == "a.wav"


async def test_what_cannot_be_sent_says_so(way, make_reader, tmp_path, sandbox):
    large, other = tmp_path / "large.mp3", tmp_path / "talk.flac"
    with large.open("wb") as file:
        file.truncate(25_000_001)
    other.write_bytes(b"fLaC" + bytes(100))
    for path, words in (
        (large, "ffmpeg .* -segment_time"),
        (other, "mp3.*ffmpeg"),
        (tmp_path / "no.mp3", "no file"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            await way(make_reader(), "load_data", path)
    assert not sandbox.requests


@pytest.mark.parametrize("name", ["reader", "spec"])
def test_keys_and_copies(request, name, place, talk):
    folder = {"audio_folder": talk.parent} if name == "spec" else {}
    made = request.getfixturevalue(f"make_{name}")(default_headers={"x-secret": "hush"}, **folder)
    shown = f"{made!r} {made} {made.to_dict()}"
    assert place["api_key"] not in shown
    assert "hush" not in shown
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), made.with_options(max_retries=0)):
        if name == "reader":
            assert copied.load_data(talk)[0].text == made.load_data(talk)[0].text
        else:
            assert copied.to_tool_list()[1].call(path=str(talk)).content
    if name == "reader":
        assert MeliousAudioReader.from_dict(made.to_dict(), api_key="sk-mel-x").model == AUDIO


def test_the_names_are_handed_out():
    assert {"MeliousToolSpec", "MeliousAudioReader"} <= set(dir(llama_index_melious))
    assert (
        sys.modules["llama_index_melious.media.tool_spec"].MeliousToolSpec
        is llama_index_melious.MeliousToolSpec
    )


async def test_a_budget_holds_for_pictures_and_recordings_alike(way, make_spec, talk, sandbox):
    spec = make_spec(budget=ImpactBudget(max_requests=1), audio_folder=talk.parent)
    draw, write = spec.to_tool_list()
    await way(draw, "call", prompt="a lighthouse")
    with pytest.raises(BudgetExceededError):
        await way(write, "call", path=str(talk))
    assert len(sandbox.requests) == 1
