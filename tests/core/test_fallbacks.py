"""Requests that give up filters where no provider fits: in the caller's order, and never silently."""

import logging
from typing import Any

import pytest

from melious import (
    BadRequestError,
    ImpactBudget,
    InvalidArgumentError,
    NoProvidersAvailableError,
    ProviderFilters,
    ResidencyError,
    track_impact,
)
from melious.routing.fallbacks import checked_steps, relaxations
from melious.sandbox import Fault, Sandbox

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, Clients

SWEDEN: dict[str, Any] = {"countries": ["SE"], "max_carbon_intensity": 10}
ASK: dict[str, Any] = {"model": CHAT, "messages": QUESTION, "filters": SWEDEN}
SOFTER = {"max_carbon_intensity": 50}


# --- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        (["max_carbon_intensity", "countries"], ["max_carbon_intensity", "countries"]),
        (["countries", "max_carbon_intensity"], ["countries", "max_carbon_intensity"]),
        ([SOFTER, "max_carbon_intensity"], ["max_carbon_intensity=50", "max_carbon_intensity"]),
        ([{"countries": ("SE", "FI")}, None], ["countries=SE,FI", "countries, max_carbon_intensity"]),
        ([{"countries": None, **SOFTER}], ["countries, max_carbon_intensity=50"]),
        ([ProviderFilters(countries=["FI"])], ["countries=FI"]),
        (["min_speed_tps", {"min_speed_tps": 5}, {"countries": ["SE"]}], []),
        (["countries", "countries", None, None], ["countries", "max_carbon_intensity"]),
        ([], []),
    ],
)
def test_steps_that_change_nothing_are_passed_over(steps: Any, names: list[str]) -> None:
    found = relaxations(SWEDEN, checked_steps(steps))
    assert [step.name for step in found] == names
    assert all(set(step.filters) <= set(SWEDEN) and None not in step.filters.values() for step in found)
    assert relaxations(None, checked_steps(steps)) == ()


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            ["countries", ""],
            "routing_fallbacks[1]: must be the name of a filter, a dict of filters, or None, not ''",
        ),
        ([5], "routing_fallbacks[0]: must be the name of a filter, a dict of filters, or None, not 5"),
        ([{}], "routing_fallbacks[0]: must be the name of a filter, a dict of filters, or None, not {}"),
        ([{"countries": "SE"}], "routing_fallbacks[0]: filters: countries: must be a list"),
        ([{"countries": ["Sweden"]}], "routing_fallbacks[0]: filters: countries[0]: 'Sweden'"),
        (
            [None, "country"],
            "routing_fallbacks[1]: filters: unknown filter 'country'; did you mean 'countries'?",
        ),
        (
            [{"min_speed": 5}],
            "routing_fallbacks[0]: filters: unknown filter 'min_speed'; did you mean 'min_sp",
        ),
        (
            [{"region": None}],
            "routing_fallbacks[0]: filters: unknown filter 'region'; did you mean 'countries'?",
        ),
        ([{"max_carbon_intensity": -1}], "routing_fallbacks[0]: filters: max_carbon_intensity"),
    ],
)
def test_what_is_no_step_is_refused(
    clients: Clients, client: Any, sandbox: Sandbox, steps: Any, said: str
) -> None:
    for make in (
        lambda: clients.client(sandbox, routing_fallbacks=steps),
        lambda: clients.call(client, "chat.create", **ASK, routing_fallbacks=steps),
        lambda: client.with_options(routing_fallbacks=steps),
        lambda: client.with_routing_fallbacks(*steps),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            make()
        assert said in str(caught.value)
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("steps", ["countries", 5])
def test_steps_that_are_not_a_list_are_refused(
    clients: Clients, client: Any, sandbox: Sandbox, steps: Any
) -> None:
    for make in (
        lambda: clients.client(sandbox, routing_fallbacks=steps),
        lambda: clients.call(client, "chat.create", **ASK, routing_fallbacks=steps),
    ):
        with pytest.raises(InvalidArgumentError, match=f"must be a list of steps, not {steps!r}"):
            make()


# --- over the wire -----------------------------------------------------------------------------------------

EVERY: list[tuple[str, dict[str, Any]]] = [
    ("chat.create", {"model": f"{CHAT}:eco", "messages": QUESTION, "preset": "price"}),
    ("embeddings.create", {"model": EMBEDDINGS, "input": "a", "preset": "quality"}),
    ("rerank.create", {"model": RERANK, "query": "q", "documents": ["a"]}),
    ("images.generate", {"model": IMAGES, "prompt": "p", "size": "64x64"}),
    ("audio.transcribe", {"model": AUDIO, "file": "a.wav"}),
]


@pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
@pytest.mark.parametrize(("name", "params"), EVERY, ids=[name for name, _ in EVERY])
@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_every_endpoint_gives_way(
    clients: Clients, start_sandbox: Any, wav: bytes, name: str, params: dict[str, Any], profile: str
) -> None:
    sandbox = start_sandbox(profile)
    client = clients.client(sandbox, filters=SWEDEN, max_retries=0)
    given = params | {"file": ("a.wav", wav)} if "file" in params else params
    with track_impact() as ledger:
        answer = clients.call(client.with_routing_fallbacks(SOFTER, "countries"), name, **given)
    assert answer.relaxed == ("max_carbon_intensity=50",)
    assert answer.environment_impact.location == "SE"
    assert (answer.attempts, ledger.total.requests, ledger.total.relaxed, ledger.total.failed) == (2, 1, 1, 0)
    first, second = (request.body for request in sandbox.requests)
    assert first["filters"] != second["filters"]
    left, right = ({k: v for k, v in body.items() if k != "filters"} for body in (first, second))
    assert left == right, "model, flavor, preset and all the rest stay"
    keys = [request.headers["idempotency-key"] for request in sandbox.requests]
    assert keys[0] != keys[1]
    assert not any("x-retry-count" in request.headers for request in sandbox.requests)


def test_one_step_after_the_other_in_the_order_given(
    clients: Clients, client: Any, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    filters = {"countries": ["IT"], "max_carbon_intensity": 10, "min_speed_tps": 5000}
    yielding = client.with_routing_fallbacks("max_carbon_intensity", "countries", "min_speed_tps")
    with caplog.at_level(logging.INFO, "melious"):
        answer = clients.call(yielding, "chat.create", **(ASK | {"filters": filters}))
    assert answer.relaxed == ("max_carbon_intensity", "countries", "min_speed_tps")
    sent = [request.body.get("filters") for request in sandbox.requests]
    assert sent == [filters, {"countries": ["IT"], "min_speed_tps": 5000}, {"min_speed_tps": 5000}, None]
    *told, line_of_the_call = [
        record.getMessage() for record in caplog.records if record.levelno == logging.INFO
    ]
    assert line_of_the_call.startswith("chat ")
    assert [line.rpartition(": ")[2] for line in told] == list(answer.relaxed)


def test_what_fits_is_not_touched(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    with track_impact() as ledger:
        answer = clients.call(
            client,
            "chat.create",
            **(ASK | {"filters": {"countries": ["SE"]}}),
            routing_fallbacks=["countries"],
        )
    assert (answer.relaxed, len(sandbox.requests), ledger.total.relaxed) == ((), 1, 0)


def test_streams_give_way_before_they_begin(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    with track_impact() as ledger:
        for how in ("native", "buffer"):
            got = clients.stream(client, **ASK, routing_fallbacks=[SOFTER], stream_impact=how)
            assert got.error is None
            assert got.text
            assert got.stream.relaxed == got.stream.completion().relaxed == ("max_carbon_intensity=50",)
    assert ledger.total.relaxed == 2


def test_when_everything_is_given_up_the_first_error_is_raised(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(
        Fault(code="no_providers", headers={"x-request-id": "req-1"}), Fault(code="no_providers", times=2)
    )
    told: list[Any] = []
    with track_impact() as ledger, pytest.raises(NoProvidersAvailableError) as caught:
        clients.call(client, "chat.create", **ASK, routing_fallbacks=[SOFTER, None], on_retry=told.append)
    error = caught.value
    assert (error.request_id, error.attempts, told) == ("req-1", 3, [])
    notes = " ".join(error.__notes__)
    assert "max_carbon_intensity=50; countries, max_carbon_intensity" in notes
    assert len(sandbox.requests) == 3
    assert (ledger.total.failed, ledger.total.relaxed) == (1, 0)


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "provider_error"), (404, "model_not_found"), (400, "invalid_request_error"), (200, "oops")],
)
def test_the_service_may_choose_any_code_for_it(
    status: int, code: str, clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    body = {"error": {"message": "No providers match the specified filters", "code": code}}
    sandbox.faults.add(Fault(status=status, body=body))
    answer = clients.call(client, "chat.create", **ASK, routing_fallbacks=[SOFTER])
    assert (answer.attempts, answer.relaxed) == (2, ("max_carbon_intensity=50",))


def test_another_error_on_the_way_is_raised_as_it_is(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(code="no_providers"), Fault(status=400))
    with pytest.raises(BadRequestError) as caught:
        clients.call(client, "chat.create", **ASK, routing_fallbacks=["countries"])
    assert caught.value.attempts == 2


def test_passing_troubles_are_retried_as_ever(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    trouble = Fault(status=503, headers={"retry-after": "0"})
    sandbox.faults.add(trouble, Fault(code="no_providers"), trouble)
    answer = clients.call(client, "chat.create", **ASK, routing_fallbacks=[SOFTER], max_retries=2)
    assert (answer.attempts, answer.relaxed) == (4, ("max_carbon_intensity=50",))
    counts = [request.headers.get("x-retry-count") for request in sandbox.requests]
    assert counts == [None, "1", "1", "2"]
    keys = [request.headers["idempotency-key"] for request in sandbox.requests]
    assert (len(set(keys[:2])), len(set(keys[2:])), len(set(keys))) == (1, 1, 2)


def test_a_budget_counts_one_request(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, budget=ImpactBudget(max_requests=1), routing_fallbacks=[SOFTER])
    assert clients.call(client, "chat.create", **ASK).attempts == 2
    assert client.config.budget.requests == 1


def test_the_location_is_held_against_what_is_left(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    strict = ASK | {"verify_location": "raise"}
    wider = {"countries": ["SE", "FR"], "max_carbon_intensity": 100}
    with track_impact() as ledger:
        answer = clients.call(client, "chat.create", **strict, routing_fallbacks=[wider])
        assert answer.environment_impact.location in ("SE", "FR")
        lenient = strict | {"verify_location": "warn"}
        answer = clients.call(client, "chat.create", **lenient, routing_fallbacks=["countries", None])
        assert answer.relaxed == ("countries", "max_carbon_intensity")
    assert (ledger.total.verified, ledger.total.unverified, ledger.total.outside) == (1, 0, 0)
    sandbox.faults.add(Fault(impact="missing", after=1))
    with pytest.raises(ResidencyError) as caught:
        clients.call(client, "chat.create", **strict, routing_fallbacks=[wider])
    assert caught.value.countries == ("SE", "FR")
    assert caught.value.answer.relaxed == ("countries=SE,FR, max_carbon_intensity=100",)


@pytest.mark.parametrize("steps", [["countries"], [None], [SOFTER, {"countries": None}]])
def test_what_must_come_from_some_countries_does_not_give_them_up(
    steps: Any, clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    said = "routing_fallbacks: must not drop 'countries' with verify_location='raise'"
    given = {**ASK, "verify_location": "raise", "routing_fallbacks": steps}
    with pytest.raises(InvalidArgumentError, match=said):
        clients.call(client, "chat.create", **given)
    with pytest.raises(InvalidArgumentError, match=said):
        clients.stream(client, **given)
    assert not sandbox.requests


def test_batches_give_way_each_and_the_cache_tells_them_apart(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, filters=SWEDEN, embedding_cache_size=16)
    texts: dict[str, Any] = {"model": EMBEDDINGS, "input": list("abcd"), "batch_size": 2}
    yielding = {"routing_fallbacks": [SOFTER]}
    result = clients.call(client, "embeddings.create", **texts, **yielding)
    assert result.relaxed == ("max_carbon_intensity=50",)
    assert [batch.relaxed for batch in result.batches] == [result.relaxed] * 2
    texts["max_concurrency"] = 1
    before = len(sandbox.requests)
    again = clients.call(client, "embeddings.create", **(texts | {"input": list("efghij")}), **yielding)
    assert (again.relaxed, len(again.batches)) == (result.relaxed, 3)
    assert len(sandbox.requests) - before == 4, "only the first batch asks for what fits nobody"
    with pytest.raises(NoProvidersAvailableError):
        clients.call(client, "embeddings.create", **texts)
    assert clients.call(client, "embeddings.create", **texts, **yielding).cached == 4
    ranked = clients.call(
        client, "rerank.create", model=RERANK, query="q", documents=list("abcd"), batch_size=2, **yielding
    )
    assert ranked.relaxed == ("max_carbon_intensity=50",)


def test_a_step_takes_countries_in_any_case_and_order(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    step: Any = {"countries": (" se ", "fr", "SE"), **SOFTER}
    answer = clients.call(client, "chat.create", **ASK, routing_fallbacks=[step])
    assert answer.relaxed == ("countries=SE,FR, max_carbon_intensity=50",)
    assert sandbox.requests[-1].body["filters"] == {"countries": ["SE", "FR"], **SOFTER}


def test_filters_of_extra_body_are_given_up_too(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sent = {"filters": {"datacenter": "north", **SWEDEN}}
    answer = clients.call(
        client,
        "chat.create",
        model=CHAT,
        messages=QUESTION,
        extra_body=sent,
        routing_fallbacks=[SOFTER, None],
    )
    assert answer.relaxed == ("max_carbon_intensity=50",)
    assert sandbox.requests[-1].body["filters"] == {"datacenter": "north", "countries": ["SE"], **SOFTER}


def test_a_call_can_switch_them_off(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, routing_fallbacks=["countries", "max_carbon_intensity"])
    with pytest.raises(NoProvidersAvailableError):
        clients.call(client, "chat.create", **ASK, routing_fallbacks=[])
    with pytest.raises(NoProvidersAvailableError):
        clients.call(client.with_routing_fallbacks(), "chat.create", **ASK)
    assert len(sandbox.requests) == 2
    assert clients.call(client, "models.list").data
