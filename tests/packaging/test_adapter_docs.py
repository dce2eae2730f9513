"""What `help()` says of the adapters' classes is what they take, with the defaults that hold."""

import inspect
import pydoc
import re

import pytest
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, BaseToolkit
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import LLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.readers.base import BasePydanticReader
from llama_index.core.tools.tool_spec.base import BaseToolSpec

import langchain_melious
import llama_index_melious
import melious
from melious.settings.options import OPTION
from melious.timeouts import timeout_for

BASES = {
    langchain_melious.ChatMelious: (BaseChatModel, "chat"),
    langchain_melious.MeliousEmbeddings: (Embeddings, "embeddings"),
    langchain_melious.MeliousRerank: (BaseDocumentCompressor, "rerank"),
    langchain_melious.MeliousAudioParser: (BaseBlobParser, "audio"),
    langchain_melious.MeliousImageGenerator: (BaseTool, "images"),
    langchain_melious.MeliousHostedTool: (BaseTool, "tools"),
    langchain_melious.MeliousToolkit: (BaseToolkit, "tools"),
    llama_index_melious.Melious: (LLM, "chat"),
    llama_index_melious.MeliousEmbedding: (BaseEmbedding, "embeddings"),
    llama_index_melious.MeliousRerank: (BaseNodePostprocessor, "rerank"),
    llama_index_melious.MeliousAudioReader: (BasePydanticReader, "audio"),
    llama_index_melious.MeliousToolSpec: (BaseToolSpec, "images"),
    llama_index_melious.MeliousHostedToolSpec: (BaseToolSpec, "tools"),
}
EACH = pytest.mark.parametrize(
    "made", BASES, ids=lambda made: f"{made.__module__.split('_')[0]}-{made.__name__}"
)
STARTS = {
    langchain_melious.MeliousHostedTool: "(*, name: str, slug: str, ",
    langchain_melious.MeliousToolkit: "(*, api_key: ",
    llama_index_melious.MeliousToolSpec: "(*, image_model: str | None = ",
    llama_index_melious.MeliousHostedToolSpec: "(*, include: ",
}
"""How the signatures begin of those that take no model."""
NOT_ARGUMENTS = {"spec_functions", "response_format", "args_schema", "is_remote"}
"""Fields that a framework asks for and nobody sets."""
FROM_THE_ENVIRONMENT = ("api_key", "base_url")


def documented(made):
    """The arguments that the docstring lists, each with its text."""
    listed = inspect.cleandoc(made.__doc__).partition("\nArgs:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w[^:]*):(.*(?:\n        .*)*)", listed, re.MULTILINE)
    return {name: " ".join(text.split()) for names, text in entries for name in re.split(r",\s+", names)}


def arguments(made):
    """What a class takes beside what its base in the framework takes, under all its names."""
    base = BASES[made][0]
    own = set(made.model_fields) - set(getattr(base, "model_fields", ()))
    return own | set(getattr(made, "argument_aliases", ()))


@EACH
def test_every_argument_that_is_documented_is_taken_and_the_other_way_round(made):
    listed = documented(made)
    aliases = getattr(made, "argument_aliases", {})
    assert "..." not in listed
    assert set(listed) <= {*made.model_fields, *aliases}
    assert arguments(made) - set(listed) - NOT_ARGUMENTS <= set(aliases.values()) | set(aliases)


@EACH
def test_the_signature_has_the_documented_arguments_first_and_in_their_order(made):
    shown = inspect.signature(made).parameters
    listed = list(documented(made))
    assert list(shown)[: len(listed)] == listed
    aliases = getattr(made, "argument_aliases", {})
    assert {aliases.get(name, name) for name in shown} == set(made.model_fields)


@EACH
def test_the_defaults_of_the_signature_are_those_that_hold(made, melious_key):
    required = {"model": "m", "name": "n", "slug": "s"}
    parameters = inspect.signature(made).parameters.values()
    needed = {
        each.name: required[each.name] for each in parameters if each.default is inspect.Parameter.empty
    }
    shown = {
        name: each.default
        for name, each in inspect.signature(made).parameters.items()
        if name not in (*needed, *NOT_ARGUMENTS, *FROM_THE_ENVIRONMENT) and repr(each.default) != "<factory>"
    }
    plain, explicit = made(**needed), made(**{**needed, **shown})
    assert [name for name in shown if getattr(plain, name) != getattr(explicit, name)] == []


@EACH
def test_shift_tab_shows_the_types_of_the_source(made):
    shown = str(inspect.signature(made))
    assert shown.startswith(STARTS.get(made, "(model: str, *, "))
    assert "filters: FiltersArgument | None = None" in shown
    assert "max_retries: int = 2" in shown
    assert "*positional" not in shown
    assert "**" not in shown
    assert "max_retries: int = 2" in pydoc.render_doc(made, renderer=pydoc.plaintext)


@pytest.mark.parametrize("after", ["imported", "made"])
def test_the_signature_of_the_usage_event_shows_what_it_reports(after):
    if after == "made":
        llama_index_melious.MeliousUsageEvent(endpoint="chat")
    shown = inspect.signature(llama_index_melious.MeliousUsageEvent).parameters
    assert set(shown) == set(llama_index_melious.MeliousUsageEvent.model_fields)
    assert shown["endpoint"].default is inspect.Parameter.empty
    assert shown["request_id"].default is None


def test_a_subclass_with_arguments_of_its_own_shows_those():
    class Green(langchain_melious.ChatMelious):
        shade: str = "dark"

    class Fixed(langchain_melious.ChatMelious):
        def __init__(self, country: str) -> None:
            super().__init__(model="glm-4.7", filters={"countries": [country]})

    assert inspect.signature(Green).parameters["shade"].default == "dark"
    assert next(iter(inspect.signature(Green).parameters)) == "model"
    assert next(iter(inspect.signature(Fixed).parameters)) == "country"


@EACH
def test_options_are_documented_with_the_sentence_of_the_table(made):
    for name, text in documented(made).items():
        if name in OPTION:
            assert text.startswith(OPTION[name].sentence), name


@EACH
def test_the_timeout_that_is_documented_is_that_of_the_endpoint(made):
    seconds = f"{timeout_for(BASES[made][1], None).answer:.0f} s"
    assert f" Default: {seconds}" in documented(made)["timeout"]


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


@pytest.mark.parametrize("method", ["available_models", "aavailable_models"])
def test_the_list_of_models_shows_the_options_of_its_call(method):
    shown = getattr(langchain_melious.ChatMelious, method)
    assert set(inspect.signature(shown).parameters) == {"self", *melious.CallOptions.__annotations__}
    assert "**" not in str(inspect.signature(shown))
