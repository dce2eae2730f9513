"""Which tools are called with what, by the words of the user."""

import json

import pytest

from melious_sandbox.brain.schema import validate
from melious_sandbox.brain.toolcalls import choose

TEXT = {"type": "string"}
INTEGER = {"type": "integer"}


def tool(name, description, required=None, /, **properties):
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


WEATHER = tool(
    "get_weather",
    "Get the current weather in a given city.",
    ["city"],
    city={"type": "string", "description": "The city, e.g. Paris"},
    unit={"type": "string", "enum": ["celsius", "fahrenheit"]},
)
MULTIPLY = tool("multiply", "Multiply two integers.", a=INTEGER, b=INTEGER)
ADD = tool("add", "Add two integers.", a=INTEGER, b=INTEGER)
SUBTRACT = tool("subtract", "Subtract b from a.", a=INTEGER, b=INTEGER)
DIVIDE = tool("divide", "Divide a by b.", a={"type": "number"}, b={"type": "number"})
SEARCH = tool("search_docs", "Search the Python language documentation.", ["query"], query=TEXT, k=INTEGER)
EMAIL = tool(
    "send_email", "Send an email.", to={"type": "string", "format": "email"}, subject=TEXT, body=TEXT
)
FLIGHT = tool("book_flight", "Book a flight.", ["origin", "destination"], origin=TEXT, destination=TEXT,
              passengers=INTEGER, date={"type": "string", "description": "Date of departure"})  # fmt: skip
MEETING = tool("schedule_meeting", "Schedule a meeting.", ["attendees", "duration_minutes"],
               attendees={"type": "array", "items": TEXT}, duration_minutes=INTEGER)  # fmt: skip
LIGHT = tool("set_light", "Switch a light in a room.", ["room"], room=TEXT, on={"type": "boolean"},
             brightness={"type": "integer", "minimum": 0, "maximum": 100})  # fmt: skip
CONVERT = tool("convert_currency", "Convert between currencies.", amount={"type": "number"}, from_currency=TEXT,
               to_currency=TEXT)  # fmt: skip
REMINDER = tool("create_reminder", "Create a reminder.", ["text"], text=TEXT, when=TEXT)
TRANSLATE = tool("translate", "Translate a text.", text=TEXT, target_language=TEXT)
CALCULATOR = tool("calculator", "Evaluate an arithmetic expression.", expression=TEXT)
EVERYTHING = [
    WEATHER,
    MULTIPLY,
    ADD,
    SUBTRACT,
    DIVIDE,
    SEARCH,
    EMAIL,
    FLIGHT,
    MEETING,
    LIGHT,
    CONVERT,
    REMINDER,
]


def user(text):
    return {"role": "user", "content": text}


def called(*calls, results=()):
    """Messages of an assistant that made ``calls``, and of the tools that answered."""
    made = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(calls)
    ]
    answers = [{"role": "tool", "tool_call_id": f"c{n}", "content": text} for n, text in enumerate(results)]
    return [{"role": "assistant", "content": None, "tool_calls": made}, *answers]


