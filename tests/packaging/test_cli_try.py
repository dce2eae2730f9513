"""`melious doctor --try`: one request that is answered and billed, and its receipt."""

from __future__ import annotations

import pytest

from melious.sandbox import Fault, Reply

pytestmark = pytest.mark.usefixtures("no_settings")


def of_chat(sandbox):
    return [request for request in sandbox.requests if request.endpoint == "chat" and request.body]


def test_one_small_request_is_sent_and_its_receipt_shown(doctor, sandbox):
    sandbox.replies.add(Reply(text="OK"), model="llama-3.1-8b-instruct")
    status, out = doctor(sandbox.api_key, sandbox.base_url, "--try")
    assert status == 0
    assert "llama-3.1-8b-instruct answered 'OK' in " in out
    checks, receipt = out.split("The receipt of the request")
    assert "1 request\n" in receipt
    assert "µ€" in receipt
    assert "µg CO₂" in receipt
    assert "Simulated: the figures of 1 request were made up by the sandbox." in receipt
    assert "balance" not in checks
    (sent,) = of_chat(sandbox)
    assert sent.body["max_tokens"] == 16


def test_the_model_can_be_named(checks, sandbox):
    status, found = checks(sandbox.api_key, sandbox.base_url, "--no-scopes", "--try", "gpt-oss-20b")
    assert (status, found["request"]["model"]) == (0, "gpt-oss-20b")
    total = found["request"]["receipt"]["total"]
    assert (total["requests"], total["simulated"]) == (1, 1)
    assert found["request"]["request_id"] == sandbox.requests[-1].request_id


def test_without_it_nothing_is_sent_and_it_is_named(checks, sandbox):
    _, found = checks(sandbox.api_key, sandbox.base_url)
    assert not of_chat(sandbox)
    assert "--try" in found["balance"]["said"]


def test_a_request_that_is_refused_is_a_problem_in_words_for_a_shell(checks, sandbox):
    status, found = checks(sandbox.api_key, sandbox.base_url, "--try", "no-such-model")
    assert (status, found["request"]["state"], found["request"]["status_code"]) == (1, "failed", 404)
    assert "`melious models` lists the models" in found["request"]["said"]
    assert "client.models" not in found["request"]["said"]


@pytest.mark.parametrize(
    "fault", [Fault(status=503, endpoint="chat", times=2), Fault(status=402, endpoint="chat", times=2)]
)
def test_it_is_sent_once(checks, sandbox, fault):
    sandbox.faults.add(fault)
    status, found = checks(sandbox.api_key, sandbox.base_url, "--no-scopes", "--try")
    assert (status, found["request"]["state"]) == (1, "failed")
    assert len(of_chat(sandbox)) == 1


def test_it_is_not_sent_where_something_else_fails(checks, sandbox):
    status, found = checks("sk-mel-wrong", sandbox.base_url, "--try")
    assert (status, found["request"]["state"]) == (1, "skipped")
    assert not of_chat(sandbox)


def test_a_key_that_may_not_list_models_still_tries_one(checks, start_sandbox):
    sandbox = start_sandbox(keys={"sk-mel-chat": ["inference.chat"]})
    status, found = checks("sk-mel-chat", sandbox.base_url, "--try")
    assert (status, found["request"]["state"]) == (0, "ok")
    assert len(of_chat(sandbox)) == 1


def test_an_answer_without_a_text_is_no_problem(checks, sandbox):
    sandbox.replies.add(Reply(reasoning="Only thoughts."), endpoint="chat")
    status, found = checks(sandbox.api_key, sandbox.base_url, "--no-scopes", "--try", "glm-4.7")
    assert status == 0
    assert "answered without a text" in found["request"]["said"]
