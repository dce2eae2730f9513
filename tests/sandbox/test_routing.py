"""Routing and bookkeeping as pure functions."""

from decimal import Decimal

import pytest

from melious.catalogue import find
from melious_sandbox.errors import SandboxError
from melious_sandbox.faults import NO_FAULT
from melious_sandbox.impact import Work, billing_cost, environment_impact, extensions
from melious_sandbox.profiles import PROFILES
from melious_sandbox.routing import PROVIDERS, choose

CARD = find("glm-4.7")


def provider(endpoint="chat", model="glm-4.7", **request):
    return choose(CARD, endpoint, {"model": model, **request}).provider.id


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ({}, "melious"),
        ({"preset": "balanced"}, "melious"),
        ({"preset": "speed"}, "infercom"),
        ({"preset": "non_reasoning"}, "infercom"),
        ({"preset": "price"}, "regolo"),
        ({"preset": "environment"}, "berget"),
        ({"preset": "quality"}, "scaleway"),
        ({"preset": "reasoning"}, "scaleway"),
        ({"preset": "something newer"}, "melious"),
        ({"mode": "environment"}, "berget"),
        ({"mode": "environment", "preset": "speed"}, "berget"),
        ({"model": "glm-4.7:eco"}, "berget"),
        ({"model": "glm-4.7:speed", "preset": "environment"}, "infercom"),
        ({"model": "glm-4.7:batch"}, "regolo"),
        ({"custom_weights": {"speed": 1}}, "infercom"),
        ({"custom_weights": {"environment": 3, "quality": 0.1}}, "berget"),
        ({"filters": {"countries": ["DE"]}}, "infercom"),
        ({"filters": {"countries": ["DE"]}, "preset": "price"}, "ionos"),
        ({"filters": {"countries": ["de", "IE"], "min_speed_tps": 500}}, "infercom"),
        (
            {"filters": {"countries": ["IE", "FR", "DE"], "max_carbon_intensity": 200, "min_speed_tps": 500}},
            "scaleway",
        ),
        ({"filters": {"max_input_cost": 0.6}}, "regolo"),
        ({"filters": {}}, "melious"),
        ({"filters": {"a_later_key": 5}}, "melious"),
    ],
)
def test_choice_for_chat(request_fields, expected):
    assert provider(**request_fields) == expected


def test_the_countries_are_those_of_the_service():
    assert {found.country for found in PROVIDERS} == {"DE", "FR", "IT", "IE", "FI", "SE"}


@pytest.mark.parametrize(("country", "expected"), [("IE", "tensorix"), ("FI", "melious"), ("SE", "berget")])
def test_each_country_has_a_provider(country, expected):
    assert provider(filters={"countries": [country]}) == expected


def test_embeddings_go_where_it_is_cheap_unless_told_otherwise():
    assert provider("embeddings") == "regolo"
    assert provider("embeddings", preset="quality") == "scaleway"


def test_the_eco_choice_has_the_least_carbon():
    least = min(PROVIDERS, key=lambda p: p.carbon_intensity * p.pue)
    assert provider(model="glm-4.7:eco") == least.id


@pytest.mark.parametrize(
    "filters",
    [
        {"countries": ["AQ"]},
        {"max_carbon_intensity": 1},
        {"min_speed_tps": 100_000},
        {"max_input_cost": 0.0001},
        {"max_output_cost": 0},
        {"countries": ["SE"], "min_speed_tps": 500},
    ],
)
def test_filters_that_leave_nobody(filters):
    with pytest.raises(SandboxError) as caught:
        provider(filters=filters)
    assert caught.value.reason == "no_providers"
    assert caught.value.details == {"filters": filters}