def weather(city, **more):
    return ("get_weather", {"city": city, **more})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the weather in Paris?", [weather("Paris")]),
        ("weather in new york in fahrenheit please", [weather("new york", unit="fahrenheit")]),
        ("Is it going to rain in San Francisco?", [weather("San Francisco")]),
        ("What is the weather in Paris and Berlin?", [weather("Paris"), weather("Berlin")]),
        ("Which is warmer, Oslo or Rome?", [weather("Oslo"), weather("Rome")]),
        (
            "What's the weather in Zürich, Rome and Oslo in celsius?",
            [
                weather("Zürich", unit="celsius"),
                weather("Rome", unit="celsius"),
                weather("Oslo", unit="celsius"),
            ],
        ),
        ("What is 12 * 7?", [("multiply", {"a": 12, "b": 7})]),
        ("What's 3 plus 4?", [("add", {"a": 3, "b": 4})]),
        ("Please subtract 5 from 12", [("subtract", {"a": 12, "b": 5})]),
        ("divide 9 by 2.5", [("divide", {"a": 9, "b": 2.5})]),
        ("Weather in Rome, and what is 3 plus 4?", [weather("Rome"), ("add", {"a": 3, "b": 4})]),
        (
            "What does the with statement do?",
            [("search_docs", {"query": "What does the with statement do?"})],
        ),
        (
            "Search for lambda expressions, top 3 results",
            [("search_docs", {"query": "lambda expressions", "k": 3})],
        ),
        (
            "Book a flight from Paris to New York for 2 passengers tomorrow",
            [
                (
                    "book_flight",
                    {"origin": "Paris", "destination": "New York", "passengers": 2, "date": "tomorrow"},
                )
            ],
        ),
        (
            "Schedule a 45 minute meeting with Anna and Bob",
            [("schedule_meeting", {"attendees": ["Anna", "Bob"], "duration_minutes": 45})],
        ),
        (
            "Turn on the light in the kitchen to 40 percent",
            [("set_light", {"room": "kitchen", "on": True, "brightness": 40})],
        ),
        (
            "Convert 100 USD to EUR",
            [("convert_currency", {"amount": 100, "from_currency": "USD", "to_currency": "EUR"})],
        ),
        (
            "Remind me to water the plants on Friday",
            [("create_reminder", {"text": "water the plants", "when": "Friday"})],
        ),
        (
            'Send an email to bob@example.org about "Lunch" saying that I will be late.',
            [("send_email", {"to": "bob@example.org", "subject": "Lunch", "body": "I will be late"})],
        ),
        ("Hello, how are you?", []),
        ("Tell me a joke", []),
        ("Thanks!", []),
    ],
)
def test_the_words_choose_the_tool_and_its_arguments(text, expected):
    assert choose([user(text)], EVERYTHING) == expected
    schemas = {one["function"]["name"]: one["function"]["parameters"] for one in EVERYTHING}
    assert all(validate(arguments, schemas[name]) == [] for name, arguments in expected)


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("What is the value of magic(3)? Use the tool.", tool("magic", "Applies magic.", input=INTEGER), {"input": 3}),
        ("What is 1 + 1?", tool("my_adder_tool", "Tool that adds two integers.", a=INTEGER, b=INTEGER), {"a": 1, "b": 1}),
        ("Translate 'good morning' into French", TRANSLATE, {"text": "good morning", "target_language": "French"}),
        ("What's sqrt(16) + 3*(2+1)?", CALCULATOR, {"expression": "sqrt(16) + 3*(2+1)"}),
        ("Now roll the dice", tool("roll_dice", "Roll the dice."), {}),
    ],
)  # fmt: skip
def test_a_single_tool(text, given, expected):
    assert choose([user(text)], [given]) == [(given["function"]["name"], expected)]


@pytest.mark.parametrize("choice", ["none", {"type": "function", "function": {"name": "unknown"}}])
def test_no_call_where_none_is_allowed_or_known(choice):
    assert choose([user("Weather in Paris?")], EVERYTHING, choice) == []


def test_without_a_fitting_tool_auto_answers_and_required_calls():
    messages = [user("Compose a limerick on rivers")]
    assert choose(messages, [WEATHER, ADD], "auto") == []
    forced = choose(messages, [WEATHER, ADD], "required")
    assert len(forced) == 1
    assert validate(forced[0][1], WEATHER["function"]["parameters"]) == []
    assert choose(messages, [WEATHER, ADD], "any") == forced


def test_a_named_tool_is_called_once_with_the_whole_text():
    person = tool("Person", "A person.", name=TEXT, age=INTEGER, city=TEXT)
    choice = {"type": "function", "function": {"name": "Person"}}
    made = choose([user("Anna is 31. She lives in Rome and likes the weather.")], [WEATHER, person], choice)
    assert made == [("Person", {"name": "Anna", "age": 31, "city": "Rome"})]


