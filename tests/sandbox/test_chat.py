"""Chat completions: what is refused, what the fields do, how the usage adds up."""

import base64
import json

import pytest

from melious.catalogue import find
from melious_sandbox.brain import tokens

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Looks", "parameters": {"type": "object"}},
}
PNG = base64.b64encode(
    bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de")
).decode()
WHITE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
SOUND = {
    "type": "input_audio",
    "input_audio": {"data": base64.b64encode(b"ID3beep").decode(), "format": "mp3"},
}


def user(content="Hello"):
    return {"role": "user", "content": content}


REFUSED = {
    "no messages": ({"messages": None}, "messages"),
    "empty messages": ({"messages": []}, "messages"),
    "messages as text": ({"messages": "Hello"}, "messages"),
    "unknown role": ({"messages": [user() | {"role": "robot"}]}, "messages[0].role"),
    "developer": ({"messages": [user(), user() | {"role": "developer"}]}, "messages[1].role"),
    "no content": ({"messages": [{"role": "user"}]}, "messages[0]"),
    "call without content": (
        {"messages": [user(), {"role": "assistant", "tool_calls": [CALL]}]},
        "messages[1]",
    ),
    "arguments as object": (
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [CALL | {"function": {"name": "look", "arguments": {}}}],
                }
            ]
        },
        "messages[0].tool_calls[0]",
    ),
    "tool without id": ({"messages": [{"role": "tool", "content": "3"}]}, "messages[0].tool_call_id"),
    "unknown part": ({"messages": [user([{"type": "file", "file": {}}])]}, "messages[0].content[0]"),
    "image": ({"messages": [user([WHITE])]}, "messages[0].content[0]"),
    "audio": ({"messages": [user([SOUND])]}, "messages[0].content[0]"),
    "temperature": ({"temperature": 2.5}, "temperature"),
    "temperature as text": ({"temperature": "hot"}, "temperature"),
    "top_p": ({"top_p": -0.1}, "top_p"),
    "presence_penalty": ({"presence_penalty": 3}, "presence_penalty"),
    "max_tokens": ({"max_tokens": 0}, "max_tokens"),
    "max_tokens as text": ({"max_tokens": "10"}, "max_tokens"),
    "n": ({"n": 0}, "n"),
    "stop": ({"stop": [1]}, "stop"),
    "five stops": ({"stop": list("abcde")}, "stop"),
    "stream": ({"stream": "yes"}, "stream"),
    "stream_options": ({"stream_options": True}, "stream_options"),
    "top_logprobs alone": ({"top_logprobs": 2}, "top_logprobs"),
    "tools as object": ({"tools": {}}, "tools"),
    "tool without a name": ({"tools": [{"type": "function", "function": {}}]}, "tools[0]"),
    "tool with bad parameters": (
        {"tools": [{"type": "function", "function": {"name": "x", "parameters": 1}}]},
        "tools[0].function.parameters",
    ),
    "tool with a broken schema": (
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "x", "parameters": {"type": "object", "properties": {"a": 3}}},
                }
            ]
        },
        "tools[0].function.parameters",
    ),
    "schema with a loose end": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"$ref": "#/$defs/gone"}},
            }
        },
        "response_format.json_schema.schema",
    ),
    "required without tools": ({"tool_choice": "required"}, "tool_choice"),
    "choice of nothing known": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
        "tool_choice",
    ),
    "choice as a word": ({"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
    "response_format": ({"response_format": {"type": "xml"}}, "response_format"),
    "schema without name": (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
        "response_format",
    ),
    "effort as number": ({"reasoning_effort": 3}, "reasoning_effort"),
    "embedding model": ({"model": "bge-m3"}, "model"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_field(ask, case):
    fields, param = REFUSED[case]
    response = ask(**fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_the_refusal_of_developer_names_the_allowed_roles(ask):
    message = ask(messages=[user() | {"role": "developer"}]).json()["error"]["message"]
    assert all(role in message for role in ("system", "user", "assistant", "function", "tool"))


@pytest.mark.parametrize("body", ["[]", '"text"', "{oops", "", "null"])
def test_a_body_that_is_no_object(http, body):
    response = http.post("/chat/completions", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert "JSON object" in response.json()["error"]["message"]


def test_over_long_context_says_both_numbers(ask):
    card = find("qwen2.5-72b-instruct")
    message = ask("word " * 40_000, model=card.id).json()["error"]["message"]
    assert str(card.context_length) in message
    assert str(tokens.count_messages([user("word " * 40_000)])) in message


def test_models_that_are_listed_but_not_served(ask, start_sandbox, client_of):
    response = ask(model="deepseek-v4-flash")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "provider_error")


def test_flavor_suffix_is_not_part_of_the_answered_model(ask):
    assert ask(model="glm-4.7:eco").json()["model"] == "glm-4.7"
    assert ask(model="glm-4.7:ecco").status_code == 404


def test_the_same_request_gets_the_same_answer(ask):
    first, second = (ask("Name a colour", seed=7).json() for _ in range(2))
    assert first["choices"] == second["choices"]
    assert first["usage"] == second["usage"]
    assert first["id"] != second["id"]


def test_context_in_the_prompt_is_answered_from(ask):
    answer = ask(
        "Context:\nThe lighthouse of Genoa is called La Lanterna. Bread rises with yeast.\n\n"
        "Question: What is the lighthouse of Genoa called?"
    ).json()
    content = answer["choices"][0]["message"]["content"]
    assert "La Lanterna" in content
    assert "yeast" not in content


def test_max_tokens_cuts_and_says_so(ask):
    whole = ask("Tell me a story").json()
    cut = ask("Tell me a story", max_tokens=5).json()
    assert cut["usage"]["completion_tokens"] == 5
    assert cut["choices"][0]["finish_reason"] == "length"
    assert whole["choices"][0]["message"]["content"].startswith(cut["choices"][0]["message"]["content"])
    exact = ask("Tell me a story", max_tokens=whole["usage"]["completion_tokens"]).json()
    assert exact["choices"][0]["finish_reason"] == "stop"


def test_max_completion_tokens_counts_too(ask):
    assert ask("Tell me a story", max_completion_tokens=4).json()["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize("stop", ["sandbox", ["nowhere", "sandbox"]])
def test_stop(ask, stop):
    choice = ask("Hello", stop=stop).json()["choices"][0]
    assert "sandbox" not in choice["message"]["content"]
    assert choice["message"]["content"]
    assert choice["finish_reason"] == "stop"


def test_n(ask):
    one, three = ask("Hello").json(), ask("Hello", n=3).json()
    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert three["usage"]["completion_tokens"] == 3 * one["usage"]["completion_tokens"]


def test_thinking_counts_and_can_use_up_the_answer(ask):
    whole = ask("Why is the sea salty?", model="glm-4.7").json()
    details = whole["usage"]["completion_tokens_details"]
    message = whole["choices"][0]["message"]
    assert details["reasoning_tokens"] == tokens.count(message["reasoning_content"])
    assert whole["usage"]["completion_tokens"] == details["reasoning_tokens"] + tokens.count(
        message["content"]
    )
    starved = ask("Why is the sea salty?", model="glm-4.7", max_tokens=10).json()
    assert starved["choices"][0]["message"]["content"] == ""
    assert starved["choices"][0]["finish_reason"] == "length"
    assert starved["usage"]["completion_tokens_details"]["reasoning_tokens"] == 10


def test_effort(ask):
    spent = {
        effort: ask("Why is the sea salty?", model="glm-5.3", reasoning_effort=effort).json()
        for effort in ("none", "low", "medium", "high")
    }
    counts = [s["usage"]["completion_tokens_details"]["reasoning_tokens"] for s in spent.values()]
    assert counts == sorted(set(counts))
    assert counts[0] == 0
    assert "reasoning_content" not in spent["none"]["choices"][0]["message"]


def test_models_that_do_not_think(ask):
    answer = ask("Why?", reasoning_effort="high").json()
    assert "reasoning_content" not in answer["choices"][0]["message"]
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


def test_images_and_audio_where_the_model_takes_them(ask):
    parts = [{"type": "text", "text": "What is this?"}]
    seen = ask(messages=[user([*parts, WHITE])], model="gemma-3-27b-it")
    heard = ask(messages=[user([SOUND, *parts])], model="voxtral-small-24b-2507")
    assert "image" in seen.json()["choices"][0]["message"]["content"].lower()
    assert "sound" in heard.json()["choices"][0]["message"]["content"].lower()
    assert seen.json()["usage"]["prompt_tokens"] > tokens.MEDIA_TOKENS


@pytest.mark.parametrize(
    "url", ["ftp://example.org/a.png", "data:image/png;base64,%%%", "data:text/plain;base64,YQ=="]
)
def test_image_urls_that_cannot_be_read(ask, url):
    response = ask(
        messages=[user([{"type": "image_url", "image_url": {"url": url}}])], model="gemma-3-27b-it"
    )
    assert response.status_code == 400


def test_a_long_prompt_is_cached_the_second_time(ask, sandbox):
    prompt = "The harbour opens at six. " * 300
    counts = [ask(prompt).json()["usage"]["prompt_tokens_details"]["cached_tokens"] for _ in range(2)]
    size = tokens.count_messages([user(prompt)])
    assert counts == [0, size // 64 * 64]
    longer = ask(
        messages=[user(prompt), {"role": "assistant", "content": "Yes."}, user("And closes?")]
    ).json()
    assert longer["usage"]["prompt_tokens_details"]["cached_tokens"] == size // 64 * 64
    assert ask("short").json()["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    sandbox.reset()
    assert ask(prompt).json()["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_logprobs(ask):
    choice = ask("Hello", logprobs=True, top_logprobs=3, max_tokens=6).json()["choices"][0]
    entries = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == choice["message"]["content"]
    for entry in entries:
        ranked = [other["logprob"] for other in entry["top_logprobs"]]
        assert len(ranked) == 3
        assert ranked == sorted(ranked, reverse=True)
        assert ranked[0] == entry["logprob"] < 0
        assert bytes(entry["bytes"]).decode() == entry["token"]


def test_json_mode_takes_its_shape_from_the_prompt(ask):
    plain = ask("Answer in JSON. How are you?", response_format={"type": "json_object"}).json()
    assert isinstance(json.loads(plain["choices"][0]["message"]["content"]), dict)
    keyed = ask(
        'Return JSON with the keys "name" and "city".', response_format={"type": "json_object"}
    ).json()
    assert set(json.loads(keyed["choices"][0]["message"]["content"])) == {"name", "city"}
    behind = ask(
        "A JSON with 'setup' and 'punchline' keys, please.", response_format={"type": "json_object"}
    ).json()
    assert set(json.loads(behind["choices"][0]["message"]["content"])) == {"setup", "punchline"}
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    shaped = ask(
        f"Follow this schema: {json.dumps(schema)}\nMaria is 52 years old.",
        response_format={"type": "json_object"},
    ).json()
    assert set(json.loads(shaped["choices"][0]["message"]["content"])) == {"age"}


def test_structured_output_reads_what_the_tools_gave_back(ask):
    schema = {
        "type": "object",
        "properties": {"degrees": {"type": "number"}, "city": {"type": "string"}},
        "required": ["degrees", "city"],
    }
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    messages = [
        user("What is the weather in Paris?"),
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "21.5 degrees and sunny"},
    ]
    wanted = {"type": "json_schema", "json_schema": {"name": "report", "schema": schema}}
    made = ask(messages=messages, response_format=wanted).json()["choices"][0]["message"]["content"]
    assert json.loads(made) == {"degrees": 21.5, "city": "Paris"}


def test_tool_choice_none_and_required(ask):
    assert (
        "tool_calls"
        not in ask("look around", tools=[TOOL], tool_choice="none").json()["choices"][0]["message"]
    )
    message = ask("hello", tools=[TOOL], tool_choice="required").json()["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["function"]["name"] == "look"


def test_lone_surrogates_survive(http):
    body = r'{"model":"llama-3.1-8b-instruct","messages":[{"role":"user","content":"caf\ud83d"}]}'
    response = http.post("/chat/completions", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 200
