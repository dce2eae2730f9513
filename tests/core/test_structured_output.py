"""An object arrives by whichever method the model takes, in at most one request that is paid for in vain."""

import asyncio
import gc
import json
import logging
from typing import Any

import pytest
from faults.faults_kit import eventually

from melious.catalogue.methods import is_refused
from melious.errors import BadRequestError, ContextLengthExceededError
from melious.sandbox import Fault, Reply

PERSON: dict[str, Any] = {
    "name": "Person",
    "schema": {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    },
}
MESSAGES = [{"role": "user", "content": "Who is it?"}]
TEXT = Reply(text='{"name": "Maria"}')
CALL = Reply(tool_calls=[("Person", {"name": "Maria"})])
PROSE = Reply(text="<|DSML|function_calls>true")
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
MODEL = "gemma-4-26b-a4b"


def refusal(message: str = "response_format is not supported", status: int = 400, **error: Any) -> Fault:
    return Fault(
        status=status, body={"error": {"message": message, "type": "invalid_request_error", **error}}
    )


@pytest.fixture(params=["whole", "streamed"])
def ask(request, clients, sandbox):
    """Asks for a whole answer or reads a stream to its end, with either client."""
    client = clients.client(sandbox)

    def ask(**params: Any) -> Any:
        params = {"model": MODEL, "messages": MESSAGES, **params}
        if request.param == "whole":
            return clients.call(client, "chat.create", **params)
        streamed = clients.stream(client, **params)
        if streamed.error is not None:
            raise streamed.error
        return streamed.stream.completion()

    ask.base_url = sandbox.base_url
    return ask


def method_of(body: dict[str, Any]) -> str:
    if "response_format" in body:
        return body["response_format"]["type"]
    return "auto" if body["tool_choice"] == "auto" else "forced"


def sent(sandbox: Any) -> list[str]:
    return [method_of(request.body) for request in sandbox.requests]


def test_every_method_down_to_the_last(ask, sandbox):
    sandbox.faults.add(refusal(), refusal("tool_choice: only auto"), refusal("no tools"))
    sandbox.replies.add(TEXT, times=2)
    wanted = {**PERSON, "method": "json_schema"}
    assert ask(structured_output=wanted).text == '{"name": "Maria"}'
    assert sent(sandbox) == ["json_schema", "forced", "auto", "json_object"]
    assert ask(structured_output=wanted).text == '{"name": "Maria"}'
    assert sent(sandbox)[4:] == ["json_object"], "what was refused is remembered"
    asked = sandbox.requests[-1].body["messages"][-1]["content"]
    assert asked.startswith("Who is it?")
    assert json.dumps(PERSON["schema"], separators=(",", ":")) in asked


def test_one_refusal_costs_one_request(ask, sandbox, caplog):
    sandbox.faults.add(refusal("something is wrong"))
    sandbox.replies.add(CALL, times=None)
    for _ in range(3):
        assert ask(structured_output={**PERSON, "method": "json_schema"}).tool_calls
    assert sent(sandbox) == ["json_schema", "forced", "forced", "forced"]
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert "does not take json_schema" in told[0]


def test_text_where_a_call_was_forced_is_asked_for_once_more(ask, sandbox, caplog):
    sandbox.replies.add(PROSE, CALL, CALL)
    wanted = {**PERSON, "method": "forced_tool"}
    assert ask(structured_output=wanted).tool_calls[0]["function"]["name"] == "Person"
    assert sent(sandbox) == ["forced", "auto"]
    assert ask(structured_output=wanted).tool_calls
    assert sent(sandbox) == ["forced", "auto", "auto"]
    assert sum("does not take forced_tool" in record.getMessage() for record in caplog.records) == 1


def test_text_where_a_call_was_forced_in_place_of_a_refused_schema_is_asked_for_once_more(ask, sandbox):
    sandbox.faults.add(refusal())
    sandbox.replies.add(PROSE, CALL)
    assert ask(structured_output={**PERSON, "method": "json_schema"}).tool_calls
    assert sent(sandbox) == ["json_schema", "forced", "auto"]


