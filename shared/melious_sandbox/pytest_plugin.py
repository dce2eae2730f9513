"""Fixtures for tests of an application that calls Melious, without a key or a network.

In ``conftest.py``::

    pytest_plugins = ["melious_sandbox.pytest_plugin"]

In a test::

    from melious_sandbox import Reply


    def test_the_answer_is_shown(melious_sandbox, melious_key):
        melious_sandbox.replies.add(Reply(text="Forty-two."))
        assert my_application.ask("What is the answer?") == "Forty-two."
        assert melious_sandbox.requests[0].body["model"] == "gemma-4-31b"
"""

from collections.abc import Iterator

import pytest

from melious_sandbox.sandbox import Sandbox


@pytest.fixture(scope="session")
def _melious_sandbox_of_the_session() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def melious_sandbox(_melious_sandbox_of_the_session: Sandbox) -> Iterator[Sandbox]:
    """A running sandbox, one for the session; requests, replies and faults are those of the test."""
    _melious_sandbox_of_the_session.reset()
    yield _melious_sandbox_of_the_session
    _melious_sandbox_of_the_session.reset()


@pytest.fixture
def melious_key(melious_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of the sandbox; clients without arguments find it and the address in the environment."""
    monkeypatch.setenv("MELIOUS_API_KEY", melious_sandbox.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", melious_sandbox.base_url)
    return melious_sandbox.api_key
