"""Schemas of structured output in all the forms that users have them in."""

import json
from enum import Enum
from typing import Annotated, Generic, NotRequired, Required, TypedDict, TypeVar

import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel, RootModel

from langchain_melious.errors import InvalidArgumentError
from melious.sandbox import Reply

PLAIN = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
INNER = {"name": "person", "description": "Who.", "schema": PLAIN}
FORMAT = {"type": "json_schema", "json_schema": INNER}
METHODS = ["json_schema", "function_calling"]


class Person(TypedDict):
    """A person."""

    age: Required[int]
    name: NotRequired[str]
    towns: NotRequired[Annotated[list[str], ..., "Where they lived."]]


def asked(sandbox):
    """The schema that the last request asked for, and its name."""
    body = sandbox.requests[-1].body
    if "tools" in body:
        function = body["tools"][0]["function"]
        return function["name"], function["parameters"]
    described = body["response_format"]["json_schema"]
    return described["name"], described["schema"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("schema", "name"),
    [(PLAIN, "answer"), (INNER, "person"), (FORMAT, "person")],
    ids=["plain", "inner", "format"],
)
def test_json_schemas_without_a_title_and_those_of_a_response_format(
    way, chat, sandbox, method, schema, name
):
    assert way.invoke(chat().with_structured_output(schema, method=method), "Anna is 5") == {"age": 5}
    named, sent = asked(sandbox)
    assert named == name
    assert sent["properties"]["age"]["type"] == "integer"
    assert sent["required"] == ["age"]


@pytest.mark.parametrize("method", METHODS)
def test_keys_that_are_not_required_may_be_left_out(way, chat, sandbox, method):
    assert way.invoke(chat().with_structured_output(Person, method=method), "Anna is 5")["age"] == 5
    name, sent = asked(sandbox)
    assert name == "Person"
    assert sent["required"] == ["age"]
    assert sent["properties"]["name"]["type"] == "string"
    assert sent["properties"]["towns"]["description"] == "Where they lived."


def test_tools_have_keys_that_are_not_required_too(way, chat, sandbox):
    assert isinstance(way.invoke(chat().bind_tools([Person]), "Hello"), AIMessage)
    assert asked(sandbox)[1]["required"] == ["age"]


def test_any_json_without_a_schema(way, chat, sandbox):
    llm = chat().with_structured_output(method="json_mode")
    assert isinstance(way.invoke(llm, "Give me JSON"), dict)
    assert sandbox.requests[-1].body["response_format"] == {"type": "json_object"}
    assert isinstance(way.stream(llm, "Give me JSON")[-1], dict)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [None, list[int], int | str, 5, {"colour": "red"}], ids=repr)
def test_what_is_no_schema_is_named(chat, method, schema):
    with pytest.raises(InvalidArgumentError, match=r"^schema: "):
        chat().with_structured_output(schema, method=method)


class Kind(Enum):
    """One of a few words."""

    A = "a"


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [Kind, int, {"title": "X"}, {"name": "X", "description": "Y"}], ids=str)
def test_what_says_nothing_of_the_answer_is_refused(chat, method, schema, strict):
    with pytest.raises(InvalidArgumentError, match="schema: must be a pydantic class"):
        chat().with_structured_output(schema, method=method, strict=strict)


@pytest.mark.parametrize("method", METHODS)
def test_a_function_in_the_form_of_openai(way, chat, sandbox, method):
    function = {"type": "function", "function": {"name": "person", "parameters": PLAIN}}
    sandbox.replies.add(Reply(tool_calls=[("person", {"age": 52})]))
    assert way.invoke(chat().with_structured_output(function, method=method), "Who?") == {"age": 52}
    assert asked(sandbox)[1]["properties"] == PLAIN["properties"]


@pytest.mark.parametrize(("answer", "strict"), [(None, None), ({"b": 2}, None), ({"b": 2}, True)])
@pytest.mark.parametrize("method", METHODS)
def test_an_object_or_nothing_and_an_object_of_several_kinds(way, chat, sandbox, method, answer, strict):
    kinds = [{"properties": {name: {"type": "integer"}}, "required": [name]} for name in "ab"]
    schema = {"title": "Either", "type": ["object", "null"], "oneOf": kinds}
    sandbox.replies.add(Reply(tool_calls=[("Either", {"value": answer})]))
    assert way.invoke(chat().with_structured_output(schema, method=method, strict=strict), "Which?") == answer
    whole = asked(sandbox)[1]["properties"]["value"]
    assert (whole["type"], len(whole["oneOf"])) == (["object", "null"], 2)


