"""A wrong option gives the same error at the clients, at every class of both adapters, and in a call."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from llama_index.core.schema import NodeWithScore, TextNode

import langchain_melious as langchain
import llama_index_melious as llama_index
from melious import AsyncMeliousClient, MeliousClient, MeliousError
from melious.settings.options import CLIENT_ONLY, OPTIONS

KEY = "sk-mel-x"
WRONG: dict[str, tuple[Any, ...]] = {
    "api_key": (3, b"sk-mel-x", "", "sk-mel-\n-x"),
    "base_url": (3, b"https://api.melious.ai", "ftp://api.melious.ai", "https://u:p@api.melious.ai"),
    "auth": ("Bearer", None, 1, True),
    "async_transport": ("requests", None),
    "timeout": ("20", 0, -1, True, float("inf"), (1, 2, 3), {"seconds": 5}, [1, 2]),
    "max_retries": ("2", 2.0, -1, True, None),
    "retry_timeouts": ("yes", 1, 0),
    "max_connections": ("8", 0, -1, 1.5, True, None),
    "embedding_cache_size": ("8", -1, 1.0, True, None),
    "embedding_cache_ttl": ("8", 0, -1, True, float("nan"), None),
    "blank_texts": ("drop", None, True),
    "max_rate_limit_wait": ("8", -1, True, False, float("inf"), None),
    "deadline": ("600", 0, -1, True, float("nan")),
    "preset": (3, "", " ", ["speed"]),
    "verify": (3, None, "/no/such/file.pem"),
    "flavor": (3, "fast", "", ["eco"]),
    "filters": (3, "DE", {"country": ["DE"]}, {"countries": ["XX"]}, {"max_carbon_intensity": "many"}),
    "extra_body": (3, "x", [("a", 1)]),
    "budget": (3, {"max_carbon_g": 1}, "1 EUR"),
    "verify_location": ("yes", None, True),
    "stream_impact": ("stream", None, True),
    "merge_system_messages": ("yes", 1, 0),
    "convert_documents": ("yes", 1, None),
    "routing_fallbacks": (3, "countries", [3], ["country"], [{"countries": ["XX"]}]),
    "default_headers": (3, "x: y", {"x": 1}, {1: "x"}, {"x": "a\nb"}, {"Content-Length": "3"}),
    "allow_insecure_http": ("yes", 1, None),
    "extra_headers": (3, "x: y", {"x": 1}, {"x": "a\nb"}),
    "on_retry": (3, "print"),
}
FIXED_TO_CLASSES = {
    "embedding_cache_size": {"MeliousEmbeddings", "MeliousEmbedding"},
    "embedding_cache_ttl": {"MeliousEmbeddings", "MeliousEmbedding"},
    "blank_texts": {"MeliousEmbeddings", "MeliousEmbedding"},
    "stream_impact": {"ChatMelious", "Melious"},
    "merge_system_messages": {"ChatMelious", "Melious"},
    "convert_documents": {"ChatMelious", "Melious"},
}
CLASSES = [
    langchain.ChatMelious,
    langchain.MeliousEmbeddings,
    langchain.MeliousRerank,
    langchain.MeliousImageGenerator,
    langchain.MeliousAudioParser,
    llama_index.Melious,
    llama_index.MeliousEmbedding,
    llama_index.MeliousRerank,
    llama_index.MeliousToolSpec,
    llama_index.MeliousAudioReader,
]
CALLS: list[Callable[..., object]] = [
    lambda client, **options: client.chat.create(
        model="m", messages=[{"role": "user", "content": "?"}], **options
    ),
    lambda client, **options: client.embeddings.create(model="m", input="a", **options),
    lambda client, **options: client.rerank.create(model="m", query="a", documents=["b"], **options),
    lambda client, **options: client.images.generate(model="m", prompt="a", **options),
    lambda client, **options: client.audio.transcribe(model="m", file=b"RIFF", **options),
]
CALLS_OF_CLASSES: dict[type, Callable[..., object]] = {
    langchain.ChatMelious: lambda model, **options: model.invoke("?", **options),
    langchain.MeliousEmbeddings: lambda model, **options: model.embed_query("?", **options),
    langchain.MeliousRerank: lambda model, **options: model.rerank(["a"], "?", **options),
    llama_index.Melious: lambda model, **options: model.complete("?", **options),
    llama_index.MeliousEmbedding: lambda model, **options: model.get_query_embedding("?", **options),
    llama_index.MeliousRerank: lambda model, **options: model.postprocess_nodes(
        [NodeWithScore(node=TextNode(text="a"))], query_str="?", **options
    ),
}


def refusal(make: Callable[..., object], **options: Any) -> tuple[str, str]:
    """The text of the error, and the option that it names."""
    with pytest.raises(MeliousError) as caught:
        make(**options)
    return str(caught.value), caught.value.param or ""


def arguments(name: str, value: object) -> dict[str, Any]:
    return {"api_key": KEY, name: value}


def test_every_option_has_wrong_values() -> None:
    assert set(WRONG) == {option.name for option in OPTIONS}


@pytest.mark.parametrize(
    ("name", "value"),
    [(option.name, value) for option in OPTIONS if option.scope != "call" for value in WRONG[option.name]],
    ids=str,
)
def test_one_error_for_all_who_are_made_from_it(name: str, value: object) -> None:
    expected = refusal(MeliousClient, **arguments(name, value))
    assert name in expected[0] or name == "api_key"
    assert refusal(AsyncMeliousClient, **arguments(name, value)) == expected
    if name not in ("api_key", "base_url", "allow_insecure_http"):
        assert refusal(MeliousClient(api_key=KEY).with_options, **{name: value}) == expected
    for kind in CLASSES:
        if kind.__name__ in FIXED_TO_CLASSES.get(name, {kind.__name__}):
            assert refusal(kind, model="m", **arguments(name, value)) == expected, kind
            made = kind(model="m", api_key=KEY)
            if hasattr(kind, "with_options"):
                assert refusal(made.with_options, **{name: value}) == expected, kind
            assert refusal(lambda made=made: setattr(made, name, value)) == expected, kind


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (option.name, value)
        for option in OPTIONS
        if option.scope != "client"
        for value in WRONG[option.name]
        if value is not None
    ],
    ids=str,
)
def test_a_call_refuses_what_a_client_refuses(name: str, value: object) -> None:
    client = MeliousClient(api_key=KEY, base_url="http://127.0.0.1:9/v1")  # nothing is sent
    of_chat, of_embeddings = CALLS[:1], CALLS[1:2]
    calls = {
        "stream_impact": of_chat,
        "merge_system_messages": of_chat,
        "convert_documents": of_chat,
        "blank_texts": of_embeddings,
    }.get(name, CALLS)
    errors = {refusal(call, client=client, **{name: value}) for call in calls}
    if name in ("extra_headers", "on_retry"):
        assert len(errors) == 1
    else:
        assert errors == {refusal(MeliousClient, **arguments(name, value))}
    for kind, call in CALLS_OF_CLASSES.items():
        if kind.__name__ in FIXED_TO_CLASSES.get(name, {kind.__name__}):
            made = kind(model="m", api_key=KEY, base_url="http://127.0.0.1:9/v1")
            if kind is not llama_index.MeliousEmbedding or name in kind.model_fields:
                assert refusal(partial(call, made), **{name: value}) in errors, kind


@pytest.mark.parametrize("name", sorted(CLIENT_ONLY))
def test_a_call_cannot_change_what_the_client_is_made_from(name: str) -> None:
    client = MeliousClient(api_key=KEY, base_url="http://127.0.0.1:9/v1")
    for call in CALLS:
        assert f"unknown argument {name!r}" in refusal(call, client=client, **{name: WRONG[name][0]})[0]
