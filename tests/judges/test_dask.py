"""Dask on a cluster of processes, one of which is killed, and a run that goes on from what was written."""

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

pytestmark = [
    # Dask's own, of pandas 3.1.
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
    # A killed worker leaves its sockets to the garbage collector of the scheduler.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    require("dask")
    require("distributed")
    from distributed import Client, LocalCluster

    with (
        environment_of_workers(),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
            silence_logs=50,
        ) as cluster,
        # As a default it would take part in what the other schedulers compute.
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(params=["threads", "processes", "distributed"])
def scheduler(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "distributed":
        # The cluster sets the environment, for workers that it starts anew too.
        yield request.getfixturevalue("cluster")
        return
    with environment_of_workers():
        yield request.param


def _corpus() -> Any:
    require("dask")
    import dask.dataframe as dd
    import pandas as pd

    return dd.from_pandas(pd.DataFrame({"id": IDS, "text": TEXTS}), npartitions=8)


def _embedder(sandbox: Sandbox) -> Embedder:
    return Embedder(MODEL, base_url=sandbox.base_url, dimensions=DIMENSIONS, report_column="spent")


def _rows(frame: Any) -> list[dict[str, Any]]:
    return [
        {name: None if _is_missing(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _is_missing(value: Any) -> bool:
    import pandas as pd

    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def test_every_row_comes_back_and_the_bill_adds_up(scheduler: Any, sandbox: Sandbox) -> None:
    embed, corpus = _embedder(sandbox), _corpus()
    done = corpus.map_partitions(embed, meta=embed.meta(corpus)).compute(scheduler=scheduler)
    assert ledger_of(done["spent"]).total.requests == len(sandbox.requests)
    assert sorted(texts_sent(sandbox)) == texts_of(IDS)
    check_rows(_rows(done), sandbox)


def test_a_killed_worker_loses_no_row(cluster: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    killer = KillsItsWorkerOnce(tmp_path, row=700)
    embed, corpus = _embedder(sandbox), _corpus()

    def embed_and_kill(part: Any) -> Any:
        done = embed(part)
        killer.meet(part["id"])
        return done

    done = corpus.map_partitions(embed_and_kill, meta=embed.meta(corpus)).compute(scheduler=cluster)
    assert killer.happened
    check_rows(_rows(done), sandbox)


def test_a_run_goes_on_from_what_was_written(scheduler: Any, sandbox: Sandbox, tmp_path: Path) -> None:
    embed, corpus = _embedder(sandbox), _corpus()
    import dask.dataframe as dd

    half = corpus.partitions[:4]
    half.map_partitions(embed, meta=embed.meta(half)).to_parquet(
        tmp_path / "done", write_index=False, compute_kwargs={"scheduler": scheduler}
    )
    sandbox.reset()
    written = dd.read_parquet(tmp_path / "done", columns=["id", "embedding"])
    joined = corpus.merge(written, on="id", how="left")
    done = joined.map_partitions(embed, meta=embed.meta(joined)).compute(scheduler=scheduler)
    assert sorted(texts_sent(sandbox)) == texts_of(IDS[len(IDS) // 2 :])
    check_rows(_rows(done), sandbox)
