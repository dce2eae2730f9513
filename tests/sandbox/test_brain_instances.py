"""Instances of schemas: filled from what a text mentions, always valid."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from melious_sandbox.brain.instances import fill
from melious_sandbox.brain.mentions import Mentions
from melious_sandbox.brain.schemas import merged, resolve

TEXT, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def thing(**properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


@pytest.mark.parametrize(
    ("schema", "text", "made"),
    [
        (thing(name=TEXT, age=INTEGER, city=TEXT), "Anna is 31 and lives in Rome.", ["Anna", 31, "Rome"]),
        (thing(city=TEXT), "Find hotels in New York please", ["New York"]),
        (thing(title=TEXT), 'Write "The Tempest" down, Bob', ["The Tempest"]),
        (thing(a=NUMBER, b=INTEGER, c=INTEGER), "2.5, then 1,006 and -3", [2.5, 1006, -3]),
        (thing(a={"type": "integer", "maximum": 9}), "10 or 7", [7]),
        (thing(unit={"enum": ["celsius", "fahrenheit"]}), "in Fahrenheit", ["fahrenheit"]),
        (thing(unit={"enum": ["celsius", "fahrenheit"]}), "the weather", ["celsius"]),
        (thing(on={"type": "string", "format": "date"}), "on 2026-05-04 at 10:30", ["2026-05-04"]),
        (thing(to={"type": "string", "format": "email"}), "Write to bob@x.org", ["bob@x.org"]),
        (thing(at={"type": "string", "format": "uri"}), "see http://a.b/c.", ["http://a.b/c"]),
        (thing(id={"type": "string", "format": "uuid"}), "x", ["00000000-0000-4000-8000-000000000000"]),
        (thing(names={"type": "array", "items": TEXT}), "for Bob", [["Bob"]]),
        (thing(tags={"type": "array", "items": INTEGER, "minItems": 3, "uniqueItems": True}), "", [[0, 1, 2]]),
        (thing(query=TEXT), "how tall is it", ["how tall is it"]),
        (thing(steps={"type": "array", "items": TEXT}), "How do I stream?", [["How do I stream?"]]),
        (thing(who=TEXT), "what I\u2019ve told Bob", ["Bob"]),
        (thing(legs={"type": "array", "items": thing(to=TEXT)}), "to Rome", [[{"to": "Rome"}]]),
        (thing(on={"type": "boolean"}, k={"type": "integer", "default": 4}), "7", [False, 4]),
        (thing(a={"anyOf": [TEXT, {"type": "null"}]}), "Bob", [None]),
        (thing(a={"anyOf": [INTEGER, TEXT]}), "5", [5]),
    ],
)  # fmt: skip
def test_values_come_from_the_text(schema, text, made):
    assert list(fill(schema, text).values()) == made


def test_a_text_without_a_mention_gets_what_is_to_spare():
    assert fill(thing(answer=TEXT), "how tall is it", "330 metres") == {"answer": "330 metres"}


def test_what_is_not_required_is_left_out_unless_nothing_is():
    assert fill({**thing(a=INTEGER, b=INTEGER), "required": ["a"]}, "1 2") == {"a": 1}
    assert fill({"type": "object", "properties": {"a": INTEGER, "b": {"default": 3}}}, "1 2") == {"a": 1}


def test_each_mention_is_given_once():
    mentions = Mentions("The Loire and Paris. What now?")
    assert [mentions.take("name") for _ in range(3)] == ["Loire", "Paris", None]


def test_a_schema_that_holds_itself_ends():
    schema = {"$defs": {"Tree": thing(name=TEXT, kids={"type": "array", "items": {"$ref": "#/$defs/Tree"}})}}
    schema["$ref"] = "#/$defs/Tree"
    assert json.dumps(fill(schema, "a tree"))
    endless = {"$defs": {"A": thing(a={"$ref": "#/$defs/A"})}, "$ref": "#/$defs/A"}
    assert json.dumps(fill(endless, "x"))


def test_references_are_followed():
    with pytest.raises(ValueError, match="circle"):
        resolve({"$ref": "#"}, {"$ref": "#"})
    with pytest.raises(ValueError, match="points at nothing"):
        resolve({"$ref": "#/$defs/B"}, {})
    with pytest.raises(ValueError, match="leaves the schema"):
        resolve({"$ref": "https://a.example/b"}, {})
    whole = merged({"allOf": [thing(a=TEXT), {"required": ["b"]}], "required": ["c"]}, {})
    assert whole["required"] == ["c", "a", "b"]


class Leg(BaseModel):
    """One leg of a journey."""

    start: str
    end: str
    distance_km: float | None = None


class Journey(BaseModel):
    traveller: str = Field(description="Who travels")
    legs: list[Leg] = Field(min_length=1)
    tickets: int = Field(ge=1, le=9)
    comfort: str = Field(default="second", pattern="^(first|second)$")


def test_pydantic_schemas_give_what_pydantic_takes():
    made = fill(Journey.model_json_schema(), "Ada is one of 3 from Rome to Oslo")
    journey = Journey.model_validate(made)
    assert (journey.traveller, journey.tickets) == ("Ada", 3)
    assert journey.legs == [Leg(start="Rome", end="Oslo")]


_NUMERIC = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number"])},
    optional={
        "minimum": st.integers(-50, 50),
        "maximum": st.integers(60, 200),
        "multipleOf": st.sampled_from([1, 2, 5]),
    },
)
_OPEN = st.fixed_dictionaries(
    {"type": st.sampled_from(["integer", "number"])},
    optional={"exclusiveMinimum": st.integers(-50, 50), "exclusiveMaximum": st.integers(60, 200)},
)
_STRING = st.fixed_dictionaries(
    {"type": st.just("string")}, optional={"minLength": st.integers(0, 5), "maxLength": st.integers(5, 40)}
)
_LEAVES = st.one_of(
    _NUMERIC,
    _OPEN,
    _STRING,
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"const": 5}, {}]),
    st.sampled_from([{"type": "string", "pattern": r"^\d+$"}, {"type": "string", "pattern": "^[A-Z]{2}-"}]),
    st.lists(st.sampled_from(["red", "Paris", 1, 2, None, True]), min_size=1, unique_by=repr).map(
        lambda options: {"enum": options}
    ),
)


def _with_children(children):
    objects = st.dictionaries(st.sampled_from(["name", "age", "tags", "k"]), children, max_size=4).flatmap(
        lambda properties: st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.just(properties),
                "required": st.just(sorted(properties)[::2]),
                "additionalProperties": st.just(False),
            }
        )
    )
    arrays = st.fixed_dictionaries(
        {"type": st.just("array"), "items": children},
        optional={"minItems": st.integers(0, 3), "maxItems": st.integers(3, 5)},
    )
    choices = st.lists(children, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts})
    return objects | arrays | choices


_TEXTS = st.text(max_size=60) | st.sampled_from(
    [
        "Anna is 31 years old and lives in Rome.",
        "Book 2 tickets from Paris to New York on 2026-05-04 for $120.50, please",
        'tags: red, green and blue; count = 7; bob@x.org http://a.b/c "quoted" true',
    ]
)


@given(st.recursive(_LEAVES, _with_children, max_leaves=8), _TEXTS)
def test_every_instance_is_valid(schema, text):
    made = fill(schema, text)
    jsonschema.Draft202012Validator(schema).validate(made)
    assert made == fill(schema, text)
