"""Tool calls as servers really send them: every call has an id, strings are opened, no half call runs."""

import json

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool
from llama_kit import QUIET_AGENTS, piece, sse, whole
from pydantic import BaseModel, RootModel

from llama_index_melious import ToolArgumentsError
from melious.errors import InvalidArgumentError, ModelRefusalError
from melious.sandbox import Fault, Reply
from melious.wire.schemas import is_wire_name

pytestmark = QUIET_AGENTS

NESTED = {"size": '{"width": "3", "height": 4}', "tags": '["a", "b"]', "depth": "2.5", "note": "[1]"}
OPENED = {"size": {"width": "3", "height": 4}, "tags": ["a", "b"], "depth": 2.5, "note": "[1]"}
METHODS = ["chat_with_tools", "stream_chat_with_tools"]


def place(size: dict, tags: list[str], depth: float, note: str) -> str:
    """Place a thing."""
    return json.dumps([size, tags, depth, note])


PLACE = FunctionTool.from_defaults(place)


def echo(note: str = "nothing") -> str:
    """Echo a note."""
    return f"heard {note}"


ECHO = FunctionTool.from_defaults(echo)


def call(index, call_id, arguments, name="echo"):
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


def last(result):
    return result[-1] if isinstance(result, list) else result


@pytest.mark.parametrize("method", METHODS)
async def test_json_inside_strings_is_opened_where_the_schema_wants_it(make_llm, way, sandbox, method):
    sandbox.replies.add(Reply(tool_calls=[("place", NESTED)]))
    llm = make_llm()
    response = last(await way(llm, method, [PLACE], "Place it"))
    (selection,) = llm.get_tool_calls_from_response(response)
    assert selection.tool_kwargs == OPENED


@pytest.mark.parametrize("ids", [[None, None], ["", ""], ["a", ""], ["a", "a"]], ids=str)
@pytest.mark.parametrize("method", METHODS)
async def test_every_call_has_an_id_of_its_own(make_llm, way, sandbox, method, ids):
    calls = [call(n, given, json.dumps({"note": f"n{n}"})) for n, given in enumerate(ids)]
    if method == "chat_with_tools":
        sandbox.faults.add(Fault(body=whole({"content": "", "tool_calls": calls}, "tool_calls")))
    else:
        chunks = [piece({"tool_calls": [one]}) for one in calls]
        sandbox.faults.add(Fault(raw=sse(*chunks, piece({}, "tool_calls"))))
    llm = make_llm()
    response = last(await way(llm, method, [ECHO], "Go", allow_parallel_tool_calls=True))
    found = llm.get_tool_calls_from_response(response)
    assert [one.tool_kwargs for one in found] == [{"note": "n0"}, {"note": "n1"}]
    assert len({one.tool_id for one in found} - {""}) == 2


@pytest.mark.parametrize("method", METHODS)
async def test_a_call_whose_arguments_never_began_does_not_run(make_llm, way, sandbox, method):
    sandbox.replies.add(Reply(tool_calls=[("echo", "")], finish_reason="length"))
    llm = make_llm()
    response = last(await way(llm, method, [ECHO], "Go"))
    with pytest.raises(ToolArgumentsError, match="cut off"):
        llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)


async def test_an_agent_does_not_run_a_tool_on_broken_arguments(make_llm, sandbox):
    heard: list[str] = []

    def note(text: str = "nothing") -> str:
        """Take a note."""
        heard.append(text)
        return "noted"

    sandbox.replies.add(Reply(tool_calls=[("note", "text = Oslo")]), Reply(text="I could not."))
    agent = FunctionAgent(tools=[FunctionTool.from_defaults(note)], llm=make_llm(model="glm-4.7"))
    answer = await agent.run("Note Oslo")
    assert str(answer) == "I could not."
    assert heard == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("echo the note", "{}"), ("functions.echo:0", '{"note": '), ("", "[1]"), ("echo", '"{}"')],
)
async def test_what_a_model_made_up_goes_back_as_strict_servers_take_it(make_llm, sandbox, name, arguments):
    made_up = [call(0, "c1", arguments, name)]
    sandbox.replies.add(Reply(json=whole({"content": "", "tool_calls": made_up})), Reply(text="Done"))
    agent = FunctionAgent(tools=[ECHO], llm=make_llm(), streaming=False)
    assert str(await agent.run("Go")) == "Done"
    (sent,) = sandbox.requests[-1].body["messages"][1]["tool_calls"]
    assert is_wire_name(sent["function"]["name"])
    assert isinstance(json.loads(sent["function"]["arguments"]), dict)


@pytest.mark.parametrize("name", ["a/b", "Weather report", "n" * 65])
async def test_a_tool_whose_name_no_server_takes_is_refused(make_llm, way, sandbox, name):
    with pytest.raises(InvalidArgumentError, match="not a valid name for a tool"):
        await way(make_llm(), "chat_with_tools", [FunctionTool.from_defaults(echo, name=name)], "Go")
    assert not sandbox.requests


