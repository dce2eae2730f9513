"""Filters: what is misspelt is an error before anything is sent, and countries are codes."""

import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious import InvalidArgumentError, MeliousClient, ProviderFilters
from melious.routing.countries import names
from melious.routing.filters import filters_to_wire
from melious.sandbox import Sandbox

from .clients import CHAT, EMBEDDINGS, QUESTION, Clients

# --- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("country", "did you mean 'countries'?"),
        ("Countries", "did you mean 'countries'?"),
        ("region", "did you mean 'countries'?"),
        ("zone", "did you mean 'countries'?"),
        ("price", "did you mean 'max_input_cost'?"),
        ("max_carbon", "did you mean 'max_carbon_intensity'?"),
        ("max_carbon_intensty", "did you mean 'max_carbon_intensity'?"),
        ("speed", "did you mean 'min_speed_tps'?"),
        ("max_ouput_cost", "did you mean 'max_output_cost'?"),
        ("gpu", "the filters are countries, max_carbon_intensity, min_speed_tps, "),
        (5, "the filters are countries"),
        (None, "the filters are countries"),
    ],
)
def test_an_unknown_filter_is_an_error_with_the_one_that_was_meant(
    clients: Clients, client: Any, sandbox: Sandbox, name: Any, hint: str
) -> None:
    wrong: Any = {name: ["DE"], "countries": ["FR"]}
    faces = [
        lambda: filters_to_wire(wrong),
        lambda: clients.client(sandbox, filters=wrong),
        lambda: client.with_options(filters=wrong),
        lambda: clients.call(client, "chat.create", model=CHAT, messages=QUESTION, filters=wrong),
        lambda: clients.call(client, "embeddings.create", model=EMBEDDINGS, input="a", filters=wrong),
        lambda: clients.stream(client, model=CHAT, messages=QUESTION, filters=wrong),
    ]
    if isinstance(name, str):
        faces.append(lambda: ProviderFilters(**wrong))
        faces.append(lambda: filters_to_wire(ProviderFilters().model_copy(update=wrong)))
    for face in faces:
        with pytest.raises(InvalidArgumentError) as caught:
            face()
        assert f"filters: unknown filter {name!r}; {hint}" in str(caught.value)
        assert str(caught.value).count("filters: ") == 1, "it is said once"
        assert "extra_body" in str(caught.value)
    assert len(sandbox.requests) == 0


def test_a_misspelt_filter_is_an_error_though_it_is_not_set() -> None:
    with pytest.raises(InvalidArgumentError, match="country"):
        filters_to_wire({"country": None})


def test_extra_body_is_sent_unchanged(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sent = {"filters": {"country": "fr", "certified": ["iso-27001"], "countries": ["fr", "se"]}}
    clients.call(client, "chat.create", model=CHAT, messages=QUESTION, extra_body=sent)
    assert sandbox.requests[-1].body["filters"] == sent["filters"]


# --- limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "wire"),
    [
        (None, None),
        ({}, None),
        (ProviderFilters(), None),
        ({"countries": None}, None),
        (
            {"max_carbon_intensity": 200, "min_speed_tps": 99.5},
            {"max_carbon_intensity": 200, "min_speed_tps": 99.5},
        ),
        (ProviderFilters(max_input_cost=1, max_output_cost=0), {"max_input_cost": 1, "max_output_cost": 0}),
        (
            {"max_input_cost": Decimal("0.5"), "min_speed_tps": "500"},
            {"max_input_cost": 0.5, "min_speed_tps": 500},
        ),
    ],
)
def test_filters_on_the_wire(filters: Any, wire: Any) -> None:
    assert filters_to_wire(filters) == wire


def test_whole_numbers_stay_whole() -> None:
    given: Any = {"max_carbon_intensity": 200, "min_speed_tps": Decimal(5), "max_input_cost": 1.0}
    assert repr(filters_to_wire(given)) == (
        "{'max_carbon_intensity': 200, 'min_speed_tps': 5, 'max_input_cost': 1.0}"
    )


@pytest.mark.parametrize(
    "value", ["low", -1, -0.5, float("nan"), float("inf"), "inf", True, np.True_, [5], object, 10j, 10**400]
)
def test_a_limit_that_is_not_a_number_is_named(value: Any) -> None:
    for make in (filters_to_wire, lambda filters: ProviderFilters(**filters)):
        with pytest.raises(
            InvalidArgumentError, match=r"^filters: min_speed_tps: must be a number of at least 0, not "
        ):
            make({"min_speed_tps": value})


