"""What stands in the columns of a batch: nothing is paid for twice, and nothing of the caller's is lost."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from melious import InvalidArgumentError
from melious.sandbox import Sandbox
from melious.scale import Embedder
from melious.scale.run import unit

from .conftest import texts_sent

Make = Callable[..., Embedder]
VECTOR = [0.25] * 1024


def _objects(*values: Any) -> Any:
    """An array of any values, one a row."""
    made = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        made[place] = value
    return made


KINDS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "dict": dict,
    "rows": lambda batch: [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)],
    "arrays": lambda batch: {name: _objects(*values) for name, values in batch.items()},
    "frame": lambda batch: pd.DataFrame({name: _objects(*values) for name, values in batch.items()}),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


# --- what stands in the output column --------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("[0.1, 0.2]", r"must be a vector, not str '\[0.1, 0.2\]'"),
        ("", "must be a vector, not str ''"),
        (b"bytes", "must be a vector, not bytes"),
        (7, "must be a vector, not int"),
        (0.5, "must be a vector, not float"),
        (True, "must be a vector, not bool"),
        ({"a": 1.0}, "must be a vector, not dict"),
        ({0.5, 0.25}, "must be a vector, not set"),
        (["0.1", "0.2"], "must be a vector of numbers, not list"),
        ([True, False], "must be a vector of numbers, not list"),
        ([0.5, None], "must be a vector of numbers, not list"),
        ([[0.5]], "must be a vector of numbers, not list"),
        ([1j], "must be a vector of numbers, not list"),
        (np.array(["0.1", "0.2"]), "must be a vector of numbers, not ndarray"),
        (np.array([True]), "must be a vector of numbers, not ndarray"),
        (np.array([[0.5]]), "must be a vector of numbers, not ndarray"),
        (np.array([0.5, None], dtype=object), "must be a vector of numbers, not ndarray"),
        ([0.5, float("nan")], "the vector must not contain NaN or infinity"),
        ([float("inf"), -float("inf")], "the vector must not contain NaN or infinity"),
        (np.full(4, np.nan, np.float32), "the vector must not contain NaN or infinity"),
    ],
    ids=repr,
)
def test_what_is_no_vector_is_an_error_and_not_paid_for_again(
    kind: str, cell: Any, said: str, sandbox: Sandbox, embedder: Make
) -> None:
    batch = KINDS[kind]({"text": ["a kettle", "a pot", "a pan"], "embedding": [VECTOR, cell, None]})
    with pytest.raises(InvalidArgumentError, match=rf"^embedding\[1\]: {said}.*output_column"):
        embedder()(batch)
    assert not sandbox.requests


@each_kind
@pytest.mark.parametrize("text", ["[0. 0. 1. ... 0.]", " [0.1, 0.2]", "array([0.1])"])
def test_vectors_that_became_text_are_told_apart_from_other_text(
    kind: str, text: str, sandbox: Sandbox, embedder: Make
) -> None:
    for cell, advised in ((text, True), ("a kettle", False)):
        batch = KINDS[kind]({"text": ["a kettle", "a pot"], "embedding": [None, cell]})
        with pytest.raises(
            InvalidArgumentError, match=r"embedding\[1\]: must be a vector, not str"
        ) as caught:
            embedder()(batch)
        assert ("turned the vectors into text" in str(caught.value)) is advised
    assert not sandbox.requests


@each_kind
@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT, [], np.array([])], ids=repr
)
def test_what_is_missing_is_embedded(kind: str, missing: Any, sandbox: Sandbox, embedder: Make) -> None:
    done = embedder()(KINDS[kind]({"text": ["a kettle", "a pot"], "embedding": [VECTOR, missing]}))
    assert texts_sent(sandbox) == ["a pot"]
    vectors = [row["embedding"] for row in done] if kind == "rows" else list(done["embedding"])
    assert [len(vector) for vector in vectors] == [1024, 1024]


@each_kind
@pytest.mark.parametrize(
    "vector",
    [
        [1, 0, 0],
        (0.5, 0.25, 0.0),
        [1e308, 1e308, 1e308],
        np.array([1, 2, 3]),
        np.array([3e38] * 3, np.float32),
        _objects(0.5, 0.25, np.float32(1)),
    ],
    ids=["whole numbers", "tuple", "large", "int array", "large float32", "objects"],
)
def test_numbers_of_any_kind_are_a_vector(kind: str, vector: Any, sandbox: Sandbox, embedder: Make) -> None:
    embedder()(KINDS[kind]({"text": ["a kettle"], "embedding": [vector]}))
    assert not sandbox.requests


def test_vectors_of_different_lengths_are_an_error(sandbox: Sandbox, embedder: Make) -> None:
    batch = {"text": ["a", "b", "c"], "embedding": [None, [0.5] * 3, [0.5] * 4]}
    with pytest.raises(InvalidArgumentError, match=r"embedding\[2\]: .* 4 numbers, but that of row 1 has 3"):
        embedder()(batch)
    with pytest.raises(InvalidArgumentError, match=r"embedding\[1\]: .* 3 numbers, but dimensions is 64"):
        embedder(dimensions=64)(batch)
    assert not sandbox.requests


def test_vectors_of_another_model_are_an_error(sandbox: Sandbox, embedder: Make) -> None:
    batch = {"text": ["a", "b"], "embedding": [None, [0.5] * 3]}
    with pytest.raises(InvalidArgumentError, match=r"embedding\[1\]: .* 3 numbers, but the model gives 1024"):
        embedder()(batch)


# --- columns that are the caller's -----------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output_column": "id"}, r"^id\[0\]: must be a vector, not int"),
        ({"output_column": "title"}, r"^title\[0\]: must be a vector, not str 'A'"),
        ({"error_column": "id"}, r"^id\[0\]: int is not an error of an earlier run"),
        ({"error_column": "title"}, r"^title\[0\]: str 'A' is not an error of an earlier run"),
        ({"report_column": "id"}, r"^id\[0\]: int is not a report of an earlier run"),
        ({"report_column": "title"}, r"^title\[0\]: str 'A' is not a report of an earlier run"),
    ],
    ids=repr,
)
def test_a_column_of_the_caller_is_not_overwritten(
    kind: str, options: dict[str, Any], said: str, sandbox: Sandbox, embedder: Make
) -> None:
    batch = KINDS[kind]({"id": [1, 2], "title": ["A", "B"], "text": ["a kettle", "a pot"]})
    with pytest.raises(InvalidArgumentError, match=said):
        embedder(**options)(batch)
    assert not sandbox.requests


@pytest.mark.parametrize("names", [["text", "text"], ["id", "id", "text"], ["text", "error", "error"]])
def test_two_columns_of_one_name_are_an_error(names: list[str], sandbox: Sandbox, embedder: Make) -> None:
    frame = pd.DataFrame([["a kettle"] * len(names)] * 2, columns=names)
    twice = max(names, key=names.count)
    for call in (embedder(), embedder().meta):
        with pytest.raises(InvalidArgumentError, match=f"batch: has several columns '{twice}'"):
            call(frame)
    assert not sandbox.requests


def test_columns_may_be_labelled_with_numbers(sandbox: Sandbox, embedder: Make) -> None:
    embed = embedder(text_column="0", output_column="1")
    frame = embed(pd.DataFrame([["a kettle", None], ["a pot", None]]))
    assert list(frame.columns) == [0, 1, "error"]
    assert list(embed({0: ["a kettle"], 1: [None]})) == [0, 1, "error"]
    assert texts_sent(sandbox) == ["a kettle", "a pot", "a kettle"]


@pytest.mark.parametrize("frame", [{"text": []}, [], None, 7], ids=repr)
def test_meta_is_of_a_frame(frame: Any, embedder: Make) -> None:
    with pytest.raises(InvalidArgumentError, match="frame: must be a Dask or pandas frame, not"):
        embedder().meta(frame)


# --- the batch itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({"text": "abc"}, "column 'text' must be a list or an array, not str"),
        ({"text": ["a"], "id": 7}, "column 'id' must be a list or an array, not int"),
        ({"text": iter(["a"])}, "column 'text' must be a list or an array, not list_iterator"),
        ({"text": ["a", "b"], "id": [1]}, "columns 'text' and 'id' differ in length: 2 and 1"),
        (
            {"id": np.array([1]), "text": np.array(["a", "b"])},
            "columns 'id' and 'text' differ in length: 1 and 2",
        ),
    ],
)
def test_a_dict_that_is_not_one_of_columns_is_an_error_before_anything_is_paid(
    sandbox: Sandbox, embedder: Make, batch: Any, said: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^batch: {said}$"):
        embedder()(batch)
    assert len(sandbox.requests) == 0


@pytest.mark.parametrize(
    ("name", "meant"), [("text_colum", "text_column"), ("ouput_column", "output_column"), ("key", "api_key")]
)
def test_a_misspelt_argument_is_an_error_with_the_one_that_was_meant(
    embedder: Make, name: str, meant: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=f"unknown argument '{name}'; did you mean '{meant}'"):
        embedder(**{name: "x"})


def test_a_vector_of_zeros_has_no_direction_and_stays_as_it_is() -> None:
    assert unit([0.0, 0.0]) == [0.0, 0.0]
