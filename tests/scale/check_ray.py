"""Ray Data's `map_batches`, for real: local workers of their own, a sandbox in this process."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ray.data.expressions import col

from melious import MeliousClient, track_impact
from melious.sandbox import Fault, Sandbox
from melious.scale import Embedder, ledger_of

from .conftest import MODEL, texts_sent

pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.")
TEXTS = [f"lighthouse {number}" if number % 7 else "" for number in range(40)]
VECTORS = pa.list_(pa.float32())


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """Workers get the environment as it is when the cluster starts, with the sandbox's key in it."""
    os.environ["MELIOUS_API_KEY"] = "sk-mel-sandbox"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        num_cpus=4,
        object_store_memory=256 * 1024**2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    del os.environ["MELIOUS_API_KEY"]
    yield
    ray.shutdown()


def _corpus(blocks: int = 5) -> Any:
    table = pa.table({"id": range(len(TEXTS)), "text": TEXTS})
    return ray.data.from_arrow(table).repartition(blocks)


def _rows(dataset: Any) -> list[dict[str, Any]]:
    return sorted(dataset.take_all(), key=lambda row: row["id"])


@pytest.mark.parametrize("batch_format", ["numpy", "pandas", "pyarrow"])
def test_every_batch_format_gives_the_same_table(batch_format: str, sandbox: Sandbox) -> None:
    embed = Embedder(MODEL, base_url=sandbox.base_url)
    done = _corpus().map_batches(embed, batch_size=8, batch_format=batch_format).materialize()
    tables = [ray.get(block) for block in done.to_arrow_refs()]
    assert sum(table.num_rows for table in tables) == 40
    for table in tables if batch_format != "pandas" else ():
        assert table.schema.names == ["id", "text", "embedding", "error"]
        assert table.schema.types[2:] == [VECTORS, pa.string()], "the same with and without failed rows"
    rows = _rows(done)
    failed = [row["id"] for row in rows if row["error"] is not None]
    assert failed == [place for place, text in enumerate(TEXTS) if not text]
    assert [row["id"] for row in rows if row["embedding"] is None] == failed
    with MeliousClient(api_key=sandbox.api_key, base_url=sandbox.base_url) as client:
        wanted = client.embeddings.create(model=MODEL, input=[TEXTS[39]]).embeddings[0]
    assert list(rows[39]["embedding"]) == wanted


def test_workers_do_it_in_processes_of_their_own(sandbox: Sandbox) -> None:
    embed = Embedder(MODEL, base_url=sandbox.base_url, report_column="spent")
    with track_impact() as here:
        done = _corpus().map_batches(embed, batch_size=8, compute=ray.data.TaskPoolStrategy(size=2))
        ledger = ledger_of(row["spent"] for row in _rows(done))
    assert here.total.requests == 0
    assert ledger.total.requests == len(sandbox.requests) == ledger.total.with_impact
    assert ledger.total.carbon_g_co2 is not None
    assert sorted(texts_sent(sandbox)) == sorted(text for text in TEXTS if text)


def test_actors_are_made_from_the_class(sandbox: Sandbox) -> None:
    done = _corpus().map_batches(
        Embedder,
        fn_constructor_args=(MODEL,),
        fn_constructor_kwargs={"base_url": sandbox.base_url, "batch_size": 4},
        batch_size=8,
        compute=ray.data.ActorPoolStrategy(size=2),
    )
    assert sum(row["embedding"] is not None for row in done.take_all()) == 34


def test_a_given_key_does_not_leave_this_process(sandbox: Sandbox) -> None:
    embed = Embedder(MODEL, api_key=sandbox.api_key, base_url=sandbox.base_url)
    with pytest.raises(ValueError, match="is not pickled"):
        _corpus().map_batches(embed, batch_size=8).materialize()
    assert not sandbox.requests


def test_workers_share_a_rate_limit_without_knowing_of_each_other(start_sandbox: Any) -> None:
    sandbox = start_sandbox(rate_limit=12, rate_window=2.0)
    embed = Embedder(MODEL, base_url=sandbox.base_url, batch_size=1)
    done = _corpus(8).map_batches(embed, batch_size=5, compute=ray.data.TaskPoolStrategy(size=4))
    rows = _rows(done)
    assert sum(row["embedding"] is not None for row in rows) == 34
    assert all(row["error"] is None for row in rows if row["text"]), "who is refused waits"
    asked = len(sandbox.requests)
    assert 34 <= asked <= 70, f"{asked - 34} of {asked} requests were refused"


def test_a_run_that_stopped_goes_on_from_what_was_written(sandbox: Sandbox, tmp_path: Path) -> None:
    written = str(tmp_path / "vectors")
    broken = Embedder(MODEL, base_url=sandbox.base_url, on_error="raise", max_retries=0)
    good = _corpus().filter(expr=col("text") != "")
    sandbox.faults.add(Fault(code="provider_error", endpoint="embeddings", after=2, times=None))
    with pytest.raises(Exception, match="ProviderError"):
        good.map_batches(broken, batch_size=4, compute=ray.data.TaskPoolStrategy(size=1)).write_parquet(
            written
        )
    before = pq.read_table(written).num_rows if any(tmp_path.rglob("*.parquet")) else 0
    paid = len(texts_sent(sandbox))
    assert 0 < before < 34
    assert paid >= before

    sandbox.reset()
    done = [row["id"] for row in ray.data.read_parquet(written).select_columns(["id"]).take_all()]
    rest = good.filter(expr=col("id").not_in(done))
    rest.map_batches(Embedder(MODEL, base_url=sandbox.base_url), batch_size=4).write_parquet(written)
    assert len(texts_sent(sandbox)) == 34 - before, "what was written is not paid for again"
    table = ray.data.read_parquet(written)
    assert sorted(row["id"] for row in table.take_all()) == [n for n, text in enumerate(TEXTS) if text]


def test_rows_that_failed_are_tried_again_and_no_others(sandbox: Sandbox) -> None:
    embed = Embedder(MODEL, base_url=sandbox.base_url, max_retries=0)
    sandbox.faults.add(Fault(code="provider_error", endpoint="embeddings", after=1))
    first = (
        _corpus().map_batches(embed, batch_size=8, compute=ray.data.TaskPoolStrategy(size=1)).materialize()
    )
    lost = [row for row in _rows(first) if row["error"] and "ProviderError" in row["error"]]
    assert 0 < len(lost) <= 8
    sandbox.reset()
    second = _rows(first.map_batches(embed, batch_size=8))
    assert sorted(texts_sent(sandbox)) == sorted(row["text"] for row in lost)
    assert sum(row["embedding"] is not None for row in second) == 34
