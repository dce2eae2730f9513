"""Deliberate mistakes: each is one kind of error that names the argument, before anything is sent."""

import warnings

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import ChatPromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, ValidationError

from llama_index_melious import Melious, MeliousEmbedding, MeliousRerank
from melious import InvalidArgumentError

KINDS = {Melious: "glm-4.7", MeliousEmbedding: "bge-m3", MeliousRerank: "bge-reranker-v2-m3"}
EVERY = pytest.mark.parametrize("kind", KINDS)


def make(kind, **arguments):
    return kind(**{"model": KINDS[kind], "api_key": "sk-mel-x", **arguments})


class Word(BaseModel):
    word: str


@EVERY
@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("max_retries", True, "max_retries: needs a number, not True"),
        ("deadline", False, "deadline: needs a number, not False"),
        ("callback_manager", "x", "callback_manager: needs a CallbackManager, not str"),
        (
            "additional_kwargs",
            {"extra_headers": {"a": "b"}},
            "additional_kwargs: extra_headers .* default_headers",
        ),
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
    with pytest.raises(InvalidArgumentError, match=f"{argument}: "):
        make(kind, **{argument: value})


def test_what_is_set_later_is_checked_too():
    with pytest.raises(ValidationError, match="embed_batch_size"):
        make(MeliousEmbedding).embed_batch_size = 0
    with pytest.raises(ValidationError, match="top_n"):
        make(MeliousRerank).top_n = -1


def test_other_words_can_be_set_later():
    model = make(MeliousEmbedding)
    model.model = "multilingual-e5-large"
    model.api_base = "http://127.0.0.1:1/v1"
    assert (model.model_name, model.base_url) == ("multilingual-e5-large", "http://127.0.0.1:1/v1")


@pytest.mark.parametrize("name", [5, ["glm-4.7"]], ids=str)
async def test_a_model_that_is_none(make_llm, way, sandbox, name):
    with pytest.raises(InvalidArgumentError, match="is no model's name"):
        await way(make_llm(), "chat", [ChatMessage("Hi")], model=name)
    assert not sandbox.requests


@pytest.mark.parametrize("mode", [PydanticProgramMode.LLM, PydanticProgramMode.DEFAULT])
async def test_an_empty_prompt_for_an_object(make_llm, way, mode):
    prompt = ChatPromptTemplate(message_templates=[])
    with pytest.raises(ValueError, match=r"messages|is no Word"):
        await way(make_llm(pydantic_program_mode=mode), "structured_predict", Word, prompt)


@EVERY
def test_a_misspelt_filter_is_warned_of_once_and_where_it_stands(kind):
    with pytest.warns(UserWarning, match="'country' is not a known filter") as told:
        make(kind, filters={"country": ["DE"]})
    (warning,) = told
    assert warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(kind, filters={"countries": ["DE"]})


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
