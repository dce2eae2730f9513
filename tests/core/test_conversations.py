"""A conversation that a model's template refuses is sent once more in the form that it takes."""

import json
import logging
from typing import Any

import pytest

from melious.catalogue.methods import is_refused
from melious.catalogue.needs import needs_of
from melious.errors import AuthenticationError, BadRequestError, InvalidArgumentError, ServerError
from melious.sandbox import Fault, Reply

MODEL = "gemma-4-26b-a4b"
SYSTEM = {"role": "system", "content": "Be brief."}
NOON = {"role": "system", "content": "It is noon."}
HELLO = {"role": "user", "content": "Hello!"}
SEVERAL = [SYSTEM, NOON, HELLO]
MERGED = [{"role": "system", "content": "Be brief.\n\nIt is noon."}, HELLO]
AT_THE_BEGINNING = "System message must be at the beginning."
MALFORMED = "The request was rejected as malformed, check message format"


def refusal(message: str, status: int = 400) -> Fault:
    return Fault(status=status, body={"error": {"message": message, "type": "invalid_request_error"}})


@pytest.fixture(params=["whole", "streamed", "buffered"])
def ask(request, clients, sandbox):
    """Asks for a whole answer or reads a stream to its end, with either client."""

    def ask(messages: Any, *, options: dict[str, Any] | None = None, **params: Any) -> Any:
        how = {"stream_impact": "buffer"} if request.param == "buffered" else {}
        client = clients.client(sandbox, **how, **(options or {}))
        params = {"model": MODEL, "messages": messages, **params}
        if request.param == "whole":
            return clients.call(client, "chat.create", **params)
        streamed = clients.stream(client, **params)
        if streamed.error is not None:
            raise streamed.error
        return streamed.stream.completion()

    return ask


def sent(sandbox: Any) -> list[Any]:
    return [request.body["messages"] for request in sandbox.requests]


@pytest.mark.parametrize("status", [400, 500], ids=["vLLM", "llama-server"])
def test_system_messages_are_merged_after_one_refusal_and_from_then_on(ask, sandbox, caplog, status):
    sandbox.faults.add(refusal(AT_THE_BEGINNING, status))
    for _ in range(2):
        assert ask(SEVERAL).text
    assert sent(sandbox) == [SEVERAL, MERGED, MERGED]
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [MODEL in line and "one system message" in line for line in told] == [True]


def test_what_one_model_needs_is_not_done_to_another(ask, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    ask(SEVERAL)
    ask(SEVERAL, model="glm-4.7")
    assert sent(sandbox)[2:] == [SEVERAL]


def test_without_a_refusal_messages_go_as_they_are(ask, sandbox):
    ask([*SEVERAL, NOON])
    assert sent(sandbox) == [[*SEVERAL, NOON]]


def test_the_catalogue_knows_templates_that_take_one_system_message(ask, sandbox):
    ask(SEVERAL, model="qwen3.5-9b")
    assert sent(sandbox) == [MERGED]


@pytest.mark.parametrize("where", ["client", "call"])
def test_the_option_merges_at_once(ask, sandbox, where):
    option = {"merge_system_messages": True}
    ask(SEVERAL, options=option if where == "client" else None, **(option if where == "call" else {}))
    assert sent(sandbox) == [MERGED]


def test_the_option_of_the_call_replaces_that_of_the_client(ask, sandbox):
    ask(SEVERAL, options={"merge_system_messages": True}, merge_system_messages=False)
    assert sent(sandbox) == [SEVERAL]


def test_a_refusal_inside_a_stream_counts_too(clients, sandbox):
    said = json.dumps({"error": {"message": AT_THE_BEGINNING, "type": "invalid_request_error"}})
    sandbox.faults.add(Fault(raw=[f"data: {said}\n\n"]))
    streamed = clients.stream(clients.client(sandbox), model=MODEL, messages=SEVERAL)
    assert streamed.error is None
    assert sent(sandbox) == [SEVERAL, MERGED]


@pytest.mark.parametrize("max_retries", [0, 2])
def test_a_refusal_is_no_failure_that_is_retried(ask, sandbox, max_retries):
    sandbox.faults.add(refusal(AT_THE_BEGINNING, 500))
    ask(SEVERAL, max_retries=max_retries)
    assert sent(sandbox) == [SEVERAL, MERGED]


@pytest.mark.parametrize("model", [MODEL, "qwen3.5-9b"])
def test_an_explicit_no_is_obeyed_and_named_by_the_error(ask, sandbox, model):
    sandbox.faults.add(*[refusal(AT_THE_BEGINNING)] * 3)
    with pytest.raises(BadRequestError, match="merge_system_messages=False"):
        ask(SEVERAL, model=model, merge_system_messages=False)
    assert sent(sandbox) == [SEVERAL]


def test_what_does_not_help_is_not_remembered(ask, sandbox):
    sandbox.faults.add(*[refusal(AT_THE_BEGINNING)] * 2)
    with pytest.raises(BadRequestError, match=AT_THE_BEGINNING):
        ask(SEVERAL)
    assert sent(sandbox) == [SEVERAL, MERGED]
    ask(SEVERAL)
    assert sent(sandbox)[2:] == [SEVERAL]


def test_a_failure_of_another_kind_teaches_nothing(ask, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING), Fault(status=401))
    with pytest.raises(AuthenticationError):
        ask(SEVERAL)
    assert not needs_of(MODEL, sandbox.base_url)


