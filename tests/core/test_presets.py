"""Presets, flavors and models that look misspelt, and presets that do nothing: told once."""

import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from melious import InvalidArgumentError, MeliousClient, ModelNotFoundError, track_impact
from melious._stacklevel import warn_once
from melious.routing.filters import check_preset, flavored, routing_preference
from melious.sandbox import Sandbox

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, Clients

ASK: dict[str, Any] = {"model": CHAT, "messages": QUESTION}
KEY = "sk-mel-x"


@pytest.fixture
def told() -> Iterator[list[warnings.WarningMessage]]:
    """Every warning of a test."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


# --- presets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "meant"),
    [
        ("speeed", "'speed'"),
        ("Speed", "'speed'"),
        (" speed ", "'speed'"),
        ("ENVIRONMENT", "'environment'"),
        ("enviroment", "'environment'"),
        ("qualty", "'quality'"),
        ("balance", "'balanced'"),
        ("non-reasoning", "'non_reasoning'"),
        ("fastest", "'speed'"),
        ("green", "'environment'"),
        ("Cheap", "'price'"),
        ("eco", "flavor='eco'"),
        ("batch", "flavor='batch'"),
    ],
)
def test_a_preset_that_looks_misspelt_is_told_once_and_sent(
    clients: Clients, sandbox: Sandbox, told: Any, preset: str, meant: str
) -> None:
    client = clients.client(sandbox, preset=preset)
    for _ in range(3):
        clients.call(client, "chat.create", **ASK)
    clients.call(clients.client(sandbox), "embeddings.create", model=EMBEDDINGS, input="a", preset=preset)
    (warning,) = told
    assert warning.category is UserWarning
    assert str(warning.message) == (
        f"preset: {preset!r} is not a known preset and is sent unchanged; did you mean {meant}?"
    )
    assert warning.filename.endswith("clients.py"), "the line that calls the client"
    assert [request.body["preset"] for request in sandbox.requests] == [preset] * 4


@pytest.mark.parametrize("preset", ["gpu_h200", "x", "something newer"])
def test_a_preset_unlike_any_other_is_sent_in_silence(
    clients: Clients, sandbox: Sandbox, preset: str
) -> None:
    clients.call(clients.client(sandbox, preset=preset), "chat.create", **ASK)
    assert sandbox.requests[-1].body["preset"] == preset


@pytest.mark.parametrize("preset", ["", "  ", 5, ["speed"], True])
def test_what_cannot_be_a_preset_is_refused(
    clients: Clients, client: Any, sandbox: Sandbox, preset: Any
) -> None:
    for make in (
        lambda: clients.client(sandbox, preset=preset),
        lambda: clients.call(client, "chat.create", **ASK, preset=preset),
    ):
        with pytest.raises(InvalidArgumentError, match="preset: must be a word"):
            make()
    assert len(sandbox.requests) == 0


def test_a_warning_points_at_the_line_of_the_caller() -> None:
    with pytest.warns(UserWarning, match="did you mean 'speed'") as caught:
        MeliousClient(api_key=KEY, preset="sped")
    assert {warning.filename for warning in caught} == {__file__}


def test_one_of_many_threads_tells(told: Any) -> None:
    gate = threading.Barrier(8)

    def tell() -> None:
        gate.wait()
        check_preset("speeed")

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(tell) for _ in range(8)]:
            each.result()
    assert len(told) == 1


def test_words_of_many_users_do_not_fill_the_memory(told: Any) -> None:
    for number in range(1000):
        warn_once(f"word {number}")
    assert len(told) == 256


# --- flavors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flavor", "hint"),
    [
        ("ecco", "; did you mean 'eco'?"),
        ("ECO", "; did you mean 'eco'?"),
        ("environment", "; did you mean 'eco'?"),
        ("speeed", "; did you mean 'speed'?"),
        ("green", "; did you mean 'eco'?"),
        ("fast", "; did you mean 'speed'?"),
        ("violet", ""),
        ("", ""),
        (3, ""),
        (["eco"], ""),
    ],
)
def test_a_wrong_flavor_is_an_error_with_the_one_that_was_meant(flavor: Any, hint: str) -> None:
    said = f"flavor: must be one of balanced, batch, eco, price, speed, not {flavor!r}{hint}"
    for make in (
        lambda: flavored("glm-4.7", flavor),
        lambda: MeliousClient(api_key=KEY, flavor=flavor),
        lambda: MeliousClient(api_key=KEY, base_url="http://127.0.0.1:1").chat.create(**ASK, flavor=flavor),
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            make()
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        (f"{CHAT}:ecco", f"{CHAT}:eco"),
        (f"{CHAT}:ECO", f"{CHAT}:eco"),
        (f"{CHAT}:spede", f"{CHAT}:speed"),
        (f"{CHAT}:environment", f"{CHAT}:eco"),
        (f"vendor:{CHAT}:balance", f"vendor:{CHAT}:balanced"),
    ],
)
def test_a_model_whose_end_looks_like_a_flavor_is_told_once_and_sent(
    clients: Clients, client: Any, sandbox: Sandbox, told: Any, model: str, meant: str
) -> None:
    for _ in range(2):
        with pytest.raises(ModelNotFoundError):
            clients.call(client, "chat.create", model=model, messages=QUESTION)
    (warning,) = told
    assert str(warning.message).endswith(f"stays part of the name; did you mean '{meant}'?")
    assert [request.body["model"] for request in sandbox.requests] == [model] * 2


@pytest.mark.parametrize("end", ["free", "latest", "8b", "5000/model", "beta", "v1", "nitro", ""])
def test_another_end_of_a_model_is_sent_in_silence(clients: Clients, client: Any, end: str) -> None:
    with pytest.raises(ModelNotFoundError):
        clients.call(client, "chat.create", model=f"{CHAT}:{end}", messages=QUESTION)


# --- a preset beside a flavor ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "held"),
    [
        ({"model": "m:eco", "preset": "speed"}, "eco"),
        ({"model": "m:eco"}, "eco"),
        ({"model": "m", "preset": "speed"}, "speed"),
        ({"model": "m:other", "preset": "speed"}, "speed"),
        ({"model": "m"}, None),
        ({"preset": 5}, None),
        ({"model": 5, "preset": ""}, None),
        ({}, None),
    ],
)
def test_the_flavor_wins(body: dict[str, Any], held: str | None) -> None:
    assert routing_preference(body) == held


EVERY: list[tuple[str, dict[str, Any]]] = [
    ("chat.create", ASK),
    ("embeddings.create", {"model": EMBEDDINGS, "input": ["a", "b"], "batch_size": 1}),
    ("rerank.create", {"model": RERANK, "query": "q", "documents": ["a"]}),
    ("images.generate", {"model": IMAGES, "prompt": "p", "size": "64x64"}),
    ("audio.transcribe", {"model": AUDIO, "file": "a.wav"}),
]


@pytest.mark.parametrize(("name", "params"), EVERY, ids=[name for name, _ in EVERY])
@pytest.mark.parametrize("how", ["suffix", "flavor", "client", "extra_body"])
def test_the_ledger_says_the_routing_that_held_and_the_idle_preset_is_told_once(
    clients: Clients,
    sandbox: Sandbox,
    told: Any,
    wav: bytes,
    name: str,
    params: dict[str, Any],
    how: str,
) -> None:
    params = dict(params)
    if "file" in params:
        params["file"] = ("a.wav", wav)
    options: dict[str, Any] = {"preset": "speed"}
    if how == "suffix":
        params["model"] += ":eco"
    elif how == "flavor":
        params["flavor"] = "eco"
    elif how == "client":
        options["flavor"] = "eco"
    else:
        options["extra_body"] = {"model": f"{params['model']}:eco"}
    client = clients.client(sandbox, **options)
    with track_impact() as ledger:
        for _ in range(2):
            clients.call(client, name, **params)
    assert [str(warning.message) for warning in told] == [
        "preset: 'speed' has no effect with the flavor 'eco' of the model, which takes precedence"
    ]
    assert list(ledger.by("routing")) == ["eco"]
    assert {(body["model"], body["preset"]) for body in (each.body for each in sandbox.requests)} == {
        (f"{params['model'].removesuffix(':eco')}:eco", "speed")
    }


def test_each_pair_is_told_once(clients: Clients, client: Any, told: Any) -> None:
    for flavor in ("eco", "price", "eco"):
        for preset in ("speed", "quality", "price"):
            clients.call(client, "chat.create", **ASK, flavor=flavor, preset=preset)
    assert len({str(warning.message) for warning in told}) == len(told) == 5, "price is price either way"


def test_a_stream_says_the_routing_that_held(clients: Clients, client: Any) -> None:
    with pytest.warns(UserWarning, match="has no effect"), track_impact() as ledger:
        assert clients.stream(client, **ASK, flavor="eco", preset="speed").text
    assert list(ledger.by("routing")) == ["eco"]
