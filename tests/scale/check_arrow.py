"""Arrow tables, record batches, and the Arrow columns that dicts of arrays get for Ray."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from melious import InvalidArgumentError
from melious.sandbox import Sandbox
from melious.scale import Embedder

from .conftest import texts_sent

Make = Callable[..., Embedder]
VECTORS = pa.list_(pa.float32())


def test_a_table_gets_typed_columns(embedder: Make) -> None:
    schema = pa.schema([("id", pa.int32()), ("text", pa.large_string())], metadata={"made": "here"})
    table = pa.table({"id": [1, 2], "text": ["a kettle", ""]}, schema=schema)
    done = embedder(report_column="spent")(table)
    assert done.schema.names == ["id", "text", "embedding", "error", "spent"]
    assert done.schema.types == [pa.int32(), pa.large_string(), VECTORS, pa.string(), pa.string()]
    assert done.schema.metadata == {b"made": b"here"}
    assert [vector is not None for vector in done["embedding"].to_pylist()] == [True, False]
    assert done["error"].to_pylist() == [None, "InvalidArgumentError: the text is empty"]


def test_the_types_do_not_depend_on_what_went_wrong(embedder: Make) -> None:
    good, bad = embedder()(pa.table({"text": ["a"]})), embedder()(pa.table({"text": [""]}))
    empty = embedder()(pa.table({"text": pa.array([], pa.string())}))
    assert good.schema == bad.schema == empty.schema
    assert pa.concat_tables([good, bad, empty]).num_rows == 2


def test_record_batches_stay_record_batches(embedder: Make) -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["a kettle", "a pot"]})
    (done,) = embedder()(iter([batch]))
    assert isinstance(done, pa.RecordBatch)
    assert done.schema.field("embedding").type == VECTORS


def test_a_table_that_was_written_resumes(sandbox: Sandbox, embedder: Make) -> None:
    first = embedder()(pa.table({"text": ["a kettle", ""]}))
    mended = first.set_column(0, "text", pa.chunked_array([["a kettle"], ["a pot"]]))
    sandbox.reset()
    done = embedder()(mended)
    assert texts_sent(sandbox) == ["a pot"]
    assert done["embedding"][0] == first["embedding"][0]
    assert done.schema.names == ["text", "embedding", "error"]


def test_arrays_get_arrow_columns_with_nulls(embedder: Make) -> None:
    done = embedder()({"text": np.array(["a kettle", ""], dtype=object), "id": np.arange(2)})
    assert done["embedding"].type == VECTORS
    assert done["embedding"].null_count == 1
    assert done["error"].type == pa.string()
    assert isinstance(done["id"], np.ndarray)


def test_two_columns_of_one_name_are_an_error(sandbox: Sandbox, embedder: Make) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    for batch in (table, table.to_batches()[0]):
        with pytest.raises(InvalidArgumentError, match="batch: has several columns 'text'"):
            embedder()(batch)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array(["[0.5]", None]), r"embedding\[0\]: must be a vector, not str"),
        (pa.array([7, None]), r"embedding\[0\]: must be a vector, not int"),
        (pa.array([["0.5"], None]), r"embedding\[0\]: must be a vector of numbers, not list"),
        (pa.array([None, [float("nan")] * 3], VECTORS), r"embedding\[1\]: the vector must not contain NaN"),
        (pa.array([None, [0.5, None]], VECTORS), r"embedding\[1\]: must be a vector of numbers, not list"),
    ],
    ids=["text", "numbers", "lists of text", "NaN", "null in a vector"],
)
@pytest.mark.parametrize("kind", ["table", "arrays"])
def test_what_is_no_vector_is_an_error_and_not_paid_for_again(
    kind: str, column: pa.Array, said: str, sandbox: Sandbox, embedder: Make
) -> None:
    batch = {"text": pa.array(["a kettle", "a pot"]), "embedding": column}
    with pytest.raises(InvalidArgumentError, match=said):
        embedder()(pa.table(batch) if kind == "table" else batch)
    assert not sandbox.requests


@pytest.mark.parametrize("size", [None, 1024], ids=["list", "fixed size list"])
def test_vectors_of_an_earlier_run_are_kept(size: int | None, sandbox: Sandbox, embedder: Make) -> None:
    kind = VECTORS if size is None else pa.list_(pa.float32(), size)
    vectors = pa.array([[0.25] * 1024, None], kind)
    done = embedder()(pa.table({"text": ["a kettle", "a pot"], "embedding": vectors}))
    assert texts_sent(sandbox) == ["a pot"]
    assert [len(vector) for vector in done["embedding"].to_pylist()] == [1024, 1024]


def test_what_a_dict_of_arrays_was_given_back_resumes(sandbox: Sandbox, embedder: Make) -> None:
    first = embedder()({"text": np.array(["a kettle", ""], dtype=object)})
    sandbox.reset()
    again = embedder()({**first, "text": np.array(["a kettle", "a pot"], dtype=object)})
    assert texts_sent(sandbox) == ["a pot"]
    assert again["embedding"].null_count == 0
