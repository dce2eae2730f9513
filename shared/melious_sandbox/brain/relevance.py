"""How well documents fit a query, by their words: coverage of the query, rare words weighing more."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from melious_sandbox.brain.words import content_stems, words

__all__ = ["Document", "score", "scores", "scores_of"]

_SATURATION = 0.9  # how soon more of the same word stops helping
_LENGTH_SHARE = 0.35  # how much a long document needs more of it
_KIN_LETTERS = 5  # "except" and "exception" are kin
_KIN_CREDIT = 0.35
_PAIR_SHARE = 0.2
_HEAD_SHARE = 0.15
_HEAD_WORDS = 10


def score(query: str, document: str) -> float:
    """Relevance of one document, 0 to 1; 0 where they share nothing.

    >>> score("blue whale", "The blue whale is the largest animal.") > score("blue whale", "A blue sky.") > 0
    True
    """
    return scores(query, [document])[0]


def scores(query: str, documents: Sequence[str]) -> list[float]:
    """Relevance of each document, 0 to 1, in the order given.

    A word of the query weighs more the fewer of the documents have it, so scores of different calls should
    not be compared.
    """
    return scores_of(query, [Document(document) for document in documents])


def scores_of(query: str, read: Sequence["Document"]) -> list[float]:
    """Give the scores of documents that are read already."""
    asked = list(dict.fromkeys(content_stems(query) or words(query)))
    if not asked or not read:
        return [0.0] * len(read)
    weights = _weights(asked, read)
    pairs = set(pairwise(asked))
    usual = sum(reading.length for reading in read) / len(read) or 1.0
    return [_fit(reading, weights, pairs, usual) for reading in read]


class Document:
    """What scoring needs to know of a document."""

    __slots__ = ("counts", "head", "kin", "length", "pairs")

    def __init__(self, document: str) -> None:
        stems = content_stems(document) or words(document)
        self.counts = Counter(stems)
        self.pairs = set(pairwise(stems))
        self.kin = {found[:_KIN_LETTERS] for found in self.counts if len(found) >= _KIN_LETTERS}
        self.head = frozenset(stems[:_HEAD_WORDS])
        self.length = len(stems)


def _weights(asked: list[str], read: Sequence[Document]) -> dict[str, float]:
    total = len(read)
    weights = {}
    for term in asked:
        having = sum(term in reading.counts for reading in read)
        weights[term] = math.log(1.0 + (total - having + 0.5) / (having + 0.5)) + 0.25
    return weights


def _fit(
    reading: Document, weights: dict[str, float], pairs: set[tuple[str, str]], usual_length: float
) -> float:
    slack = _SATURATION * (1.0 - _LENGTH_SHARE + _LENGTH_SHARE * reading.length / usual_length)
    covered = headed = 0.0
    for term, weight in weights.items():
        times = reading.counts.get(term, 0)
        if times:
            covered += weight * times / (times + slack)
            headed += weight * (term in reading.head)
        elif term[:_KIN_LETTERS] in reading.kin:
            covered += weight * _KIN_CREDIT / (1.0 + slack)
    whole = sum(weights.values())
    paired = len(pairs & reading.pairs) / len(pairs) if pairs else covered / whole
    plain_share = 1.0 - _PAIR_SHARE - _HEAD_SHARE
    return plain_share * covered / whole + _PAIR_SHARE * paired + _HEAD_SHARE * headed / whole
