"""One attempt, whatever comes: what a probe reads, it reads as it was sent."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest
from loopback import Answer, Loopback

from melious import APIConnectionError, APITimeoutError
from melious.exchange.request import Limits, Request, Response
from melious.http._async.driver import AsyncDriver
from melious.http._sync.driver import SyncDriver
from melious.settings.config import ClientConfig, Timeout

KEY = "sk-mel-of-the-tests"
Once = Callable[..., Response]


def _blocking(base_url: str, request: Request, **how: Any) -> Response:
    driver = SyncDriver(ClientConfig.resolve(api_key=KEY, base_url=base_url))
    try:
        return driver.once(request, **how)
    finally:
        driver.close()


def _asyncio(base_url: str, request: Request, **how: Any) -> Response:
    async def run() -> Response:
        driver = AsyncDriver(ClientConfig.resolve(api_key=KEY, base_url=base_url))
        try:
            return await driver.once(request, **how)
        finally:
            await driver.aclose()

    return asyncio.run(run())


@pytest.fixture(params=[_blocking, _asyncio], ids=["blocking", "asyncio"])
def once(request: pytest.FixtureRequest) -> Once:
    found: Once = request.param
    return found


REQUEST = Request(
    method="POST", path="chat/completions", endpoint="chat", limits=Limits(Timeout(), None, 2), body=b"{}"
)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 429, 500, 503])
def test_every_status_is_an_answer(once, status):
    headers = {"x-request-id": "r1", "retry-after": "30"}
    with Loopback(lambda _: Answer(status, headers, b"" if status == 204 else b'{"error": "no"}')) as server:
        for _ in range(2):
            response = once(server.base_url, REQUEST)
            assert (response.status, response.request_id) == (status, "r1")
            assert response.body in (b'{"error": "no"}', b"")
        # No retries, and a refusal for the rate closes no gate.
        assert len(server.asked) == 2


def test_a_compressed_body_is_read_and_its_header_kept(once):
    body = b"wind " * 1000
    with Loopback(lambda _: Answer(200, {"content-encoding": "gzip"}, gzip.compress(body))) as server:
        wish = REQUEST._replace(headers=(("accept-encoding", "gzip"),))
        response = once(server.base_url, wish)
        assert server.asked[0].headers["accept-encoding"] == "gzip"
    assert (response.body, response.headers["content-encoding"]) == (body, "gzip")


def test_a_long_body_is_cut_and_the_key_taken_out(once):
    with Loopback(
        lambda asked: Answer(401, {}, asked.headers["authorization"].encode() + b"x" * 1000)
    ) as server:
        body = once(server.base_url, REQUEST, most=100).body
    assert body.startswith(b"Bearer ***x")
    assert len(body) <= 100


def test_no_answer_is_an_error(once, start_sandbox):
    sandbox = start_sandbox()
    base_url = sandbox.base_url
    sandbox.stop()
    with pytest.raises(APIConnectionError):
        once(base_url, REQUEST)


def test_a_late_answer_is_a_timeout(once, start_sandbox):
    sandbox = start_sandbox(latency=60.0)
    impatient = REQUEST._replace(limits=Limits(Timeout(answer=0.05), None, 2))
    with pytest.raises(APITimeoutError):
        once(sandbox.base_url, impatient)
    deadline = REQUEST._replace(limits=Limits(Timeout(), 0.05, 2))
    with pytest.raises(APITimeoutError):
        once(sandbox.base_url, deadline)
