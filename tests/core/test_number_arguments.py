"""Numbers that calls take: a wrong one is an error that names the argument, and nothing is sent."""

import math
import re
from typing import Any

import pytest

from melious import InvalidArgumentError, MeliousClient
from melious.sandbox import Sandbox
from melious.scale import Embedder

from .clients import EMBEDDINGS, IMAGES, RERANK, Clients

CALLS: dict[str, dict[str, Any]] = {
    "embeddings.create": {"model": EMBEDDINGS, "input": "a"},
    "rerank.create": {"model": RERANK, "query": "q", "documents": ["a"]},
    "images.generate": {"model": IMAGES, "prompt": "p"},
    "models.find": {},
}
WHOLE = [True, math.nan, -1, 1.5, "3", [2]]
SECONDS = [True, math.nan, -1, -math.inf, "3", None]
NUMBERS: list[tuple[str, str, list[Any], str]] = [
    ("embeddings.create", "batch_size", [*WHOLE, 0, 2049], "a whole number from 1 to 2048"),
    ("embeddings.create", "max_batch_tokens", [*WHOLE, 0], "a whole number from 1 to 8000000"),
    ("embeddings.create", "max_concurrency", [*WHOLE, 0, 1025], "a whole number from 1 to 1024"),
    ("rerank.create", "batch_size", [*WHOLE, 0, 10_001], "a whole number from 1 to 10000"),
    ("rerank.create", "max_concurrency", [*WHOLE, 0], "a whole number from 1 to 1024"),
    ("rerank.create", "top_n", [*WHOLE, 0], "a whole number of at least 1"),
    ("images.generate", "n", [*WHOLE, 0, 11], "a whole number from 1 to 10"),
    ("images.generate", "width", [*WHOLE, 0], "a whole number of at least 1"),
    ("images.generate", "height", [*WHOLE, 0], "a whole number of at least 1"),
    ("images.generate", "output_quality", [*WHOLE, 101], "a whole number from 0 to 100"),
    ("models.find", "min_context", WHOLE, "a whole number of at least 0"),
    ("models.find", "max_age", SECONDS, "zero or a positive number of seconds"),
]


@pytest.mark.parametrize(
    ("call", "argument", "value", "wanted"),
    [(call, argument, value, wanted) for call, argument, values, wanted in NUMBERS for value in values],
)
def test_a_wrong_number_names_its_argument(
    clients: Clients, client: Any, sandbox: Sandbox, call: str, argument: str, value: Any, wanted: str
) -> None:
    said = f"{argument}: must be {wanted}, not {value!r}"
    with pytest.raises(InvalidArgumentError, match=re.escape(said)):
        clients.call(client, call, **CALLS[call], **{argument: value})
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("tokens", [*WHOLE, None])
def test_a_token_count_that_is_not_a_whole_number_is_refused(
    clients: Clients, client: Any, sandbox: Sandbox, tokens: Any
) -> None:
    said = f"count_tokens: its result: must be a whole number of at least 0, not {tokens!r}"
    with pytest.raises(InvalidArgumentError, match=re.escape(said)):
        clients.call(
            client, "embeddings.create", **CALLS["embeddings.create"], count_tokens=lambda text: tokens
        )
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("argument", ["batch_size", "max_batch_tokens", "max_concurrency"])
@pytest.mark.parametrize("value", WHOLE)
def test_an_embedder_checks_its_numbers_where_it_is_made(argument: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{argument}: must be a whole number from 1 to "):
        Embedder(EMBEDDINGS, **{argument: value})


def test_the_bounds_themselves_are_allowed(sandbox: Sandbox) -> None:
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        vectors = client.embeddings.create(
            model=EMBEDDINGS, input="a", batch_size=2048, max_concurrency=1024, max_batch_tokens=1
        )
        ranked = client.rerank.create(model=RERANK, query="q", documents=["a"], batch_size=10_000, top_n=1)
        assert (len(vectors.embeddings), len(ranked.results)) == (1, 1)
        assert client.models.find(max_age=0) == client.models.find(max_age=math.inf)
