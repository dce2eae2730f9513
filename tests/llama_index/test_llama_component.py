"""Arguments of the classes: refused early if wrong, found in the environment, used by every call."""

import asyncio
import traceback

import httpx
import pytest
from three_classes import CLASSES, acall, call

from melious import ConfigurationError, InvalidArgumentError

KEY = "sk-mel-verysecret"


@pytest.fixture(params=CLASSES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def make(kind, place):
    return lambda **arguments: kind(**{**CLASSES[kind][0], **place, **arguments})


@pytest.mark.parametrize(
    ("wrong", "right"), [("presett", "preset"), ("api_bas", "api_base"), ("timout", "timeout")]
)
def test_misspelt_arguments_are_named(make, kind, wrong, right):
    with pytest.raises(InvalidArgumentError, match=f"{kind.__name__}.*{wrong!r}.*did you mean {right!r}"):
        make(**{wrong: 1})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_retries": -1}, "max_retries"),
        ({"timeout": 0}, "timeout"),
        ({"deadline": -1}, "deadline"),
        ({"flavor": "sweet"}, "flavor"),
        ({"model": "glm-4.7:eco", "flavor": "speed"}, "flavor"),
        ({"http_client": 5}, "http_client"),
        ({"filters": {"max_carbon_intensity": "low"}}, "max_carbon_intensity"),
        ({"default_headers": {"x": "a\r\nb"}}, "default_headers"),
        ({"base_url": "ftp://melious.ai"}, "base_url"),
        ({"base_url": "http://melious.example"}, "in clear"),
        ({"async_transport": "carrier pigeon"}, "async_transport"),
        ({"api_key": f"{KEY}\n{KEY}"}, "line break"),
        ({"max_retries": "many"}, "max_retries: must be a whole number of at least 0, not 'many'"),
    ],
)
def test_wrong_arguments_are_refused_early_and_quietly(make, wrong, said):
    with pytest.raises(ValueError, match=said) as caught:
        make(**wrong)
    assert KEY not in str(caught.value)


def test_errors_of_fields_do_not_show_the_key(make):
    with pytest.raises(InvalidArgumentError, match="preset: must be a word such as") as caught:
        make(api_key=KEY, preset=["not", "text"])
    assert KEY not in str(caught.value)
    with pytest.raises(ConfigurationError, match="api_key: needs text, not list") as caught:
        make(api_key=[KEY])
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_key_and_url_from_the_environment(kind, sandbox, monkeypatch):
    monkeypatch.delenv("MELIOUS_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="MELIOUS_API_KEY"):
        kind(**CLASSES[kind][0])
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)
    monkeypatch.setenv("MELIOUS_BASE_URL", sandbox.base_url)
    call(kind(**CLASSES[kind][0]))
    asyncio.run(acall(kind(**CLASSES[kind][0])))
    assert [request.status for request in sandbox.requests] == [200, 200]
    monkeypatch.setenv("MELIOUS_API_KEY", "sk-mel-wrong")
    call(kind(**CLASSES[kind][0], api_key=sandbox.api_key))
    assert sandbox.requests[-1].status == 200


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
@pytest.mark.parametrize("word", ["base_url", "api_base"])
def test_base_url_in_any_spelling(kind, sandbox, word, ending):
    url = sandbox.base_url.removesuffix("/v1") + ending
    component = kind(**CLASSES[kind][0], api_key=sandbox.api_key, **{word: url})
    assert component.base_url == component.api_base == sandbox.base_url
    call(component)
    assert sandbox.requests[-1].status == 200


def test_two_words_that_say_different_things(make):
    with pytest.raises(InvalidArgumentError, match="api_base"):
        make(api_base="https://other.example/v1")


def test_headers_and_the_way_of_the_key(make, sandbox):
    call(make(default_headers={"x-team": "blue"}, auth="x-api-key"))
    headers = sandbox.requests[-1].headers
    assert headers["x-team"] == "blue"
    assert "x-api-key" in headers
    assert "authorization" not in headers


def test_settings_that_change_take_effect(make, sandbox):
    component = make()
    call(component)
    component.preset = "speed"
    component.default_headers = {"x-team": "red"}
    call(component)
    assert "preset" not in sandbox.requests[0].body
    assert sandbox.requests[1].body["preset"] == "speed"
    assert sandbox.requests[1].headers["x-team"] == "red"
    changed = component.model_copy(update={"preset": "price"})
    call(changed)
    assert sandbox.requests[2].body["preset"] == "price"


def test_a_wrong_setting_that_is_set_later_is_an_error_before_anything_is_sent(make, sandbox):
    component = make()

    def set_and_ask():
        component.filters = {"country": ["DE"]}
        call(component)

    with pytest.raises(
        InvalidArgumentError, match=r"^(\w+: )?filters: unknown filter 'country'; did you mean"
    ):
        set_and_ask()
    assert len(sandbox.requests) == 0


def test_injected_clients_carry_the_requests_and_stay_open(make, sandbox):
    with httpx.Client(headers={"x-mine": "sync"}, trust_env=False) as client:
        call(make(http_client=client))
        assert sandbox.requests[-1].headers["x-mine"] == "sync"
        assert not client.is_closed

    async def main():
        async with httpx.AsyncClient(headers={"x-mine": "async"}, trust_env=False) as client:
            await acall(make(async_http_client=client))
            assert sandbox.requests[-1].headers["x-mine"] == "async"
            assert not client.is_closed

    asyncio.run(main())


def test_aiohttp_under_the_async_calls(make, sandbox):
    pytest.importorskip("httpx_aiohttp")
    asyncio.run(acall(make(async_transport="aiohttp")))
    assert sandbox.requests[-1].status == 200