@pytest.mark.parametrize("filters", [["DE"], "DE", 5, [], ("countries", ["DE"])])
def test_what_is_not_filters_says_what_is(filters: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"^filters: must be ProviderFilters or a dict such as \{'cou"
    ):
        filters_to_wire(filters)


# --- countries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (["DE"], ["DE"]),
        (["de", " Fr ", "\tse\n"], ["DE", "FR", "SE"]),
        (("fr", "de"), ["FR", "DE"]),
        (["SE", "DE", "se", "DE"], ["SE", "DE"]),
        ({"fr"}, ["FR"]),
        pytest.param({"se", "de", "fr"}, ["DE", "FR", "SE"], id="a set, whose order is not its own"),
        (frozenset({"it"}), ["IT"]),
        ({"DE": 1, "FR": 2}.keys(), ["DE", "FR"]),
        (np.array(["de", "fr"]), ["DE", "FR"]),
    ],
    ids=repr,
)
def test_countries_are_put_right(clients: Clients, sandbox: Sandbox, given: Any, sent: list[str]) -> None:
    client = clients.client(sandbox, filters={"countries": given}, verify_location="raise")
    answer = clients.call(client, "chat.create", model=CHAT, messages=QUESTION)
    assert sandbox.requests[-1].body["filters"] == {"countries": sent}
    assert answer.environment_impact.location in sent


MEMBERS = (
    "['AT', 'BE', 'BG', 'CY', 'CZ', 'DE', 'DK', 'EE', 'ES', 'FI', 'FR', 'GR', 'HR', 'HU', 'IE', 'IT', "
    "'LT', 'LU', 'LV', 'MT', 'NL', 'PL', 'PT', 'RO', 'SE', 'SI', 'SK']"
)


