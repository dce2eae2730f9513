"""The table of options and what is made from it agree."""

import dataclasses
import inspect

import pytest

from melious.clients.base import ClientOptions
from melious.endpoints.common import RoutingOptions
from melious.settings.config import ClientConfig
from melious.settings.options import OPTIONS, Option

CLIENT = [option for option in OPTIONS if option.scope != "call"]
CALL = [option for option in OPTIONS if option.scope != "client"]
FIELDS = {field.name: field for field in dataclasses.fields(ClientConfig)}


def test_every_name_stands_once() -> None:
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)


def test_the_client_takes_the_options_of_its_scope_and_no_others() -> None:
    assert set(ClientOptions.__annotations__) == {option.name for option in CLIENT}


def test_a_call_takes_the_options_of_its_scope_and_no_others() -> None:
    assert set(RoutingOptions.__annotations__) == {option.name for option in CALL}


def test_the_config_has_a_field_for_every_option_of_a_client() -> None:
    only_checked_with_the_url = {"allow_insecure_http"}
    made_from_the_key = {"key_digest"}
    assert set(FIELDS) - made_from_the_key == {option.name for option in CLIENT} - only_checked_with_the_url


@pytest.mark.parametrize("option", CLIENT, ids=lambda option: option.name)
def test_the_default_of_the_config_is_that_of_the_table(option: Option) -> None:
    if option.name in ("api_key", "base_url", "allow_insecure_http"):
        assert option.name not in FIELDS or FIELDS[option.name].default is dataclasses.MISSING
    else:
        assert FIELDS[option.name].default == option.default


@pytest.mark.parametrize("option", CLIENT, ids=lambda option: option.name)
def test_the_client_documents_its_options(option: Option) -> None:
    assert f"\n    {option.name}: " in inspect.cleandoc(ClientOptions.__doc__ or "")
