"""The chat page answers, and its receipt grows. Streamlit takes pandas and pyarrow, so this is not in `make test`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from melious.sandbox import Fault, Reply, Sandbox

ROOT = Path(__file__).parents[2]
APP = ROOT / "examples" / "chat_receipt" / "app.py"
pytestmark = pytest.mark.filterwarnings("ignore")  # what others wrote warns of itself


@pytest.fixture
def page(melious_key: str) -> AppTest:
    return AppTest.from_file(str(APP), default_timeout=60).run()


def ask(page: AppTest, question: str) -> None:
    page.chat_input[0].set_value(question).run()
    assert not page.exception


def texts(page: AppTest) -> list[str]:
    return [message.markdown[0].value for message in page.chat_message if message.markdown]


def cost(page: AppTest) -> str:
    return page.metric[0].value


def test_an_empty_page_has_an_empty_receipt(page: AppTest):
    assert [metric.value for metric in page.metric] == ["—", "—"]
    assert not page.chat_message
    assert not page.caption


def test_the_receipt_grows_with_each_answer(page: AppTest, sandbox: Sandbox):
    sandbox.replies.add(Reply(text="Oslo."), Reply(text="Bergen."), Reply(text="Bodø."))
    ask(page, "What is the capital of Norway?")
    first = cost(page)
    assert first.endswith("€")
    assert [caption.value for caption in page.caption] == ["Simulated: the sandbox made these figures up."]
    ask(page, "And the second city?")
    assert cost(page) == first, "streams report nothing"
    assert page.caption[0].value.startswith("and about ")
    page.toggle[0].set_value(True).run()
    ask(page, "And in the north?")
    assert cost(page) != first
    assert texts(page) == [
        "What is the capital of Norway?",
        "Oslo.",
        "And the second city?",
        "Bergen.",
        "And in the north?",
        "Bodø.",
    ]
    bodies = [request.body for request in sandbox.requests]
    assert [body.get("stream", False) for body in bodies] == [False, True, False]
    assert [len(body["messages"]) for body in bodies] == [1, 3, 5]


def test_the_route_is_that_of_the_menu(page: AppTest, sandbox: Sandbox):
    page.selectbox[0].set_value("eco").run()
    ask(page, "Hello?")
    assert sandbox.requests[0].body["model"] == "glm-4.7:eco"
    assert page.expander[0].markdown[0].value.startswith("**1 request**")


def test_an_error_is_shown_and_the_question_can_be_asked_again(page: AppTest, sandbox: Sandbox):
    sandbox.faults.add(Fault(code="insufficient_quota"))
    ask(page, "Hello?")
    assert "402" in page.error[0].value or "quota" in page.error[0].value
    sandbox.replies.add(Reply(text="Hello."))
    ask(page, "Hello?")
    assert not page.error
    assert texts(page) == ["Hello?", "Hello."]
    assert len(sandbox.requests[-1].body["messages"]) == 1


@pytest.fixture
def served(no_key: None) -> Iterator[str]:
    """The address of the page, which runs on a sandbox of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--server.headless=true", f"--server.port={port}", "--server.address=127.0.0.1"]
    command = [sys.executable, "-m", "examples.chat_receipt", *options, "--browser.gatherUsageStats=false"]
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ)) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            assert server.wait() == 0


def test_one_command_opens_the_page(served: str):
    while True:  # the time-out of the test ends it
        try:
            assert httpx.get(f"{served}/_stcore/health").text == "ok"
            break
        except httpx.HTTPError:
            time.sleep(0.5)
    assert "<title>Streamlit</title>" in httpx.get(served).text
