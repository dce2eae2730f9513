"""Presets, flavors and filters: what they become, and that they arrive."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import InvalidArgumentError, NoProvidersAvailableError, ProviderFilters
from melious.routing.filters import FLAVORS, flavored, split_flavor
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


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("chat.create", {"model": CHAT, "messages": QUESTION}),
    "embeddings": ("embeddings.create", {"model": EMBEDDINGS, "input": "a lighthouse"}),
    "rerank": ("rerank.create", {"model": RERANK, "query": "light", "documents": ["a lighthouse"]}),
    "images": ("images.generate", {"model": IMAGES, "prompt": "a lighthouse", "size": "64x64"}),
}
idle_preset = pytest.mark.filterwarnings("ignore:preset.*has no effect:UserWarning")
each_call = pytest.mark.parametrize(("name", "params"), CALLS.values(), ids=list(CALLS))


@idle_preset
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


@idle_preset
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


@idle_preset
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
    client = clients.client(sandbox, filters={"countries": ["AQ"]})
    with pytest.raises(NoProvidersAvailableError, match="filters") as caught:
        clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert (caught.value.attempts, len(sandbox.requests)) == (1, 1)
    assert not caught.value.is_retryable
