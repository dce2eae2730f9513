"""PySpark with Python workers, one of which is killed, and a run that goes on from what was written."""

import shutil
import sys
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

SCHEMA = "id long, text string, embedding array<float>, error string, spent string"
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:pyspark"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    require("pyspark")
    if shutil.which("java") is None:
        pytest.skip("java is not installed")
    from pyspark.sql import SparkSession

    with environment_of_workers(), pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYSPARK_PYTHON", sys.executable)
        session = (
            # A task may fail three times before the job does.
            SparkSession.builder.master("local[2,4]")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .config("spark.log.level", "OFF")
            .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("spark")))
            .getOrCreate()
        )
        yield session
        session.stop()


def _corpus(spark: Any) -> Any:
    return spark.createDataFrame(list(zip(IDS, TEXTS, strict=True)), "id long, text string").repartition(8)


def _embedder(sandbox: Sandbox, **options: Any) -> Embedder:
    ours = {"base_url": sandbox.base_url, "dimensions": DIMENSIONS, "report_column": "spent"}
    return Embedder(MODEL, **ours | options)


def _rows(frame: Any) -> list[dict[str, Any]]:
    return [row.asDict() for row in frame.collect()]


@pytest.mark.parametrize("way", ["mapInPandas", "mapInArrow"])
def test_every_row_comes_back_and_the_bill_adds_up(way: str, spark: Any, sandbox: Sandbox) -> None:
    rows = _rows(getattr(_corpus(spark), way)(_embedder(sandbox), SCHEMA))
    assert ledger_of(row["spent"] for row in rows).total.requests == len(sandbox.requests)
    assert sorted(texts_sent(sandbox)) == texts_of(IDS)
    check_rows(rows, sandbox)


def test_a_killed_worker_loses_no_row(spark: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    embed = _embedder(sandbox)
    killer = KillsItsWorkerOnce(tmp_path, row=700)

    def embed_and_kill(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            yield from embed(iter([batch]))
            killer.meet(batch["id"])

    rows = _rows(_corpus(spark).mapInPandas(embed_and_kill, SCHEMA))
    assert killer.happened
    check_rows(rows, sandbox)


def test_a_run_goes_on_from_what_was_written(spark: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    corpus, embed, written = _corpus(spark), _embedder(sandbox), str(tmp_path / "done")
    corpus.where("id % 2 = 0").mapInPandas(embed, SCHEMA).write.parquet(written)
    sandbox.reset()
    done = spark.read.parquet(written).select("id", "embedding")
    rows = _rows(corpus.join(done, "id", "left").mapInPandas(embed, SCHEMA))
    assert sorted(texts_sent(sandbox)) == texts_of(range(1, len(IDS), 2))
    check_rows(rows, sandbox)


def test_a_wrong_key_ends_the_job_and_stays_secret(spark: Any, sandbox: Sandbox) -> None:
    embed = _embedder(sandbox, api_key="sk-mel-wrong-and-secret", pickle_key=True)
    with pytest.raises(Exception, match="AuthenticationError") as caught:
        _rows(_corpus(spark).mapInPandas(embed, SCHEMA))
    assert "wrong-and-secret" not in str(caught.value)