def test_a_method_that_there_is_not(chat):
    with pytest.raises(InvalidArgumentError, match=r"^method: must be one of .*, not 'tools'"):
        chat().with_structured_output(PLAIN, method="tools")


class Node(BaseModel):
    """A node of a tree."""

    name: str
    children: list["Node"] = []


class Numbers(RootModel[list[int]]):
    """Some numbers."""


LIST = {"title": "Numbers", "type": "array", "items": {"type": "integer"}}
EITHER = {"title": "Either", "anyOf": [{"type": "integer"}, {"type": "string"}]}
REFERRED = {
    "title": "Person",
    "$ref": "#/$defs/P",
    "$defs": {"P": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}
TREE = {"name": "a", "children": [{"name": "b", "children": []}]}
ROOTS = {
    "list": (LIST, {"value": [1, 2, 3]}, [1, 2, 3]),
    "list without its wrapper": (LIST, [1, 2, 3], [1, 2, 3]),
    "RootModel": (Numbers, {"value": [1, 2]}, Numbers([1, 2])),
    "union": (EITHER, {"value": "x"}, "x"),
    "reference": (REFERRED, {"name": "Maria"}, {"name": "Maria"}),
    "recursive": (Node, TREE, Node.model_validate(TREE)),
}


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize(("schema", "answer", "found"), ROOTS.values(), ids=list(ROOTS))
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_stands_at_the_root_of_a_schema_arrives_whole(
    way, chat, sandbox, method, schema, answer, found, streamed
):
    title = schema["title"] if isinstance(schema, dict) else schema.__name__
    calls = method == "function_calling" and isinstance(answer, dict)
    reply = Reply(tool_calls=[(title, answer)]) if calls else Reply(text=json.dumps(answer))
    sandbox.replies.add(reply)
    llm = chat().with_structured_output(schema, method=method)
    made = way.stream(llm, "One in json")[-1] if streamed else way.invoke(llm, "One in json")
    assert made == found
    body = sandbox.requests[0].body
    sent = (
        body["response_format"]["json_schema"]["schema"]
        if method == "json_schema"
        else body["tools"][0]["function"]["parameters"]
    )
    assert sent["type"] == "object"
    assert sent["properties"]
    if schema is Node:
        assert "$ref" in json.dumps(sent), "what refers to itself keeps its references"


def test_a_generic_class_gets_a_name_that_servers_take(way, chat, sandbox):
    T = TypeVar("T")

    class Box(BaseModel, Generic[T]):
        inside: T

    sandbox.replies.add(Reply(tool_calls=[("Box_int_", {"inside": 3})]))
    made = way.invoke(chat().with_structured_output(Box[int], method="function_calling"), "A box")
    assert made.inside == 3
    assert sandbox.requests[0].body["tools"][0]["function"]["name"] == "Box_int_"


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_a_schema_beside_tools(way, chat, sandbox, method):
    def look(place: str) -> str:
        """Look at a place."""
        return place

    llm = chat().with_structured_output(Node, method=method, include_raw=True, tools=[look])
    sandbox.replies.add(
        Reply(tool_calls=[("look", {"place": "Bonn"})]),
        Reply(tool_calls=[("Node", TREE)]) if method == "function_calling" else Reply(text=json.dumps(TREE)),
    )
    called, answered = way.invoke(llm, "Look"), way.invoke(llm, "Answer")
    assert called["raw"].tool_calls[0]["args"] == {"place": "Bonn"}
    assert (called["parsed"], called["parsing_error"]) == (None, None)
    assert answered["parsed"] == Node.model_validate(TREE)
    names = [made["function"]["name"] for made in sandbox.requests[0].body["tools"]]
    assert names == (["look", "Node"] if method == "function_calling" else ["look"])