def test_one_system_message_is_not_sent_again(ask, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    with pytest.raises(BadRequestError, match=AT_THE_BEGINNING):
        ask([SYSTEM, HELLO])
    assert len(sandbox.requests) == 1


def test_a_gateway_that_hides_the_reason_is_told_once_more(ask, sandbox):
    sandbox.faults.add(*[refusal(MALFORMED)] * 2)
    ask(SEVERAL)
    assert sent(sandbox) == [SEVERAL, SEVERAL, MERGED]
    assert needs_of(MODEL, sandbox.base_url) == {"one_system_message"}


def test_turns_of_one_role_are_merged_where_they_must_alternate(ask, sandbox):
    again = {"role": "user", "content": "Again?"}
    sandbox.faults.add(refusal("Conversation roles must alternate user/assistant/user/assistant/..."))
    for _ in range(2):
        ask([*SEVERAL, again])
    wanted = [MERGED[0], {"role": "user", "content": "Hello!\n\nAgain?"}]
    assert sent(sandbox) == [[*SEVERAL, again], wanted, wanted]


def test_messages_in_extra_body_are_the_callers_own(ask, sandbox):
    sandbox.faults.add(refusal(AT_THE_BEGINNING))
    with pytest.raises(BadRequestError):
        ask([HELLO], extra_body={"messages": SEVERAL}, merge_system_messages=True)
    assert sent(sandbox) == [SEVERAL]


def test_messages_and_method_are_both_refused(ask, sandbox):
    sandbox.faults.add(
        refusal("response_format is not supported"),
        refusal(AT_THE_BEGINNING),
        refusal("tool_choice is not supported"),
        refusal("no tools"),
    )
    sandbox.replies.add(Reply(text='{"name": "Maria"}'), times=None)
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    wanted: Any = {"name": "Person", "schema": schema, "method": "json_schema"}
    for _ in range(2):
        ask(SEVERAL, structured_output=wanted)
    systems = [[message["role"] for message in messages].count("system") for messages in sent(sandbox)]
    assert systems == [2, 2, 1, 1, 1, 1]
    assert [request.body.get("response_format", {}).get("type") for request in sandbox.requests] == [
        "json_schema",
        None,
        None,
        None,
        "json_object",
        "json_object",
    ]
    assert '"name"' in sent(sandbox)[-1][-1]["content"]


def test_a_refused_conversation_says_nothing_of_the_method(ask, sandbox):
    sandbox.faults.add(*[refusal(AT_THE_BEGINNING)] * 3)
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    with pytest.raises(BadRequestError, match=AT_THE_BEGINNING):
        ask(SEVERAL, structured_output={"name": "Person", "schema": schema, "method": "json_schema"})
    assert len(sandbox.requests) == 2
    assert not is_refused("json_schema", MODEL, sandbox.base_url)


@pytest.mark.parametrize("status", [401, 503])
def test_a_method_is_not_refused_because_of_what_befell_the_next(ask, sandbox, status):
    sandbox.faults.add(refusal("something is wrong"), Fault(status=status, times=None))
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    with pytest.raises((AuthenticationError, ServerError)):
        ask(
            [HELLO],
            structured_output={"name": "Person", "schema": schema, "method": "json_schema"},
            max_retries=0,
        )
    assert len(sandbox.requests) == 2
    assert not is_refused("json_schema", MODEL, sandbox.base_url)


def test_a_wrong_word_for_the_replay_is_refused(ask, sandbox):
    with pytest.raises(InvalidArgumentError, match="replay_reasoning: must be one of 'always'"):
        ask([HELLO], replay_reasoning="sometimes")
    assert not sandbox.requests
