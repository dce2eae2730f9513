"""Which known name a wrong one stands for: by values."""

import pytest

from melious.catalogue import all_models
from melious.catalogue.names import misspelt, near_names

NAMES = [card.id for card in all_models()]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("glm4.7", "glm-4.7"),
        ("GLM-4.7", "glm-4.7"),
        ("glm_4.7:eco", "glm-4.7"),
        ("qwen-3.8-27b", "qwen3.8-27b"),
        ("deepseek-v4-flsh", "deepseek-v4-flash"),
        ("Llama 3.3 70B instruct", "llama-3.3-70b-instruct"),
        ("bge-m-3", "bge-m3"),
        ("minstral-small-3.2-24b-instruct", "mistral-small-3.2-24b-instruct"),
    ],
)
def test_case_punctuation_and_single_letters_are_typos(written, meant):
    assert misspelt(written, NAMES) == meant
    assert near_names(written, NAMES) == [meant]


@pytest.mark.parametrize(
    "name",
    [
        *("glm-5.4", "glm-4.7-flash", "qwen3.9-max", "deepseek-v4-flash-0901", "kimi-k3-mini"),
        *("gpt-oss-121b", "gpt-4o", "my-own-model", "", ":eco", "-", "\N{SNOWMAN}"),
    ],
)
def test_other_digits_or_parts_are_another_model(name):
    assert misspelt(name, NAMES) is None


def test_no_known_name_is_a_typo_of_another():
    assert {
        name: misspelt(name, [other for other in NAMES if other != name]) for name in NAMES
    } == dict.fromkeys(NAMES)


@pytest.mark.parametrize(
    ("written", "first"),
    [
        ("qwen3.8", ["qwen3.8-max", "qwen3.8-27b"]),
        ("glm-5.4", ["glm-5.3"]),
        ("mistral-small-latest", ["mistral-small-4-119b-instruct"]),
        ("gpt-oss-12b", ["gpt-oss-120b"]),
    ],
)
def test_names_that_are_near_come_likeliest_first(written, first):
    near = near_names(written, NAMES)
    assert near[: len(first)] == first
    assert len(near) <= 3


def test_a_name_unlike_any_other_has_none_near():
    assert near_names("gpt-4o", NAMES) == []
    assert near_names("", NAMES) == []
