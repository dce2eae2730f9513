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


def broken_vector(position: int, reason: str) -> ResponseDecodeError:
    """The error about the vector of a text, by its place in the request."""
    error = wrong_answer(f"embeddings: the vector of {_input(position)} is broken: {reason}")
    error.position = position
    return error


def rename_text(error: ResponseDecodeError, position: int, name: str | None = None) -> None:
    """Let an error about a vector name its text by the place in a caller's list, or by a name."""
    reason = error.message.partition(" is broken: ")[2]
    error.position = position
    error.message = f"embeddings: the vector of {name or _input(position)} is broken: {reason}"
    error.args = (error.message,)


def _input(position: int) -> str:
    return f"input {position}"


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
            raise broken_vector(place, str(error)) from None
    whole = [vector for vector in vectors if vector is not None]
    lengths = {len(vector) for vector in whole}
    if len(lengths) > 1:
        raise wrong_answer(f"embeddings: the vectors of one answer differ in length: {sorted(lengths)}")
    return whole
