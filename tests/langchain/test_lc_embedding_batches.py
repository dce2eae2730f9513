"""Batch jobs of embeddings: a vector for each text, in order."""

import json
import math

import pytest

from langchain_melious import get_melious_callback
from langchain_melious.errors import InvalidArgumentError, RateLimitError
from melious import MeliousClient, track_impact
from melious.sandbox import Fault

SOON = {"poll": 0.01}
TEXTS = ["a heat pump", "a kettle", "a heat pump", "a pot"]


def sent_to(sandbox):
    """The bodies of the latest batch, as the sandbox got them."""
    client = MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url)
    batch = client.batches.list().data[0]
    with client.files.content(batch.input_file_id) as content:
        return [json.loads(line)["body"] for line in content.lines()]


def test_vectors_are_those_of_ordinary_requests_in_the_order_of_the_texts(way, embeddings, sandbox):
    model = embeddings("qwen3-embedding-8b", document_prefix="passage: ", dimensions=64)
    job = way.call(model, "submit_batch", TEXTS, metadata={"project": "harbour"})
    vectors = way.call(model, "collect_batch", job.id, **SOON)
    assert vectors == [pytest.approx(each, abs=1e-6) for each in model.embed_documents(TEXTS)]
    assert [body["input"] for body in sent_to(sandbox)] == [[f"passage: {text}"] for text in TEXTS]
    assert {body["dimensions"] for body in sent_to(sandbox)} == {64}


def test_vectors_are_scaled_where_asked(way, embeddings, sandbox):
    model = embeddings(normalize=True)
    job = way.call(model, "submit_batch", TEXTS)
    scaled = way.call(model, "collect_batch", job, **SOON)
    assert [math.hypot(*vector) for vector in scaled] == [pytest.approx(1.0)] * 4
    assert way.call(model, "collect_batch", job, normalize=False, **SOON) != scaled


def test_a_failed_text_is_in_its_place_or_raised(way, embeddings, sandbox):
    sandbox.faults.add(
        Fault(endpoint="embeddings", code="rate_limit"), when=lambda request: request.custom_id == "request-1"
    )
    model = embeddings()
    job = way.call(model, "submit_batch", TEXTS)
    found = way.call(model, "collect_batch", job.id, return_exceptions=True, **SOON)
    assert [isinstance(each, list) for each in found] == [True, False, True, True]
    assert isinstance(found[1], RateLimitError)
    with pytest.raises(RateLimitError) as caught:
        way.call(model, "collect_batch", job.id, **SOON)
    assert "texts[1]" in caught.value.__notes__[0]


def test_each_text_is_counted(way, embeddings, sandbox):
    model = embeddings()
    with track_impact() as ledger, get_melious_callback() as callback:
        job = way.call(model, "submit_batch", TEXTS)
        way.call(model, "collect_batch", job.id, **SOON)
    assert ledger.total.requests == callback.total.requests == len(TEXTS)
    assert callback.total.eur == ledger.total.eur > 0


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["a pot", " "], r"texts\[1\]"),
        (["a pot", 7], r"texts\[1\]"),
        ("a pot", "texts: must be a list of strings"),
        ([], "^texts: must not be empty"),
    ],
)
def test_what_cannot_be_embedded_is_named_and_nothing_is_sent(way, embeddings, sandbox, texts, said):
    with pytest.raises(InvalidArgumentError, match=said):
        way.call(embeddings(blank_texts="skip"), "submit_batch", texts)
    assert not sandbox.requests


def test_a_job_of_chats_is_refused(way, chat, embeddings, sandbox):
    job = way.call(chat(), "submit_batch", ["Hello"])
    with pytest.raises(InvalidArgumentError, match="must have requests for embeddings"):
        way.call(embeddings(), "collect_batch", job.id)
