"""Rows that cannot be embedded are told and kept, and take nothing away from the others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from core.held_server import Asked, HeldServer

from melious import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    ContextLengthExceededError,
    ImpactBudget,
    InsufficientBalanceError,
    InvalidArgumentError,
    ModelNotFoundError,
    NoProvidersAvailableError,
    NotFoundError,
    PermissionDeniedError,
    ResidencyError,
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
        (" \n", "the text is blank"),
        (None, "the text is missing"),
        (float("nan"), "the text is missing"),
        (pd.NA, "the text is missing"),
        (pd.NaT, "the text is missing"),
        (7, "must be text, not int"),
        (["a pot"], "must be text, not list"),
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
        (Fault(cut_after_bytes=0, times=None), "APIConnectionError"),
    ],
    ids=["broken vectors", "a missing vector", "a cut connection"],
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


def test_a_model_that_does_not_embed_is_refused_when_the_embedder_is_made(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidArgumentError, match="is a chat model, not an embeddings model"):
        Embedder("llama-3.1-8b-instruct", api_key=sandbox.api_key, base_url=sandbox.base_url)
    assert not sandbox.requests


BALANCE: dict[str, Any] = {"error": {"message": "the balance is used up", "code": "insufficient_quota"}}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=402, times=None), InsufficientBalanceError),
        (Fault(status=403, body=BALANCE, times=None), InsufficientBalanceError),
        (Fault(status=429, body=BALANCE, times=None), InsufficientBalanceError),
        (Fault(body=BALANCE, times=None), InsufficientBalanceError),
        (Fault(status=404, body="<html>Not Found</html>", times=None), NotFoundError),
        (Fault(status=405, body="", times=None), APIStatusError),
        (Fault(status=501, body="", times=None), ServerError),
        (Fault(status=308, body="", headers={"location": "/v2"}, times=None), APIStatusError),
        (Fault(code="no_providers", times=None), NoProvidersAvailableError),
    ],
    ids=[
        "402",
        "403",
        "429",
        "in a 200",
        "no such path",
        "not allowed",
        "not supported",
        "moved",
        "no provider",
    ],
)
@pytest.mark.parametrize("at_a_time", [1, 4])
def test_what_every_row_would_meet_ends_the_run(
    fault: Fault, kind: type[Exception], at_a_time: int, sandbox: Sandbox, embedder: Make
) -> None:
    """Of 40 requests five are answered; each thread meets one refusal at the most, and sends no other."""
    sandbox.faults.add(replace(fault, after=5))
    embed = embedder(batch_size=1, max_concurrency=at_a_time, max_retries=0, filters={"countries": ["DE"]})
    with track_impact() as ledger, pytest.raises(kind):
        embed({"text": [f"text {number}" for number in range(40)]})
    asked = len(sandbox.requests)
    assert 6 <= asked <= 5 + at_a_time
    assert (ledger.total.requests, ledger.total.failed) == (5, asked - 5)


def test_an_answer_from_elsewhere_ends_the_run_where_that_is_to_be_raised(
    sandbox: Sandbox, embedder: Make
) -> None:
    embed = embedder(
        batch_size=1, max_concurrency=1, filters={"countries": ["DE"]}, verify_location="raise", max_retries=0
    )
    sandbox.faults.add(Fault(impact="missing", endpoint="embeddings", after=1))
    with pytest.raises(ResidencyError):
        embed({"text": [f"text {number}" for number in range(9)]})
    assert len(sandbox.requests) == 2


@pytest.fixture
def ended(caplog: pytest.LogCaptureFixture) -> Callable[[], bool]:
    """Whether a run has noticed that it has ended."""
    caplog.set_level("INFO", "melious")
    return lambda: any("nothing further is sent" in record.getMessage() for record in caplog.records)


def test_a_slow_request_does_not_hide_that_the_run_has_ended(
    serve: Callable[..., HeldServer], ended: Callable[[], bool]
) -> None:
    def script(asked: Asked) -> Any:
        asked.once_asked(4)
        return (402, BALANCE) if asked.number == 1 else asked.once(ended)

    server = serve(script)
    embed = Embedder(MODEL, api_key="sk-mel-x", base_url=server.base_url, batch_size=1)
    with track_impact() as ledger, pytest.raises(InsufficientBalanceError):
        embed({"text": [f"text {number}" for number in range(40)]})
    assert len(server.asked) == 4
    assert (ledger.total.requests, ledger.total.failed) == (3, 1), "what was under way is counted"


def test_what_is_under_way_is_not_tried_again_once_the_run_has_ended(
    serve: Callable[..., HeldServer], ended: Callable[[], bool]
) -> None:
    def script(asked: Asked) -> Any:
        asked.once_asked(4)
        if asked.number == 1:
            return 402, BALANCE
        asked.once(ended)
        return 503, {"error": {"message": "out of order"}}

    server = serve(script)
    embed = Embedder(MODEL, api_key="sk-mel-x", base_url=server.base_url, batch_size=1)
    with track_impact() as ledger, pytest.raises(InsufficientBalanceError):
        embed({"text": [f"text {number}" for number in range(40)]})
    assert (len(server.asked), ledger.total.failed) == (4, 4)


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
