"""Which tool the sandbox calls: the one that shares most words, each once a turn."""

import pytest

from melious_sandbox.brain.tools import choose


def tool(name, description="", required=(), **properties):
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


TEXT, NUMBER = {"type": "string"}, {"type": "number"}
WEATHER = tool("get_weather", "Current weather of a city.", ["city"], city=TEXT)
DAYS = tool(
    "paddling_days", "How many days a canoe trip takes.", ["km", "km_per_day"], km=NUMBER, km_per_day=NUMBER
)
RIVER = tool("river_length", "Look up how long a river is.", ["river"], river=TEXT)
BARE = {"type": "function", "function": {"name": "look_around"}}
ALL = [WEATHER, DAYS, RIVER, BARE]


def user(text):
    return {"role": "user", "content": text}


def called(name, result, number=1):
    function = {"name": name, "arguments": "{}"}
    calls = [{"id": f"call_{number}", "type": "function", "function": function}]
    return [
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": f"call_{number}", "content": result},
    ]


def named(name):
    return {"type": "function", "function": {"name": name}}


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("What is the weather in Paris?", ("get_weather", {"city": "Paris"})),
        ("How long is the river Elbe?", ("river_length", {"river": "Elbe"})),
        ("A canoe trip of 430 km at 25.5 km a day", ("paddling_days", {"km": 430, "km_per_day": 25.5})),
        ("Please look around", ("look_around", {})),
        ("Tell me a joke.", None),
        ("", None),
    ],
)
def test_the_words_choose_the_tool(text, call):
    assert choose([user(text)], ALL) == call


def test_a_tool_waits_for_the_numbers_that_it_needs():
    asked = [user("How long is the river Elbe, and how many days does a canoe trip take at 40 km a day?")]
    assert choose(asked, [DAYS, RIVER]) == ("river_length", {"river": "Elbe"})
    asked += called("river_length", "It is 1094 km long.")
    assert choose(asked, [DAYS, RIVER]) == ("paddling_days", {"km": 1094, "km_per_day": 40})
    asked += called("paddling_days", "28 days", 2)
    assert choose(asked, [DAYS, RIVER]) is None


def test_a_new_question_calls_again():
    asked = [
        user("The weather in Paris?"),
        *called("get_weather", "18 degrees"),
        user("The weather in Rome?"),
    ]
    assert choose(asked, ALL) == ("get_weather", {"city": "Rome"})


@pytest.mark.parametrize("choice", ["required", "any"])
def test_where_a_call_is_required_each_tool_gets_its_turn(choice):
    asked = [user("What is the weather in Oslo?")]
    report = tool("report", "The final answer.", ["degrees"], degrees={"type": "integer"})
    assert choose(asked, [WEATHER, report], choice) == ("get_weather", {"city": "Oslo"})
    asked += called("get_weather", "It is 21 degrees.")
    assert choose(asked, [WEATHER, report], choice) == ("report", {"degrees": 21})
    asked += called("report", "ok", 2)
    assert choose(asked, [WEATHER, report], choice) is None


def test_a_required_call_is_made_though_no_word_fits():
    assert choose([user("Hello")], [RIVER], "required") == ("river_length", {"river": "Hello"})
    assert choose([user("Hello")], [RIVER], "auto") is None


def test_a_named_tool_is_called_and_no_other():
    asked = [user("What is the weather in Oslo?")]
    assert choose(asked, ALL, named("river_length")) == ("river_length", {"river": "Oslo"})
    assert choose(asked, ALL, named("look_around")) == ("look_around", {})
    assert choose(asked, ALL, "none") is None


def test_a_required_list_has_an_item():
    numbers = tool("add_all", "Adds.", ["numbers"], numbers={"type": "array", "items": NUMBER})
    assert choose([user("Add all of it")], [numbers], "required") == ("add_all", {"numbers": [0]})
    assert choose([user("Add all from 7")], [numbers], "required") == ("add_all", {"numbers": [7]})
