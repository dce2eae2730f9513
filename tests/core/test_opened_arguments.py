"""JSON inside strings is opened where the schema wants something else, and stays where it wants text."""

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from melious.wire.arguments import ArgumentStream, opened


class Look(BaseModel):
    kind: Literal["look"]
    body: list[int]


class Say(BaseModel):
    kind: Literal["say"]
    body: str


class Step(BaseModel):
    ids: list[int] | None = None
    act: Annotated[Look | Say, Field(discriminator="kind")] | None = None
    acts: list[Look | Say] = []
    choice: Literal[1, 2] = 1
    note: str | None = None
    sizes: dict[str, list[int]] = {}
    steps: "list[Step]" = []


SCHEMA = Step.model_json_schema()
OBJECT = {"type": "object"}
LIST = {"type": "array"}
SAID = {"kind": "say", "body": "[1]"}
LOOKED = {"kind": "look", "body": [1]}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "encoded twice": (SCHEMA, {"ids": json.dumps("[1, 2]")}, {"ids": [1, 2]}),
    "encoded three times": (SCHEMA, {"ids": json.dumps(json.dumps("[1]"))}, {"ids": [1]}),
    "a line break in a string": (
        SCHEMA,
        {"act": '{"kind": "say", "body": "a\nb"}'},
        {"act": SAID | {"body": "a\nb"}},
    ),
    "text of the right member": (SCHEMA, {"act": SAID}, {"act": SAID}),
    "a list of the right member": (SCHEMA, {"act": LOOKED | {"body": "[1]"}}, {"act": LOOKED}),
    "members in a list": (
        SCHEMA,
        {"acts": json.dumps([SAID, LOOKED | {"body": "[1]"}])},
        {"acts": [SAID, LOOKED]},
    ),
    "text before it is clear which member": (
        SCHEMA,
        {"act": {"body": "[1]", "kind": "say"}},
        {"act": {"body": "[1]", "kind": "say"}},
    ),
    "a number of a few": (SCHEMA, {"choice": "2"}, {"choice": 2}),
    "null for text": (SCHEMA, {"note": "null", "ids": "null"}, {"note": "null", "ids": None}),
    "in a recursive class": (
        SCHEMA,
        {"steps": json.dumps([{"ids": "[1]", "steps": json.dumps([{"sizes": '{"a": "[2]"}'}])}])},
        {"steps": [{"ids": [1], "steps": [{"sizes": {"a": [2]}}]}]},
    ),
    "not JSON": (SCHEMA, {"ids": "[1, 2"}, {"ids": "[1, 2"}),
    "parts beside a type": (
        {
            "properties": {
                "a": {**OBJECT, "anyOf": [{"properties": {"n": {"type": "number"}}}, {"required": ["m"]}]}
            }
        },
        {"a": '{"n": "2"}'},
        {"a": {"n": 2}},
    ),
    "all of several": (
        {"allOf": [{"properties": {"a": {"allOf": [LIST, {"minItems": 1}]}}}, {"properties": {"b": LIST}}]},
        {"a": "[1]", "b": "[2]"},
        {"a": [1], "b": [2]},
    ),
    "anything among others": ({"properties": {"a": {"anyOf": [LIST, True]}}}, {"a": "[1]"}, {"a": "[1]"}),
    "items without a type": ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": "[1]"}, {"a": [1]}),
}


@pytest.mark.parametrize(
    "size", [1, 3, 1000, None], ids=lambda size: f"pieces of {size}" if size else "whole"
)
@pytest.mark.parametrize(("schema", "given", "wanted"), CASES.values(), ids=list(CASES))
def test_strings_are_opened_where_the_schema_wants_no_text(
    schema: dict[str, Any], given: dict[str, Any], wanted: dict[str, Any], size: int | None
) -> None:
    if size is None:
        assert opened(given, schema) == wanted
        return
    stream, text = ArgumentStream(schema), json.dumps(given)
    pieces = [stream.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert json.loads("".join(pieces) + stream.rest()) == wanted


def test_a_schema_that_only_refers_to_itself_ends() -> None:
    loop = {"$ref": "#/$defs/Loop"}
    schema = {"properties": {"a": loop}, "$defs": {"Loop": {"anyOf": [loop, loop, loop]}}}
    assert opened({"a": "[1]"}, schema) == {"a": "[1]"}
