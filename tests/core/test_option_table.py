"""The table of options and what is made from it agree."""

import dataclasses

import pytest

from melious.endpoints.chat_params import ChatParams
from melious.endpoints.embedding_params import EmbeddingParams
from melious.settings.checks import Option
from melious.settings.config import ClientConfig
from melious.settings.fields import ChatFields, ClientFields, EmbeddingFields
from melious.settings.options import OPTIONS, CallOptions, ClientOptions, RoutingOptions

CLIENT = [option for option in OPTIONS if option.scope != "call"]
OF_ONE_ENDPOINT: dict[str, type] = {
    "stream_impact": ChatParams,
    "merge_system_messages": ChatParams,
    "convert_documents": ChatParams,
    "blank_texts": EmbeddingParams,
}
CALL = [option for option in OPTIONS if option.scope != "client"]
FIELDS = {field.name: field for field in dataclasses.fields(ClientConfig)}


def test_every_name_stands_once() -> None:
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)


def test_the_client_takes_the_options_of_its_scope_and_no_others() -> None:
    assert set(ClientOptions.__annotations__) == {option.name for option in CLIENT}


def test_a_call_takes_the_options_of_its_scope_and_no_others() -> None:
    assert set(RoutingOptions.__annotations__) == {option.name for option in CALL} - OF_ONE_ENDPOINT.keys()
    for name, shape in OF_ONE_ENDPOINT.items():
        assert name in shape.__annotations__


def test_the_config_has_a_field_for_every_option_of_a_client() -> None:
    only_checked_with_the_url = {"allow_insecure_http"}
    made_from_the_key = {"key_digest"}
    assert set(FIELDS) - made_from_the_key == {option.name for option in CLIENT} - only_checked_with_the_url


@pytest.mark.parametrize("option", CLIENT, ids=lambda option: option.name)
def test_the_default_of_the_config_is_that_of_the_table(option: Option) -> None:
    if option.name in ("api_key", "base_url", "allow_insecure_http"):
        assert option.name not in FIELDS or FIELDS[option.name].default is dataclasses.MISSING
    elif option.name == "default_headers":
        assert FIELDS[option.name].default == ()  # they are kept as pairs
    else:
        assert FIELDS[option.name].default == option.default


def test_the_fields_of_the_adapters_are_the_options_of_a_client() -> None:
    fields = [ClientFields.model_fields, EmbeddingFields.model_fields, ChatFields.model_fields]
    names = [name for each in fields for name in each]
    assert len(names) == len(set(names))
    injected = {"http_client", "async_http_client"}
    assert set(names) - injected == {option.name for option in CLIENT}


@pytest.mark.parametrize(
    ("shape", "option"),
    [(ClientOptions, option) for option in CLIENT]
    + [(CallOptions, option) for option in CALL if option.name in CallOptions.__annotations__]
    + [(RoutingOptions, option) for option in CALL if option.name not in CallOptions.__annotations__],
    ids=lambda each: getattr(each, "name", getattr(each, "__name__", "")),
)
def test_what_help_says_of_an_option_begins_with_the_sentence_of_the_table(
    shape: type, option: Option
) -> None:
    if shape is RoutingOptions:
        shape = OF_ONE_ENDPOINT.get(option.name, shape)
    assert f" {option.name}: {option.sentence}" in " ".join((shape.__doc__ or "").split())
