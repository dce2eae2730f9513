"""The picture generator: what the chat model sees, what the artifact holds, what is refused before it is sent."""

import asyncio
import base64
import copy
import json
import pickle
import struct
import zlib
from decimal import Decimal

import pytest
from faults.faults_kit import eventually
from langchain.agents import create_agent
from langchain_community.chat_message_histories import FileChatMessageHistory
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps, loads
from langchain_core.messages import HumanMessage, ToolMessage, message_to_dict

from langchain_melious import ChatMelious, MeliousImageGenerator, get_melious_callback
from langchain_melious.errors import InvalidArgumentError, ProviderError, ResponseDecodeError
from melious import BudgetExceededError, ImpactBudget, track_impact
from melious.sandbox import Fault

VISION = "mistral-small-3.2-24b-instruct"


@pytest.fixture
def draw(sandbox):
    def make(**arguments):
        place = {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
        return MeliousImageGenerator(**{"model": "flux-schnell", "size": "96x64", **place, **arguments})

    return make


def asked(tool, prompt="a lighthouse", **more):
    return {"type": "tool_call", "id": "1", "name": tool.name, "args": {"prompt": prompt, **more}}


def png_size(data):
    """Read a PNG as a viewer does: every chunk's checksum holds, and the pixels unpack."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    place, pixels, size = 8, b"", None
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length)[0] == zlib.crc32(kind + content)
        if kind == b"IHDR":
            size = struct.unpack_from(">II", content)
        if kind == b"IDAT":
            pixels += content
        place += 12 + length
    assert len(zlib.decompress(pixels)) == size[1] * (1 + 3 * size[0])
    return size


def test_the_model_sees_pictures_and_the_artifact_holds_all(way, draw, sandbox):
    tool = draw(n=2, preset="environment", quality="hd", style="vivid", user="u1")
    message = way.invoke(tool, asked(tool))
    assert isinstance(message, ToolMessage)
    text, first, second = message.content_blocks
    assert text == {"type": "text", "text": "2 pictures were made."}
    assert (
        (first["type"], first["mime_type"]) == (second["type"], second["mime_type"]) == ("image", "image/png")
    )
    assert first["base64"] != second["base64"]
    artifact = message.artifact
    assert [png_size(base64.b64decode(image["base64"])) for image in artifact["images"]] == [(96, 64)] * 2
    assert (artifact["prompt"], artifact["model"]) == ("a lighthouse", "flux-schnell")
    assert artifact["routing"] == {"preset": "environment"}
    assert artifact["environment_impact"]["carbon_g_co2"] > 0
    assert Decimal(artifact["billing_cost"]["credits"]) > 0
    request = sandbox.requests[-1]
    assert artifact["request_id"] == request.request_id
    assert request.body == {
        "model": "flux-schnell",
        "prompt": "a lighthouse",
        "response_format": "b64_json",
        "n": 2,
        "size": "96x64",
        "quality": "hd",
        "style": "vivid",
        "user": "u1",
        "preset": "environment",
    }
    assert pickle.loads(pickle.dumps(artifact)) == artifact


def test_pictures_out_of_the_models_sight(way, draw):
    tool = draw(show_images=False)
    message = way.invoke(tool, asked(tool))
    assert message.content == [{"type": "text", "text": "1 picture was made."}]
    assert png_size(base64.b64decode(message.artifact["images"][0]["base64"])) == (96, 64)


def test_the_model_may_ask_for_a_shape(way, draw, sandbox):
    tool = draw(size=None, width=80, height=64)
    way.invoke(tool, asked(tool, size="1792x1024"))
    way.invoke(tool, asked(tool))
    other, own = (request.body for request in sandbox.requests)
    assert (other["size"], "width" in other) == ("1792x1024", False)
    assert (own["width"], own["height"], "size" in own) == (80, 64, False)


def test_without_a_tool_call_the_content_comes_back(way, draw):
    assert [block["type"] for block in way.invoke(draw(), "a lighthouse")] == ["text", "image"]


def test_hosted_pictures(way, start_sandbox, draw):
    there = start_sandbox("g1")
    tool = draw(image_format="url", api_key=there.api_key, base_url=there.base_url)
    message = way.invoke(tool, asked(tool))
    (image,) = message.artifact["images"]
    assert set(image) == {"url"}
    assert message.content[1] == {"type": "image", "url": image["url"]}
    assert image["url"] in message.content[0]["text"]


def test_kinds_prefixes_and_prompts_as_services_send_them(way, draw, sandbox):
    jpeg = "data:image/jpeg;base64,/9j/4AAQSkZJRg=="
    answer = {"data": [{"b64_json": jpeg, "revised_prompt": "a white lighthouse in fog"}]}
    sandbox.faults.add(Fault(body=answer))
    tool = draw()
    message = way.invoke(tool, asked(tool))
    assert message.content[0]["text"].endswith("It was understood as: a white lighthouse in fog")
    assert message.content[1]["mime_type"] == "image/jpeg"
    assert message.artifact == {
        "prompt": "a lighthouse",
        "model": "flux-schnell",
        "request_id": sandbox.requests[-1].request_id,
        "images": [
            {
                "base64": jpeg.partition(",")[2] or jpeg,
                "mime_type": "image/jpeg",
                "revised_prompt": "a white lighthouse in fog",
            }
        ],
    }, "what was not reported is absent"


@pytest.mark.parametrize("picture", [{}, {"b64_json": "/9j"}], ids=["neither", "broken"])
def test_an_answer_without_a_picture_is_an_error(way, draw, sandbox, picture):
    sandbox.faults.add(Fault(body={"data": [picture]}))
    with pytest.raises(ResponseDecodeError, match="images: ") as caught:
        way.invoke(draw(), "a lighthouse")
    assert caught.value.request_id == sandbox.requests[-1].request_id


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"n": 0}, "n: .*, not 0"),
        ({"n": 11}, "n: .*1 to 10, not 11"),
        ({"size": "large"}, "size: .*1024x1024', not 'large'"),
        ({"size": "0x64"}, "size"),
        ({"width": 0}, "width"),
        ({"quality": "best"}, "quality: .*standard, hd, not 'best'"),
        ({"output_quality": 101}, "output_quality.*0 to 100"),
        ({"sise": "64x64"}, "sise.*did you mean 'size'"),
        ({"image_format": "png"}, "image_format"),
        ({"model": ""}, "model"),
    ],
)
def test_what_the_wire_does_not_take_is_refused_at_once(draw, sandbox, arguments, named):
    with pytest.raises(ValueError, match=named):
        draw(**arguments)
    assert not sandbox.requests


def test_what_the_model_says_wrong_is_refused_before_it_is_sent(way, draw, sandbox):
    tool = draw()
    with pytest.raises(InvalidArgumentError, match="prompt"):
        way.invoke(tool, asked(tool, prompt=" "))
    with pytest.raises(ValueError, match="size"):
        way.invoke(tool, asked(tool, size="9x9"))
    assert not sandbox.requests


def test_failures_are_langchains_too(way, draw, sandbox):
    sandbox.faults.add(Fault(status=502, times=None))
    with pytest.raises(ProviderError):
        way.invoke(draw(max_retries=0), "a lighthouse")


class Events(BaseCallbackHandler):
    def __init__(self):
        self.runs, self.seen = [], []

    def on_tool_start(self, serialized, input_str, *, run_id, **_):
        self.runs.append(run_id)

    def on_custom_event(self, name, data, *, run_id, **_):
        self.seen.append((name, data, run_id))


def test_what_it_cost_is_told(way, draw, sandbox):
    events = Events()
    with track_impact() as ledger, get_melious_callback() as callback:
        way.invoke(draw(flavor="eco"), "a lighthouse", {"callbacks": [events]})
    assert ledger.by("endpoint").keys() == {"images"}
    assert callback.ledger.to_dict() == ledger.to_dict()
    ((name, data, run_id),) = events.seen
    assert (name, run_id) == ("melious_usage", events.runs[0])
    assert (data["endpoint"], data["model"], data["routing"]) == ("images", "flux-schnell", {"flavor": "eco"})
    assert data["request_id"] == sandbox.requests[-1].request_id


async def test_async_holds_nothing_up(draw, sandbox):
    tool = draw()
    done = await asyncio.gather(*(tool.ainvoke(f"lighthouse {n}") for n in range(4)))
    assert len({blocks[1]["base64"] for blocks in done}) == 4
    sandbox.requests.clear()
    sandbox.faults.add(Fault(delay=600, times=4))
    tasks = [asyncio.create_task(tool.ainvoke(f"lighthouse {n}")) for n in range(4)]
    assert await asyncio.to_thread(eventually, lambda: len(sandbox.requests) == 4)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 4


@pytest.mark.parametrize("carried", [copy.copy, copy.deepcopy, lambda tool: pickle.loads(pickle.dumps(tool))])
def test_copies_work(draw, carried):
    tool = draw()
    tool.invoke("a lighthouse")
    assert carried(tool).invoke("a lighthouse") == tool.invoke("a lighthouse")


def test_the_key_is_not_shown(draw, sandbox):
    tool = draw(default_headers={"x-secret": "hush"})
    shown = f"{tool!r} {tool} {tool.model_dump()} {tool.args_schema.model_json_schema()}"
    assert sandbox.api_key not in shown
    assert "hush" not in shown


@pytest.mark.parametrize("model", [VISION, "glm-4.7"])
def test_an_agent_draws(way, draw, sandbox, model):
    """One that sees is shown the picture; one that does not is told of it."""
    place = {"api_key": sandbox.api_key, "base_url": sandbox.base_url}
    tool = draw(show_images=model == VISION)
    agent = create_agent(ChatMelious(model=model, **place), tools=[tool])
    question = HumanMessage("Please generate an image of a lighthouse in fog.")
    messages = way.invoke(agent, {"messages": [question]})["messages"]
    (told,) = (message for message in messages if isinstance(message, ToolMessage))
    assert png_size(base64.b64decode(told.artifact["images"][0]["base64"]))
    assert messages[-1].text
    paths = [request.path.rpartition("/v1/")[2] for request in sandbox.requests]
    assert paths == ["chat/completions", "images/generations", "chat/completions"]
    assert ("image_url" in json.dumps(sandbox.requests[-1].body["messages"])) == (model == VISION)


async def test_available_models(draw):
    assert "flux-schnell" in draw().available_models()
    assert await draw().aavailable_models() == draw().available_models()


def test_a_budget_ends_the_drawing(way, draw, sandbox):
    tool = draw(budget=ImpactBudget(max_requests=1))
    way.invoke(tool, asked(tool))
    with pytest.raises(BudgetExceededError):
        way.invoke(tool, asked(tool))
    assert len(sandbox.requests) == 1


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_message_with_a_picture_goes_into_json(draw, tmp_path):
    message = draw().invoke(
        {"type": "tool_call", "name": "generate_image", "args": {"prompt": "fog"}, "id": "c"}
    )
    again = loads(dumps(message), allowed_objects="messages")
    assert again.artifact == message.artifact
    assert json.loads(message.model_dump_json())["artifact"]["images"][0]["mime_type"] == "image/png"
    json.dumps(message_to_dict(message))
    history = FileChatMessageHistory(str(tmp_path / "history.json"))
    history.add_message(message)
    assert history.messages[0].content == message.content
