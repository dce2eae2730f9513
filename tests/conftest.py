"""Fixtures for every test: a running sandbox, and the choice of the HTTP library under the core."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from melious.sandbox import Sandbox


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--http-library",
        choices=("httpx", "httpx2"),
        default="httpx2",
        help="library under the core: with httpx, httpx2 cannot be imported",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--http-library") == "httpx":
        # Plugins of pytest may hold httpx2 already; what counts is that the core has not chosen yet.
        if "melious.http.library" in sys.modules:
            raise pytest.UsageError("melious.http.library was imported before --http-library took effect")
        sys.modules["httpx2"] = None  # type: ignore[assignment]


@pytest.fixture(scope="session")
def _session_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def sandbox(_session_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox of the session, profile live, with nothing left of the test before."""
    _session_sandbox.reset()
    yield _session_sandbox
    _session_sandbox.reset()


@pytest.fixture(autouse=True)
def _nothing_heard() -> Iterator[None]:
    """What a sandbox says of its models ends with the test: the next one may get the same address."""
    yield
    heard = sys.modules.get("melious.catalogue.heard")
    if heard is not None:
        heard._shelves.clear()


@pytest.fixture(autouse=True)
def _nothing_said() -> Iterator[None]:
    """Warnings that are given once a process are given once a test."""
    yield
    callers = sys.modules.get("melious._stacklevel")
    if callers is not None:
        callers._said.clear()


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Start further sandboxes with the arguments of ``Sandbox``; they stop after the test."""
    with ExitStack() as stack:

        def start(*args: Any, **kwargs: Any) -> Sandbox:
            return stack.enter_context(Sandbox(*args, **kwargs))

        yield start
