"""The shipped cards against what callers measured on the live service between August and October 2026."""

from decimal import Decimal

import pytest

from melious.catalogue import Selection, all_models, find
from melious.catalogue.quirks import quirks_of

# Model: EUR per million tokens for input, output and cache reads; "-" was not published.
PRICES = """
glm-5.3                        1.00  3.00   0.20
glm-5.3-flash                  0.10  0.40   0.02
deepseek-v4.1-flash            0.20  1.00   0.01
kimi-k3                        2.80  14.00  0.70
kimi-k2.7-code                 0.70  3.50   0.20
qwen3.8-max                    2.25  5.40   0.57
qwen3.8-27b                    0.40  2.40   0.10
gpt-oss-120b                   0.04  0.20   -
voxtral-small-24b-2507         0.15  0.35   -
bge-m3                         0.01  -      -
mistral-small-4-119b-instruct  0.15  0.60   -
gemma-4-31b                    0.10  0.30   -
muse-glimmer                   0.20  1.00   -
"""

CONTEXTS = {
    "glm-5.3": 1_000_000,
    "glm-5.3-flash": 1_000_000,
    "glm-5.2": 1_000_000,
    "deepseek-v4.1-flash": 1_000_000,
    "deepseek-v4-flash": 1_000_000,
    "deepseek-v4-flash-0731": 1_000_000,
    "deepseek-v4-pro": 1_000_000,
    "deepseek-v4-pro-0813": 1_000_000,
    "kimi-k3": 1_048_576,
    "minimax-m3": 1_048_576,
    "nemotron-3-nano-30b-a3b": 1_048_576,
    "kimi-k2.7-code": 262_144,
    "qwen3.8-27b": 262_144,
    "gemma-4-31b": 262_144,
    "devstral-2-123b-instruct-2512": 262_144,
    "qwen3.8-max": 256_000,
    "minimax-m2.7": 204_800,
    "muse-glimmer": 131_072,
}

OUTPUTS = {"deepseek-v4.1-flash": 393_216, "kimi-k3": 1_000_000}

READ_IMAGES = [
    "glm-5.3-flash",
    "qwen3.8-27b",
    "kimi-k2.7-code",
    "deepseek-v4.1-flash",
    "muse-glimmer",
    "kimi-k3",
    "qwen3.5-9b",
]
TEXT_ONLY = ["hermes-4-405b", "hermes-4-70b", "qwen3.8-max"]

LISTED = """
glm-5.3 glm-5.3-flash glm-5.2 glm-5.1 glm-5 glm-4.7
deepseek-v4.1-flash deepseek-v4-flash-0731 deepseek-v4-pro deepseek-v4-pro-0813 deepseek-v4-flash
kimi-k3 kimi-k2.5 kimi-k2.6 kimi-k2.7-code minimax-m2.5 minimax-m2.7 minimax-m3
qwen3.8-max qwen3.8-27b qwen3.6-27b qwen3.6-35b-a3b qwen3.5-9b qwen3.5-122b-a10b qwen3.5-397b-a17b
qwen3-coder-next qwen3-next-80b-a3b-thinking qwen3-235b-a22b-instruct qwen3-30b-a3b-instruct qwen3-32b
qwen3-vl-235b-a22b-instruct qwen2.5-vl-72b-instruct gemma-4-26b-a4b gemma-4-31b gemma-3-27b-it
mistral-small-4-119b-instruct mistral-medium-3.5-128b mistral-small-3.2-24b-instruct
devstral-2-123b-instruct-2512 pixtral-12b-2409 hermes-4-405b hermes-4-70b llama-3.1-8b-instruct
llama-3.1-405b-instruct llama-3.3-70b-instruct nemotron-3-nano-30b-a3b nemotron-3-super-120b-a12b
holo2-30b-a3b muse-glimmer apertus-70b gpt-oss-120b gpt-oss-20b deepseek-r1-0528 deepseek-v3.1
deepseek-v3.2 voxtral-small-24b-2507 whisper-large-v3 whisper-large-v3-turbo bge-m3 bge-large-en-v1.5
bge-multilingual-gemma2 multilingual-e5-large multilingual-e5-large-instruct
paraphrase-multilingual-mpnet qwen3-embedding-8b flux-2-klein-9b qwen-image bge-reranker-v2-m3
"""


