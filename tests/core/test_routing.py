"""Presets, flavors and filters: what they become, and that they arrive."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import InvalidArgumentError, MeliousClient, NoProvidersAvailableError, ProviderFilters
from melious.routing import FLAVORS, filters_to_wire, flavored, split_flavor
from melious.sandbox import Sandbox

from .clients import CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, Clients


@pytest.mark.parametrize(
    ("model", "name", "flavor"),
    [
        ("glm-4.7", "glm-4.7", None),
        ("glm-4.7:eco", "glm-4.7", "eco"),
        ("glm-4.7:speed", "glm-4.7", "speed"),
        ("vendor:glm-4.7", "vendor:glm-4.7", None),
        ("vendor:glm-4.7:batch", "vendor:glm-4.7", "batch"),
        ("glm-4.7:", "glm-4.7:", None),
        ("glm-4.7:ECO", "glm-4.7:ECO", None),
        (":eco", "", "eco"),
        ("registry:5000/model", "registry:5000/model", None),
    ],
)
def test_only_the_five_words_are_a_flavor(model: str, name: str, flavor: str | None) -> None:
    assert split_flavor(model) == (name, flavor)


@given(st.text(min_size=1), st.sampled_from(sorted(FLAVORS)))
def test_a_flavor_put_on_is_the_flavor_taken_off(name: str, flavor: str) -> None:
    if split_flavor(name)[1] is None:
        assert split_flavor(flavored(name, flavor)) == (name, flavor)


def test_a_model_keeps_its_own_flavor_and_contradicts_another() -> None:
    assert flavored("glm-4.7:eco", None) == flavored("glm-4.7:eco", "eco") == "glm-4.7:eco"
    with pytest.raises(InvalidArgumentError, match="contradicts"):
        flavored("glm-4.7:eco", "speed")
    with pytest.raises(InvalidArgumentError, match="balanced, batch, eco, price, speed"):
        flavored("glm-4.7", "green")


@pytest.mark.parametrize(
    ("filters", "wire"),
    [
        (None, None),
        ({}, None),
        (ProviderFilters(), None),
        ({"countries": None}, None),
        ({"countries": ["DE"]}, {"countries": ["DE"]}),
        (
            {"max_carbon_intensity": 200, "min_speed_tps": 99.5},
            {"max_carbon_intensity": 200, "min_speed_tps": 99.5},
        ),
        (ProviderFilters(max_input_cost=1, max_output_cost=0), {"max_input_cost": 1, "max_output_cost": 0}),
        ({"certified": "iso-27001", "tiers": [1]}, {"certified": "iso-27001", "tiers": [1]}),
    ],
)
def test_filters_on_the_wire(filters: Any, wire: Any) -> None:
    assert filters_to_wire(filters) == wire


def test_whole_numbers_stay_whole() -> None:
    assert repr(filters_to_wire({"max_carbon_intensity": 200})) == "{'max_carbon_intensity': 200}"


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        ({"countries": "DE"}, "countries"),
        ({"countries": [1]}, "countries.0"),
        ({"max_carbon_intensity": "low"}, "max_carbon_intensity"),
        ({"min_speed_tps": -1}, "min_speed_tps"),
        (["DE"], "filters"),
        ("DE", "filters"),
        (5, "filters"),
    ],
)
def test_wrong_filters_are_named(filters: Any, named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=named) as caught:
        filters_to_wire(filters)
    assert str(caught.value).startswith("filters: ")


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("chat.create", {"model": CHAT, "messages": QUESTION}),
    "embeddings": ("embeddings.create", {"model": EMBEDDINGS, "input": "a lighthouse"}),
    "rerank": ("rerank.create", {"model": RERANK, "query": "light", "documents": ["a lighthouse"]}),
    "images": ("images.generate", {"model": IMAGES, "prompt": "a lighthouse", "size": "64x64"}),
}
each_call = pytest.mark.parametrize(("name", "params"), CALLS.values(), ids=list(CALLS))


@each_call
def test_routing_of_the_client_goes_with_every_request(
    clients: Clients, sandbox: Sandbox, name: str, params: dict[str, Any]
) -> None:
    filters = ProviderFilters(countries=["FR"], max_carbon_intensity=300)
    client = clients.client(sandbox, preset="environment", flavor="eco", filters=filters)
    result = clients.call(client, name, **params)
    body = sandbox.requests[-1].body
    assert body["model"] == f"{params['model']}:eco"
    assert body["preset"] == "environment"
    assert body["filters"] == {"countries": ["FR"], "max_carbon_intensity": 300}
    assert result.environment_impact.location == "FR"


@each_call
def test_routing_of_a_call_replaces_that_of_the_client(
    clients: Clients, sandbox: Sandbox, name: str, params: dict[str, Any]
) -> None:
    client = clients.client(sandbox, preset="environment", flavor="eco", filters={"countries": ["FR"]})
    result = clients.call(
        client,
        name,
        **params,
        preset="speed",
        flavor="price",
        filters={"countries": ["DE", "IT"], "min_speed_tps": 150},
    )
    body = sandbox.requests[-1].body
    assert (body["model"], body["preset"]) == (f"{params['model']}:price", "speed")
    assert body["filters"] == {"countries": ["DE", "IT"], "min_speed_tps": 150}
    assert result.environment_impact.location == "DE"


@each_call
def test_nothing_of_routing_is_sent_unasked(
    clients: Clients, sandbox: Sandbox, client: Any, name: str, params: dict[str, Any]
) -> None:
    clients.call(client, name, **params, preset=None, flavor=None, filters=None)
    body = sandbox.requests[-1].body
    assert body["model"] == params["model"]
    assert not {"preset", "flavor", "filters", "mode", "custom_weights"} & body.keys()


def test_streams_are_routed_too(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, flavor="eco", filters={"countries": ["SE"]})
    clients.stream(client, model=CHAT, messages=QUESTION, preset="environment")
    body = sandbox.requests[-1].body
    assert (body["model"], body["preset"], body["filters"]) == (
        f"{CHAT}:eco",
        "environment",
        {"countries": ["SE"]},
    )


def test_a_contradiction_is_refused_before_anything_is_sent(clients: Clients, sandbox: Sandbox) -> None:
    client = clients.client(sandbox, flavor="eco")
    with pytest.raises(InvalidArgumentError, match="flavor"):
        clients.call(client, "chat.create", model=f"{CHAT}:speed", messages=QUESTION)
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize("profile", ["live", "g1", "g2"])
def test_filters_that_leave_nobody_are_an_error_that_is_not_retried(
    clients: Clients, start_sandbox: Any, profile: str
) -> None:
    sandbox = start_sandbox(profile)
    client = clients.client(sandbox, filters={"countries": ["ZZ"]})
    with pytest.raises(NoProvidersAvailableError, match="filters") as caught:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert (caught.value.attempts, len(sandbox.requests)) == (1, 1)
    assert not caught.value.is_retryable


def test_a_filter_that_looks_misspelt_is_sent_with_a_warning():
    with pytest.warns(UserWarning, match="'country'.*did you mean 'countries'"):
        assert filters_to_wire({"country": ["FR"]}) == {"country": ["FR"]}
    assert filters_to_wire({"datacenter": "x"}) == {"datacenter": "x"}


def test_the_warning_points_at_the_line_of_the_caller():
    with pytest.warns(UserWarning, match="countries") as warned:
        MeliousClient(api_key="sk-mel-x", filters={"country": ["FR"]})
    assert {warning.filename for warning in warned} == {__file__}