NESTED = {"error": {"error": {"message": "tool_choice is not supported"}}}
DETAILS = {"detail": [{"loc": ["body", "response_format"], "msg": "unexpected value"}]}


@pytest.mark.parametrize(
    "body",
    [NESTED, DETAILS, {"error": "guided decoding is not supported"}, "json_schema is not supported"],
    ids=["nested", "a list", "text", "not JSON"],
)
def test_the_same_refusal_again_is_about_the_method_if_it_says_so(ask, sandbox, body):
    sandbox.faults.add(*[Fault(status=400, body=body)] * 2)
    sandbox.replies.add(CALL)
    assert ask(structured_output={**PERSON, "method": "json_schema"}).tool_calls
    assert sent(sandbox) == ["json_schema", "forced", "auto"]


def test_no_second_request_is_paid_for_in_vain(ask, sandbox):
    sandbox.replies.add(PROSE, times=None)
    ask(structured_output={**PERSON, "method": "forced_tool"})
    assert sent(sandbox) == ["forced", "auto"]


@pytest.mark.parametrize(
    "reply",
    [Reply(text='Sure: {"name": "Maria"}'), Reply(text="Mar", finish_reason="length"), CALL],
    ids=["an object in text", "cut off", "a call"],
)
def test_an_answer_that_says_nothing_against_the_method_is_not_repeated(ask, sandbox, reply):
    sandbox.replies.add(reply)
    ask(structured_output={**PERSON, "method": "forced_tool"})
    assert sent(sandbox) == ["forced"]
    assert not is_refused("forced_tool", MODEL, ask.base_url)


def test_an_error_about_something_else_is_raised_as_it_came(ask, sandbox):
    sandbox.faults.add(*[refusal("the picture is too small")] * 2)
    with pytest.raises(BadRequestError, match="the picture is too small"):
        ask(structured_output={**PERSON, "method": "json_schema"})
    assert len(sandbox.requests) == 2
    assert not is_refused("json_schema", MODEL, ask.base_url), "nothing was learned of the methods"


def test_a_conversation_that_is_too_long_is_not_sent_again(ask, sandbox):
    sandbox.faults.add(refusal("too long", code="context_length_exceeded"))
    with pytest.raises(ContextLengthExceededError):
        ask(structured_output=PERSON)
    assert len(sandbox.requests) == 1


def test_one_spurious_complaint_changes_no_method(ask, sandbox):
    sandbox.faults.add(refusal("The request was malformed"))
    sandbox.replies.add(TEXT)
    ask(structured_output={**PERSON, "method": "json_schema"})
    assert sent(sandbox) == ["json_schema", "json_schema"]


def test_strict_is_sent_where_the_schema_allows_it_and_left_out_where_it_is_refused(ask, sandbox):
    sandbox.faults.add(refusal("unknown field: strict", param="tools.0.function.strict"))
    sandbox.replies.add(CALL, CALL)
    wanted = {**PERSON, "method": "forced_tool"}
    ask(structured_output=wanted)
    ask(structured_output=wanted)
    functions = [request.body["tools"][0]["function"] for request in sandbox.requests]
    assert [function.get("strict") for function in functions] == [True, None, None]
    assert sent(sandbox) == ["forced", "forced", "forced"]


@pytest.mark.parametrize("unsaid", [{}, {"description": "Anything."}, {"type": "array"}], ids=str)
def test_strict_needs_every_property_to_say_what_it_is(ask, sandbox, unsaid):
    sandbox.replies.add(CALL)
    schema = {**PERSON["schema"], "properties": {"name": unsaid}}
    ask(structured_output={"name": "Person", "schema": schema, "method": "forced_tool"})
    assert "strict" not in sandbox.requests[0].body["tools"][0]["function"]