@pytest.mark.parametrize("line", PRICES.split("\n")[1:-1], ids=lambda line: line.split()[0])
def test_prices_are_those_that_were_billed(line):
    name, *prices = line.split()
    assert find(name).pricing == tuple(None if price == "-" else Decimal(price) for price in prices)


@pytest.mark.parametrize(("name", "tokens"), CONTEXTS.items())
def test_contexts_are_those_of_the_weights(name, tokens):
    assert find(name).context_length == tokens


@pytest.mark.parametrize(("name", "tokens"), OUTPUTS.items())
def test_outputs_are_those_that_were_accepted(name, tokens):
    assert find(name).max_output_tokens == tokens


def test_models_that_were_seen_to_read_images_take_them():
    assert [name for name in READ_IMAGES if find(name).vision is not True] == []
    assert [name for name in TEXT_ONLY if find(name).vision is not False] == []


def test_every_model_of_the_live_list_has_a_card():
    assert [name for name in LISTED.split() if find(name) is None] == []
    assert find("qwen-3.8-27b") is None, "the id that was tried and is 404"


def test_the_cheapest_model_for_images_is_found():
    cards = Selection(type="chat", vision=True, order_by="price").of(all_models())
    assert cards[0].id == "glm-5.3-flash"


# --- where sources disagree, and models are not as listed ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("glm-4.7", "203,000"),
        ("glm-5.2", "327,680"),
        ("kimi-k3", "2.70/13.50"),
        ("gpt-oss-120b", "0.15/0.60"),
        ("nemotron-3-nano-30b-a3b", "128,000"),
        ("devstral-2-123b-instruct-2512", "200,000"),
        ("gemma-4-31b", "45,000"),
        ("muse-glimmer", "from a bill"),
    ],
)
def test_notes_give_the_figures_of_other_sources(name, figure):
    assert any(figure in note for note in find(name).notes)
    assert find(name).to_dict()["notes"] == list(find(name).notes)


def test_a_model_that_refuses_images_is_neither_found_with_nor_without_vision():
    card = find("gemma-4-31b")
    assert (card.vision, card.refuses_images, card.takes("image")) == (None, True, True)
    for vision in (True, False):
        assert card not in Selection(vision=vision).of(all_models())
    assert [other.id for other in all_models() if other.refuses_images] == ["gemma-4-31b"]


@pytest.mark.parametrize(
    ("name", "efforts"),
    [
        ("qwen3.8-max", "minimal low medium"),
        ("qwen3.8-27b", "none minimal low medium"),
        ("gpt-oss-120b", "low medium high"),
        ("kimi-k3", "low medium high"),
        ("glm-5.3", "none low medium high"),
        ("deepseek-v4-pro", "none low medium high"),
        ("kimi-k2.7-code", "none low medium high"),
        ("deepseek-v4.1-flash", "none low medium high"),
        ("gemma-4-31b", "none low medium high"),
        ("glm-5.2", ""),
        ("llama-3.3-70b-instruct", ""),
    ],
)
def test_efforts_are_those_that_were_measured(name, efforts):
    assert find(name).reasoning_efforts == tuple(efforts.split())
    assert not quirks_of(name).refused_efforts & set(efforts.split())


def test_what_nobody_says_of_a_model_is_unknown():
    card = find("muse-glimmer")
    assert (card.owned_by, card.reasoning, card.max_output_tokens, card.cache_read_cost) == (None,) * 4
    assert card not in Selection(reasoning=False).of(all_models())
