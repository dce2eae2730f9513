"""Tokens, words, vectors, relevance and pictures: pure functions, by their values."""

import math
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melious_sandbox.brain import media, relevance, tokens, vectors, words


def cosine(one, other):
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / (math.hypot(*one) * math.hypot(*other))


@given(st.text())
def test_tokens_joined_are_the_text(text):
    assert "".join(tokens.pieces(text)) == text
    assert tokens.count(text) == len(tokens.pieces(text))
    assert all(tokens.pieces(text))


def test_prose_has_about_four_tokens_for_three_words():
    text = "The execution of the with statement with one item proceeds as follows, in seven steps. " * 20
    assert 1.0 < tokens.count(text) / len(text.split()) < 1.5


def test_a_prompt_counts_all_that_it_carries():
    plain = [{"role": "user", "content": "What is the weather in Paris?"}]
    total = tokens.count_messages(plain)
    assert total == tokens.count("What is the weather in Paris?") + 4
    assert tokens.count_messages([{"role": "system", "content": ""}, *plain]) == total + 4
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
    assert tokens.count_messages(plain, [tool]) > total + 10
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "get"}}]}
    assert tokens.count_messages([called]) > 8


def test_an_image_costs_the_same_whatever_its_size():
    def ask(url):
        parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
        return tokens.count_messages([{"role": "user", "content": parts}])

    assert ask("data:image/png;base64," + "A" * 100_000) == ask("https://example.com/a.png")
    assert ask("x") == tokens.count("What is it?") + tokens.MEDIA_TOKENS + 4


@pytest.mark.parametrize(
    "alike",
    [
        "statement statements",
        "make making makes made",
        "try tries",
        "class classes",
        "value values",
        "run running",
    ],
)
def test_word_forms_share_a_stem(alike):
    first, second, *_ = alike.split()
    assert words.stem(first) == words.stem(second)


def test_keywords_count_where_they_are_the_subject():
    assert "with" in words.content_stems("What does the with statement do?")
    assert "with" in words.content_stems('the "with" keyword')
    assert "with" not in words.content_stems("a house with a garden")


def test_sentences_end_where_readers_would_say():
    text = 'He said "Stop." Then he left, e.g. by bus. Dr. Smith came.\n\nA heading\n\n1. The first\n   step.'
    assert words.sentences(text) == [
        'He said "Stop."',
        "Then he left, e.g. by bus.",
        "Dr. Smith came.",
        "A heading",
        "1. The first step.",
    ]


@pytest.mark.parametrize("dimension", [768, 1024, 4096])
def test_near_texts_are_near(dimension):
    text = vectors.embed("How do I remove a key from a dictionary?", dimension)
    near = vectors.embed("Removing keys from dictionaries", dimension)
    far = vectors.embed("The weather in Paris is sunny today", dimension)
    assert len(text) == dimension
    assert cosine(text, near) > 0.35
    assert abs(cosine(text, far)) < 0.15
    assert cosine(text, vectors.embed("how do I REMOVE a key from a dictionary", dimension)) > 0.99


@given(st.text(), st.sampled_from([8, 768]))
def test_a_vector_is_never_zero_and_exact_in_32_bits(text, dimension):
    vector = vectors.embed(text, dimension)
    assert len(vector) == dimension
    assert any(vector)
    assert list(struct.unpack(f"<{dimension}f", struct.pack(f"<{dimension}f", *vector))) == vector
    assert vector == vectors.embed(text, dimension)


def test_vectors_have_the_length_of_their_text_not_one():
    short, long = (
        math.hypot(*vectors.embed(text, 1024)) for text in ("cats", "cats chase many quick mice " * 5)
    )
    assert long > short > 1.01


def test_a_shortened_vector_is_the_beginning_and_still_tells_texts_apart():
    texts = ["deleting a key of a dict", "delete keys of dicts", "rivers flow into the sea"]
    whole = [vectors.embed(text, 4096) for text in texts]
    short = [vectors.embed(text, 4096, 256) for text in texts]
    assert short == [vector[:256] for vector in whole]
    assert cosine(short[0], short[1]) > cosine(short[0], short[2]) + 0.3


def test_relevance_ranks_by_what_is_asked():
    documents = [
        "A dictionary maps keys to values.",
        "The del statement removes a key of a dictionary.",
        "Bread is made of flour and water.",
        "",
    ]
    found = relevance.scores("How do I remove a key from a dictionary?", documents)
    assert found[1] > found[0] > found[2] == found[3] == 0
    assert all(0 <= score <= 1 for score in found)


def test_rare_words_of_a_query_decide():
    documents = ["python python python statement", "python lambda", "python statement", "python code"]
    found = relevance.scores("python lambda", documents)
    assert found.index(max(found)) == 1


@given(st.text(), st.lists(st.text(), max_size=4))
def test_relevance_is_between_zero_and_one(query, documents):
    assert all(0 <= score <= 1 for score in relevance.scores(query, documents))
    assert relevance.scores(query, documents) == relevance.scores(query, documents)


def test_relevance_of_one_document():
    assert relevance.scores("blue whale", ["The blue whale is the largest animal."])[0] > 0.5
    assert relevance.scores("blue whale", [""]) == [0]
    assert relevance.scores("", ["The blue whale"]) == [0]


def unpacked(data):
    """Chunks of a PNG, each checked against its checksum."""
    position, chunks = 8, {}
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + size]
        assert struct.unpack_from(">I", data, position + 8 + size)[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        position += 12 + size
    return chunks


@pytest.mark.parametrize("size", [(1, 1), (64, 32), (1792, 1024)])
def test_a_picture_is_a_png_of_its_size(size):
    width, height = size
    data = media.png("a lighthouse at dusk", width, height)
    chunks = unpacked(data)
    assert media.image_size(data) == ("PNG", width, height)
    assert len(zlib.decompress(chunks[b"IDAT"])) == height * (1 + 3 * width)
    assert chunks[b"iTXt"].endswith(b"a lighthouse at dusk")


def test_pictures_follow_their_prompt():
    assert media.png("a fox", 40, 30) == media.png("a fox", 40, 30)
    assert media.png("a fox", 40, 30) != media.png("an owl", 40, 30)
    with pytest.raises(ValueError, match="0 x 30"):
        media.png("a fox", 0, 30)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\x89PNG\r\n\x1a\n", None),
        (b"plain text", None),
        (b"", None),
    ],
)
def test_image_sizes_are_read(data, found):
    assert media.image_size(data) == found
