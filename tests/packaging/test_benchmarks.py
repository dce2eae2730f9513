"""The benchmark suite runs from end to end and has a figure for everyone who is installed."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RAW = {"httpx", "httpx2", "openai", "MeliousClient"}
SYNC = {*RAW, "langchain_melious", "llama_index_melious"}
ASYNC = {*SYNC, "MeliousClient, aiohttp", "openai, aiohttp"}
TABLES = {
    "request, sync": SYNC,
    "request, async": ASYNC,
    "request, async x64": ASYNC,
    "streamed chunk, sync": SYNC,
    "streamed chunk, async": ASYNC,
    "embeddings": {*SYNC, "httpx, floats", "httpx2, floats", "openai, floats"},
    "import": {*RAW, "httpx2 + pydantic", "melious, the name alone"},
    "import, construction and first answer": {*RAW, "httpx2 + pydantic"},
    "construction, the first of a process": {*RAW, "httpx2 + pydantic"},
    "construction, after the first": {*RAW, "httpx2 + pydantic"},
}


@pytest.mark.timeout(180)
def test_every_row_of_a_quick_run_has_a_figure(tmp_path: Path) -> None:
    written = tmp_path / "run.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--json", str(written)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(written.read_text())

    assert {title: set(table["figures"]) for title, table in run["tables"].items()} == TABLES
    for title, table in run["tables"].items():
        for name, figure in table["figures"].items():
            assert math.isfinite(figure), (title, name)
            assert figure > 0, (title, name)
            assert f"  {name}  " in done.stdout

    assert len(run["limits"]) == done.stdout.count(" <= ") + done.stdout.count(" >= ")
    assert all(limit["reached"] is not None for limit in run["limits"])
    assert set(run["missing"]) == {"langchain-openai", "llama-index OpenAILike"}
