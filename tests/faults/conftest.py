"""Fixtures for the tests of faults: clients of all kinds, servers that misbehave, scripts."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from faults_faces import FACES, AsyncFace, Face
from faults_kit import KEY, RawServer, Script, environment
from faults_proxy import ProxyServer

from melious.sandbox import Sandbox

# In development mode asyncio tells of every step that took long, which on a loaded machine is no fault.
_PRELUDE = """
import logging
logging.getLogger("asyncio").addFilter(lambda record: not record.getMessage().startswith("Executing "))
"""


@pytest.fixture(scope="session")
def _sandbox_of_the_faults() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def melious_sandbox(_sandbox_of_the_faults: Sandbox) -> Iterator[Sandbox]:
    """A sandbox for these tests alone: they count its connections, and others leave some open."""
    _sandbox_of_the_faults.reset()
    yield _sandbox_of_the_faults
    _sandbox_of_the_faults.reset()


def _faces(kinds: tuple[str, ...]) -> Any:
    @pytest.fixture(params=kinds)
    def face(request: pytest.FixtureRequest) -> Iterator[Callable[..., Face]]:
        """Make clients of one kind; they are closed, and their event loops ended, after the test."""
        with ExitStack() as stack:

            def make(base_url: str, **options: Any) -> Face:
                made = FACES[request.param](base_url=base_url, **{"api_key": KEY, **options})
                if isinstance(made, AsyncFace):
                    stack.callback(made.end)
                stack.callback(made.close)
                return made

            yield make

    return face


face = _faces(("sync", "async"))
any_face = _faces(("sync", "async", "aiohttp"))
async_face = _faces(("async", "aiohttp"))


@pytest.fixture(autouse=True)
def _nothing_from_the_test_before() -> Iterator[None]:
    """Close what dropped clients left warm, so that tests can count connections."""
    yield
    from melious.http._sync.sharing import shared

    shared.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Script], RawServer]]:
    """Start servers that follow a script; they stop after the test."""
    with ExitStack() as stack:
        yield lambda script, **options: stack.enter_context(RawServer(script, **options))


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies and no certificates from the environment of whoever runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def proxy_to() -> Iterator[Callable[..., ProxyServer]]:
    """Start proxies to a server; they stop after the test."""
    with ExitStack() as stack:
        yield lambda target, **options: stack.enter_context(ProxyServer(target, **options))


@pytest.fixture
def run_script(request: pytest.FixtureRequest, sandbox: Sandbox) -> Callable[..., str]:
    """Run a script in a process that takes every warning for an error; gives what it printed.

    The script must end well and say nothing on standard error.
    """
    prelude = _PRELUDE
    if request.config.getoption("--http-library") == "httpx":
        prelude += "import sys\nsys.modules['httpx2'] = None\n"

    def run(script: str, *options: str) -> str:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", *options, "-c", prelude + textwrap.dedent(script)],
            env=environment(sandbox.base_url, sandbox.api_key),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    return run
