"""Errors about arguments are in plain words, and words of other packages lead to ours; both frameworks alike."""

import re

import pytest

import langchain_melious
import llama_index_melious
from melious import ImpactBudget, InvalidArgumentError, MeliousClient, MeliousError, Timeout, track_impact

CLASSES = {
    "langchain chat": langchain_melious.ChatMelious,
    "langchain embeddings": langchain_melious.MeliousEmbeddings,
    "langchain rerank": langchain_melious.MeliousRerank,
    "langchain audio": langchain_melious.MeliousAudioParser,
    "langchain images": langchain_melious.MeliousImageGenerator,
    "langchain toolkit": langchain_melious.MeliousToolkit,
    "llama chat": llama_index_melious.Melious,
    "llama embeddings": llama_index_melious.MeliousEmbedding,
    "llama rerank": llama_index_melious.MeliousRerank,
    "llama audio": llama_index_melious.MeliousAudioReader,
    "llama tools": llama_index_melious.MeliousToolSpec,
    "llama hosted tools": llama_index_melious.MeliousHostedToolSpec,
}
EACH = pytest.mark.parametrize("made", CLASSES.values(), ids=CLASSES)
WITHOUT_A_MODEL = (
    langchain_melious.MeliousToolkit,
    llama_index_melious.MeliousToolSpec,
    llama_index_melious.MeliousHostedToolSpec,
)
NEEDS_A_MODEL = [made for made in CLASSES.values() if made not in WITHOUT_A_MODEL]
CHATS = [langchain_melious.ChatMelious, llama_index_melious.Melious]
OF_PYDANTIC = re.compile(
    r"Input should|Field required|should have|valid (string|integer|number|boolean|dict|list)|(list|dict)\[|Value error"
)
FRAMEWORKS_OWN = {"args_schema", "callbacks", "cache", "rate_limiter"}
"""Fields of the frameworks that take objects of theirs."""
WRONG_VALUES = (object(), [], [object()], {}, {"a": object()}, "x", "", -1, 1.5, 10**9, float("nan"), True)


def error_of(make, **arguments):
    """The message of the error for arguments; "" if they are taken."""
    try:
        make(**arguments)
    except MeliousError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore::UserWarning")
@EACH
def test_no_wrong_value_of_any_argument_is_answered_in_the_words_of_pydantic(made, melious_key):
    needed = {"model": "m"} if made in NEEDS_A_MODEL else {}
    errors = [
        f"{error_of(made, **{**needed, name: value})}"
        for name in {*made.model_fields} - FRAMEWORKS_OWN
        for value in WRONG_VALUES
    ]
    said = [error for error in errors if error]
    assert len(said) > len(made.model_fields)
    assert [error for error in said if OF_PYDANTIC.search(error)] == []


@pytest.mark.parametrize("made", NEEDS_A_MODEL, ids=lambda made: f"{made.__module__}")
def test_a_missing_model_is_named_as_it_is_documented(made, melious_key):
    assert error_of(made) == f"{made.__name__}: model: is missing"


@pytest.mark.parametrize("made", CHATS)
@pytest.mark.parametrize(
    ("argument", "value", "problem"),
    [
        ("max_tokens", "many", "must be a whole number"),
        ("max_tokens", 0, "must be greater than 0"),
        ("temperature", 9, "must be at most 2"),
        ("temperature", -1, "must be at least 0"),
        ("temperature", "warm", "must be a number"),
        ("top_p", 1.5, "must be at most 1"),
        ("think_tags", "perhaps", "must be True or False"),
        ("stop", 3, "must be (text or a list|a list or text)"),
        ("stop", ["a", 3], "must be text"),
    ],
)
def test_a_wrong_value_is_named_in_plain_words(made, argument, value, problem, melious_key):
    place = f"{argument}[1]" if isinstance(value, list) else argument
    error = error_of(made, model="m", **{argument: value})
    assert re.fullmatch(f"{made.__name__}: {re.escape(place)}: {problem}", error)


@EACH
@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("melious_api_key", "api_key"),
        ("openai_api_base", "base_url"),
        ("openai_api_key", "api_key"),
        ("openai_proxy", "http_client"),
    ],
)
def test_words_of_other_integrations_lead_to_ours(made, word, meant):
    assert f"unknown argument '{word}'; did you mean '{meant}'?" in error_of(made, **{word: "x"})


@pytest.mark.parametrize(
    ("made", "word", "meant"),
    [
        (langchain_melious.MeliousRerank, "score_threshold", "min_score"),
        (langchain_melious.MeliousRerank, "similarity_cutoff", "min_score"),
        (llama_index_melious.MeliousRerank, "min_score", "score_threshold"),
        (llama_index_melious.MeliousRerank, "similarity_cutoff", "score_threshold"),
    ],
)
def test_the_word_of_the_other_framework_leads_to_this_one(made, word, meant):
    assert f"unknown argument '{word}'; did you mean '{meant}'?" in error_of(made, model="m", **{word: 0.5})


@pytest.mark.parametrize("made", CHATS)
@pytest.mark.parametrize("word", ["reasoning", "thinking"])
def test_reasoning_leads_to_its_effort(made, word):
    assert "did you mean 'reasoning_effort'?" in error_of(made, model="m", **{word: "high"})


def test_reasoning_in_a_call_leads_to_its_effort():
    chat = MeliousClient(api_key="sk-mel-x").chat
    with pytest.raises(InvalidArgumentError, match="'reasoning'; did you mean 'reasoning_effort'"):
        chat.create(model="m", messages=[{"role": "user", "content": "Hello!"}], reasoning="high")


@EACH
@pytest.mark.parametrize("word", ["disabled_params", "openai_organization", "use_responses_api"])
def test_what_nothing_needs_is_to_be_left_out(made, word):
    assert f"unknown argument '{word}'; leave it out, it is not needed" in error_of(made, **{word: True})


@pytest.mark.parametrize(
    ("make", "word", "meant"),
    [
        (ImpactBudget, "max_cost", "max_cost_eur"),
        (ImpactBudget, "max_request", "max_requests"),
        (Timeout, "conect", "connect"),
        (track_impact, "estimates", "estimate"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_a_misspelt_argument_beside_the_clients_is_suggested_too(make, word, meant):
    assert (
        error_of(make, **{word: 1}) == f"{make.__name__}: unknown argument '{word}'; did you mean '{meant}'?"
    )
