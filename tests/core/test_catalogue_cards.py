"""What is made of the words of a service about its models, and how models are chosen: by values."""

import pickle
from decimal import Decimal

import pytest

from melious import InvalidArgumentError
from melious.catalogue import ModelCard, Selection, all_models, find
from melious.catalogue.card import card_of
from melious.catalogue.selection import tokens_of


def card(meta, known=None, owned_by=None, model="new"):
    return card_of(model, owned_by, meta, known)


def test_a_model_of_which_nothing_is_said_is_unknown_in_everything():
    for meta in (None, {}):
        bare = card(meta)
        assert (bare.id, bare.display_name, bare.type, bare.owned_by) == ("new", "new", None, None)
        assert (bare.vision, bare.tools, bare.reasoning, bare.context_length) == (None, None, None, None)
        assert bare.pricing == (None, None, None)
        assert not bare.takes("image")
        assert bare.to_dict()["input_cost"] is None


@pytest.mark.parametrize(
    ("meta", "vision"),
    [
        ({"input_modalities": ["text", "image"]}, True),
        ({"capabilities": {"vision": True}}, True),
        ({"capabilities": {"vision": True}, "input_modalities": ["text"]}, True),
        ({"capabilities": {"vision": False}, "input_modalities": ["text", "image"]}, True),
        ({"input_modalities": ["text"]}, False),
        ({"capabilities": {"vision": False}}, False),
        ({"capabilities": {"streaming": True}}, None),
        ({"input_modalities": "image"}, None),
        ({"input_modalities": [3, None]}, None),
    ],
)
def test_vision_by_modality_or_by_flag(meta, vision):
    assert card(meta).vision is vision


@pytest.mark.parametrize(
    ("meta", "tools"),
    [
        ({"capabilities": {"function_calling": True}}, True),
        ({"capabilities": {"function_calling": False}}, False),
        ({"capabilities": {"streaming": True}}, False),
        ({"capabilities": {}}, None),
        ({"capabilities": ["function_calling"]}, None),
        ({"capabilities": {"function_calling": "yes"}}, None),
        ({}, None),
    ],
)
def test_tools_that_are_not_among_the_flags_are_not_there(meta, tools):
    assert card(meta).tools is tools


@pytest.mark.parametrize(
    ("meta", "known", "reasoning"),
    [
        ({"capabilities": {"reasoning": True}}, None, True),
        ({"reasoning_type": "hybrid"}, None, True),
        ({"reasoning_type": "some-new-word"}, None, True),
        ({"reasoning_type": "none"}, None, False),
        ({"capabilities": {"streaming": True}}, None, None),
        ({"capabilities": {"streaming": True}}, "deepseek-v4-pro", True),
        ({"capabilities": {"reasoning": False}}, "deepseek-v4-pro", False),
        ({"reasoning_type": "non_reasoning"}, "deepseek-v4-pro", False),
        ({"capabilities": {"reasoning": True}}, "llama-3.3-70b-instruct", True),
    ],
)
def test_a_missing_flag_says_nothing_of_thinking(meta, known, reasoning):
    told = card(meta, find(known) if known else None)
    assert told.reasoning is reasoning
    assert told.reasons is bool(reasoning)


