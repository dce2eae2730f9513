"""Vectors on the wire: base64 of little-endian float32, or JSON numbers."""

from __future__ import annotations

import binascii
import math
import sys
from array import array
from typing import Any

from melious._figures import whole_count
from melious.answers.reading import wrong_answer, wrong_index
from melious.errors import ResponseDecodeError

_SWAP = sys.byteorder == "big"


def decode(value: Any) -> array[float]:
    """Read one vector of an answer, in either form.

    Raises:
        ValueError: Bad base64, half a number, no numbers, or NaN or infinity among them.
    """
    if isinstance(value, str):
        data = binascii.a2b_base64(value)
        if len(data) % 4 or not data:
            raise ValueError(f"{len(data)} bytes are not a whole number of float32")
        vector = array("f", data)
        if _SWAP:
            vector.byteswap()
        high = data[3::4]  # sign and most of the exponent: 7f or ff for NaN, infinity and huge numbers
        if (b"\x7f" in high or b"\xff" in high) and not math.isfinite(sum(vector)):
            raise ValueError("it contains NaN or infinity")
        return vector
    if isinstance(value, list) and value:
        try:
            vector = array("d", value)
        except (TypeError, OverflowError):
            raise ValueError("the list contains something that is not a number") from None
        if not math.isfinite(sum(vector)):
            raise ValueError("it contains NaN or infinity")
        return vector
    raise ValueError(f"it must be text or numbers, not {type(value).__name__}")


def in_order(data: Any, count: int) -> list[array[float]]:
    """Read `data` of an answer: all vectors, in the order of the inputs.

    Raises:
        ResponseDecodeError: The vectors do not match the inputs, one is broken, or they differ in length.
    """
    if not isinstance(data, list):
        raise ResponseDecodeError("embeddings: the answer has no vectors")
    if len(data) != count:
        raise wrong_answer(f"embeddings: {count} inputs were sent and {len(data)} vectors came back")
    vectors: list[array[float] | None] = [None] * count
    for position, item in enumerate(data):
        if not isinstance(item, dict):
            raise wrong_answer(f"embeddings: data[{position}] of the answer is not an object")
        index = item.get("index")
        place = position if index is None else whole_count(index)
        if place is None or not 0 <= place < count or vectors[place] is not None:
            repeated = place is not None and 0 <= place < count
            raise wrong_answer(wrong_index("embeddings", index, "inputs", count, repeated=repeated))
        try:
            vectors[place] = decode(item.get("embedding"))
        except ValueError as error:
            raise wrong_answer(f"embeddings: the vector of input {place} is broken: {error}") from None
    whole = [vector for vector in vectors if vector is not None]
    lengths = {len(vector) for vector in whole}
    if len(lengths) > 1:
        raise wrong_answer(f"embeddings: the vectors of one answer differ in length: {sorted(lengths)}")
    return whole
