"""Reasoning goes back to the models that want it, and to no others."""

import logging
from typing import Any

import pytest

from melious.errors import BadRequestError
from melious.sandbox import Fault
from melious.wire.thinking import ReasoningReplay

MODEL = "gemma-4-26b-a4b"
MUST = "The `reasoning_content` in the thinking mode must be passed back to the API."
QUESTION = {"role": "user", "content": "How warm is it?"}


def call(number: int, **about: Any) -> list[dict[str, Any]]:
    function = {"name": "look", "arguments": "{}"}
    made = {"id": f"c{number}", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": "", "tool_calls": [made], **about},
        {"role": "tool", "tool_call_id": f"c{number}", "content": "12 degrees"},
    ]


THOUGHT = {"reasoning_content": "I must look."}
ANSWER = {"role": "assistant", "content": "12 degrees.", "reasoning_content": "So I say it."}
HISTORY = [QUESTION, *call(1, **THOUGHT), ANSWER, QUESTION, *call(2)]


def refusal(message: str = MUST, status: int = 400) -> Fault:
    return Fault(status=status, body={"error": {"message": message, "type": "invalid_request_error"}})


@pytest.fixture(params=["whole", "streamed"])
def ask(request, clients, sandbox):
    client = clients.client(sandbox)

    def ask(messages: Any = HISTORY, **params: Any) -> None:
        params = {"model": MODEL, "messages": messages, **params}
        if request.param == "whole":
            clients.call(client, "chat.create", **params)
            return
        streamed = clients.stream(client, **params)
        if streamed.error is not None:
            raise streamed.error

    return ask


def sent(sandbox: Any) -> list[list[str | None]]:
    """The reasoning of the assistant's messages, request by request."""
    return [
        [
            message.get("reasoning_content")
            for message in request.body["messages"]
            if message["role"] == "assistant"
        ]
        for request in sandbox.requests
    ]


OF_CALLS = ["I must look.", None, ""]
WHOLE = ["I must look.", "So I say it.", ""]


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("always", ["I must look.", "So I say it.", None]),
        ("with_tool_calls", ["I must look.", None, None]),
        ("when_needed", [None, None, None]),
        ("never", [None, None, None]),
        (None, ["I must look.", "So I say it.", None]),
    ],
)
def test_what_is_sent_unless_the_model_wants_more(ask, sandbox, when, wanted):
    ask(replay_reasoning=when)
    assert sent(sandbox) == [wanted]


@pytest.mark.parametrize("when", ["with_tool_calls", "when_needed"])
@pytest.mark.parametrize("refusals", [1, 2])
def test_a_model_that_wants_it_back_gets_as_much_as_it_wants(ask, sandbox, caplog, when, refusals):
    sandbox.faults.add(*[refusal()] * refusals)
    wanted = [OF_CALLS, WHOLE][refusals - 1]
    for _ in range(2):
        ask(replay_reasoning=when)
    assert sent(sandbox)[refusals:] == [wanted, wanted]
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [MODEL in line and "reasoning" in line for line in told] == [True]


def test_what_was_learned_can_be_too_little_later(ask, sandbox):
    sandbox.faults.add(refusal())
    ask([QUESTION, *call(1, **THOUGHT)], replay_reasoning="when_needed")
    sandbox.faults.add(refusal())
    ask(replay_reasoning="when_needed")
    assert sent(sandbox) == [[None], ["I must look."], OF_CALLS, WHOLE]


def test_a_server_that_contradicts_itself_is_left_alone(ask, sandbox):
    no = "Extra inputs are not permitted, field: 'messages[1].reasoning_content'"
    sandbox.faults.add(*[refusal(said) for said in (no, MUST, no, MUST)])
    with pytest.raises(BadRequestError):
        ask()
    assert len(sandbox.requests) == 3


def test_the_catalogue_knows_who_wants_it_back(ask, sandbox):
    ask(model="kimi-k2.7-code", replay_reasoning="when_needed")
    assert sent(sandbox) == [OF_CALLS]


@pytest.mark.parametrize("model", [MODEL, "kimi-k2.7-code"])
@pytest.mark.parametrize("switch", ["replay_reasoning", "echo_thinking"])
def test_an_explicit_no_is_obeyed_and_named_by_the_error(ask, sandbox, model, switch):
    sandbox.faults.add(refusal())
    replay = ReasoningReplay("never", switch)
    with pytest.raises(BadRequestError, match=f"wants the reasoning .* back: do not turn off {switch}"):
        ask(model=model, replay_reasoning=replay)
    assert sent(sandbox) == [[None] * 3]


def test_reasoning_that_was_not_kept_cannot_go_back(ask, sandbox):
    sandbox.faults.add(refusal())
    with pytest.raises(
        BadRequestError, match=r"the conversation lacks it: keep .* and replay_reasoning sends it"
    ):
        ask([QUESTION, *call(1)])
    assert len(sandbox.requests) == 1


def test_a_server_that_takes_no_reasoning_gets_none_from_then_on(ask, sandbox):
    where = {"loc": ["body", "messages", 1, "assistant", "reasoning_content"]}
    said = {"detail": [{"type": "extra_forbidden", "msg": "Extra inputs are not permitted", **where}]}
    sandbox.faults.add(Fault(status=422, body=said))
    for _ in range(2):
        ask()
    assert sent(sandbox)[1:] == [[None] * 3] * 2