def test_one_call_at_a_time_where_parallel_calls_are_off():
    messages = [user("What is the weather in Paris and Berlin?")]
    first = choose(messages, [WEATHER], None, parallel=False)
    assert first == [weather("Paris")]
    messages += called(*first, results=["18 °C"])
    second = choose(messages, [WEATHER], None, parallel=False)
    assert second == [weather("Berlin")]
    messages += called(*second, results=["15 °C"])
    assert choose(messages, [WEATHER], None, parallel=False) == []


@pytest.mark.parametrize("choice", [None, "auto", {"type": "function", "function": {"name": "get_weather"}}])
def test_calls_end_once_their_results_are_there(choice):
    messages = [user("What is the weather in Paris?")]
    first = choose(messages, [WEATHER, ADD], choice)
    assert first == [weather("Paris")]
    assert choose([*messages, *called(*first, results=["18 °C"])], [WEATHER, ADD], choice) == []


REPORT = tool("WeatherReport", "A weather report.", city=TEXT, degrees={"type": "number"}, sky=TEXT)
VERDICT = tool("Verdict", "", summary=TEXT)


@pytest.mark.parametrize("choice", ["required", "any"])
@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ([WEATHER, REPORT, EMAIL], ("WeatherReport", {"city": "Paris", "degrees": 18.5, "sky": "18.5 °C, sunny."})),
        ([WEATHER, EMAIL, VERDICT], ("Verdict", {"summary": "get_weather: 18.5 °C, sunny."})),
    ],
)  # fmt: skip
def test_a_required_call_goes_on_to_the_tool_that_was_not_called_yet(tools, expected, choice):
    messages = [user("What is the weather in Paris?")]
    assert choose(messages, tools, choice) == [weather("Paris")]
    messages += called(weather("Paris"), results=["18.5 °C, sunny."])
    assert choose(messages, tools, choice) == [expected]
    assert choose(messages, tools, "auto") == []


def test_required_calls_end_once_every_tool_was_called():
    messages = [user("What is the weather in Paris?")]
    for _ in range(2):
        (made,) = choose(messages, [WEATHER, VERDICT], "required")
        messages += called(made, results=["18 °C"])
    assert choose(messages, [WEATHER, VERDICT], "required") == []


def test_a_new_question_calls_again():
    messages = [user("Weather in Paris?"), *called(weather("Paris"), results=["18 °C"])]
    messages += [{"role": "assistant", "content": "18 °C"}, user("What is the weather in Paris?")]
    assert choose(messages, [WEATHER]) == [weather("Paris")]


@pytest.mark.parametrize(
    ("text", "first", "result", "second"),
    [
        ("Multiply 3 by 4 and then add 5", ("multiply", {"a": 3, "b": 4}), "12", ("add", {"a": 12, "b": 5})),
        (
            "Add 10 and 20, then divide it by 4",
            ("add", {"a": 10, "b": 20}),
            "30",
            ("divide", {"a": 30, "b": 4}),
        ),
        (
            "Add 2 and 3, then subtract 4",
            ("add", {"a": 2, "b": 3}),
            "The sum is 5",
            ("subtract", {"a": 5, "b": 4}),
        ),
    ],
)
def test_a_step_that_needs_a_result_waits_for_it(text, first, result, second):
    messages = [user(text)]
    assert choose(messages, EVERYTHING) == [first]
    messages += called(first, results=[result])
    assert choose(messages, EVERYTHING) == [second]
    messages += called(second, results=["1"])
    assert choose(messages, EVERYTHING) == []


def test_a_follow_up_means_the_tool_of_the_message_before():
    messages = [user("What is the weather in Paris?"), {"role": "assistant", "content": "Sunny."}]
    assert choose([*messages, user("And in Rome?")], EVERYTHING) == [weather("Rome")]
    assert choose([*messages, user("Thank you!")], EVERYTHING) == []


