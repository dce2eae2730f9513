"""Embeddings by hashing: texts that share words, pairs of words or parts of words come out near each other.

Every feature of a text (word stem, pair of neighbouring stems, character n-gram) is hashed to a few signed
places of the vector. Feature places are remembered, so that a corpus costs little more than its vocabulary.
"""

import math
import zlib
from array import array
from collections import Counter
from functools import lru_cache
from itertools import pairwise

from melious_sandbox.brain.words import STOPWORDS, content_stems, words

_STEM, _PAIR, _GRAM, _FILLER = 1.0, 0.6, 0.22, 0.02
_HEAD_WORDS, _HEAD_BOOST = 8, 1.6
_PREFIX = 256
_LONGEST_WORD = 40

_Places = tuple[tuple[int, float], ...]


def embed(text: str, model_dimension: int, dimensions: int | None = None) -> list[float]:
    """Embed ``text`` in ``model_dimension`` numbers, of which ``dimensions`` keeps the first.

    The values are exact in 32 bits, so that both encodings of the wire carry the same numbers. The length of
    the vector grows with the text; it is not one. A shortened vector still tells texts apart.

    >>> first, second = embed("a cat", 1024), embed("cats", 1024)
    >>> len(first), sum(a * b for a, b in zip(first, second)) > 0
    (1024, True)
    """
    vector = [0.0] * model_dimension
    for feature, weight in _features(text).items():
        for place, value in _places(feature, model_dimension):
            vector[place] += weight * value
    if dimensions is not None:
        del vector[dimensions:]
    if not any(vector):
        vector[zlib.crc32(text.encode()) % len(vector)] = 1.0
    return array("f", vector).tolist()


def _features(text: str) -> dict[str, float]:
    stems = content_stems(text)
    counts = Counter(stems)
    weights = {found: _STEM * (1.0 + math.log(times)) for found, times in counts.items()}
    for head in dict.fromkeys(stems[:_HEAD_WORDS]):
        weights[head] *= _HEAD_BOOST
    for first, second in pairwise(stems):
        pair = f"{first} {second}"
        if pair not in weights:
            weights[pair] = _PAIR
    for filler in STOPWORDS.intersection(words(text)):
        weights.setdefault(f"\0{filler}", _FILLER)
    if not stems:
        weights.update((f"\1{sign}", _STEM) for sign in set(text))
    return weights


@lru_cache(maxsize=131_072)
def _places(feature: str, dimension: int) -> _Places:
    spread = [*_signed(feature, dimension, 1.0)]
    if len(feature) <= _LONGEST_WORD and feature.isalpha():
        bounded = f"<{feature}>"
        for size in (3, 4):
            for start in range(len(bounded) - size + 1):
                spread += _signed(bounded[start : start + size], dimension, _GRAM)
    return tuple(spread)


def _signed(feature: str, dimension: int, weight: float) -> _Places:
    """Two places: one anywhere, and a lighter one near the front, where a shortened vector still has it."""
    seed = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
    again = zlib.crc32(b"front", seed)
    front = min(_PREFIX, dimension)
    return (
        (seed % dimension, weight if seed & 0x40000000 else -weight),
        (again % front, 0.5 * (weight if again & 0x40000000 else -weight)),
    )
