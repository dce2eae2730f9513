"""Rows that cannot be embedded are told and kept, and take nothing away from the others."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from melious import (
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    ContextLengthExceededError,
    ImpactBudget,
    InvalidArgumentError,
    ModelNotFoundError,
    PermissionDeniedError,
    ServerError,
    track_impact,
)
from melious.sandbox import Fault, Sandbox
from melious.scale import Embedder

from .conftest import MODEL, Fussy, texts_sent

Make = Callable[..., Embedder]
TOO_LONG = "word " * 9000


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "the text is empty"),
        (None, "there is no text"),
        (float("nan"), "there is no text"),
        (pd.NA, "there is no text"),
        (pd.NaT, "there is no text"),
        (7, "needs text, not int"),
        (["a pot"], "needs text, not list"),
    ],
    ids=repr,
)
def test_what_is_no_text_is_not_sent(cell: Any, said: str, sandbox: Sandbox, embedder: Make) -> None:
    frame = pd.DataFrame({"text": pd.Series(["a kettle", cell, "a pot"], dtype=object)})
    done = embedder()(frame)
    assert texts_sent(sandbox) == ["a kettle", "a pot"]
    assert [vector is not None for vector in done["embedding"]] == [True, False, True]
    assert done["error"].tolist() == [None, f"InvalidArgumentError: {said}", None]


def test_a_text_that_is_too_long_is_set_apart(sandbox: Sandbox, embedder: Make) -> None:
    texts = [f"lighthouse {number}" for number in range(40)]
    texts[17] = texts[31] = TOO_LONG
    texts[3] = TOO_LONG + "and more"
    done = embedder()({"text": texts})
    bad = [3, 17, 31]
    assert [place for place, error in enumerate(done["error"]) if error] == bad
    assert all("ContextLengthExceededError" in done["error"][place] for place in bad)
    assert [place for place, vector in enumerate(done["embedding"]) if vector is None] == bad
    assert len(sandbox.requests) <= 5, "the service names the text: it alone is asked for again"
    assert "\n" not in done["error"][3]
    assert len(done["error"][3]) <= 500


def test_a_bad_text_that_nobody_names_is_found_by_halving(fussy: Callable[..., Fussy]) -> None:
    service = fussy(lambda texts: {"message": "cannot be read"} if "poison" in texts else None)
    texts = [f"text {number}" for number in range(100)]
    texts[64] = "poison"
    done = Embedder(MODEL, api_key="sk-mel-x", base_url=service.base_url)({"text": texts})
    assert [place for place, error in enumerate(done["error"]) if error] == [64]
    assert done["embedding"][99] == [float(len("text 99")), 1.0]
    assert len(service.asked) <= 15


def test_a_wrong_name_costs_nobody_the_vector(fussy: Callable[..., Fussy]) -> None:
    refusal = {"message": "'input[0]' cannot be read", "param": "input[0]"}
    service = fussy(lambda texts: refusal if "poison" in texts else None)
    texts = [f"text {number}" for number in range(20)]
    texts[13] = "poison"
    done = Embedder(MODEL, api_key="sk-mel-x", base_url=service.base_url)({"text": texts})
    assert [place for place, error in enumerate(done["error"]) if error] == [13]
    assert [place for place, vector in enumerate(done["embedding"]) if vector is None] == [13]


def test_a_service_that_refuses_everything_is_not_asked_about_every_text(fussy: Callable[..., Fussy]) -> None:
    service = fussy(lambda _: {"message": "no"})
    done = Embedder(MODEL, api_key="sk-mel-x", base_url=service.base_url)(
        {"text": [f"text {number}" for number in range(2000)]}
    )
    assert all("BadRequestError: no" in error for error in done["error"])
    assert len(service.asked) < 100


def test_many_bad_texts_are_all_found(sandbox: Sandbox, embedder: Make) -> None:
    texts = [f"{TOO_LONG}{number}" if number % 3 else f"lighthouse {number}" for number in range(120)]
    done = embedder()({"text": texts})
    assert [place for place, vector in enumerate(done["embedding"]) if vector is not None] == [
        *range(0, 120, 3)
    ]


def test_a_passing_trouble_strikes_only_its_own_request(sandbox: Sandbox, embedder: Make) -> None:
    sandbox.faults.add(Fault(code="provider_error", endpoint="embeddings", after=1))
    texts = [f"text {number}" for number in range(6)]
    done = embedder(batch_size=2, max_concurrency=1, max_retries=0)({"text": texts})
    assert [error is None for error in done["error"]] == [True, True, False, False, True, True]
    assert "ProviderError" in done["error"][2]
    assert "request req_" in done["error"][2], "the id of the request helps to ask about it"


def test_passing_troubles_are_retried_first(sandbox: Sandbox, embedder: Make) -> None:
    sandbox.faults.add(Fault(code="provider_error", endpoint="embeddings", headers={"retry-after": "0"}))
    done = embedder()({"text": ["a kettle"]})
    assert done["error"] == [None]
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(truncate_base64=True, times=None), "ResponseDecodeError"),
        (Fault(drop_item=True, times=None), "ResponseDecodeError"),
        (Fault(code="insufficient_quota", times=None), "InsufficientBalanceError"),
        (Fault(cut_after_bytes=0, times=None), "APIConnectionError"),
    ],
    ids=["broken vectors", "a missing vector", "no money", "a cut connection"],
)
def test_what_else_goes_wrong_is_told_row_by_row(
    fault: Fault, said: str, sandbox: Sandbox, embedder: Make
) -> None:
    sandbox.faults.add(fault)
    done = embedder(max_retries=0)({"text": ["a kettle", "a pot"]})
    assert done["embedding"] == [None, None]
    assert all(error.startswith(said) for error in done["error"])
    assert sandbox.api_key not in str(done["error"])


# --- what ends a run -------------------------------------------------------------------------------------


def test_a_wrong_key_ends_the_run(embedder: Make) -> None:
    with pytest.raises(AuthenticationError):
        embedder(api_key="sk-mel-wrong")({"text": ["a kettle"]})


def test_a_key_without_the_scope_ends_the_run(start_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = start_sandbox(keys={"sk-mel-chat": ["inference.chat"]})
    with pytest.raises(PermissionDeniedError):
        Embedder(MODEL, api_key="sk-mel-chat", base_url=sandbox.base_url)({"text": ["a kettle"]})


def test_an_unknown_model_ends_the_run(sandbox: Sandbox) -> None:
    embed = Embedder("no-such-model", api_key=sandbox.api_key, base_url=sandbox.base_url)
    with pytest.raises(ModelNotFoundError):
        embed({"text": ["a kettle"]})


def test_an_option_that_the_model_does_not_take_ends_the_run(sandbox: Sandbox, embedder: Make) -> None:
    with pytest.raises(BadRequestError, match="dimensions"):
        embedder(dimensions=7)({"text": [f"text {number}" for number in range(50)]})
    assert len(sandbox.requests) == 1


def test_the_budget_of_a_block_ends_the_run_within_it(embedder: Make) -> None:
    embed = embedder()
    with track_impact(budget=ImpactBudget(max_requests=1)):
        embed({"text": ["a kettle"]})
        with pytest.raises(BudgetExceededError):
            embed({"text": ["a pot"]})


# --- on_error="raise" ------------------------------------------------------------------------------------


def test_raise_raises_what_the_rows_would_tell(sandbox: Sandbox, embedder: Make) -> None:
    embed = embedder(on_error="raise", max_retries=0)
    with pytest.raises(InvalidArgumentError, match=r"text\[1\]: the text is empty"):
        embed({"text": ["a kettle", ""]})
    with pytest.raises(ContextLengthExceededError):
        embed({"text": ["a kettle", TOO_LONG]})
    sandbox.faults.add(Fault(code="internal", endpoint="embeddings"))
    with pytest.raises(ServerError):
        embed({"text": ["a kettle"]})
    assert list(embed({"text": ["a kettle"]})) == ["text", "embedding"], "there is nothing to record"


def test_raise_stops_at_the_first_error(sandbox: Sandbox, embedder: Make) -> None:
    sandbox.faults.add(Fault(code="provider_error", endpoint="embeddings", after=1))
    embed = embedder(on_error="raise", max_retries=0, batch_size=1, max_concurrency=1)
    with pytest.raises(ServerError):
        embed({"text": [f"text {number}" for number in range(9)]})
    assert len(sandbox.requests) == 2