@pytest.mark.parametrize(("strict", "sent_as"), [(None, None), (True, True), (False, None)])
def test_strict_needs_every_property_to_be_required(ask, sandbox, strict, sent_as):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    sandbox.replies.add(CALL)
    ask(structured_output={"name": "Person", "schema": schema, "method": "forced_tool", "strict": strict})
    assert sandbox.requests[0].body["tools"][0]["function"].get("strict") is sent_as


def test_a_format_of_the_callers_own_goes_down_to_words(ask, sandbox):
    sandbox.faults.add(refusal())
    sandbox.replies.add(TEXT, TEXT)
    described = {"name": "Person", "schema": PERSON["schema"]}
    for _ in range(2):
        ask(response_format={"type": "json_schema", "json_schema": described}, tools=[TOOL])
    assert sent(sandbox) == ["json_schema", "json_object", "json_object"]
    assert sandbox.requests[-1].body["tools"] == [TOOL]
    assert '"required":["name"]' in sandbox.requests[-1].body["messages"][-1]["content"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "look"}}])
def test_tools_of_the_callers_own_are_no_longer_forced(ask, sandbox, choice):
    look = Reply(tool_calls=[("look", {})])
    sandbox.replies.add(PROSE, look, look)
    for _ in range(2):
        assert ask(tools=[TOOL], tool_choice=choice).tool_calls
    assert sent(sandbox) == ["forced", "auto", "auto"]


def test_the_catalogue_knows_where_a_model_begins(ask, sandbox):
    sandbox.replies.add(Reply(tool_calls=[("Person", {"name": "Maria"})]), times=None)
    ask(model="deepseek-v4.1-flash", structured_output=PERSON)
    assert sent(sandbox) == ["auto"]


def test_a_stream_of_a_model_that_obeys_is_not_held_back(clients, sandbox):
    client = clients.client(sandbox)
    sandbox.replies.add(CALL, times=None)
    params = {"model": MODEL, "messages": MESSAGES, "structured_output": {**PERSON, "method": "forced_tool"}}
    first, second = (clients.stream(client, **params) for _ in range(2))
    assert (
        first.stream.completion().tool_calls[0]["function"]
        == second.stream.completion().tool_calls[0]["function"]
    )
    assert [chunk["choices"] for chunk in first.chunks if chunk["choices"]]
    assert len(first.chunks) == len(second.chunks)


def test_filters_that_were_relaxed_stay_relaxed_on_the_way_down(ask, sandbox):
    sandbox.faults.add(
        refusal("no providers match the specified filters", status=404, code="no_providers_available"),
        refusal(),
    )
    sandbox.replies.add(CALL)
    ask(
        structured_output={**PERSON, "method": "json_schema"},
        filters={"countries": ["DE"]},
        routing_fallbacks=["countries"],
    )
    assert ["filters" in request.body for request in sandbox.requests] == [True, False, False]
    assert sent(sandbox) == ["json_schema", "json_schema", "forced"]


def test_a_forced_stream_that_is_closed_unread_closes_its_connection(clients, sandbox):
    client = clients.client(sandbox)
    sandbox.faults.add(Fault(stall_after_events=3, stall_seconds=600))
    sandbox.replies.add(Reply(tool_calls=[("look", {"place": "b" * 400})]))
    params = {"model": MODEL, "messages": MESSAGES, "tools": [TOOL], "tool_choice": "required"}
    gc.disable()  # a generator that is merely dropped must not be what closes it
    try:
        if clients.asynchronous:

            async def leave() -> None:
                stream = await client.chat.stream(**params)
                await stream.aclose()
                assert await asyncio.to_thread(eventually, lambda: sandbox.open_connections == 0)

            asyncio.run(leave())
        else:
            client.chat.stream(**params).close()
            assert eventually(lambda: sandbox.open_connections == 0)
    finally:
        gc.enable()
