"""Ray Data with workers of its own, one of which is killed, and a run that goes on from what was written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from melious.sandbox import Sandbox
from melious.scale import Embedder, ledger_of

from .corpus import (
    DIMENSIONS,
    IDS,
    MODEL,
    TEXTS,
    KillsItsWorkerOnce,
    check_rows,
    environment_of_workers,
    texts_of,
    texts_sent,
)
from .installed import require

pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.")


@pytest.fixture(scope="module")
def data() -> Iterator[Any]:
    require("ray")
    with environment_of_workers(), pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        ray.init(
            num_cpus=2,
            object_store_memory=256 * 1024**2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray.data
        ray.shutdown()


def _corpus(data: Any) -> Any:
    import pyarrow as pa

    return data.from_arrow(pa.table({"id": IDS, "text": TEXTS})).repartition(8)


def _embedder(sandbox: Sandbox) -> Embedder:
    return Embedder(MODEL, base_url=sandbox.base_url, dimensions=DIMENSIONS, report_column="spent")


def test_every_row_comes_back_and_the_bill_adds_up(data: Any, sandbox: Sandbox) -> None:
    rows = _corpus(data).map_batches(_embedder(sandbox), batch_size=250).take_all()
    assert ledger_of(row["spent"] for row in rows).total.requests == len(sandbox.requests)
    assert sorted(texts_sent(sandbox)) == texts_of(IDS)
    check_rows(rows, sandbox)


def test_a_killed_worker_loses_no_row(data: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    killer = KillsItsWorkerOnce(tmp_path, row=700)

    def kill(batch: dict[str, Any]) -> dict[str, Any]:
        killer.meet(batch["id"])
        return batch

    done = _corpus(data).map_batches(_embedder(sandbox), batch_size=250).map_batches(kill, batch_size=250)
    rows = done.take_all()
    assert killer.happened
    check_rows(rows, sandbox)


def test_a_run_goes_on_from_what_was_written(data: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    from ray.data.expressions import col

    embed, written = _embedder(sandbox), str(tmp_path / "done")
    half = len(IDS) // 2
    first = _corpus(data).filter(expr=col("id") < half)
    first.map_batches(embed, batch_size=250).write_parquet(written)
    sandbox.reset()
    done = [row["id"] for row in data.read_parquet(written).select_columns(["id"]).take_all()]
    rest = _corpus(data).filter(expr=col("id").not_in(done))
    rest.map_batches(embed, batch_size=250).write_parquet(written)
    assert sorted(texts_sent(sandbox)) == texts_of(IDS[half:])
    sandbox.reset()
    rows = data.read_parquet(written).map_batches(embed, batch_size=250).take_all()
    assert not texts_sent(sandbox), "what has a vector is not sent again"
    check_rows(rows, sandbox)
