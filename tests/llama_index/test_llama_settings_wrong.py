"""Deliberate mistakes: each is one kind of error that names the argument, before anything is sent."""

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import ChatPromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from llama_index_melious import (
    Melious,
    MeliousAudioReader,
    MeliousEmbedding,
    MeliousRerank,
    MeliousToolSpec,
)
from melious import InvalidArgumentError

KINDS = {Melious: "glm-4.7", MeliousEmbedding: "bge-m3", MeliousRerank: "bge-reranker-v2-m3"}
ALL = {**KINDS, MeliousAudioReader: "whisper-large-v3-turbo", MeliousToolSpec: "flux-schnell"}
EVERY = pytest.mark.parametrize("kind", KINDS)
ROUTED = pytest.mark.parametrize("kind", ALL)


def make(kind, **arguments):
    return kind(**{"model": ALL[kind], "api_key": "sk-mel-x", **arguments})


class Word(BaseModel):
    word: str


@EVERY
@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("max_retries", True, "max_retries: must be a whole number of at least 0, not True"),
        ("deadline", False, "deadline: must be a positive number of seconds, not False"),
        ("callback_manager", "x", "callback_manager: must be a CallbackManager, not str"),
        (
            "additional_kwargs",
            {"extra_headers": {"a": "b"}},
            "additional_kwargs: must not contain extra_headers; use default_headers",
        ),
        ("additional_kwargs", {"extra_body": 5}, "extra_body: must be a mapping, not 5"),
    ],
)
def test_wrong_for_all(kind, argument, value, said):
    with pytest.raises(InvalidArgumentError, match=said):
        make(kind, **{argument: value})
    with pytest.raises(InvalidArgumentError, match=said):
        make(kind).with_options(**{argument: value})


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [
        (Melious, "temperature", 5),
        (Melious, "temperature", -0.1),
        (Melious, "temperature", float("nan")),
        (Melious, "top_p", 7),
        (Melious, "top_logprobs", -3),
        (Melious, "max_tokens", True),
        (MeliousEmbedding, "dimensions", True),
        (MeliousEmbedding, "embed_batch_size", True),
        (MeliousRerank, "top_n", True),
        (MeliousRerank, "score_threshold", float("nan")),
    ],
    ids=str,
)
def test_wrong_for_one(kind, argument, value):
    with pytest.raises(InvalidArgumentError, match=f"{argument}: ") as caught:
        make(kind, **{argument: value})
    assert caught.value.param == argument


def test_what_is_set_later_is_checked_too():
    with pytest.raises(InvalidArgumentError, match="embed_batch_size"):
        make(MeliousEmbedding).embed_batch_size = 0
    with pytest.raises(InvalidArgumentError, match="top_n"):
        make(MeliousRerank).top_n = -1


def test_other_words_can_be_set_later():
    model = make(MeliousEmbedding)
    model.model = "multilingual-e5-large"
    model.api_base = "http://127.0.0.1:1/v1"
    assert (model.model_name, model.base_url) == ("multilingual-e5-large", "http://127.0.0.1:1/v1")


@pytest.mark.parametrize("name", [5, ["glm-4.7"]], ids=str)
async def test_a_model_that_is_none(make_llm, way, sandbox, name):
    with pytest.raises(InvalidArgumentError, match="must be the name of a model"):
        await way(make_llm(), "chat", [ChatMessage("Hi")], model=name)
    assert not sandbox.requests


@pytest.mark.parametrize("mode", [PydanticProgramMode.LLM, PydanticProgramMode.DEFAULT])
async def test_an_empty_prompt_for_an_object(make_llm, way, mode):
    prompt = ChatPromptTemplate(message_templates=[])
    with pytest.raises(ValueError, match=r"messages|is not a valid Word"):
        await way(make_llm(pydantic_program_mode=mode), "structured_predict", Word, prompt)


@ROUTED
@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"country": ["DE"]}, "filters: unknown filter 'country'; did you mean 'countries'?"),
        ({"gpu": "H200"}, "filters: unknown filter 'gpu'; the filters are countries"),
        (
            {"countries": ["Germany"]},
            "filters: countries[0]: 'Germany' is not an ISO 3166 alpha-2 country code",
        ),
        ({"countries": ["FR", "EU"]}, "filters: countries[1]: 'EU' is not an ISO 3166 alpha-2 country code"),
        ({"countries": []}, "filters: countries: must not be empty"),
        (["DE"], "filters: must be ProviderFilters or a dict"),
    ],
    ids=str,
)
def test_wrong_filters_say_what_was_meant(kind, filters, said):
    with pytest.raises(InvalidArgumentError) as caught:
        make(kind, filters=filters)
    assert str(caught.value).startswith(said)
    with pytest.raises(InvalidArgumentError) as caught:
        make(kind).with_options(filters=filters)
    assert str(caught.value).startswith(said)