def test_a_question_with_its_context_is_not_read_as_a_request():
    context = (
        "Context:\nMultiply rows by columns. Send an email to a@b.org. Add salt.\n\nQuestion: How are you?"
    )
    assert choose([user(context)], EVERYTHING) == []


def test_nested_arguments():
    order = tool(
        "place_order",
        "Place an order.",
        ["customer", "items"],
        customer={"$ref": "#/$defs/Customer"},
        items={"type": "array", "items": {"enum": ["pizza", "pasta", "salad"]}},
    )
    order["function"]["parameters"]["$defs"] = {
        "Customer": {
            "type": "object",
            "properties": {"name": TEXT, "city": TEXT},
            "required": ["name", "city"],
        }
    }
    assert choose([user("Order a salad and a pizza for Carla Rossi in Milan")], [order]) == [
        ("place_order", {"customer": {"name": "Carla Rossi", "city": "Milan"}, "items": ["salad", "pizza"]})
    ]


@pytest.mark.parametrize(
    ("text", "customer", "items", "more"),
    [
        (
            "Order for Anna Smith (anna@example.org): 3 apples and two green pears, high priority, as a gift",
            {"name": "Anna Smith", "email": "anna@example.org"},
            [("apples", 3), ("green pears", 2)],
            {"priority": "high", "gift": True},
        ),
        (
            "Please order 10 x USB cables, 1,500 mice and one keyboard for Eve",
            {"name": "Eve"},
            [("USB cables", 10), ("mice", 1500), ("keyboard", 1)],
            {},
        ),
    ],
)
def test_numbers_of_things_are_a_list_of_objects(text, customer, items, more):
    item = {
        "type": "object",
        "properties": {"product": TEXT, "quantity": INTEGER},
        "required": ["product", "quantity"],
    }
    order = tool(
        "place_order", "Place an order for a customer.", ["customer", "items"],
        customer={"type": "object", "properties": {"name": TEXT, "email": {**TEXT, "format": "email"}}, "required": ["name"]},
        items={"type": "array", "items": item}, priority={"enum": ["low", "high"]}, gift={"type": "boolean"},
    )  # fmt: skip
    listed = [{"product": product, "quantity": quantity} for product, quantity in items]
    assert choose([user(text)], [order, WEATHER]) == [
        ("place_order", {"customer": customer, "items": listed, **more})
    ]


def test_an_address_behind_to_is_where_it_goes():
    email = tool("send_email", "Send an email.", to=TEXT, body=TEXT)
    calls = choose([user("Send an email to bob@example.org saying 'hello'")], [email])
    assert calls == [("send_email", {"to": "bob@example.org", "body": "hello"})]


@pytest.mark.parametrize("broken", [{}, {"function": {}}, {"function": {"name": "x", "parameters": {}}}])
def test_a_tool_without_parameters_can_be_forced(broken):
    ((_, arguments),) = choose([user("go")], [{"type": "function", **broken}], "required")
    assert arguments == {}


def test_a_city_with_its_state_is_one_place():
    calls = choose([user("What is the weather in San Francisco, CA?")], [WEATHER])
    assert [made["city"] for _, made in calls] == ["San Francisco, CA"]


def test_a_quoted_name_is_the_name():
    create = tool("create_customer", "Create a customer.", customer_name=TEXT)
    calls = choose([user("Create a customer named '你好啊集团' (Hello Group)")], [create])
    assert calls == [("create_customer", {"customer_name": "你好啊集团"})]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("Make a picture of a lighthouse in the fog, in watercolours.", "generate_image"),
        ("Draw a lighthouse.", "generate_image"),
        ("Give me a transcript of talk.mp3", "transcribe"),
        ("What is the weather in Paris?", "get_weather"),
    ],
)
def test_pictures_and_transcripts_are_asked_for_in_many_words(asked, name):
    draw = tool("generate_image", "Make a picture from a description in words.", prompt=TEXT)
    listen = tool("transcribe", "Write down what is said in a recording.", path=TEXT)
    (call,) = choose([user(asked)], [*EVERYTHING, listen, draw])
    assert call[0] == name