@pytest.mark.parametrize(
    ("country", "hint"),
    [
        ("Germany", "; did you mean 'DE' (Germany)?"),
        ("germany", "; did you mean 'DE' (Germany)?"),
        ("Germny", "; did you mean 'DE' (Germany)?"),
        ("Deutschland", "; did you mean 'DE' (Germany)?"),
        ("DEU", "; did you mean 'DE' (Germany)?"),
        ("GER", "; did you mean 'DE' (Germany)?"),
        ("UK", "; did you mean 'GB' (United Kingdom)?"),
        ("U.K.", "; did you mean 'GB' (United Kingdom)?"),
        ("England", "; did you mean 'GB' (United Kingdom)?"),
        ("USA", "; did you mean 'US' (United States)?"),
        ("The Netherlands", "; did you mean 'NL' (Netherlands)?"),
        ("Holland", "; did you mean 'NL' (Netherlands)?"),
        ("Österreich", "; did you mean 'AT' (Austria)?"),
        ("Czech Republic", "; did you mean 'CZ' (Czechia)?"),
        ("EL", "; did you mean 'GR' (Greece)?"),
        ("Sweeden", "; did you mean 'SE' (Sweden)?"),
        ("Fran", "; did you mean 'FR' (France)?"),
        ("\uff24\uff25", "; did you mean 'DE' (Germany)?"),
        ("\ufb01", "; did you mean 'FI' (Finland)?"),
        ("EU", f"; it is not a country. List its member states: {MEMBERS}"),
        ("eu", f"; it is not a country. List its member states: {MEMBERS}"),
        ("European Union", f"; it is not a country. List its member states: {MEMBERS}"),
        ("Europe", "; it is not a country. List its member states"),
        ("XX", ", such as 'DE' or 'FR'"),
        ("ZZ", ", such as 'DE' or 'FR'"),
        ("Atlantis", ", such as 'DE' or 'FR'"),
        ("ß", ", such as 'DE' or 'FR'"),
        ("\u0131t", ", such as 'DE' or 'FR'"),
        ("\ud800", ", such as 'DE' or 'FR'"),
        ("", ", such as 'DE' or 'FR'"),
        ("DE,FR", "; list each code separately: ['DE', 'FR']"),
        ("de fr", "; list each code separately: ['DE', 'FR']"),
        ("DE,Atlantis", ", such as 'DE' or 'FR'"),
        ("en_GB", "; did you mean 'GB' (United Kingdom)?"),
        ("DE-NW", "; did you mean 'DE' (Germany)?"),
        ("DE-BY", ", such as 'DE' or 'FR'"),
        ("Allemagne", "; did you mean 'DE' (Germany)?"),
        ("Spanien", "; did you mean 'ES' (Spain)?"),
        ("C\u00f4te d'Ivoire", "; did you mean 'CI' (Ivory Coast)?"),
        ("United States of America", "; did you mean 'US' (United States)?"),
        ("EU27", f"; it is not a country. List its member states: {MEMBERS}"),
        ("EU-27", f"; it is not a country. List its member states: {MEMBERS}"),
        ("Schengen", "; it is not a country. List its member states"),
        ("*", "; leave `countries` out to allow all of them"),
        ("all", "; leave `countries` out to allow all of them"),
        (7, ""),
        (None, ""),
    ],
)
def test_what_is_not_a_code_is_an_error_that_says_what_was_meant(
    clients: Clients, client: Any, sandbox: Sandbox, country: Any, hint: str
) -> None:
    filters: Any = {"countries": ["FR", country]}
    said = f"filters: countries[1]: {country!r} is not an ISO 3166 alpha-2 country code{hint}"
    for make in (
        lambda: filters_to_wire(filters),
        lambda: ProviderFilters(**filters),
        lambda: clients.client(sandbox, filters=filters),
        lambda: clients.call(client, "chat.create", model=CHAT, messages=QUESTION, filters=filters),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            make()
        assert str(caught.value) == said
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize(
    ("countries", "said"),
    [
        ("DE", "must be a list of ISO 3166 alpha-2 country codes, write ['DE'], not 'DE'"),
        ("de, fr", "must be a list of ISO 3166 alpha-2 country codes, write ['DE', 'FR'], not 'de, fr'"),
        ("Germany", "must be a list of ISO 3166 alpha-2 country codes, such as ['DE', 'FR'], not 'Germany'"),
        ("", "must be a list of ISO 3166 alpha-2 country codes, such as ['DE', 'FR'], not ''"),
        (b"DE", "such as ['DE', 'FR'], not b'DE'"),
        (7, "such as ['DE', 'FR'], not 7"),
        ({"DE": 1}, "such as ['DE', 'FR'], not {'DE': 1}"),
        (iter(["DE"]), "such as ['DE', 'FR'], not <list_iterator"),
        ((code for code in ["DE"]), "such as ['DE', 'FR'], not <generator"),
        (np.array("DE"), "such as ['DE', 'FR'], not array('DE'"),
        ([], "must not be empty; name a country, or leave it out to allow all"),
        (set(), "must not be empty; name a country, or leave it out to allow all"),
    ],
)
def test_what_is_not_a_list_of_countries_is_an_error(countries: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        MeliousClient(api_key="k", filters={"countries": countries})
    assert str(caught.value).startswith("filters: countries: ")
    assert said in str(caught.value)


def test_every_code_of_the_standard_is_taken_and_no_other() -> None:
    assert len(names()) == 249
    assert filters_to_wire({"countries": sorted(names())}) == {"countries": sorted(names())}
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    others = [a + b for a in letters for b in letters if a + b not in names()]
    for other in others:
        with pytest.raises(InvalidArgumentError, match="alpha-2"):
            filters_to_wire({"countries": [other]})


@given(st.text(max_size=40))
def test_no_text_is_anything_but_a_code_or_an_error(text: str) -> None:
    code = text.strip().upper()
    if text.strip().isascii() and code in names():
        assert filters_to_wire({"countries": [text]}) == {"countries": [code]}
    else:
        with pytest.raises(InvalidArgumentError, match="ISO 3166 alpha-2"):
            filters_to_wire({"countries": [text]})


# --- what it costs to begin --------------------------------------------------------------------------------

BEGIN = """
import sys
from melious import MeliousClient
client = MeliousClient(api_key="k", base_url="http://127.0.0.1:1", filters={filters})
print([name for name in ("melious.routing.countries", "melious.answers.location", "difflib") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("filters", "loaded"),
    [({"min_speed_tps": 5}, []), ({"countries": ["DE", "fr"]}, ["melious.routing.countries"])],
)
def test_the_table_of_countries_is_loaded_for_those_who_name_one(filters: Any, loaded: list[str]) -> None:
    code = BEGIN.format(filters=filters)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (str(loaded), "")