@pytest.mark.parametrize(
    ("value", "length"),
    [
        (131072, 131072),
        (131072.0, 131072),
        (0, None),
        (-5, None),
        (None, None),
        ("131072", None),
        (True, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_a_context_is_a_number_of_tokens_or_unknown(value, length):
    assert card({"context_length": value}).context_length == length
    assert card({"context_length": value}, find("glm-4.7")).context_length == (length or 131_072)


@pytest.mark.parametrize(
    ("value", "price"),
    [
        ("0.30", "0.30"),
        (0.3, "0.3"),
        (1, "1"),
        ("0", "0"),
        (0, "0"),
        ("1e-2", "0.01"),
        (" 0.5 ", "0.5"),
    ]
    + [(wrong, None) for wrong in (None, "", "free", "NaN", -1, "-0.1", True, [1], float("inf"), "Infinity")],
)
def test_a_price_is_exact_or_unknown(value, price):
    told = card({"pricing": {"input_cost_per_million_eur": value, "currency": "EUR"}})
    assert told.input_cost == (None if price is None else Decimal(price))
    assert told.output_cost is None


def test_prices_of_another_currency_are_no_prices_in_euros():
    dollars = {"pricing": {"input_cost_per_million_eur": 3, "currency": "USD"}}
    assert card(dollars).input_cost is None
    assert card(dollars, find("glm-4.7")).input_cost == Decimal("0.8")
    assert card({"pricing": {"input_cost_per_million_eur": 3}}).input_cost == 3


def test_a_price_that_is_told_replaces_that_one_only():
    told = card({"pricing": {"output_cost_per_million_eur": "9"}}, find("glm-5.3"))
    assert told.pricing == (Decimal(1), Decimal(9), Decimal("0.2"))


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("chat", "chat"),
        ("embedding", "embeddings"),
        ("reranker", "rerank"),
        ("guardrail", "guardrail"),
        ("speech", "audio"),
        ("images", "image"),
        ("", None),
        (None, None),
        (3, None),
    ],
)
def test_types_are_open_and_their_other_words_known(word, kind):
    assert card({"type": word}).type == kind


def test_the_lab_stands_where_the_list_names_the_service():
    assert card({}, find("glm-4.7"), owned_by="melious").owned_by == "zai"
    assert card({}, find("glm-4.7"), owned_by="z.ai").owned_by == "z.ai"
    assert card({}, None, owned_by="melious").owned_by == "melious"


def test_a_known_model_that_is_not_served_stays_so_when_it_is_listed():
    assert card({"type": "chat"}, find("deepseek-v4-flash")).served is False
    assert card({}, find("dall-e-3")).listed, "the alias is in that list"


def test_what_is_heard_over_what_is_shipped_can_go_round():
    for shipped in all_models():
        again = card_of(shipped.id, shipped.owned_by, shipped.to_meta(), shipped)
        assert again == shipped
        assert pickle.loads(pickle.dumps(again)) == again


# --- choosing ---------------------------------------------------------------------------------------------


def made(name, **facts):
    return ModelCard(**{"id": name, "type": "chat", "display_name": name, "owned_by": None} | facts)


def priced(name, given, answered=None):
    return made(
        name, pricing=tuple(None if cost is None else Decimal(cost) for cost in (given, answered, None))
    )


CARDS = [
    priced("unknown", None, "1"),
    priced("dear", "3", "9"),
    priced("b-cheap", "1", "4"),
    priced("a-cheap", "1", "4"),
    priced("half", "1"),
    priced("cheaper-out", "1", "2"),
    priced("free", "0", "0"),
]


def order(order_by, cards=CARDS):
    return [card.id for card in Selection(order_by=order_by).of(cards)]


def test_prices_order_by_input_then_output_and_unknown_ones_come_last():
    assert order("price") == ["free", "cheaper-out", "a-cheap", "b-cheap", "half", "dear", "unknown"]
    assert order("-price") == ["dear", "a-cheap", "b-cheap", "cheaper-out", "half", "free", "unknown"]
    assert order("output_cost")[:2] == ["free", "unknown"]
    assert order("output_cost")[-1] == "half"
    assert order("name") == sorted(order("price"))
    assert order("-name") == sorted(order("price"), reverse=True)
    assert order(None) == [card.id for card in CARDS]


def test_long_contexts_come_first():
    cards = [
        made(name, context_length=length) for name, length in [("a", None), ("b", 5), ("c", 9), ("d", 5)]
    ]
    assert order("context", cards) == ["c", "b", "d", "a"]
    assert order("-context", cards) == ["b", "d", "c", "a"]


def test_a_limit_is_within_and_unknown_is_not():
    def chosen(limit):
        return {card.id for card in Selection(max_input_cost=limit).of(CARDS)}

    assert chosen(0) == {"free"}
    assert chosen("1") == chosen(1.0) == chosen(Decimal("1.00"))
    assert "dear" not in chosen(1)
    assert chosen(1_000_000) == {card.id for card in CARDS} - {"unknown"}
    assert Selection(max_input_cost=0.1).of([priced("tenth", "0.1")]), "a float is taken as it is written"


def test_a_context_is_enough_from_the_limit_on():
    cards = [made("short", context_length=99), made("right", context_length=100), made("unknown")]
    assert [card.id for card in Selection(min_context=100).of(cards)] == ["right"]
    assert len(Selection(min_context=0).of(cards)) == 3


def test_other_words_for_a_type_choose_the_same():
    assert Selection(type="embedding").of(all_models()) == Selection(type="embeddings").of(all_models())
    assert Selection(type="reranker").of(all_models())


def test_what_is_said_of_shipped_models_is_complete_for_chat():
    yes = Selection(type="chat", tools=True).of(all_models())
    no = Selection(type="chat", tools=False).of(all_models())
    assert [card.id for card in no] == ["qwen3-vl-235b-a22b-instruct"]
    assert len(yes) + len(no) == len(Selection(type="chat").of(all_models()))


@pytest.mark.parametrize(
    "wrong", [{"vision": 1}, {"min_context": 1.5}, {"min_context": -1}, {"order_by": ""}]
)
def test_a_wrong_choice_is_refused(wrong):
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Selection(**wrong)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("128k", 128_000), ("128K", 128_000), ("1M", 1_000_000), ("1.5m", 1_500_000), ("131_072", 131_072)],
)
def test_tokens_as_people_write_them(text, tokens):
    assert tokens_of(text) == tokens


@pytest.mark.parametrize("text", ["", "k", "many", "-5", "1 k", "1kk", "0x10"])
def test_what_is_no_number_of_tokens(text):
    with pytest.raises(ValueError, match="not a number of tokens"):
        tokens_of(text)
