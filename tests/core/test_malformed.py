"""The gateway's "malformed" 400, which it says of sound requests too: one more try, and an advice that fits."""

from functools import partial
from typing import Any

import pytest

from melious import BadRequestError
from melious.catalogue.quirks import quirks_of
from melious.endpoints.malformed import advice_for
from melious.sandbox import Fault, Sandbox

from .clients import CHAT, QUESTION, Clients
from .exchanges import Answer, play, request_with

URL = "https://api.melious.ai/v1"
NOW = {"retry-after-ms": "1"}
WORDS = '{"error":{"message":"The request was rejected as malformed.","type":"invalid_request_error"}}'
IN_STREAM = (f"data: {WORDS}\n\n",)

TEXT = Answer(400, WORDS.encode())
BUSY = Answer(503, b'{"error":{"message":"busy","code":"provider_error"}}')
OK = Answer(200, b"{}")


@pytest.fixture
def client(clients: Clients, sandbox: Sandbox) -> Any:
    return clients.client(sandbox)


def test_a_text_request_that_is_called_malformed_is_sent_once_more(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(code="malformed", headers=NOW))
    assert clients.call(client, "chat.create", model=CHAT, messages=QUESTION).attempts == 2
    assert len(sandbox.requests) == 2


def test_so_is_one_that_streams(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(code="malformed", headers=NOW))
    assert clients.stream(client, model=CHAT, messages=QUESTION).error is None
    sandbox.faults.add(Fault(raw=IN_STREAM))
    streamed = clients.stream(client, model=CHAT, messages=QUESTION)
    assert (streamed.error, bool(streamed.text)) == (None, True)
    assert len(sandbox.requests) == 4


@pytest.mark.parametrize("max_retries", [1, 2, 5])
def test_it_is_never_sent_a_third_time(
    max_retries: int, clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(code="malformed", headers=NOW, times=None))
    with pytest.raises(BadRequestError) as caught:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION, max_retries=max_retries)
    assert (caught.value.attempts, len(sandbox.requests)) == (2, 2)
    sandbox.reset()
    sandbox.faults.add(Fault(raw=IN_STREAM, times=None))
    with pytest.raises(BadRequestError) as caught:
        clients.stream(client, model=CHAT, messages=QUESTION, max_retries=max_retries)
    assert (caught.value.attempts, len(sandbox.requests)) == (2, 2)


def test_without_retries_there_is_no_second_try(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(code="malformed", times=None))
    with pytest.raises(BadRequestError):
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION, max_retries=0)
    assert len(sandbox.requests) == 1


def test_other_troubles_in_between_give_no_further_try() -> None:
    asked = request_with(retry_malformed=True, max_retries=5)
    assert isinstance(play(asked, [TEXT, BUSY, TEXT]).error, BadRequestError)
    assert play(asked, [BUSY, TEXT, OK]).error is None


def test_other_bad_requests_are_not_sent_again(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    body = {"error": {"message": "temperature must be at most 2", "type": "invalid_request_error"}}
    sandbox.faults.add(Fault(status=400, body=body))
    with pytest.raises(BadRequestError) as caught:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert len(sandbox.requests) == 1
    assert "it will fail again unchanged" in str(caught.value)


# --- the advice ------------------------------------------------------------------------------------------

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _asked(text: Any = "Hello", **fields: Any) -> dict[str, Any]:
    return {"model": "glm-5.3", "messages": [{"role": "user", "content": text}], **fields}


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (_asked(model="qwen3.8-27b"), "no `reasoning_effort`, which qwen3.8-27b was seen to need"),
        (_asked(model="qwen3.8-max:eco"), "no `reasoning_effort`"),
        (_asked(model="qwen3.8-max", reasoning_effort="high"), "reasoning_effort='high', which qwen3.8-max"),
        (_asked("word " * 30_000, model="gemma-4-31b"), "roughly 37,500 tokens of input"),
        (_asked("word " * 110_000, model="glm-4.7"), "; glm-4.7 takes about 131,072"),
        (_asked([IMAGE], model="gemma-4-31b"), "an image, which gemma-4-31b does not take"),
        (_asked([IMAGE], model="qwen3-8b"), "an image, which qwen3-8b does not take"),
        (_asked([IMAGE], model="nobody-knows"), "an image, which the service sometimes refuses"),
        (_asked(messages=[{"role": "assistant", "tool_calls": [CALL]}]), "messages[0] without `content`"),
        (_asked(model="deepseek-v4-flash"), "deepseek-v4-flash, which was seen to fail"),
        (_asked(model="qwen3.6-35b-a3b"), "qwen3.6-35b-a3b, which was seen to fail"),
        (_asked(response_format={"type": "json_schema"}), "a `response_format`"),
    ],
)
def test_causes_that_the_request_shows_come_first(body: dict[str, Any], cause: str) -> None:
    advice = advice_for(body, URL)
    assert advice.startswith("First check what this request has: ")
    assert cause in advice.partition("The service says this also of")[0]


@pytest.mark.parametrize(
    "body",
    [
        _asked(),
        _asked(model="qwen3.8-27b", reasoning_effort="low"),
        _asked("word " * 30_000, model="gemma-4-31b:speed"),
        _asked(reasoning_effort=["odd"]),
    ],
)
def test_a_request_with_none_of_the_causes_is_advised_to_send_fewer_at_a_time(body: dict[str, Any]) -> None:
    advice = advice_for(body, URL)
    assert advice.startswith("The service also says this of many concurrent requests")
    assert advice.endswith("retry with fewer concurrent requests")


@pytest.mark.parametrize("way", ["chat.create", "chat.stream"])
def test_the_error_of_a_call_has_the_advice(
    way: str, clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(code="malformed", headers=NOW, times=None))
    ask = clients.stream if way == "chat.stream" else partial(clients.call, name=way)
    with pytest.raises(BadRequestError) as caught:
        ask(client, model="qwen3.8-27b", messages=QUESTION)
    assert "First check what this request has: no `reasoning_effort`" in str(caught.value)
    assert "will fail again" not in str(caught.value)


def test_what_is_known_of_a_model_is_known_of_its_flavors() -> None:
    assert quirks_of("gemma-4-31b").window == 45_000
    assert quirks_of("gemma-4-31b:eco") == quirks_of("gemma-4-31b")
    assert quirks_of("gemma-4-31b:speed").window == 131_000
