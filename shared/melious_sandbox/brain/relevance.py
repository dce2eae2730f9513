"""How well documents fit a query, by their words: coverage of the query, rare words weighing more."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from melious_sandbox.brain.words import content_stems, words

_SATURATION = 0.9  # how soon more of the same word stops helping
_LENGTH_SHARE = 0.35  # how much a long document needs more of it
_KIN_LETTERS = 5  # "except" and "exception" are kin
_KIN_CREDIT = 0.35
_PAIR_SHARE = 0.2
_HEAD_SHARE = 0.15
_HEAD_WORDS = 10


def scores(query: str, documents: Sequence[str]) -> list[float]:
    """Relevance of each document, 0 to 1; scores of different calls do not compare.

    >>> scores("blue whale", ["The sky is blue.", "Nothing."])[1]
    0.0
    """
    return scores_of(query, [Document(document) for document in documents])


def scores_of(query: str, documents: Sequence["Document"]) -> list[float]:
    """Give the scores of documents that were split already."""
    asked = list(dict.fromkeys(content_stems(query) or words(query)))
    if not asked or not documents:
        return [0.0] * len(documents)
    weights = _weights(asked, documents)
    pairs = set(pairwise(asked))
    usual = sum(document.length for document in documents) / len(documents) or 1.0
    return [_fit(document, weights, pairs, usual) for document in documents]


class Document:
    """What scoring needs to know of a document."""

    __slots__ = ("counts", "head", "kin", "length", "pairs")

    def __init__(self, text: str) -> None:
        stems = content_stems(text) or words(text)
        self.counts = Counter(stems)
        self.pairs = set(pairwise(stems))
        self.kin = {found[:_KIN_LETTERS] for found in self.counts if len(found) >= _KIN_LETTERS}
        self.head = frozenset(stems[:_HEAD_WORDS])
        self.length = len(stems)


def _weights(asked: list[str], documents: Sequence[Document]) -> dict[str, float]:
    total = len(documents)
    weights = {}
    for term in asked:
        having = sum(term in document.counts for document in documents)
        weights[term] = math.log(1.0 + (total - having + 0.5) / (having + 0.5)) + 0.25
    return weights


def _fit(
    document: Document, weights: dict[str, float], pairs: set[tuple[str, str]], usual_length: float
) -> float:
    slack = _SATURATION * (1.0 - _LENGTH_SHARE + _LENGTH_SHARE * document.length / usual_length)
    covered = headed = 0.0
    for term, weight in weights.items():
        times = document.counts.get(term, 0)
        if times:
            covered += weight * times / (times + slack)
            headed += weight * (term in document.head)
        elif term[:_KIN_LETTERS] in document.kin:
            covered += weight * _KIN_CREDIT / (1.0 + slack)
    whole = sum(weights.values())
    paired = len(pairs & document.pairs) / len(pairs) if pairs else covered / whole
    plain_share = 1.0 - _PAIR_SHARE - _HEAD_SHARE
    return plain_share * covered / whole + _PAIR_SHARE * paired + _HEAD_SHARE * headed / whole