@pytest.mark.parametrize(
    ("request_fields", "param"),
    [
        ({"preset": 5}, "preset"),
        ({"mode": ["speed"]}, "mode"),
        ({"filters": ["DE"]}, "filters"),
        ({"filters": {"countries": "DE"}}, "filters.countries"),
        ({"filters": {"min_speed_tps": "fast"}}, "filters.min_speed_tps"),
        ({"filters": {"max_carbon_intensity": True}}, "filters.max_carbon_intensity"),
        ({"custom_weights": {"speed": -1}}, "custom_weights"),
        ({"custom_weights": {"sped": 1}}, "custom_weights"),
        ({"custom_weights": {"speed": 0}}, "custom_weights"),
        ({"custom_weights": {"speed": float("inf")}}, "custom_weights"),
        ({"custom_weights": {"speed": 10**400}}, "custom_weights"),
        ({"filters": {"min_speed_tps": float("nan")}}, "filters.min_speed_tps"),
        ({"custom_weights": {"speed": 1}, "mode": "speed"}, "custom_weights"),
    ],
)
def test_fields_of_the_wrong_kind(request_fields, param):
    with pytest.raises(SandboxError) as caught:
        provider(**request_fields)
    assert (caught.value.reason, caught.value.param) == ("invalid_value", param)


def test_the_bare_model_is_billed_at_its_list_price():
    work = Work(input_tokens=1_000_000, output_tokens=2_000_000)
    bill = billing_cost(PROFILES["live"], CARD, choose(CARD, "chat", {"model": "glm-4.7"}), work)
    assert Decimal(bill["credits"]) == CARD.pricing[0] + 2 * CARD.pricing[1]
    embedding = find("bge-m3")
    route = choose(embedding, "embeddings", {"model": "bge-m3"})
    million = billing_cost(PROFILES["live"], embedding, route, Work(input_tokens=1_000_000))
    assert Decimal(million["credits"]) == embedding.pricing[0]


def test_the_route_changes_price_and_carbon():
    work = Work(input_tokens=1000, output_tokens=1000)
    routes = {name: choose(CARD, "chat", {"model": f"glm-4.7:{name}"}) for name in ("price", "speed", "eco")}
    bills = {
        name: Decimal(billing_cost(PROFILES["live"], CARD, r, work)["credits"]) for name, r in routes.items()
    }
    carbon = {name: environment_impact(CARD, r, work)["carbon_g_co2"] for name, r in routes.items()}
    assert bills["price"] < bills["eco"] < bills["speed"]
    assert carbon["eco"] < carbon["speed"] < carbon["price"]


def test_impact_adds_up():
    route = choose(CARD, "chat", {"model": "glm-4.7"})
    impact = environment_impact(CARD, route, Work(100, 500))
    assert impact["carbon_g_co2"] == pytest.approx(impact["energy_kwh"] * route.provider.carbon_intensity)
    assert impact["water_liters"] == pytest.approx(impact["energy_kwh"] * route.provider.water)
    double = environment_impact(CARD, route, Work(200, 1000))
    assert double["energy_kwh"] == pytest.approx(2 * impact["energy_kwh"])


def test_bigger_models_take_more_energy():
    route = choose(CARD, "chat", {"model": "glm-4.7"})
    work = Work(100, 500)
    sizes = ["llama-3.1-8b-instruct", "llama-3.3-70b-instruct", "hermes-4-405b"]
    energy = [environment_impact(find(name), route, work)["energy_kwh"] for name in sizes]
    assert energy == sorted(energy)
    sparse = environment_impact(find("qwen3-30b-a3b-instruct"), route, work)["energy_kwh"]
    assert sparse < environment_impact(find("llama-3.1-8b-instruct"), route, work)["energy_kwh"]


def test_cached_tokens_are_cheaper():
    card = find("glm-5.3")
    route = choose(card, "chat", {"model": card.id})
    fresh, cached = (
        Decimal(billing_cost(PROFILES["live"], card, route, work)["credits"])
        for work in (Work(1_000_000), Work(1_000_000, cached_tokens=1_000_000))
    )
    assert (fresh, cached) == (card.pricing[0], card.pricing[2])


def test_tiny_amounts_are_written_without_an_exponent():
    card = find("bge-m3")
    route = choose(card, "embeddings", {"model": "bge-m3"})
    assert billing_cost(PROFILES["live"], card, route, Work(1)) == {
        "credits": "0.00000001",
        "energy": "0.0001",
        "paid_with": "credits",
    }
    assert billing_cost(PROFILES["live"], card, route, Work())["credits"] == "0"


def test_no_bill_in_the_oldest_profile():
    route = choose(CARD, "chat", {"model": "glm-4.7"})
    assert set(extensions(PROFILES["g1"], CARD, route, Work(1, 1), NO_FAULT)) == {"environment_impact"}
