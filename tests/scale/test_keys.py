"""The embedder travels; the key does not, unless somebody says so."""

import pickle
from typing import Any

import cloudpickle
import pandas as pd
import pytest

from melious import ConfigurationError
from melious.sandbox import Sandbox
from melious.scale import Embedder

from .conftest import MODEL

SECRET = "sk-mel-very-secret-0123456789"
PICKLERS = pytest.mark.parametrize("pickler", [pickle, cloudpickle], ids=["pickle", "cloudpickle"])


def _key_of_the_sandbox() -> str:
    return "sk-mel-sandbox"


@PICKLERS
def test_a_worker_takes_the_key_from_its_environment(
    pickler: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MELIOUS_API_KEY", SECRET)
    sent = pickler.dumps(Embedder(MODEL, base_url=sandbox.base_url))
    assert SECRET.encode() not in sent
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    done = pickle.loads(sent)({"text": ["a kettle"]})
    assert len(done["embedding"][0]) == 1024


@PICKLERS
def test_a_used_embedder_holds_no_key_either(
    pickler: Any, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    embed = Embedder(MODEL, base_url=sandbox.base_url)
    embed({"text": ["a kettle"]})
    assert sandbox.api_key.encode() not in pickler.dumps(embed)
    assert sandbox.api_key not in repr(embed)


@PICKLERS
def test_a_key_that_was_given_stops_the_pickle(pickler: Any) -> None:
    embed = Embedder(MODEL, api_key=SECRET)
    with pytest.raises(ConfigurationError, match=r"api_key.*MELIOUS_API_KEY.*pickle_key") as raised:
        pickler.dumps(embed)
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(embed)


def test_so_does_a_header_that_is_a_key() -> None:
    with pytest.raises(ConfigurationError, match="Authorization"):
        pickle.dumps(Embedder(MODEL, default_headers={"Authorization": f"Bearer {SECRET}"}))
    assert pickle.loads(pickle.dumps(Embedder(MODEL, default_headers={"x-team": "search"})))


@PICKLERS
def test_the_key_travels_if_that_is_asked_for(pickler: Any, sandbox: Sandbox) -> None:
    embed = Embedder(MODEL, api_key=sandbox.api_key, base_url=sandbox.base_url, pickle_key=True)
    done = pickle.loads(pickler.dumps(embed))({"text": ["a kettle"]})
    assert done["error"] == [None]


@PICKLERS
def test_a_function_may_fetch_the_key_on_the_worker(pickler: Any, sandbox: Sandbox) -> None:
    embed = Embedder(MODEL, base_url=sandbox.base_url, key_from=_key_of_the_sandbox)
    assert pickle.loads(pickler.dumps(embed))({"text": ["a kettle"]})["error"] == [None]


def test_a_worker_without_a_key_says_where_to_put_it(sandbox: Sandbox) -> None:
    worker = pickle.loads(pickle.dumps(Embedder(MODEL, base_url=sandbox.base_url)))
    with pytest.raises(ConfigurationError, match=r"MELIOUS_API_KEY.*every worker.*runtime_env") as raised:
        worker({"text": ["a kettle"]})
    assert pickle.loads(pickle.dumps(raised.value)).advice == raised.value.advice, "engines carry it home"


def test_two_sources_of_a_key_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="key_from"):
        Embedder(MODEL, api_key=SECRET, key_from=_key_of_the_sandbox)


def test_a_key_that_no_header_carries_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError):
        Embedder(MODEL, api_key="sk\nmel")


def test_everything_else_travels(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    embed = Embedder(
        MODEL,
        base_url=sandbox.base_url,
        text_column="body",
        output_column="vector",
        error_column="wrong",
        report_column="spent",
        prefix="passage: ",
        flavor="eco",
        timeout=(2.0, 5.0),
        filters={"countries": ["FI"]},
    )
    done = cloudpickle.loads(cloudpickle.dumps(embed))(iter([pd.DataFrame({"body": ["a kettle"]})]))
    frame = next(done)
    assert list(frame.columns) == ["body", "vector", "wrong", "spent"]
    body = sandbox.requests[0].body
    assert (body["model"], body["input"], body["filters"]) == (
        "bge-m3:eco",
        ["passage: a kettle"],
        {"countries": ["FI"]},
    )


def test_the_name_for_dask_is_the_same_for_the_same_work_and_has_no_key() -> None:
    token = Embedder(MODEL, api_key=SECRET, dimensions=8).__dask_tokenize__()
    assert token == Embedder(MODEL, dimensions=8).__dask_tokenize__()
    assert token != Embedder(MODEL, dimensions=9).__dask_tokenize__()
    assert SECRET not in repr(token)
