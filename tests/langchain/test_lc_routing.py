"""Routing of every class: what is misspelt is an error before anything is sent, and what held is told."""

import warnings

import pytest

from langchain_melious import (
    ChatMelious,
    MeliousAudioParser,
    MeliousEmbeddings,
    MeliousImageGenerator,
    MeliousRerank,
    get_melious_callback,
)
from langchain_melious.errors import InvalidArgumentError
from melious import ProviderFilters

KINDS = {
    ChatMelious: "glm-4.7",
    MeliousEmbeddings: "bge-m3",
    MeliousRerank: "bge-reranker-v2-m3",
    MeliousImageGenerator: "flux-schnell",
    MeliousAudioParser: "whisper-large-v3-turbo",
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind, **arguments):
    return kind(
        **{"model": KINDS[kind], "api_key": "sk-mel-x", "base_url": "http://127.0.0.1:1", **arguments}
    )


@each_kind
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"filters": {"country": ["DE"]}}, "filters: unknown filter 'country'; did you mean 'countries'?"),
        (
            {"filters": {"max_carbon": 10}},
            "filters: unknown filter 'max_carbon'; did you mean 'max_carbon_int",
        ),
        ({"filters": {"gpu": 1}}, "filters: unknown filter 'gpu'; the filters are countries, max_carbon"),
        (
            {"filters": {"countries": ["Germany"]}},
            "filters: countries[0]: 'Germany' is not an ISO 3166 alpha-2",
        ),
        ({"filters": {"countries": ["EU"]}}, "filters: countries[0]: 'EU' is not an ISO 3166 alpha-2"),
        ({"filters": {"countries": "DE"}}, "filters: countries: must be a list of ISO 3166 alpha-2"),
        ({"filters": ["DE"]}, "filters: must be ProviderFilters or a dict"),
        (
            {"flavor": "ecco"},
            "flavor: must be one of balanced, batch, eco, price, speed, not 'ecco'; did you",
        ),
        ({"preset": ""}, "preset: must be a word such as 'environment', not ''"),
        ({"verify_location": "raise"}, "verify_location: 'raise' needs countries"),
        (
            {"routing_fallbacks": ["country"]},
            "routing_fallbacks[0]: filters: unknown filter 'country'; did you",
        ),
    ],
    ids=str,
)
def test_a_wrong_word_is_an_error_that_says_what_was_meant(kind, arguments, said):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidArgumentError) as caught:
            make(kind, **arguments)
    assert str(caught.value).startswith(said)
    assert "Value error" not in str(caught.value)


@each_kind
def test_countries_are_put_right(kind):
    for filters in ({"countries": (" de ", "fr", "DE")}, ProviderFilters(countries=["de", "FR"])):
        assert make(kind, filters=filters, verify_location="raise").filters == {"countries": ["DE", "FR"]}
    extra = {"filters": {"countries": ["DE"]}}
    assert make(kind, verify_location="raise", extra_body=extra).extra_body == extra


@each_kind
def test_fallbacks_name_filters(kind):
    with pytest.raises(InvalidArgumentError, match=r"routing_fallbacks\[0\]: .*did you mean 'countries'"):
        make(kind).with_routing_fallbacks("country")
    yielding = make(kind).with_routing_fallbacks({"countries": ["fr", "de"]}, "countries")
    assert yielding.routing_fallbacks == ({"countries": ["FR", "DE"]}, "countries")


@pytest.mark.parametrize(
    "arguments",
    [
        {"filters": {"country": ["DE"]}},
        {"filters": {"countries": ["Germany"]}},
        {"flavor": "ecco"},
        {"filters": {"min_speed_tps": 1}, "verify_location": "warn"},
        {"routing_fallbacks": ["country"]},
        {"filters": {"countries": map(str, ["FR"])}},
        {"extra_body": 5},
    ],
    ids=",".join,
)
def test_a_wrong_word_of_one_call_is_an_error_before_anything_is_sent(
    way, chat, embeddings, rerank, sandbox, arguments
):
    with pytest.raises(InvalidArgumentError):
        way.invoke(chat(), "Hello", **arguments)
    with pytest.raises(InvalidArgumentError):
        way.stream(chat(), "Hello", **arguments)
    with pytest.raises(InvalidArgumentError):
        way.call(embeddings(), "embed_query", "heat", **arguments)
    with pytest.raises(InvalidArgumentError):
        way.call(rerank(), "rerank", ["heat", "ice"], "heat", **arguments)
    assert len(sandbox.requests) == 0


def test_countries_of_a_call_are_told_as_they_were_sent(way, chat, sandbox):
    message = way.invoke(chat(), "Hello", filters={"countries": {"fr", "se"}}, preset="environment")
    assert sandbox.requests[-1].body["filters"] == {"countries": ["FR", "SE"]}
    assert message.response_metadata["routing"]["filters"] == {"countries": ["FR", "SE"]}
    assert message.response_metadata["routing"]["preset"] == "environment"


@pytest.mark.parametrize(
    ("made", "called"),
    [
        ({"model": "glm-4.7:eco", "preset": "speed"}, {}),
        ({"flavor": "eco", "preset": "speed"}, {}),
        ({"preset": "speed"}, {"flavor": "eco"}),
        ({"preset": "speed"}, {"model": "glm-4.7:eco"}),
        ({"extra_body": {"preset": "speed"}}, {"flavor": "eco"}),
        ({"preset": "speed", "extra_body": {"model": "glm-4.7:eco"}}, {}),
    ],
    ids=str,
)
def test_the_flavor_is_told_and_not_the_preset_that_it_makes_idle(way, chat, made, called):
    with (
        pytest.warns(UserWarning, match="preset: 'speed' has no effect with the flavor 'eco'"),
        get_melious_callback() as told,
    ):
        message = way.invoke(chat(**made), "Hello", **called)
    routing = message.response_metadata["routing"]
    assert (routing["flavor"], "preset" in routing) == ("eco", False)
    assert list(told.ledger.by("routing")) == ["eco"]
