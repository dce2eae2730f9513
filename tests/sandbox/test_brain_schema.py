"""Instances by schema: what is taken from the text, and that every instance is valid."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from melious_sandbox.brain.patterns import matching
from melious_sandbox.brain.schema import fill, validate
from melious_sandbox.brain.validation import resolve

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}


def thing(required=None, /, **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
    }


PERSON = thing(["name", "age"], name=TEXT, age=INTEGER, city=TEXT)


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (PERSON, "Anna is 31 years old and lives in Rome", {"name": "Anna", "age": 31, "city": "Rome"}),
        (PERSON, "Bob Lee, aged 7", {"name": "Bob Lee", "age": 7}),
        (
            thing(name=TEXT, city={"anyOf": [TEXT, {"type": "null"}]}, job={"type": ["string", "null"]}),
            "Anna is 31",
            {"name": "Anna", "city": None, "job": None},
        ),
        (
            thing(name=TEXT, city={"anyOf": [TEXT, {"type": "null"}]}),
            "Anna lives in Rome",
            {"name": "Anna", "city": "Rome"},
        ),
        (
            thing(people={"type": "array", "items": PERSON}),
            "Anna is 31 and lives in Rome. Bob, aged 25, is from Oslo.",
            {
                "people": [
                    {"name": "Anna", "age": 31, "city": "Rome"},
                    {"name": "Bob", "age": 25, "city": "Oslo"},
                ]
            },
        ),
        (
            thing(
                product=TEXT, price=NUMBER, currency={"enum": ["EUR", "USD"]}, in_stock={"type": "boolean"}
            ),
            'The "Desk Lamp" costs €49.90 and is not in stock',
            {"product": "Desk Lamp", "price": 49.9, "currency": "EUR", "in_stock": False},
        ),
        (
            thing(sentiment={"enum": ["negative", "positive"]}, confidence={"type": "number", "maximum": 1}),
            "A positive review of 2 films, confidence 0.9",
            {"sentiment": "positive", "confidence": 0.9},
        ),
        (
            thing(
                name=TEXT,
                address=thing(["city"], city=TEXT, zip=TEXT),
                email={"type": "string", "format": "email"},
            ),
            "Contact: Maria Lopez, maria@example.org, lives in Madrid",
            {"name": "Maria Lopez", "address": {"city": "Madrid"}, "email": "maria@example.org"},
        ),
        (
            thing(origin=TEXT, destination=TEXT, passengers=INTEGER, date=TEXT),
            "From Paris to New York for 2 passengers, tomorrow",
            {"origin": "Paris", "destination": "New York", "passengers": 2, "date": "tomorrow"},
        ),
        (
            thing(attendees={"type": "array", "items": TEXT}, date={"type": "string", "format": "date"}),
            "Meeting on 2026-03-04 with Anna, Bob and Carl",
            {"attendees": ["Anna", "Bob", "Carl"], "date": "2026-03-04"},
        ),
        (
            thing(ingredients={"type": "array", "items": TEXT}, minutes=INTEGER),
            "A recipe with flour, eggs and milk that takes twenty minutes",
            {"ingredients": ["flour", "eggs", "milk"], "minutes": 20},
        ),
        (
            thing(tags={"type": "array", "items": {"enum": ["urgent", "home", "work"]}}),
            "Mark it as work and urgent",
            {"tags": ["work", "urgent"]},
        ),
        (
            thing(["name"], name=TEXT, middle_name={"anyOf": [TEXT, {"type": "null"}]}, height_cm=NUMBER),
            "John Smith is 180 cm tall",
            {"name": "John Smith", "height_cm": 180},
        ),
        (
            thing(answer=TEXT),
            "Context:\nParis is the capital of France.\nRome is the capital of Italy.\n\nQuestion: What is the capital of Italy?",
            {"answer": "Rome is the capital of Italy."},
        ),
        (
            thing(title=TEXT, year=INTEGER),
            "title: Metropolis, year: 1927",
            {"title": "Metropolis", "year": 1927},
        ),
    ],
)
def test_values_come_from_the_text(schema, text, expected):
    assert fill(schema, text) == expected


def test_two_numbers_go_where_their_units_say():
    schema = thing(price=NUMBER, age=INTEGER, distance=NUMBER)
    text = "It is 12 years old, 80 km away and costs $1,500.50"
    assert fill(schema, text) == {"price": 1500.5, "age": 12, "distance": 80}


def test_a_number_out_of_range_is_not_taken():
    limited = thing(["query"], query=TEXT, limit={"type": "integer", "minimum": 1, "maximum": 10})
    assert fill(limited, "find whales, limit 5")["limit"] == 5
    assert "limit" not in fill(limited, "find whales, limit 500")


def test_what_the_text_does_not_say_is_the_default_or_the_plainest():
    schema = thing(
        colour={"type": "string", "default": "blue"}, size={"type": "integer", "minimum": 3}, code=TEXT
    )
    assert fill(schema, "") == {"colour": "blue", "size": 3, "code": "unknown"}
    assert fill(thing([], note=TEXT, amount=NUMBER), "hello") == {}


def test_a_schema_that_holds_itself_ends():
    node = thing(["value"], value=TEXT, children={"type": "array", "items": {"$ref": "#/$defs/Node"}})
    schema = {"$defs": {"Node": node}, "$ref": "#/$defs/Node"}
    assert validate(fill(schema, "a tree called Oak"), schema) == []
    endless = {"$defs": {"A": thing(a={"$ref": "#/$defs/A"})}, "$ref": "#/$defs/A"}
    assert json.dumps(fill(endless, "x"))
    with pytest.raises(ValueError, match="circle"):
        resolve({"$ref": "#"}, {"$ref": "#"})
    with pytest.raises(ValueError, match="points at nothing"):
        resolve({"$ref": "#/$defs/B"}, {})


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
    made = fill(Journey.model_json_schema(), "Ada wants 3 tickets from Rome to Oslo")
    journey = Journey.model_validate(made)
    assert journey.tickets == 3
    assert journey.traveller == "Ada"


@pytest.mark.parametrize(
    ("instance", "schema", "problems"),
    [
        (3, INTEGER, 0),
        (3.0, INTEGER, 0),
        (3.5, INTEGER, 1),
        (True, INTEGER, 1),
        (None, {"type": ["string", "null"]}, 0),
        ("ab", {"minLength": 3, "pattern": "^b"}, 2),
        (7, {"multipleOf": 2, "maximum": 6}, 2),
        (0.3, {"multipleOf": 0.1}, 0),
        (5, {"exclusiveMinimum": 5}, 1),
        ([1, 1], {"uniqueItems": True, "minItems": 3}, 2),
        ([1, "a"], {"prefixItems": [INTEGER], "items": INTEGER}, 1),
        ({"a": 1}, {**thing(b=TEXT), "additionalProperties": False}, 2),
        ({"a": 1}, {"additionalProperties": TEXT}, 1),
        (1, {"enum": [True, "1"]}, 1),
        (1, {"anyOf": [TEXT, INTEGER]}, 0),
        (1, {"oneOf": [NUMBER, INTEGER]}, 1),
        (1, {"not": NUMBER}, 1),
        ("x", {"allOf": [{"minLength": 2}, {"maxLength": 0}]}, 2),
        (
            {"p": {"n": "x"}},
            {"$defs": {"P": thing(n=INTEGER)}, "properties": {"p": {"$ref": "#/$defs/P"}}},
            1,
        ),
        (1, False, 1),
    ],
)
def test_the_validator_finds_what_is_wrong(instance, schema, problems):
    assert len(validate(instance, schema)) == problems


PATTERNS = [
    r"^[A-Z]{2}\d{4}$",
    "^(red|blue)-[a-f0-9]+$",
    r"^\+?\d{3}-\d{2,}$",
    "[^a-z]{3}",
    r"^\w+@\w+\.com$",
]
PATTERNS += [
    "^(?:a|b)?c{2,3}$",
    r"^(?P<year>\d{4})-(?:0[1-9]|1[0-2])$",
    "^$",
    r"^[\w.+-]+$",
    r"\(\d{3}\) \d{3}",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_met(pattern):
    assert validate(matching(pattern), {"pattern": pattern}) == []


_NAMES = st.sampled_from(
    ["name", "age", "city", "price", "query", "is_open", "tags", "from", "date", "k", "answer"]
)
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
_OPTIONS = st.lists(st.sampled_from(["red", "Paris", 1, 2, None, True]), min_size=1, unique_by=repr)
_LEAVES = st.one_of(
    _NUMERIC,
    _OPEN,
    _STRING,
    st.sampled_from(PATTERNS).map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"const": 5}, {}]),
    _OPTIONS.map(lambda options: {"enum": options}),
)


def _with_children(children):
    objects = st.dictionaries(_NAMES, children, max_size=4).flatmap(
        lambda properties: st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.just(properties),
                "required": st.lists(st.sampled_from(sorted(properties) or [""]), unique=True)
                if properties
                else st.just([]),
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


@settings(max_examples=250, deadline=None)
@given(st.recursive(_LEAVES, _with_children, max_leaves=8), _TEXTS)
def test_every_instance_is_valid(schema, text):
    made = fill(schema, text)
    assert validate(made, schema) == []
    assert made == fill(schema, text)
