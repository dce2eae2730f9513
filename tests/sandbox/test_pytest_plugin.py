"""The fixtures for tests of applications, in a run of pytest of its own; `tests/docs` runs their example."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SHARED = Path(__file__).parents[2] / "shared"
TESTS = """
import os

import pytest

from melious import MeliousClient
from melious_sandbox import Fault, Reply

QUESTION = [{"role": "user", "content": "What is the answer?"}]
seen = []


def test_a_client_without_arguments_finds_the_sandbox(melious_sandbox, melious_key):
    melious_sandbox.replies.add(Reply(text="Forty-two."), times=None)
    melious_sandbox.faults.add(Fault(endpoint="images", status=503))
    with MeliousClient() as client:
        assert client.chat.create(model="gemma-4-31b", messages=QUESTION).text == "Forty-two."
    assert melious_key == melious_sandbox.api_key
    assert [request.endpoint for request in melious_sandbox.requests] == ["chat"]
    seen.append(melious_sandbox)


def test_nothing_is_left_of_the_test_before(melious_sandbox):
    assert melious_sandbox is seen[0]
    assert len(melious_sandbox.replies) == len(melious_sandbox.faults) == len(melious_sandbox.requests) == 0
    assert "MELIOUS_BASE_URL" not in os.environ
"""


def test_the_fixtures(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(SHARED), os.environ.get("PYTHONPATH", ""))))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take longer than the run
    monkeypatch.delenv("MELIOUS_BASE_URL", raising=False)
    pytester.makeconftest('pytest_plugins = ["melious_sandbox.pytest_plugin"]')
    pytester.makepyfile(TESTS)
    pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider").assert_outcomes(passed=2)
