"""Arrow tables, record batches, and the Arrow columns that dicts of arrays get for Ray."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

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