@ROUTED
def test_countries_are_put_right(kind, monkeypatch):
    monkeypatch.setenv("MELIOUS_API_KEY", "sk-mel-x")
    made = make(kind, filters={"countries": (" de ", "fr", "DE")})
    assert made.filters == made.with_options(preset="speed").filters == {"countries": ["DE", "FR"]}
    assert kind.from_dict(made.to_dict()).filters == {"countries": ["DE", "FR"]}


@ROUTED
def test_a_location_cannot_be_verified_without_countries(kind):
    for arguments in (
        {},
        {"filters": {"min_speed_tps": 5}},
        {"filters": {"countries": ["DE"]}, "extra_body": {"filters": {}}},
        {"filters": {"countries": ["DE"]}, "additional_kwargs": {"filters": {"min_speed_tps": 5}}},
    ):
        with pytest.raises(InvalidArgumentError, match="verify_location: 'raise' needs countries"):
            make(kind, verify_location="raise", **arguments)
        with pytest.raises(InvalidArgumentError, match="verify_location: 'warn' needs countries"):
            make(kind).with_options(verify_location="warn", **arguments)
    for arguments in (
        {"filters": {"countries": ["DE"]}},
        {"extra_body": {"filters": {"countries": ["DE"]}}},
        {"additional_kwargs": {"filters": {"countries": ["DE"]}}},
        {"additional_kwargs": {"extra_body": {"filters": {"countries": ["DE"]}}}},
    ):
        assert make(kind, verify_location="raise", **arguments).verify_location == "raise"


@ROUTED
def test_fallbacks_name_filters(kind):
    made = make(kind, filters={"countries": ["SE"]})
    for wrong in ("country", {"region": ["DE"]}, {"countries": ["Sweden"]}):
        with pytest.raises(InvalidArgumentError, match=r"routing_fallbacks\[1\]: filters: "):
            made.with_routing_fallbacks("countries", wrong)
    with pytest.raises(InvalidArgumentError, match="did you mean 'countries'"):
        made.with_routing_fallbacks("country")


@ROUTED
def test_a_preset_that_looks_misspelt_is_told_once_where_it_stands(kind):
    with pytest.warns(UserWarning, match="did you mean 'speed'") as told:
        made = make(kind, preset="speeed").with_options(flavor=None)
    (warning,) = told
    assert (warning.filename, made.preset) == (__file__, "speeed")


@pytest.mark.parametrize(
    "arguments",
    [
        {"filters": {"country": ["DE"]}},
        {"filters": {"countries": ["Germany"]}},
        {"flavor": "ecco"},
        {"filters": {"min_speed_tps": 1}, "verify_location": "warn"},
        {"routing_fallbacks": ["country"]},
    ],
    ids=str,
)
async def test_a_wrong_word_of_one_call_is_an_error_before_anything_is_sent(
    make_llm, way, sandbox, arguments
):
    with pytest.raises(InvalidArgumentError):
        await way(make_llm(), "chat", [ChatMessage("Hi")], **arguments)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"preset": "speed"}, {"preset": "speed"}),
        ({"preset": "speed", "flavor": "eco"}, {"flavor": "eco"}),
        ({"preset": "speed", "model": "glm-4.7:eco"}, {"flavor": "eco"}),
        ({"filters": {"countries": ["de"]}}, {"filters": {"countries": ["DE"]}}),
        ({"extra_body": {"preset": "price"}}, {"preset": "price"}),
        ({}, {}),
    ],
    ids=str,
)
def test_events_tell_the_routing_that_holds(arguments, told):
    payload = make(Melious, **arguments).to_payload()
    assert {name: payload[name] for name in ("preset", "flavor", "filters") if name in payload} == told


@EVERY
def test_a_subclass_of_ones_own_can_be_given_options(kind):
    class Labelled(kind):
        _label: str = ""

        def __init__(self, label, **arguments):
            super().__init__(**arguments)
            self._label = label

    mine = Labelled("red", model=KINDS[kind], api_key="sk-mel-x")
    other = mine.with_options(preset="speed")
    assert (other.preset, mine.preset, other._label, type(other)) == ("speed", None, "red", Labelled)
