"""Dask's `map_partitions`, on threads and on processes."""

from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from melious import AuthenticationError, InvalidArgumentError
from melious.sandbox import Sandbox
from melious.scale import Embedder, ledger_of

from .conftest import MODEL, texts_sent

TEXTS = [f"lighthouse {number}" if number % 7 else "" for number in range(20)]


@pytest.fixture(autouse=True)
def _key(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers take the key from the environment."""
    monkeypatch.setenv("MELIOUS_API_KEY", sandbox.api_key)


def _corpus(parts: int) -> Any:
    return dd.from_pandas(pd.DataFrame({"id": range(20), "text": TEXTS}), npartitions=parts)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_partitions_are_embedded_by_workers(scheduler: str, sandbox: Sandbox) -> None:
    embed = Embedder(MODEL, base_url=sandbox.base_url, report_column="spent")
    corpus = _corpus(4)
    lazy = corpus.map_partitions(embed, meta=embed.meta(corpus))
    assert list(lazy.columns) == ["id", "text", "embedding", "error", "spent"]
    assert not sandbox.requests, "nothing is sent before it is computed"
    done = lazy.compute(scheduler=scheduler)
    assert done["id"].tolist() == [*range(20)]
    assert [len(vector) for vector in done["embedding"] if vector is not None] == [1024] * 17
    assert (done["error"] == "InvalidArgumentError: the text is empty").sum() == 3
    assert ledger_of(done["spent"]).total.requests == len(sandbox.requests) == 4


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's own, of pandas 3.1
def test_what_was_written_resumes(sandbox: Sandbox, tmp_path: Path) -> None:
    embed = Embedder(MODEL, base_url=sandbox.base_url)
    first = _corpus(4).partitions[:2]
    done = first.map_partitions(embed, meta=embed.meta(first))
    done.to_parquet(tmp_path / "done", write_index=False)
    sandbox.reset()
    written = dd.read_parquet(tmp_path / "done", columns=["id", "embedding"])
    joined = _corpus(4).merge(written, on="id", how="left")
    done = joined.map_partitions(embed, meta=embed.meta(joined)).compute(scheduler="threads")
    assert sorted(texts_sent(sandbox)) == sorted(text for text in TEXTS[10:] if text)
    assert done["embedding"].notna().sum() == 17
    assert sorted(done["id"]) == [*range(20)]


def test_vectors_that_dask_turned_into_text_are_an_error_and_not_paid_for_again(sandbox: Sandbox) -> None:
    embed = Embedder(MODEL, base_url=sandbox.base_url)
    done = embed(pd.DataFrame({"id": range(20), "text": TEXTS}))
    sandbox.reset()
    joined = dd.from_pandas(done, npartitions=2)
    with pytest.raises(InvalidArgumentError, match=r"turned the vectors into text .*convert-string.*False"):
        joined.map_partitions(embed, meta=embed.meta(joined)).compute(scheduler="threads")
    assert not sandbox.requests
    with dask.config.set({"dataframe.convert-string": False}):
        joined = dd.from_pandas(done, npartitions=2)
        again = joined.map_partitions(embed, meta=embed.meta(joined)).compute(scheduler="threads")
    assert not sandbox.requests
    assert again["embedding"].notna().sum() == 17


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask's own, of pandas 3.1
@pytest.mark.parametrize("texts", [TEXTS, ["", "", "", *TEXTS[3:]], [""] * 20], ids=["some", "first", "all"])
def test_what_meta_says_is_stored_whatever_failed(texts: list[str], sandbox: Sandbox, tmp_path: Path) -> None:
    """Each partition has the same types, also one in which every row failed."""
    embed = Embedder(MODEL, base_url=sandbox.base_url, report_column="spent")
    corpus = dd.from_pandas(pd.DataFrame({"id": range(20), "text": texts}), npartitions=10)
    corpus.map_partitions(embed, meta=embed.meta(corpus)).to_parquet(tmp_path / "done", write_index=False)
    parts = [pq.read_schema(part) for part in sorted((tmp_path / "done").glob("*.parquet"))]
    assert len(parts) == 10
    for schema in parts:
        assert schema.field("embedding").type == pa.list_(pa.float32())
        assert schema.field("error").type == schema.field("spent").type == pa.string()
    for done in (dd.read_parquet(tmp_path / "done").compute(), pd.read_parquet(tmp_path / "done")):
        assert done["embedding"].notna().sum() == sum(map(bool, texts))


def test_meta_of_a_pandas_frame_is_stored_alone_and_with_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": range(3), "text": ["a kettle", "", "a pot"]})
    embed = Embedder(MODEL, base_url=sandbox.base_url)
    meta = embed.meta(frame)
    meta.to_parquet(tmp_path / "meta.parquet")
    pd.concat([meta, embed(frame)]).to_parquet(tmp_path / "rows.parquet")
    embed(frame).astype(meta.dtypes.to_dict()).to_parquet(tmp_path / "typed.parquet")
    for name in ("meta", "rows", "typed"):
        schema = pq.read_schema(tmp_path / f"{name}.parquet")
        assert pa.types.is_list(schema.field("embedding").type)
        assert schema.field("embedding").type.value_type == pa.float32()
        assert pa.types.is_string(schema.field("error").type) or pa.types.is_large_string(
            schema.field("error").type
        )
        sandbox.reset()
        embed(pq.read_table(tmp_path / f"{name}.parquet"))
        assert not sandbox.requests, "what was stored resumes"


def test_meta_knows_columns_that_are_labelled_with_numbers(sandbox: Sandbox) -> None:
    embed = Embedder(MODEL, base_url=sandbox.base_url, text_column="0", output_column="1")
    meta = embed.meta(pd.DataFrame([["a kettle", None]]))
    assert list(meta.columns) == [0, 1, "error"]
    assert meta.dtypes[1].pyarrow_dtype == pa.list_(pa.float32())


def test_two_columns_of_one_name_are_an_error_before_anything_is_computed(sandbox: Sandbox) -> None:
    frame = pd.DataFrame([["a", "b"]], columns=["text", "text"])
    with pytest.raises(InvalidArgumentError, match="has several columns 'text'"):
        Embedder(MODEL, base_url=sandbox.base_url).meta(frame)


def test_a_worker_with_a_wrong_key_ends_the_computation(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MELIOUS_API_KEY", "sk-mel-wrong")
    embed = Embedder(MODEL, base_url=sandbox.base_url)
    corpus = _corpus(2)
    with pytest.raises(AuthenticationError):
        corpus.map_partitions(embed, meta=embed.meta(corpus)).compute(scheduler="processes")
