"""A plain HTTP client for the sandbox, so that nothing of the library under test stands between."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import browser as chromium
import httpx
import pytest

from melious.sandbox import Sandbox


@pytest.fixture
def client_of() -> Iterator[Callable[..., httpx.Client]]:
    """Give clients of a sandbox, closed after the test."""
    with ExitStack() as stack:

        def connect(sandbox: Sandbox, key: str | None = None) -> httpx.Client:
            client = httpx.Client(
                base_url=sandbox.base_url,
                headers={"authorization": f"Bearer {key or sandbox.api_key}"},
                timeout=60,
                trust_env=False,
                verify=False,  # plain HTTP, and the certificates of the machine take longer to read than a test
            )
            stack.callback(client.close)
            return client

        yield connect


@pytest.fixture
def http(sandbox: Sandbox, client_of: Callable[..., httpx.Client]) -> httpx.Client:
    return client_of(sandbox)


@pytest.fixture
def ask(http: httpx.Client):
    """Send a chat request about one text; give the answer."""

    def send(
        text: str = "What is a lighthouse?", model: str = "llama-3.1-8b-instruct", **fields
    ) -> httpx.Response:
        messages = fields.pop("messages", [{"role": "user", "content": text}])
        return http.post("/chat/completions", json={"model": model, "messages": messages, **fields})

    return send


@pytest.fixture(scope="session")
def _browser() -> Iterator[chromium.Browser]:
    path = chromium.find()
    if path is None:
        pytest.skip("there is no browser: apt-get install chromium")
    running = chromium.Browser(path)
    yield running
    running.close()


@pytest.fixture
def tab(_browser: chromium.Browser) -> Iterator[chromium.Browser]:
    """Give the tab of a browser, in its usual state."""
    _browser.size(1280, 900)
    _browser.scheme("light")
    _browser.scripts(on=True)
    yield _browser
    _browser.open("data:text/html,<p>")
