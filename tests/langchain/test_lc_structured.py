"""Structured output: three methods, four kinds of schema, whole and streamed, and whatever comes instead."""

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1
from pydantic.v1 import Field as FieldV1
from typing_extensions import TypedDict

from langchain_melious.chat.structured import StructuredOutputParser, default_method, response_format_of
from melious.sandbox import Reply


class Person(BaseModel):
    """A person."""

    name: str = Field(description="the name")
    age: int = Field(description="the age in years")


class PersonV1(BaseModelV1):
    """A person."""

    name: str = FieldV1(description="the name")
    age: int = FieldV1(description="the age in years")


class PersonDict(TypedDict):
    """A person."""

    name: str
    age: int


SCHEMA = {
    "title": "Person",
    "description": "A person.",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
FUNCTION = {"name": "Person", "description": "A person.", "parameters": SCHEMA}
SCHEMAS = [Person, PersonV1, PersonDict, SCHEMA]
METHODS = ["json_schema", "function_calling", "json_mode"]
PROMPT = "Maria is 52 years old. Answer in JSON with the keys 'name' and 'age'."
JSON = '{"name": "Maria", "age": 52}'


def fields(made):
    if isinstance(made, BaseModel):
        return made.model_dump()
    return made.dict() if isinstance(made, BaseModelV1) else made


def reply(method, schema=Person):
    """Maria, in the form that a method asks for; a stream sends the text in pieces."""
    if method == "function_calling":
        return Reply(tool_calls=[(getattr(schema, "__name__", "Person"), JSON)])
    return Reply(chunks=['{"name": "Ma', 'ria", "age"', ": 52}"])


@pytest.mark.sampled(4)
@pytest.mark.parametrize("include_raw", [False, True], ids=["parsed", "raw"])
@pytest.mark.parametrize("strict", [None, True, False])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", SCHEMAS, ids=["pydantic", "pydantic v1", "TypedDict", "JSON schema"])
def test_all_together(way, chat, sandbox, schema, method, strict, include_raw):
    sandbox.replies.add(reply(method, schema))
    llm = chat("glm-5.3").with_structured_output(
        schema, method=method, strict=strict, include_raw=include_raw
    )
    made = way.invoke(llm, PROMPT)
    if include_raw:
        assert isinstance(made["raw"], AIMessage)
        assert made["parsing_error"] is None
        made = made["parsed"]
    assert fields(made) == {"name": "Maria", "age": 52}
    if isinstance(schema, type) and schema is not PersonDict:
        assert isinstance(made, schema)


def test_what_is_asked_for_on_the_wire(chat, sandbox):
    sandbox.replies.add(*map(reply, METHODS))
    llm = chat("glm-5.3")
    llm.with_structured_output(Person, method="json_schema", strict=True).invoke(PROMPT)
    llm.with_structured_output(Person, method="function_calling", strict=True).invoke(PROMPT)
    llm.with_structured_output(Person, method="json_mode").invoke(PROMPT)
    schema, function, mode = (request.body for request in sandbox.requests.to("chat"))
    asked = schema["response_format"]
    assert asked["type"] == "json_schema"
    assert (asked["json_schema"]["name"], asked["json_schema"]["strict"]) == ("Person", True)
    assert asked["json_schema"]["schema"]["additionalProperties"] is False
    assert set(asked["json_schema"]["schema"]["required"]) == {"name", "age"}
    assert function["tool_choice"] == {"type": "function", "function": {"name": "Person"}}
    assert function["tools"][0]["function"]["strict"] is True
    assert function["parallel_tool_calls"] is False
    assert mode["response_format"] == {"type": "json_object"}
    for body in (schema, function, mode):
        assert "ls_structured_output_format" not in body


def test_the_method_follows_the_profile(chat, sandbox):
    sandbox.replies.add(reply("json_schema"), reply("function_calling"))
    chat("glm-5.3").with_structured_output(Person).invoke(PROMPT)
    chat("glm-4.7").with_structured_output(Person).invoke(PROMPT)
    first, second = (request.body for request in sandbox.requests.to("chat"))
    assert first["response_format"]["type"] == "json_schema"
    assert second["tools"]
    assert default_method(None) == "function_calling"
    assert default_method({"tool_calling": False}) == "json_mode"
    with pytest.raises(ValueError, match="json_schema"):
        chat().with_structured_output(Person, method="magic")


@pytest.mark.parametrize("include_raw", [False, True], ids=["parsed", "raw"])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("schema", SCHEMAS, ids=["pydantic", "pydantic v1", "TypedDict", "JSON schema"])
def test_streamed(way, chat, sandbox, schema, method, include_raw):
    sandbox.replies.add(reply(method, schema))
    llm = chat("glm-5.3").with_structured_output(schema, method=method, include_raw=include_raw)
    parts = way.stream(llm, PROMPT)
    if include_raw:
        whole = parts[0]
        for part in parts[1:]:
            whole += part
        assert fields(whole["parsed"]) == {"name": "Maria", "age": 52}
        assert whole["parsing_error"] is None
        return
    assert fields(parts[-1]) == {"name": "Maria", "age": 52}
    if schema in (PersonDict, SCHEMA):
        assert len(parts) > 1
        assert parts[0] != parts[-1]


TEXTS = {
    "plain": JSON,
    "fenced": f"```json\n{JSON}\n```",
    "fenced in prose": f"Here you are:\n```\n{JSON}\n```\nAnything else?",
    "in prose": f"Sure! The answer is {JSON}, as asked.",
    "behind thoughts": f'<think>{{"name": "no"}}\nmaybe</think>\n\n{JSON}',
    "thoughts and fence": f"<think>hm</think>\n```json\n{JSON}\n```",
    "braces before it": f"{{so}} it is {JSON}",
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_json_is_found_in_whatever_holds_it(way, chat, sandbox, text, method, streamed):
    llm = chat("glm-5.3", think_tags=streamed).with_structured_output(Person, method=method)
    sandbox.replies.add(Reply(chunks=[text[: len(text) // 2], text[len(text) // 2 :]]))
    made = way.stream(llm, PROMPT)[-1] if streamed else way.invoke(llm, PROMPT)
    assert made == Person(name="Maria", age=52)


BAD = [
    (Reply(text="Maria is 52."), "prose instead"),
    (Reply(text='{"name": "Maria"', finish_reason="length"), "raise max_tokens"),
    (Reply(text="", finish_reason="length"), "nothing.*raise max_tokens"),
    (Reply(text="<think>Well, well", finish_reason="length"), "nothing.*raise max_tokens"),
    (Reply(text='{"name": "Maria", "age": "old"}'), "does not fit Person"),
    (Reply(text="[1, 2]"), "prose instead"),
    (Reply(tool_calls=[("Person", '{"name": "Ma')], finish_reason="length"), "Person.*raise max_tokens"),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("bad", "reason"), BAD)
@pytest.mark.parametrize("method", METHODS)
def test_an_answer_without_an_instance_says_so(way, chat, sandbox, method, bad, reason):
    if bad.tool_calls and method != "function_calling":
        reason = "arguments|nothing"
    llm = chat("glm-5.3")
    sandbox.replies.add(bad, times=None)
    with pytest.raises(OutputParserException, match=f"(?s){reason}"):
        way.invoke(llm.with_structured_output(Person, method=method), PROMPT)
    both = way.invoke(llm.with_structured_output(Person, method=method, include_raw=True), PROMPT)
    assert both["parsed"] is None
    assert isinstance(both["parsing_error"], OutputParserException)
    assert both["raw"].text == (bad.text or "").partition("<think>")[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_stream_of_prose_is_an_error_and_not_silence(way, chat, sandbox, method):
    sandbox.replies.add(Reply(text="Maria is 52."), times=None)
    with pytest.raises(OutputParserException, match="prose"):
        way.stream(chat("glm-5.3").with_structured_output(Person, method=method), PROMPT)


def test_a_real_answer_that_was_cut(way, chat):
    llm = chat("glm-5.3", max_tokens=3).with_structured_output(Person, include_raw=True)
    both = way.invoke(llm, PROMPT)
    assert both["raw"].response_metadata["finish_reason"] == "length"
    assert "raise max_tokens" in str(both["parsing_error"])


def test_a_response_format_that_was_bound_as_agents_do(way, chat, sandbox):
    asked = {
        "type": "json_schema",
        "json_schema": {"name": "Person", "schema": Person.model_json_schema()},
    }
    sandbox.replies.add(Reply(text=JSON), times=2)
    message = way.invoke(chat("glm-5.3").bind(response_format=asked), PROMPT)
    assert Person.model_validate_json(message.text) == Person(name="Maria", age=52)
    assert sandbox.requests.to("chat")[-1].body["response_format"] == asked
    message = way.invoke(chat("glm-5.3"), PROMPT, response_format=Person)
    assert Person.model_validate_json(message.text).name == "Maria"


def test_a_function_in_openais_form(way, chat, sandbox):
    sandbox.replies.add(reply("function_calling"))
    llm = chat("glm-5.3").with_structured_output(FUNCTION, method="function_calling")
    assert way.invoke(llm, PROMPT) == {"name": "Maria", "age": 52}


def test_names_fit_the_wire():
    name = response_format_of({**SCHEMA, "title": "A person, whole" + "x" * 80})["json_schema"]["name"]
    assert len(name) <= 64
    assert not set(name) & set(" ,")


def test_the_parser_alone():
    parser = StructuredOutputParser(target=Person)
    assert parser.parse(JSON) == Person(name="Maria", age=52)
    assert list(parser.transform(iter(['{"name": "Ma', 'ria", "age": 52}'])))[-1] == parser.parse(JSON)
