"""Keys with scopes, and the rate limit of the account."""

import time
from types import SimpleNamespace

import httpx
import pytest

from melious_sandbox.service import limits
from melious_sandbox.service.limits import RateLimiter

HELLO = {"model": "glm-4.7", "messages": [{"role": "user", "content": "Hello"}]}
EMBED = {"model": "bge-m3", "input": "Hello"}


@pytest.fixture
def scoped(start_sandbox):
    return start_sandbox(
        keys={
            "sk-mel-chat": ["inference.chat"],
            "sk-mel-inference": ["inference.*"],
            "sk-mel-star": ["*"],
            "sk-mel-kit": ["kit.tools"],
            "sk-mel-old": [],
        }
    )


@pytest.mark.parametrize(
    ("key", "chat", "embeddings"),
    [
        ("sk-mel-chat", 200, 403),
        ("sk-mel-inference", 200, 200),
        ("sk-mel-star", 200, 200),
        ("sk-mel-kit", 403, 403),
        ("sk-mel-old", 200, 200),
        ("sk-mel-sandbox", 200, 200),
        ("sk-mel-none", 401, 401),
    ],
)
def test_scopes(scoped, client_of, key, chat, embeddings):
    http = client_of(scoped, key)
    assert http.post("/chat/completions", json=HELLO).status_code == chat
    refused = http.post("/embeddings", json=EMBED)
    assert refused.status_code == embeddings
    if embeddings == 403:
        assert "inference.embeddings" in refused.json()["error"]["message"]


def test_key_in_its_own_header(sandbox):
    url = f"{sandbox.base_url}/models"
    assert httpx.get(url, headers={"x-api-key": sandbox.api_key}, trust_env=False).status_code == 200
    assert httpx.get(url, headers={"x-api-key": "sk-mel-wrong"}, trust_env=False).status_code == 401


def test_keys_are_not_kept(sandbox, http):
    http.get("/models", headers={"x-api-key": "sk-mel-second"})
    seen = sandbox.requests[-1]
    assert seen.headers["authorization"] == "Bearer ***"
    assert seen.headers["x-api-key"] == "***"
    assert sandbox.api_key not in repr(seen)


def test_rate_limit_counts_the_account_and_says_when_to_return(start_sandbox, client_of):
    sandbox = start_sandbox(rate_limit=3, rate_window=3600.0, keys={"sk-mel-second": ["*"]})
    one, other = client_of(sandbox), client_of(sandbox, "sk-mel-second")
    statuses = [client.post("/embeddings", json=EMBED).status_code for client in (one, other, one)]
    refused = other.post("/embeddings", json=EMBED)
    assert statuses == [200, 200, 200]
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["x-ratelimit-limit"] == "3"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert int(refused.headers["x-ratelimit-reset"]) - time.time() <= 3601
    sandbox.reset()
    assert one.post("/embeddings", json=EMBED).status_code == 200


def test_a_limit_of_nothing_refuses_everything(start_sandbox, client_of):
    response = client_of(start_sandbox(rate_limit=0)).get("/models")
    assert (response.status_code, response.headers["x-ratelimit-remaining"]) == (429, "0")


def test_limiter_opens_a_new_window(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(limits, "time", SimpleNamespace(time=lambda: now))
    limiter = RateLimiter(2, window=60)
    assert [limiter.take().allowed for _ in range(3)] == [True, True, False]
    now += 60
    fresh = limiter.take()
    assert (fresh.allowed, fresh.remaining, fresh.reset) == (True, 1, 1120.0)


def test_peeking_counts_nothing():
    limiter = RateLimiter(2)
    assert [limiter.peek().remaining for _ in range(3)] == [2, 2, 2]
