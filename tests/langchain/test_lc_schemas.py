"""Schemas of structured output in all the forms that users have them in."""

from typing import Annotated, NotRequired, Required, TypedDict

import pytest
from langchain_core.messages import AIMessage

from langchain_melious.errors import InvalidArgumentError

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


def test_a_method_that_there_is_not(chat):
    with pytest.raises(InvalidArgumentError, match=r"^method: must be one of .*, not 'tools'"):
        chat().with_structured_output(PLAIN, method="tools")
