"""`help()`, Shift-Tab and completion show every argument of a client, with its type, its default and what it does."""

import inspect
import pydoc
from collections.abc import Callable
from typing import Any, TypedDict

import pytest

import melious
from melious import (
    AsyncMeliousClient,
    CallOptions,
    ChatParams,
    ClientOptions,
    EmbeddingParams,
    FindParams,
    ImageParams,
    MeliousClient,
    RerankParams,
    TranscriptionParams,
)
from melious._signatures import written_out
from melious.sandbox import Sandbox
from melious.settings.options import OPTION

METHODS: dict[str, type] = {
    "chat.create": ChatParams,
    "chat.stream": ChatParams,
    "embeddings.create": EmbeddingParams,
    "rerank.create": RerankParams,
    "images.generate": ImageParams,
    "audio.transcribe": TranscriptionParams,
    "models.list": CallOptions,
    "models.find": FindParams,
    "models.retrieve": CallOptions,
}
CLIENTS = (MeliousClient, AsyncMeliousClient)
EACH_METHOD = pytest.mark.parametrize(("path", "shape"), METHODS.items(), ids=list(METHODS))
EACH_CLIENT = pytest.mark.parametrize("made", CLIENTS)


def method_of(made: type, path: str) -> Callable[..., Any]:
    group, _, name = path.partition(".")
    method: Callable[..., Any] = getattr(getattr(made(api_key="sk-mel-x"), group), name)
    return method


def keywords(shown: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(shown).parameters)


def described(shown: Callable[..., Any], name: str) -> bool:
    """Whether the docstring has an entry for an argument, with words."""
    lines = (inspect.getdoc(shown) or "").splitlines()
    return any(line.startswith(f"    {name}: ") and len(line) > len(name) + 8 for line in lines)


@EACH_METHOD
@EACH_CLIENT
def test_a_method_shows_and_describes_what_it_takes_and_nothing_else(
    made: type, path: str, shape: type
) -> None:
    method = method_of(made, path)
    shown = keywords(method)
    assert inspect.Parameter.VAR_KEYWORD not in {each.kind for each in shown.values()}
    own = {name for name, each in shown.items() if name not in shape.__annotations__}
    assert own <= {"model", "messages", "input", "query", "documents", "prompt", "file", "include_meta"}
    assert set(shown) - own == set(shape.__annotations__)
    assert not [name for name in shown if not described(method, name)]


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        ("chat.create", "temperature", "temperature: float | None = None"),
        ("chat.create", "deadline", "deadline: float | None = <the client's>"),
        ("embeddings.create", "input", "input: str | Sequence[str]"),
        ("models.find", "max_age", "max_age: float = 300.0"),
    ],
)
def test_types_and_defaults_read_as_in_the_source(path: str, name: str, text: str) -> None:
    assert str(keywords(method_of(MeliousClient, path))[name]) == text


def test_routing_comes_before_how_a_call_is_made() -> None:
    names = list(keywords(method_of(MeliousClient, "chat.create")))
    assert names[:3] == ["model", "messages", "max_tokens"]
    assert names.index("custom_weights") < names.index("preset") < names.index("extra_body")


@EACH_CLIENT
def test_a_client_shows_and_describes_its_options(made: type) -> None:
    shown = keywords(made)
    assert set(shown) == {"http_client", *ClientOptions.__annotations__}
    assert {name: shown[name].default for name in ClientOptions.__annotations__} == {
        name: OPTION[name].default for name in ClientOptions.__annotations__
    }
    assert not [name for name in shown if not described(made, name)]
    assert "max_retries: int = 2" in pydoc.render_doc(made, renderer=pydoc.plaintext)


def test_the_options_that_a_client_shows_can_be_changed() -> None:
    client = MeliousClient(api_key="sk-mel-x")
    shown = keywords(client.with_options)
    assert {"max_retries", "preset", "default_headers"} <= set(shown)
    same: dict[str, Any] = {name: getattr(client.config, name) for name in shown}
    assert client.with_options(**{**same, "default_headers": None}).config == client.config
    assert not [name for name in shown if not described(client.with_options, name)]


def test_the_defaults_that_are_shown_send_what_leaving_them_out_sends(melious_sandbox: Sandbox) -> None:
    with MeliousClient(api_key=melious_sandbox.api_key, base_url=melious_sandbox.base_url) as client:
        needed: dict[str, Any] = {"model": "glm-4.7", "messages": [{"role": "user", "content": "Hello!"}]}
        shown = {
            name: each.default
            for name, each in keywords(client.chat.create).items()
            if name not in needed and name != "deadline"
        }
        client.chat.create(**needed)
        client.chat.create(**needed, **shown)
    one, other = melious_sandbox.requests
    assert one.body == other.body


@pytest.mark.parametrize(
    "name", [*sorted({shape.__name__ for shape in METHODS.values()}), "ClientOptions", "RoutingOptions"]
)
def test_the_arguments_are_importable_as_typed_dicts(name: str) -> None:
    assert name in melious.__all__
    assert getattr(melious, name).__annotations__


def test_arguments_are_shown_even_where_python_drops_docstrings() -> None:
    class Shape(TypedDict, total=False):
        colour: str

    @written_out(Shape)
    def paint(wall: int, **options: Any) -> None: ...

    assert str(inspect.signature(paint)) == "(wall: int, *, colour: str = None) -> None"
    assert paint.__doc__ is None


@EACH_CLIENT
def test_the_path_of_the_openai_package_leads_to_ours(made: type) -> None:
    chat = made(api_key="sk-mel-x").chat
    with pytest.raises(
        AttributeError, match=r"has no attribute 'completions'; use chat.create and chat.stream"
    ):
        _ = chat.completions
    with pytest.raises(AttributeError, match=r"has no attribute 'complet'$"):
        _ = chat.complet
