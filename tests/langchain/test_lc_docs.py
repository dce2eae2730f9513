"""What `help()` says of the public classes is what they take, and the defaults are those that it names."""

import inspect
import re

import pytest
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool

from langchain_melious import (
    ChatMelious,
    MeliousAudioParser,
    MeliousEmbeddings,
    MeliousImageGenerator,
    MeliousRerank,
)
from langchain_melious.chat.parameters import PARAMETERS
from melious.settings.options import ClientOptions

CLASSES = {
    ChatMelious: BaseChatModel,
    MeliousEmbeddings: Embeddings,
    MeliousRerank: BaseDocumentCompressor,
    MeliousAudioParser: BaseBlobParser,
    MeliousImageGenerator: BaseTool,
}
EACH = pytest.mark.parametrize("made", CLASSES, ids=lambda made: made.__name__)


def documented(made):
    """The arguments that the docstring lists, each with its text."""
    listed = inspect.cleandoc(made.__doc__).partition("\nArgs:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w[^:]*):(.*(?:\n        .*)*)", listed, re.MULTILINE)
    return {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}


def own_fields(made):
    return set(made.model_fields) - set(getattr(CLASSES[made], "model_fields", ()))


def implied(made):
    """What a docstring stands for by `...`: the rest of the wire's parameters and of the client's options."""
    parameters = PARAMETERS if made is ChatMelious else ()
    return {*parameters, *ClientOptions.__annotations__} if "..." in documented(made) else set()


@EACH
def test_every_argument_that_is_documented_is_taken_and_the_other_way_round(made):
    told = set(documented(made)) - {"..."}
    assert told <= set(made.model_fields)
    assert own_fields(made) - told <= implied(made)


@EACH
def test_the_defaults_are_those_that_are_documented(made):
    wrong = []
    for name, text in documented(made).items():
        said = re.search(r"\b(True|False|-?[\d.]+) by default|by default (True|False|-?[\d.]+)\b", text)
        if said is None:
            continue
        value = (said[1] or said[2]).rstrip(".")
        default = made.model_fields[name].default
        if default is not None and str(default) != value and str(float(default)) != str(float(value)):
            wrong.append((name, value, default))
    assert not wrong


@EACH
def test_every_field_says_what_it_is(made):
    source = "".join(
        inspect.getsource(cls) for cls in made.__mro__ if cls.__module__.startswith("langchain_melious")
    )
    for name in own_fields(made):
        assert made.model_fields[name].description or re.search(
            rf'^ +{name}: .*?^ +"""', source, re.MULTILINE | re.DOTALL
        ), name
