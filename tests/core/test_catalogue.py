"""The shipped model data: what it says of a model, and that it says nothing it does not know."""

import json
import pickle
from decimal import Decimal
from importlib import resources

import pytest

from melious.catalogue import all_models, find
from melious.routing.filters import FLAVORS


@pytest.mark.parametrize("flavor", sorted(FLAVORS))
def test_a_flavor_suffix_names_the_same_model(flavor):
    assert find(f"glm-4.7:{flavor}") is find("glm-4.7")


@pytest.mark.parametrize(
    "model", ["glm-4.7:fast", "glm-4.7:", ":eco", "qwen-3.8-27b", "mistral-small-latest", ""]
)
def test_an_unknown_name_or_suffix_is_no_model(model):
    assert find(model) is None


@pytest.mark.parametrize(
    ("model", "kind", "context", "dimensions"),
    [
        ("gpt-oss-120b", "chat", 131_072, None),
        ("qwen3-32b", "chat", 131_072, None),
        ("kimi-k3", "chat", 1_048_576, None),
        ("bge-m3", "embeddings", 8192, 1024),
        ("bge-base-en-v1.5", "embeddings", 512, 768),
        ("qwen3-embedding-8b", "embeddings", 32_768, 4096),
        ("bge-reranker-v2-m3", "rerank", 8192, None),
        ("flux-schnell", "image", None, None),
        ("whisper-large-v3-turbo", "audio", None, None),
    ],
)
def test_what_a_model_is(model, kind, context, dimensions):
    card = find(model)
    assert card is not None
    assert (card.type, card.context_length, card.dimensions) == (kind, context, dimensions)


def test_prices_are_exact_and_missing_ones_stay_missing():
    assert find("glm-5.3").pricing == (Decimal(1), Decimal(3), Decimal("0.2"))
    assert find("bge-m3").pricing == (Decimal("0.01"), None, None)
    assert find("glm-5.1").pricing == (None, None, None)
    assert "pricing" not in find("glm-5.1").to_meta()


@pytest.mark.parametrize(
    ("model", "modality", "taken"),
    [
        ("gemma-4-31b", "image", True),
        ("qwen3-vl-235b-a22b-instruct", "image", True),
        ("glm-4.7", "image", False),
        ("hermes-4-405b", "image", False),
        ("voxtral-small-24b-2507", "audio", True),
        ("gemma-4-31b", "audio", False),
        ("kimi-k3", "video", True),
        ("glm-4.7", "text", True),
    ],
)
def test_what_a_model_takes(model, modality, taken):
    assert find(model).takes(modality) is taken


def test_the_vision_flag_alone_is_enough_for_images():
    flagged = [card for card in all_models() if card.supports("vision")]
    unflagged = [
        card for card in all_models() if "image" in card.input_modalities and not card.supports("vision")
    ]
    assert flagged
    assert unflagged, "the service flags few of the models that take images, and so does this data"
    assert all(card.takes("image") for card in flagged + unflagged)


def test_thinking_is_known_by_type_where_the_flag_is_missing():
    card = find("deepseek-v4-pro")
    assert not card.supports("reasoning")
    assert card.reasons
    assert not find("llama-3.3-70b-instruct").reasons


def test_meta_has_the_form_of_the_wire():
    assert find("glm-4.7").to_meta() == {
        "type": "chat",
        "display_name": "GLM 4.7",
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "capabilities": {"streaming": True, "function_calling": True, "reasoning": True},
        "context_length": 131_072,
        "max_output_tokens": 16_384,
        "reasoning_type": "hybrid",
        "pricing": {
            "input_cost_per_million_eur": 0.8,
            "output_cost_per_million_eur": 2.9,
            "currency": "EUR",
        },
    }
    image = find("flux-dev").to_meta()
    assert "context_length" not in image
    assert image["output_modalities"] == ["image"]
    assert find("glm-5.1").to_meta()["max_output_tokens"] is None


def test_an_alias_can_be_named_but_is_not_listed():
    assert find("dall-e-3") is not None
    assert "dall-e-3" not in {card.id for card in all_models()}
    assert {card.id for card in all_models() if not card.served} == {"deepseek-v4-flash"}


def test_the_file_holds_each_model_once_on_a_line_with_known_sources():
    text = resources.files("melious.catalogue").joinpath("models.json").read_text(encoding="utf-8")
    data = json.loads(text)
    ids = [entry["id"] for entry in data["models"]]
    assert len(ids) == len(set(ids))
    assert all(entry["sources"] and set(entry["sources"]) <= set(data["sources"]) for entry in data["models"])
    assert sum(line.lstrip().startswith('{"id"') for line in text.splitlines()) == len(ids)
    embeddings = [card for card in all_models() if card.type == "embeddings"]
    assert all(card.dimensions and card.context_length for card in embeddings)


def test_a_card_can_be_pickled():
    card = find("glm-5.3")
    assert pickle.loads(pickle.dumps(card)) == card
