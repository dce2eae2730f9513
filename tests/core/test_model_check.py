"""What is said of a model before a request is sent: wrong kinds, near names, efforts, images that it refuses."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest

from melious import (
    BadRequestError,
    InvalidArgumentError,
    MeliousClient,
    MeliousError,
    ModelNotFoundError,
)
from melious.endpoints.model_check import check_effort, check_model_fits, warn_about_images
from melious.sandbox import Fault, Sandbox
from melious.settings.base_url import is_of_service

from .clients import AUDIO, CHAT, EMBEDDINGS, IMAGES, QUESTION, RERANK, VISION, Clients
from .pictures import png_url
from .test_models_find import listed

IMAGE = {"type": "image_url", "image_url": {"url": png_url()}}
SEEN = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}]
ARGUMENTS: dict[str, dict[str, Any]] = {
    "chat.create": {"messages": QUESTION},
    "embeddings.create": {"input": ["a"]},
    "rerank.create": {"query": "a", "documents": ["a"]},
    "images.generate": {"prompt": "a"},
    "audio.transcribe": {"file": ("a.mp3", b"ID3")},
}
FITTING = dict(zip(ARGUMENTS, (CHAT, EMBEDDINGS, RERANK, IMAGES, AUDIO), strict=True))
CLASS = {
    CHAT: "ChatMelious",
    EMBEDDINGS: "MeliousEmbeddings",
    RERANK: "MeliousRerank",
    IMAGES: "MeliousImageGenerator",
    AUDIO: "MeliousAudioParser",
}


@pytest.fixture
def client(clients: Clients, sandbox: Sandbox) -> Any:
    return clients.client(sandbox)


def ask(clients: Clients, client: Any, name: str, **more: Any) -> Any:
    return clients.call(client, name, **(ARGUMENTS.get(name, {}) | more))


# --- wrong kinds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "model"), [(name, model) for name in FITTING for model in CLASS if FITTING[name] != model]
)
def test_a_model_of_another_kind_is_refused_before_it_is_sent(
    clients: Clients, client: Any, sandbox: Sandbox, name: str, model: str
) -> None:
    for written in (model, f"{model}:eco"):
        with pytest.raises(InvalidArgumentError) as caught:
            ask(clients, client, name, model=written)
        assert caught.value.param == "model"
        said = str(caught.value)
        assert CLASS[model] in said, "which class to use instead"
        assert "use a model such as" in said
        assert "extra_body" in said
    assert not sandbox.requests


def test_streams_are_checked_too(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidArgumentError, match=r"bge-m3 is an embeddings model, not a chat model\."):
        clients.stream(client, model=EMBEDDINGS, messages=QUESTION)
    assert not sandbox.requests


def test_extra_body_sends_it_anyway_and_the_refusal_names_the_class(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    with pytest.raises(BadRequestError, match="bge-m3 is an embeddings model: use MeliousEmbeddings"):
        ask(clients, client, "chat.create", model=CHAT, extra_body={"model": EMBEDDINGS})
    with pytest.raises(BadRequestError):
        ask(clients, client, "chat.create", model=EMBEDDINGS, extra_body={"model": EMBEDDINGS})
    assert [request.body["model"] for request in sandbox.requests] == [EMBEDDINGS] * 2


def test_a_model_that_hears_may_transcribe(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(endpoint="audio", body={"text": "Hello."}))
    told = ask(clients, client, "audio.transcribe", model="voxtral-small-24b-2507")
    assert told.text == "Hello."


def test_what_the_service_lists_goes_before_what_is_shipped(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(
        listed(**{EMBEDDINGS: {"_meta": {"type": "chat"}}, "brand-new": {"_meta": {"type": "rerank"}}})
    )
    clients.call(client, "models.find")
    with pytest.raises(InvalidArgumentError, match="brand-new is a rerank model, not a chat model"):
        ask(clients, client, "chat.create", model="brand-new")
    with pytest.raises(BadRequestError, match="does not serve"):
        ask(clients, client, "chat.create", model=EMBEDDINGS)  # the list says chat, so it is sent


@pytest.mark.parametrize("kind", ["guardrail", "video", None])
def test_types_that_the_service_adds_fit_everywhere(
    clients: Clients, client: Any, sandbox: Sandbox, kind: str | None
) -> None:
    sandbox.faults.add(listed(watchful={"_meta": {"type": kind}}))
    clients.call(client, "models.find")
    with pytest.raises(ModelNotFoundError):
        ask(clients, client, "chat.create", model="watchful")


FOREIGN = "https://llm.example.com/v1"


def test_the_names_of_other_servers_may_mean_anything() -> None:
    check_model_fits("bge-m3", "chat", FOREIGN)
    check_model_fits("GLM-4.7", "chat", FOREIGN)
    check_effort("qwen3.8-max", "high", FOREIGN)
    warn_about_images("gemma-4-31b", FOREIGN)
    with pytest.raises(InvalidArgumentError):
        check_model_fits("bge-m3", "chat", "https://api.melious.ai/v1")


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://api.melious.ai/v1", True),
        ("https://melious.ai/v1", True),
        ("http://127.0.0.1:8080/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://localhost/v1", True),
        ("https://melious.ai.example.com/v1", False),
        ("https://notmelious.ai/v1", False),
        ("http://10.0.0.1/v1", False),
    ],
)
def test_whose_server_it_is(url: str, ours: bool) -> None:
    assert is_of_service(url) is ours


# --- near names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("glm4.7", "did you mean 'glm-4.7'?"),
        ("GLM-4.7:eco", "did you mean 'glm-4.7'?"),
        ("qwen-3.8-27b", "did you mean 'qwen3.8-27b'?"),
        ("deepseek-v4-flsh", "'deepseek-v4-flash-0731'"),
    ],
)
def test_a_name_near_a_known_one_is_warned_about_once_and_sent(
    clients: Clients, client: Any, sandbox: Sandbox, written: str, meant: str
) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(3):
            with pytest.raises(ModelNotFoundError):
                ask(clients, client, "chat.create", model=written)
    assert len(told) == 1
    assert meant in str(told[0].message)
    assert told[0].filename.endswith("clients.py"), "the line that calls the client"
    assert [request.body["model"] for request in sandbox.requests] == [written] * 3


@pytest.mark.parametrize("written", ["glm-5.4", "glm-4.7-flash", "qwen3.9-max", "my-model", "glm47:free"])
def test_a_name_that_may_be_new_is_sent_without_a_word(
    clients: Clients, client: Any, sandbox: Sandbox, written: str
) -> None:
    body = {"choices": [{"message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}]}
    sandbox.faults.add(Fault(body=body))
    assert ask(clients, client, "chat.create", model=written).text == "Hello!"


def test_near_names_are_those_that_the_service_lists(clients: Clients, client: Any, sandbox: Sandbox) -> None:
    sandbox.faults.add(listed(**{"brand-new-1": {"_meta": {"type": "chat"}}}))
    clients.call(client, "models.find")
    with pytest.warns(UserWarning, match="did you mean 'brand-new-1'"), pytest.raises(ModelNotFoundError):
        ask(clients, client, "chat.create", model="Brand New 1")
    with pytest.raises(ModelNotFoundError) as caught:
        ask(clients, client, "chat.create", model="GLM4.7")
    assert "Did you mean" not in str(caught.value), "the service does not list it"


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        ("chat.create", "gpt-oss-12b", "Did you mean gpt-oss-120b or gpt-oss-20b?"),
        ("embeddings.create", "bge-m4", "Did you mean bge-m3"),
        ("rerank.create", "bge-reranker-v3-m3", "Did you mean bge-reranker-v2-m3?"),
        ("images.generate", "flux-pro", "Did you mean flux-"),
    ],
)
def test_the_404_names_what_is_near(
    clients: Clients, client: Any, name: str, written: str, meant: str
) -> None:
    with pytest.raises(ModelNotFoundError, match=re.escape(meant)) as caught:
        ask(clients, client, name, model=written)
    assert "`melious models`" in str(caught.value)


def test_a_look_up_of_a_model_names_what_is_near(clients: Clients, client: Any) -> None:
    with pytest.raises(ModelNotFoundError, match=r"Did you mean glm-4\.7\?"):
        clients.call(client, "models.retrieve", "GLM4.7")


def test_a_404_without_anything_near_says_how_to_list_models(clients: Clients, client: Any) -> None:
    with pytest.raises(ModelNotFoundError, match="`melious models`") as caught:
        ask(clients, client, "chat.create", model="gpt-4o")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("meta", [{}, {"_meta": {"type": "chat"}}])
def test_a_list_without_types_has_near_names_too(
    clients: Clients, client: Any, sandbox: Sandbox, meta: dict[str, Any]
) -> None:
    sandbox.faults.add(listed(**{"brand-new-1": meta, "deepseek-v4-flash": {}}))
    clients.call(client, "models.find")
    for written, meant in (("BRAND_NEW_1", "brand-new-1"), ("deepseek-v4-flsh", "deepseek-v4-flash")):
        with pytest.warns(UserWarning, match=f"did you mean '{meant}'"), pytest.raises(ModelNotFoundError):
            ask(clients, client, "chat.create", model=written)


def test_a_known_name_that_is_not_there_is_not_suggested(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(status=404, body={"error": {"message": "no", "code": "model_not_found"}}))
    with pytest.raises(ModelNotFoundError, match=r"Did you mean glm-5\.3-flash, ") as caught:
        ask(clients, client, "chat.create", model="glm-5.3")
    assert "glm-5.3," not in str(caught.value)


@pytest.mark.parametrize("name", ["\ud800", 'my"model', "a\nb", "\0", "x" * 100_000])
def test_names_that_no_model_has_end_in_errors_of_this_library(
    clients: Clients, client: Any, name: str
) -> None:
    with pytest.raises(MeliousError):
        ask(clients, client, "chat.create", model=name)


# --- efforts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["qwen3.8-max", "qwen3.8-27b:eco"])
def test_an_effort_that_a_model_refuses_is_refused_before_it_is_sent(
    clients: Clients, client: Any, sandbox: Sandbox, model: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"'minimal', 'low' or 'medium'\. To send it") as caught:
        ask(clients, client, "chat.create", model=model, reasoning_effort="high")
    assert caught.value.param == "reasoning_effort"
    with pytest.raises(InvalidArgumentError):
        clients.stream(client, model=model, messages=QUESTION, reasoning_effort="high")
    assert not sandbox.requests
    with pytest.raises(BadRequestError, match="seen to refuse"):
        ask(clients, client, "chat.create", model=model, extra_body={"reasoning_effort": "high"})
    assert sandbox.requests[0].body["reasoning_effort"] == "high"


@pytest.mark.parametrize(
    ("model", "effort"),
    [("qwen3.8-max", "low"), ("qwen3.8-27b", "none"), ("glm-5.3", "xhigh"), ("glm-4.7", "anything")],
)
def test_other_efforts_are_passed_through(
    clients: Clients, client: Any, sandbox: Sandbox, model: str, effort: str
) -> None:
    ask(clients, client, "chat.create", model=model, reasoning_effort=effort)
    assert sandbox.requests[0].body["reasoning_effort"] == effort


def test_what_measurements_disagree_on_is_sent_and_its_refusal_explained(
    clients: Clients, client: Any
) -> None:
    with pytest.raises(
        BadRequestError, match=r"reasoning_effort='none', which qwen3\.8-max was seen to refuse"
    ):
        ask(clients, client, "chat.create", model="qwen3.8-max", reasoning_effort="none")


def test_an_effort_that_is_no_text_is_left_to_the_service(clients: Clients, client: Any) -> None:
    with pytest.raises(BadRequestError):
        ask(clients, client, "chat.create", model="qwen3.8-max", reasoning_effort=["high"])


# --- images ------------------------------------------------------------------------------------------------


def test_images_for_a_model_that_refuses_them_are_warned_about_once(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            with pytest.raises(BadRequestError, match="an image, which gemma-4-31b does not take"):
                ask(clients, client, "chat.create", model="gemma-4-31b", messages=SEEN, max_retries=0)
    assert len(told) == 1
    assert "gemma-4-31b is listed as a model for images, but refused" in str(told[0].message)
    assert VISION in str(told[0].message)
    assert len(sandbox.requests) == 2


def test_where_no_other_model_takes_images_none_is_named(
    clients: Clients, client: Any, sandbox: Sandbox
) -> None:
    meta = {"_meta": {"type": "chat", "input_modalities": ["text", "image"]}}
    sandbox.faults.add(listed(**{"gemma-4-31b": meta}))
    assert [card.vision for card in clients.call(client, "models.find")] == [None]
    with (
        pytest.warns(UserWarning, match="but refused them when it was tried$"),
        pytest.raises(BadRequestError),
    ):
        ask(clients, client, "chat.create", model="gemma-4-31b", messages=SEEN, max_retries=0)


def test_text_for_it_and_images_for_others_are_sent_without_a_word(clients: Clients, client: Any) -> None:
    ask(clients, client, "chat.create", model="gemma-4-31b")
    ask(clients, client, "chat.create", model="gemma-4-31b:speed", messages=SEEN)
    ask(clients, client, "chat.create", model="gemma-4-31b", flavor="speed", messages=SEEN)
    ask(clients, client, "chat.create", model=VISION, messages=SEEN)


# --- lists that say little -----------------------------------------------------------------------------------


def test_find_says_how_many_models_have_no_type(
    clients: Clients, client: Any, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.faults.add(listed(**{"something": {}, "else": {}, "glm-4.7": {}}))
    assert [card.id for card in clients.call(client, "models.find", type="chat")] == ["glm-4.7"]
    assert "leaves out 2 of 3 models" in caplog.text
    caplog.clear()
    assert len(clients.call(client, "models.find")) == 3
    assert not caplog.records


def test_each_model_is_checked_once(sandbox: Sandbox) -> None:
    from melious.endpoints import common

    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        for _ in range(3):
            client.chat.create(model="glm-4.7:eco", messages=QUESTION)
    assert len(common._fitting) == 1


@pytest.mark.parametrize(
    "name",
    ["glm-5v", "glm-4.7v", "glm-5.3-flashx", "kimi-k3t", "nemotron-3-micro-30b-a3b", "gemma-3-27b-pt"],
)
def test_a_name_with_more_or_with_another_word_may_be_a_new_model(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_model_fits(name, "chat", "https://api.melious.ai/v1")


@pytest.mark.parametrize("name", ["BGE-M3", "bge_m3", "bge-m3 "])
def test_a_near_name_of_another_kind_is_said_to_be_that(name: str) -> None:
    with pytest.warns(UserWarning, match="did you mean 'bge-m3', which is an embeddings model"):
        check_model_fits(name, "chat", "https://api.melious.ai/v1")
