"""Batches of embeddings by tokens: counted by the caller, or estimated."""

from collections.abc import Callable
from typing import Any

import pytest

from melious import InvalidArgumentError
from melious.endpoints.embeddings import EmbeddingsPlan
from melious.sandbox import Fault, Sandbox
from melious.settings.config import ClientConfig
from melious.wire.tokens import estimated_tokens

from .clients import EMBEDDINGS, Clients

TEXTS = [f"text number {number}" for number in range(7)]
PROSE = "A lighthouse shows ships the way into the harbour at night. " * 500  # some 6,000 tokens


@pytest.fixture
def embed(clients: Clients, client: Any) -> Callable[..., Any]:
    def run(texts: Any, **params: Any) -> Any:
        return clients.call(client, "embeddings.create", **({"model": EMBEDDINGS, "input": texts} | params))

    return run


def _inputs(sandbox: Sandbox) -> list[list[str]]:
    return [request.body["input"] for request in sandbox.requests.to("embeddings")]


def _sizes(texts: Any, **params: Any) -> list[int]:
    config = ClientConfig.resolve(api_key="sk-mel-test")
    plan = EmbeddingsPlan(config, EMBEDDINGS, texts, params)  # type: ignore[arg-type]
    return list(map(len, plan.batches()))


def test_batches_keep_to_a_budget_of_tokens(sandbox: Sandbox, embed: Callable[..., Any]) -> None:
    texts = ["one two three", "four five", "six", "seven eight nine ten eleven"]
    seen: list[str] = []

    def words(text: str) -> int:
        seen.append(text)
        return len(text.split())

    whole = embed(texts)
    sandbox.reset()
    parts = embed([*texts, *texts], count_tokens=words, max_batch_tokens=4, max_concurrency=1)
    assert _inputs(sandbox) == [texts[:1], texts[1:3], texts[3:]]
    assert seen == texts, "each text is counted once, also one that comes twice"
    assert parts.embeddings == whole.embeddings * 2
    assert set(sandbox.requests[0].body) == {"model", "input", "encoding_format"}


def test_by_default_tokens_are_estimated_and_250_000_fill_a_request() -> None:
    texts = [f"{PROSE}{number:02}" for number in range(60)]
    assert _sizes(texts) == [24, 24, 12]
    assert _sizes(texts, max_batch_tokens=8_000_000) == [60]
    assert _sizes([PROSE * 100, "a", "b"]) == [1, 2], "a longer text goes alone, uncut"


@pytest.mark.parametrize(
    ("text", "tokens"),
    # As many as cl100k_base makes of them.
    [
        ("A lighthouse is a tower that shows ships the way into the harbour at night.", 17),
        ("Der Leuchtturm weist den Schiffen nachts den Weg in den Hafen; Größe fünfzig Meter.", 26),
        ("Маяк указывает кораблям путь в гавань ночью.", 21),
        ("灯塔在夜间为船只指引进港的航道。", 22),
        ("def area(radius: float) -> float:\n    return 3.14159 * radius ** 2\n", 22),
    ],
    ids=["English", "German", "Russian", "Chinese", "code"],
)
def test_the_estimate_is_rather_too_high(text: str, tokens: int) -> None:
    assert tokens <= estimated_tokens(len(text), len(text.encode())) <= 2 * tokens


def test_a_limit_of_tokens_for_one_request_is_found_by_halving(
    sandbox: Sandbox, embed: Callable[..., Any]
) -> None:
    message = "Request too large for bge-m3 on tokens per min (TPM): Limit 1000, Requested 1400."
    sandbox.faults.add(Fault(status=429, body={"error": {"message": message, "code": "rate_limit_exceeded"}}))
    assert len(embed(TEXTS).embeddings) == 7
    assert sorted(map(len, _inputs(sandbox))) == [3, 4, 7]


@pytest.mark.parametrize("gives", [None, -1, 2.5, "3"])
def test_a_counter_that_gives_no_number_is_named(
    sandbox: Sandbox, embed: Callable[..., Any], gives: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match="count_tokens"):
        embed(TEXTS, count_tokens=lambda text: gives)
    assert len(sandbox.requests) == 0