async def test_the_name_of_a_message_is_made_one_that_servers_take(make_llm, way, sandbox):
    message = ChatMessage("Hello", role="user", additional_kwargs={"name": "Research Expert"})
    sandbox.replies.add(Reply(text="Hi"))
    await way(make_llm(), "chat", [message])
    assert sandbox.requests[-1].body["messages"][0]["name"] == "Research_Expert"


# --- objects -------------------------------------------------------------------------------------------


class Node(BaseModel):
    """A node of a tree."""

    name: str
    children: list["Node"] = []


class Numbers(RootModel[list[int]]):
    """Some numbers."""


class Either(RootModel[Node | int]):
    """A node, or a number."""


TREE = {"name": "a", "children": [{"name": "b", "children": []}]}


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
@pytest.mark.parametrize(
    ("kind", "answer", "found"),
    [
        (Numbers, {"value": [1, 2, 3]}, [1, 2, 3]),
        (Numbers, [1, 2, 3], [1, 2, 3]),
        (Either, {"value": 5}, 5),
        (Node, TREE, TREE),
        (Node, {"name": "a", "children": json.dumps(TREE["children"])}, TREE),
    ],
    ids=["list", "list without its wrapper", "union", "recursive", "list inside a string"],
)
async def test_what_stands_at_the_root_of_a_schema(make_llm, way, sandbox, method, kind, answer, found):
    from llama_index.core.prompts import PromptTemplate

    sandbox.replies.add(Reply(text=json.dumps(answer)))
    made = last(await way(make_llm(), method, kind, PromptTemplate("Make one")))
    assert made == kind.model_validate(found)
    schema = sandbox.requests[-1].body["response_format"]["json_schema"]["schema"]
    assert schema["type"] == "object"
    assert schema["properties"]


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_a_model_that_refuses_the_schema_is_asked_in_another_way(make_llm, way, sandbox, method):
    from llama_index.core.prompts import PromptTemplate

    error = {"error": {"message": "response_format is not supported"}}
    sandbox.faults.add(Fault(status=400, body=error))
    sandbox.replies.add(Reply(tool_calls=[("Numbers", {"value": [1]})]), times=2)
    llm = make_llm()
    for _ in range(2):
        made = last(await way(llm, method, Numbers, PromptTemplate("Make one")))
        assert made == Numbers([1])
    assert ["tools" in request.body for request in sandbox.requests] == [False, True, True]


# --- what a model cannot read --------------------------------------------------------------------------


PNG = b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
PICTURE = [TextBlock(text="Look"), ImageBlock(image=PNG)]


async def test_a_fresh_picture_for_a_model_without_eyes_is_refused(make_llm, way, sandbox):
    with pytest.raises(InvalidArgumentError, match=r"glm-4\.7.*ImageBlock.*does not read images"):
        await way(make_llm(model="glm-4.7"), "chat", [ChatMessage(role="user", blocks=PICTURE)])
    assert not sandbox.requests


@pytest.mark.parametrize("role", ["user", "tool"])
async def test_a_picture_of_an_older_turn_becomes_words(make_llm, way, sandbox, role):
    sandbox.replies.add(Reply(text="Hi"))
    history = [
        ChatMessage(role=role, blocks=PICTURE, additional_kwargs={"tool_call_id": "c1"}),
        ChatMessage("Nice.", role="assistant"),
        ChatMessage("Go on", role="user"),
    ]
    await way(make_llm(model="glm-4.7"), "chat", history)
    assert (
        "[an image was here; this model cannot read it]"
        in sandbox.requests[-1].body["messages"][0]["content"]
    )


async def test_a_file_that_is_gone_becomes_words_in_an_older_turn_only(make_llm, way, sandbox, tmp_path):
    path = tmp_path / "plan.png"
    path.write_bytes(b"bytes")
    turn = ChatMessage(role="user", blocks=[ImageBlock(path=path)])
    path.unlink()
    llm = make_llm(model="mistral-small-3.2-24b-instruct")
    with pytest.raises(InvalidArgumentError, match=r"messages\[0\]: .*plan\.png"):
        await way(llm, "chat", [turn])
    assert not sandbox.requests
    await way(llm, "chat", [turn, ChatMessage("Nice.", role="assistant"), ChatMessage("Go on")])
    assert "an image was here" in sandbox.requests[-1].body["messages"][0]["content"]


# --- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "It be"], ids=["empty", "cut"])
@pytest.mark.parametrize("method", ["chat", "stream_chat"])
async def test_an_answer_that_a_filter_withheld_is_a_refusal(make_llm, way, sandbox, method, text):
    sandbox.replies.add(Reply(text=text, finish_reason="content_filter"))
    with pytest.raises(ModelRefusalError, match="content filter") as caught:
        await way(make_llm(), method, [ChatMessage("Hello")])
    assert caught.value.text == text
    assert caught.value.request_id == sandbox.requests[-1].request_id


async def test_so_is_one_that_should_have_been_an_object(make_llm, way, sandbox):
    from llama_index.core.prompts import PromptTemplate

    sandbox.replies.add(Reply(text="", finish_reason="content_filter"))
    with pytest.raises(ModelRefusalError):
        await way(make_llm(), "structured_predict", Numbers, PromptTemplate("Make one"))
