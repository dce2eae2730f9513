"""What LangChain users are told of a model before anything is sent: its kind, its name, efforts, images."""

import base64
import pickle
import warnings

import pytest
from langchain_core.messages import HumanMessage

from langchain_melious import ChatMelious, MeliousEmbeddings, MeliousRerank
from langchain_melious.chat.profiles import profile_of
from melious import BadRequestError, InvalidArgumentError, ModelNotFoundError

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


@pytest.mark.parametrize(
    ("model", "instead"),
    [("bge-m3", "MeliousEmbeddings"), ("bge-reranker-v2-m3", "MeliousRerank"), ("flux-dev", "MeliousImageG")],
)
def test_a_model_of_another_kind_cannot_chat(way, chat, sandbox, model, instead):
    llm = chat(model)
    with pytest.raises(InvalidArgumentError, match=f"not a chat model.*{instead}"):
        way.invoke(llm, "Hello")
    with pytest.raises(InvalidArgumentError, match="not a chat model"):
        way.stream(llm, "Hello")
    with pytest.raises(InvalidArgumentError, match="not a chat model"):
        way.invoke(chat(), "Hello", model=model)
    assert not sandbox.requests


def test_a_chat_model_neither_embeds_nor_reranks(way, embeddings, rerank, sandbox):
    with pytest.raises(
        InvalidArgumentError, match=r"glm-4\.7 is a chat model, not an embeddings model.*ChatMelious"
    ):
        way.call(embeddings("glm-4.7"), "embed_query", "Hello")
    with pytest.raises(
        InvalidArgumentError, match=r"glm-4\.7 is a chat model, not a rerank model.*ChatMelious"
    ):
        way.call(rerank("glm-4.7"), "rerank", ["Hello"], "hello")
    assert not sandbox.requests


@pytest.mark.parametrize("kind", [ChatMelious, MeliousEmbeddings, MeliousRerank])
def test_objects_of_any_name_are_made_copied_and_pickled(kind):
    made = kind(model="bge-m3", api_key="sk-mel-test")
    assert pickle.loads(pickle.dumps(made)).model == "bge-m3"
    assert made.model_copy(update={"model": "glm4.7"}).model == "glm4.7"
    assert kind.model_construct(model="flux-dev").model == "flux-dev"


def test_a_name_that_is_nearly_one_is_told_before_and_after(way, chat, sandbox):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            with pytest.raises(ModelNotFoundError, match=r"Did you mean glm-4\.7\?"):
                way.invoke(chat("GLM4.7"), "Hello")
    assert [str(warning.message) for warning in told] == [
        "model: 'GLM4.7' is not a known model; did you mean 'glm-4.7'?"
    ]
    assert len(sandbox.requests) == 2


def test_efforts_are_those_that_the_model_takes(way, chat, sandbox):
    levels = {
        name: profile_of(name).get("reasoning_effort_levels")
        for name in (
            "qwen3.8-max",
            "qwen3.8-27b:eco",
            "gpt-oss-120b",
            "glm-5.3",
            "glm-5.1",
            "llama-3.3-70b-instruct",
        )
    }
    assert levels == {
        "qwen3.8-max": ["minimal", "low", "medium"],
        "qwen3.8-27b:eco": ["none", "minimal", "low", "medium"],
        "gpt-oss-120b": ["low", "medium", "high"],
        "glm-5.3": ["none", "low", "medium", "high"],
        "glm-5.1": ["low", "medium", "high"],
        "llama-3.3-70b-instruct": None,
    }
    with pytest.raises(
        InvalidArgumentError, match=r"reasoning_effort: qwen3\.8-max refuses 'high'; it takes"
    ):
        way.invoke(chat("qwen3.8-max", reasoning_effort="high"), "Hello")
    assert not sandbox.requests
    assert way.invoke(chat("qwen3.8-max", reasoning_effort="low"), "Hello").content


def test_a_model_that_refuses_images_does_not_promise_them(way, chat):
    assert "image_inputs" not in chat("gemma-4-31b").profile
    assert chat("glm-5.3-flash").profile["image_inputs"] is True
    seen = [
        HumanMessage(
            [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PNG}}]
        )
    ]
    with (
        pytest.warns(UserWarning, match="gemma-4-31b is listed as a model for images, but refused"),
        pytest.raises(BadRequestError, match="an image, which gemma-4-31b does not take"),
    ):
        way.invoke(chat("gemma-4-31b", max_retries=0), seen)
